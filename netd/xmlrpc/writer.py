"""
A value as the XML of its `<value>`, written a few hundred values at a time.

Rules: pure and strict.  What XML-RPC has no form of is a Fault, and so is what
gets larger than a response may be; the size is counted while writing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import attrs
from attrs import frozen

from netd.xmlrpc.faults import INTERNAL, TOO_LARGE, Fault
from netd.xmlrpc.reader import DEPTH
from netd.xmlrpc.scalars import Value, base64, date_time, double, escaped, integer, packed
from netd.xmlrpc.steps import Steps

LARGEST: Final = 8 * 1024 * 1024
"""The bytes of a response."""

_PIECE: Final = 48 * 1024
"""The characters of a string, or bytes, between two steps; base64 counts by three."""

_VALUES: Final = 1000
"""The values between two steps."""


@frozen
class Encoded:
    """A value that has been written already, in another process."""

    xml: bytes


def _boolean(value: bool) -> str:
    return "<boolean>1</boolean>" if value else "<boolean>0</boolean>"


def _string(value: str) -> str:
    return f"<string>{escaped(value)}</string>"


def _nil(_value: None) -> str:
    return "<nil/>"


SCALARS: Final[dict[type, Callable[[Any], str]]] = {
    int: integer,
    str: _string,
    float: double,
    bool: _boolean,
    type(None): _nil,
    bytes: base64,
    bytearray: base64,
    datetime: date_time,
}
"""The element of a value, by its type."""


_PLAIN: Final[tuple[tuple[type, Callable[[Any], Value]], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, bytes.__bytes__),
    (memoryview, bytes),
    (list, list),
    (tuple, list),
    (Mapping, dict),
)
"""What is sent as something that it is a kind of, and how it becomes just that."""


def plain(value: Any) -> Value:
    """`value` as one of the types that have a form here; a Fault when there is none."""
    for kind, convert in _PLAIN:
        if isinstance(value, kind):
            return convert(value)
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.timetz())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if attrs.has(type(value)):
        return {each.name: getattr(value, each.name) for each in attrs.fields(type(value))}
    raise Fault(INTERNAL, f"a {type(value).__name__} cannot be sent")


_LONG: Final = (str, bytes, bytearray)


class Writer:
    """One value on its way out, at most `most` bytes of it."""

    def __init__(self, most: int = LARGEST) -> None:
        self._pieces: list[str] = []
        # What is encoded, in large pieces: one join at the end would take too long.
        self._done: list[bytes] = []
        self._left = most
        self._most = most

    def write(self, value: Value) -> Steps[bytes]:
        """`<value>...</value>` of `value`."""
        # What is open: its items still to come, whether they have names, what closes it.
        stack: list[tuple[Iterator[Any], bool, str]] = [(iter((value,)), False, "")]
        count = 0
        while stack:
            items, named, closing = stack[-1]
            for item in items:
                count += 1
                if count % _VALUES == 0:
                    self._encode()
                    yield
                if named:
                    name, item = item  # noqa: PLW2901  # the member's own
                    self._put(_name(name))
                end = "</value></member>" if named else "</value>"
                if type(item) in _LONG and len(item) > _PIECE:
                    yield from self._long(item, end)
                elif (container := self._scalar(item, end)) is not None:
                    if len(stack) > DEPTH:
                        raise Fault(INTERNAL, f"nested deeper than {DEPTH}: it cannot be sent")
                    stack.append(self._opened(container, end))
                    break
            else:
                stack.pop()
                self._put(closing)
        self._encode()
        return b"".join(self._done)

    def _encode(self) -> None:
        self._done.append("".join(self._pieces).encode())
        self._pieces.clear()

    def _put(self, piece: str) -> None:
        # isascii looks at a flag; only what needs it is encoded to be measured.
        self._take(len(piece) if piece.isascii() else len(piece.encode()))
        self._pieces.append(piece)

    def _take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise Fault(TOO_LARGE, f"the result is larger than {self._most} bytes")

    def _scalar(self, item: Any, end: str) -> list[Any] | dict[Any, Any] | None:
        """Write `item` when it is a scalar; the list or dict that it is otherwise."""
        kind = type(item)
        if kind is list or kind is dict:
            return item  # type: ignore[no-any-return]
        if kind is Encoded:
            # `<value>` and `</value>` are in it; `end` may close a member as well.
            self._encode()
            self._done.append(item.xml)
            self._take(len(item.xml))
            self._put(end[8:])
            return None
        scalar = SCALARS.get(kind)
        if scalar is None:
            return self._scalar(plain(item), end)
        self._put(f"<value>{scalar(item)}{end}")
        return None

    def _opened(
        self, container: list[Any] | dict[Any, Any], end: str
    ) -> tuple[Iterator[Any], bool, str]:
        if isinstance(container, dict):
            self._put("<value><struct>")
            return iter(list(container.items())), True, f"</struct>{end}"
        self._put("<value><array><data>")
        return iter(container), False, f"</data></array>{end}"

    def _long(self, value: str | bytes | bytearray, end: str) -> Steps[None]:
        """A string or bytes in pieces."""
        kind = "string" if isinstance(value, str) else "base64"
        self._put(f"<value><{kind}>")
        for start in range(0, len(value), _PIECE):
            piece = value[start : start + _PIECE]
            self._put(escaped(piece) if isinstance(piece, str) else packed(piece))
            self._encode()
            yield
        self._put(f"</{kind}>{end}")


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise Fault(INTERNAL, f"a struct's member cannot be named by a {type(name).__name__}")
    return f"<member><name>{escaped(name)}</name>"
