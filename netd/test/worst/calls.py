"""
The worst XML-RPC calls: of each method, and bodies that keep the reader busy.

Rules: pure.  A new method is in it by itself, with the largest values of its types.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Final

from netd.test.worst.bodies import Make
from netd.test.worst.requests import Case
from netd.xmlrpc.registry import Procedure

MAX_CALL: Final = 1024 * 1024
_OPEN: Final = b"<methodCall><methodName>%b</methodName><params><param><value>"
_CALL: Final = b"<methodCall><methodName>%b</methodName><params>%b</params></methodCall>"
_CLOSE: Final = b"</value></param></params></methodCall>"
_ECHO: Final = _OPEN % b"lab.echo"
_INTS: Final = _OPEN % b"interopEchoTests.echoIntegerArray"
_ARRAY: Final = (b"<array><data>", b"</data></array>")


def _filled(
    piece: bytes, before: bytes = b"", after: bytes = b"", opening: bytes = _ECHO
) -> Make:
    """A call with as many of `piece` as fit."""

    def make(size: int) -> bytes:
        room = size - len(opening + before + after + _CLOSE)
        return opening + before + piece * (room // len(piece)) + after + _CLOSE

    return make


def _numbered(shape: str, before: bytes, after: bytes) -> Make:
    """A call with as many of `shape` as fit, each with another number."""

    def make(size: int) -> bytes:
        count = max(0, size - len(_ECHO + before + after)) // (len(shape) + 4)
        pieces = (shape.format(number).encode() for number in range(count))
        return _ECHO + before + b"".join(pieces) + after

    return make


CALLS: Final[Mapping[str, Make]] = {
    "an array of ints": _filled(b"<value><int>1</int></value>", *_ARRAY),
    "100 000 empty values": _filled(b"<value/>", *_ARRAY),
    "an array that is checked": _filled(b"<value><int>1</int></value>", *_ARRAY, _INTS),
    "a huge string": _filled(b"x"),
    "a string of references": _filled(b"&amp;"),
    "huge base64": _filled(b"QUJD", b"<base64>", b"</base64>"),
    "a huge int": _filled(b"1", b"<int>", b"</int>"),
    "deep nesting": _filled(b"<array><data><value>"),
    "a struct of many members": _numbered(
        "<member><name>{}</name><value/></member>", b"<struct>", b"</struct>" + _CLOSE
    ),
    "many attributes": _numbered("a{}='' ", b"<int ", b">1</int>" + _CLOSE),
    "tags with many attributes": _filled(b"<value a='' />", *_ARRAY),
    "a long name": lambda size: _ECHO + b"<" + b"a" * (size - len(_ECHO) - 1),
    "a long comment": lambda size: _ECHO + b"<!--" + b"x" * (size - len(_ECHO) - 4),
    "many comments": _filled(b"<!---->"),
    "entities": lambda size: b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>" + _filled(b"&a;")(size - 33),
    "a gzip bomb, not unpacked": lambda size: gzip.compress(bytes(50 * size), mtime=0),
}
"""Bodies by their names; none is larger than was asked for, which is at least 256 bytes."""


def calls(procedures: Iterable[Procedure], size: int) -> Iterator[Case]:
    """Each body, and a call of each method that runs in the daemon, of about `size` bytes."""
    for name, make in CALLS.items():
        yield _case("RPC2", name, make(size))
    for each in procedures:
        if not each.offload:
            for types in each.signature.variants:
                for values in product(*(_values(kind, size // 2) for kind in types[1:])):
                    params = b"".join(b"<param><value>%b</value></param>" % v for v in values)
                    shown = ", ".join(value[:32].decode() for value in values)
                    body = (_CALL % (each.name.encode(), params))[:MAX_CALL]
                    yield _case(each.name, shown, body)


def _case(route: str, name: str, body: bytes) -> Case:
    head = b"POST /RPC2 HTTP/1.1\r\nHost: netd\r\nContent-Type: text/xml\r\n"
    return Case(route, name, b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))


def _values(kind: str, size: int) -> list[bytes]:
    """The values of an XML-RPC type that may be expensive."""
    if kind in ("array", "undef"):
        network = b"<value>10.%d.%d.0/25</value>"
        networks = b"".join(
            network % (number >> 8 & 255, number & 255) for number in range(size // 40)
        )
        return [
            b"<array><data>" + content + b"</data></array>"
            for content in (networks, b"<value><int>1</int></value>" * (size // 27))
        ]
    if kind == "struct":
        member = b"<member><name>%d</name><value/></member>"
        return [b"<struct>" + b"".join(member % n for n in range(size // 46)) + b"</struct>"]
    if kind == "string":
        return [b"&lt;&amp;'" * (size // 10), b"0:" * (size // 2), b"0.0.0.0/0", b"::/0"]
    return _OTHERS[kind]


_OTHERS: Final = {
    "int": [b"<int>2147483647</int>", b"<int>128</int>", b"<int>0</int>"],
    "double": [b"<double>1e308</double>"],
    "boolean": [b"<boolean>1</boolean>"],
    "dateTime.iso8601": [b"<dateTime.iso8601>20240101T00:00:00</dateTime.iso8601>"],
    "base64": [b"<base64>" + b"QUJD" * 100 + b"</base64>"],
}
