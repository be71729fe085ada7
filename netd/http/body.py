"""
The body of an HTTP/1.1 request: pieces of the wire in, pieces of the body out.

Rules: pure and sans-I/O; keeps no body, only what is needed to find its end.
`Sized` and `Chunked` share one interface: `feed(data)` gives the bytes of the body in
`data` and, once the body is complete, the bytes after it; until then None.

Source: RFC 9112 sections 6 and 7.
"""

from __future__ import annotations

import re
from typing import Final

from netd.http.errors import RequestError
from netd.http.fields import TOKEN, trailers
from netd.http.request_head import END

_QUOTED: Final = rb'"(?>[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
_EXTENSION: Final = rb"(?>[\t ]*+;[\t ]*+%b(?:[\t ]*+=[\t ]*+(?:%b|%b))?+)" % (
    TOKEN,
    TOKEN,
    _QUOTED,
)
# 16 digits count more bytes than any disk has.
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(" + _EXTENSION + rb"*+)")

MAX_EXTENSIONS: Final = 256
"""Bytes of chunk extensions in one body; netd ignores them."""
_MAX_LINE: Final = 16 + MAX_EXTENSIONS


class Sized:
    """A body of `length` bytes (RFC 9112 6.2)."""

    __slots__ = ("_left",)

    trailers: Final[dict[bytes, tuple[bytes, ...]]] = {}

    def __init__(self, length: int) -> None:
        self._left = length

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The part of `data` that is body and, once the body is complete, the rest."""
        if len(data) < self._left:
            self._left -= len(data)
            return data, None
        return data[: self._left], data[self._left :]


class Chunked:
    """
    A body in chunks (RFC 9112 7.1), of at most `max_bytes` bytes.

    `trailers` holds the trailer fields once the body is complete; their section is
    limited to `max_trailers` bytes and `max_fields` fields.
    """

    def __init__(self, max_bytes: int, max_trailers: int, max_fields: int) -> None:
        self._max_bytes = max_bytes
        self._max_trailers = max_trailers
        self._max_fields = max_fields
        self._buffer = b""
        self._state = "size"
        self._left = 0
        self._total = 0
        self._extensions = 0
        self.trailers: dict[bytes, tuple[bytes, ...]] = {}

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """
        The bytes of the body in `data` and, once the body is complete, the rest.

        Raises `RequestError` at the first malformed byte and at the size of the first
        chunk that exceeds the limit.
        """
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        pieces: list[bytes] = []
        at = 0
        while self._state != "trailers":
            start = at
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
            if at == start and self._state != "trailers":
                self._buffer = data[at:]
                return b"".join(pieces), None
        return b"".join(pieces), self._trailers(data[at:])

    def _size(self, data: bytes, at: int) -> int:
        """Read the size line; the start of the chunk, or `at` while incomplete."""
        stop = data.find(b"\r\n", at)
        if stop < 0:
            line = data[at:].removesuffix(b"\r")
            # No further byte makes these well-formed.
            if len(line) > _MAX_LINE or b"\n" in line or b"\r" in line:
                raise RequestError("chunk")
            return at
        match = _SIZE.fullmatch(data, at, stop)
        if match is None:
            raise RequestError("chunk")
        self._extensions += len(match[2])
        if self._extensions > MAX_EXTENSIONS:
            raise RequestError("chunk")
        self._left = int(match[1], 16)
        self._total += self._left
        if self._total > self._max_bytes:
            raise RequestError("large-body")
        self._state = "data" if self._left else "trailers"
        return stop + 2

    def _end(self, data: bytes, at: int) -> int:
        """Read the CRLF after a chunk; the start of the next line, or `at` while incomplete."""
        end = data[at : at + 2]
        if not b"\r\n".startswith(end):
            raise RequestError("chunk")
        if len(end) < 2:
            return at
        self._state = "size"
        return at + 2

    def _trailers(self, data: bytes) -> bytes | None:
        """The bytes after the trailer section, or None while the section is incomplete."""
        if data.startswith(b"\r\n"):
            return data[2:]
        stop = data.find(END) + 4
        if 4 <= stop <= self._max_trailers:
            self.trailers = trailers(data[:stop], self._max_fields)
            return data[stop:]
        section = data[: self._max_trailers]
        if section.count(b"\n") != section.count(b"\r\n"):
            raise RequestError("trailer")
        if len(data) > self._max_trailers:
            raise RequestError("large-head")
        self._buffer = data
        return None
