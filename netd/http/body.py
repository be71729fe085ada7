"""
The body of an HTTP/1.1 request: pieces of the wire in, pieces of the body out.

Rules: pure and sans-I/O; keeps no body, only what it needs to find its end.
Both kinds are fed alike: `feed(data)` gives the bytes of the body in `data`
and, once the body is whole, what followed it; until then the second is None.

Source: RFC 9112 sections 6 and 7.
"""

from __future__ import annotations

import re
from typing import Final

from netd.http.errors import RequestError
from netd.http.fields import TOKEN, trailers
from netd.http.request_head import END

_QUOTED: Final = rb'"(?>[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
_EXTENSION: Final = (
    rb"(?>[\t ]*+;[\t ]*+"
    + TOKEN
    + rb"(?:[\t ]*+=[\t ]*+(?:"
    + TOKEN
    + rb"|"
    + _QUOTED
    + rb"))?+)"
)
# 16 digits count more bytes than any disk has.
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(" + _EXTENSION + rb"*+)")

MOST_EXTENSIONS: Final = 256
"""Bytes of chunk extensions in one body; they say nothing, so they may not say much."""
_MOST_LINE: Final = 16 + MOST_EXTENSIONS


class Sized:
    """A body of `length` bytes (RFC 9112 6.2)."""

    __slots__ = ("_left",)

    trailers: Final[dict[bytes, tuple[bytes, ...]]] = {}

    def __init__(self, length: int) -> None:
        self._left = length

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The part of `data` that is body and, once the body is whole, the rest."""
        if len(data) < self._left:
            self._left -= len(data)
            return data, None
        return data[: self._left], data[self._left :]


class Chunked:
    """
    A body in chunks (RFC 9112 7.1), of at most `most` bytes.

    `trailers` holds the trailer fields once the body is whole; the section
    must fit into `most_trailers` bytes and `most_fields` fields.
    """

    __slots__ = (
        "_buffer",
        "_extensions",
        "_left",
        "_most",
        "_most_fields",
        "_most_trailers",
        "_state",
        "_total",
        "trailers",
    )

    def __init__(self, most: int, most_trailers: int, most_fields: int) -> None:
        self._most = most
        self._most_trailers = most_trailers
        self._most_fields = most_fields
        self._buffer = b""
        self._state = "size"
        self._left = 0
        self._total = 0
        self._extensions = 0
        self.trailers: dict[bytes, tuple[bytes, ...]] = {}

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """
        The bytes of the body in `data` and, once the body is whole, what followed it.

        Raises `RequestError` at the first byte that no well-formed body goes on with
        and at the size of the first chunk that is too much.
        """
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        pieces: list[bytes] = []
        at = 0
        while self._state != "trailers":
            here = at
            if self._state == "size":
                at = self._size(data, at)
            elif self._state == "data":
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = "end"
            else:
                at = self._end(data, at)
            if at == here and self._state != "trailers":
                self._buffer = data[at:]
                return b"".join(pieces), None
        return b"".join(pieces), self._trailers(data[at:])

    def _size(self, data: bytes, at: int) -> int:
        """Read the line before a chunk; say where the chunk starts, or `at` to wait."""
        stop = data.find(b"\r\n", at)
        if stop < 0:
            half = data[at:].removesuffix(b"\r")
            # What is no line so far will not become one.
            if len(half) > _MOST_LINE or b"\n" in half or b"\r" in half:
                raise RequestError("chunk")
            return at
        match = _SIZE.fullmatch(data, at, stop)
        if match is None:
            raise RequestError("chunk")
        self._extensions += len(match[2])
        if self._extensions > MOST_EXTENSIONS:
            raise RequestError("chunk")
        self._left = int(match[1], 16)
        self._total += self._left
        if self._total > self._most:
            raise RequestError("large-body")
        self._state = "data" if self._left else "trailers"
        return stop + 2

    def _end(self, data: bytes, at: int) -> int:
        """Read the CRLF after a chunk; say where the next line starts, or `at` to wait."""
        end = data[at : at + 2]
        if not b"\r\n".startswith(end):
            raise RequestError("chunk")
        if len(end) < 2:
            return at
        self._state = "size"
        return at + 2

    def _trailers(self, data: bytes) -> bytes | None:
        """What follows the trailer section, or None while it is not whole."""
        if data.startswith(b"\r\n"):
            return data[2:]
        stop = data.find(END) + 4
        if 4 <= stop <= self._most_trailers:
            self.trailers = trailers(data[:stop], self._most_fields)
            return data[stop:]
        seen = data[: self._most_trailers]
        if seen.count(b"\n") != seen.count(b"\r\n"):
            raise RequestError("trailer")
        if len(data) > self._most_trailers:
            raise RequestError("large-head")
        self._buffer = data
        return None
