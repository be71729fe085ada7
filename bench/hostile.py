"""Bodies that froze one server or another, each just within what netd takes.

Rules: bytes only; the unit tests have the same ideas as a table of refusals.
"""

import gzip

_MOST = 1024 * 1024
_OPEN = b"<methodCall><methodName>lab.echo</methodName><params><param><value>"
_INTS = b"interopEchoTests.echoIntegerArray"
_CLOSE = b"</value></param></params></methodCall>"


def _filled(
    piece: bytes, before: bytes = b"", after: bytes = b"", opening: bytes = _OPEN
) -> bytes:
    """A call with as many of `piece` as fit."""
    room = _MOST - len(opening + before + after + _CLOSE)
    return opening + before + piece * (room // len(piece)) + after + _CLOSE


def _numbered(shape: str, before: bytes, after: bytes, count: int) -> bytes:
    return _OPEN + before + b"".join(shape.format(n).encode() for n in range(count)) + after


def bodies() -> dict[str, bytes]:
    """The bodies by their names; none is longer than 1 MiB."""
    array, end = b"<array><data>", b"</data></array>"
    member = "<member><name>{}</name><value/></member>"
    return {
        "an array of ints": _filled(b"<value><int>1</int></value>", array, end),
        "100 000 empty values": _filled(b"<value/>", array, end),
        "an array that is checked": _filled(
            b"<value><int>1</int></value>", array, end, _OPEN.replace(b"lab.echo", _INTS)
        ),
        "a huge string": _filled(b"x"),
        "a string of references": _filled(b"&amp;"),
        "huge base64": _filled(b"QUJD", b"<base64>", b"</base64>"),
        "a huge int": _filled(b"1", b"<int>", b"</int>"),
        "deep nesting": _filled(b"<array><data><value>"),
        "a struct of many members": _numbered(
            member, b"<struct>", b"</struct>" + _CLOSE, 22_000
        ),
        "many attributes": _numbered("a{}='' ", b"<int ", b">1</int>" + _CLOSE, 90_000),
        "tags with many attributes": _filled(b"<value " + b"a='' " * 1 + b"/>", array, end),
        "a long name": _OPEN + b"<" + b"a" * 1_000_000,
        "a long comment": _OPEN + b"<!--" + b"x" * 1_000_000,
        "many comments": _filled(b"<!---->"),
        "entities": b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>" + _filled(b"&a;")[:1_000_000],
        "a gzip bomb, not unpacked": gzip.compress(bytes(50_000_000)),
        "more than 1 MiB": b"x" * (_MOST + 1),
    }
