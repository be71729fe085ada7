"""
A value as the XML of its `<value>`, written a few hundred values at a time.

Rules: pure and strict.  A value of a type that XML-RPC lacks is a Fault, and so
is a response above its limit; the size is counted while writing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import attrs
from attrs import frozen

from netd.steps import Steps
from netd.xmlrpc.faults import INTERNAL, TOO_LARGE, Fault
from netd.xmlrpc.reader import DEPTH
from netd.xmlrpc.scalars import Value, base64, base64_text, date_time, double, escaped, integer

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of a response."""

_LONG: Final = (str, bytes, bytearray)
_PIECE: Final = 48 * 1024
"""Characters or bytes of a long value between two steps; base64 needs a multiple of three."""
_VALUES: Final = 1000
"""Values between two steps."""


@frozen
class Encoded:
    """A value that a worker has written already."""

    xml: bytes


SCALARS: Final[dict[type, Callable[[Any], str]]] = {
    int: integer,
    str: lambda value: f"<string>{escaped(value)}</string>",
    float: double,
    bool: lambda value: "<boolean>1</boolean>" if value else "<boolean>0</boolean>",
    type(None): lambda _: "<nil/>",
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
    (datetime, lambda value: datetime.combine(value.date(), value.timetz())),
)
"""Base classes whose instances are sent as plain values, and how to convert them."""


def plain(value: Any) -> Value:
    """`value` converted to a type that can be written; a Fault when there is none."""
    for kind, convert in _PLAIN:
        if isinstance(value, kind):
            return convert(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if attrs.has(type(value)):
        return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
    raise Fault(INTERNAL, f"a {type(value).__name__} cannot be sent")


class Writer:
    """Writes one value, in at most `limit` bytes, with elements as `scalars` writes them."""

    def __init__(
        self,
        limit: int = LARGEST,
        scalars: Mapping[type, Callable[[Any], str]] = MappingProxyType(SCALARS),
    ) -> None:
        self._scalars = scalars
        self._pieces: list[str] = []
        # Encoded in large pieces, because one encoding at the end would take too long.
        self._done: list[bytes] = []
        self._left = limit
        self._limit = limit

    def write(self, value: Value) -> Steps[bytes]:
        """`<value>...</value>` of `value`."""
        # For each open container its remaining items, whether they are named, its end.
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
                    name, item = item  # noqa: PLW2901  # the member's value
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
        # Without empty pieces what a worker has written is the whole, and not copied.
        if text := "".join(self._pieces):
            self._done.append(text.encode())
        self._pieces.clear()

    def _put(self, piece: str) -> None:
        # Only non-ASCII text is encoded to be measured; isascii only reads a flag.
        self._take(len(piece) if piece.isascii() else len(piece.encode()))
        self._pieces.append(piece)

    def _take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise Fault(TOO_LARGE, f"the result is larger than {self._limit} bytes")

    def _scalar(self, item: Any, end: str) -> list[Any] | dict[Any, object] | None:
        """Write a scalar; return any other `item` as the list or dict that it is sent as."""
        kind = type(item)
        if kind is list or kind is dict:
            return item  # type: ignore[no-any-return]
        if kind is Encoded:
            # Its XML has `<value>` and `</value>`; `end` may close a member as well.
            self._encode()
            self._done.append(item.xml)
            self._take(len(item.xml))
            self._put(end.removeprefix("</value>"))
            return None
        scalar = self._scalars.get(kind)
        if scalar is None:
            return self._scalar(plain(item), end)
        self._put(f"<value>{scalar(item)}{end}")
        return None

    def _opened(
        self, container: list[object] | dict[object, object], end: str
    ) -> tuple[Iterator[object], bool, str]:
        if isinstance(container, dict):
            self._put("<value><struct>")
            return iter(list(container.items())), True, f"</struct>{end}"
        self._put("<value><array><data>")
        return iter(container), False, f"</data></array>{end}"

    def _long(self, value: str | bytes | bytearray, end: str) -> Steps[None]:
        """Write a string or bytes in pieces."""
        kind = "string" if isinstance(value, str) else "base64"
        self._put(f"<value><{kind}>")
        for start in range(0, len(value), _PIECE):
            piece = value[start : start + _PIECE]
            self._put(escaped(piece) if isinstance(piece, str) else base64_text(piece))
            self._encode()
            yield
        self._put(f"</{kind}>{end}")


def _name(name: object) -> str:
    """The start of a member."""
    if not isinstance(name, str):
        raise Fault(INTERNAL, f"a struct's member cannot be named by a {type(name).__name__}")
    return f"<member><name>{escaped(name)}</name>"
