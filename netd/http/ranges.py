"""
Byte ranges of a GET, and the body of a response with several of them (RFC 9110 14).

Rules: pure; knows sizes and bytes, no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from attrs import frozen

MAX_RANGES: Final = 50
"""Ranges in one request; a request with more gets the whole file (RFC 9110 14.2)."""

_SPEC: Final = re.compile(rb"([0-9]*+)-([0-9]*+)")
# No file is larger, and int() refuses to read numbers of thousands of digits.
_MAX_DIGITS: Final = 18
_BEYOND: Final = 10**_MAX_DIGITS


@frozen
class ByteRange:
    """The bytes from `start` up to, but without, `stop`."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """The number of bytes."""
        return self.stop - self.start

    def content_range(self, size: int) -> bytes:
        """The value of Content-Range for a file of `size` bytes."""
        return b"bytes %d-%d/%d" % (self.start, self.stop - 1, size)


Part: TypeAlias = bytes | ByteRange
"""A part of a body: the bytes themselves, or a range of the file."""


def parse(value: bytes, size: int) -> tuple[ByteRange, ...] | None:
    """
    The ranges in a Range field for a file of `size` bytes, ascending and disjoint.

    An empty tuple: none of them can be satisfied, which is a 416.  None: the field is to
    be ignored because it is malformed, of another unit, or requests too much.  It is ignored
    for an empty file too, as by other servers: some clients send a Range with each request.
    """
    if not size or value[:6].lower() != b"bytes=":
        return None
    specs = [spec for part in value[6:].split(b",") if (spec := part.strip(b" \t"))]
    if not 0 < len(specs) <= MAX_RANGES:
        return None
    ranges = []
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        if match is None or spec == b"-":
            return None
        first, last = map(_number, match.groups())
        if first is not None and last is not None and last < first:
            return None
        requested = _satisfiable(first, last, size)
        if requested is not None:
            ranges.append(requested)
    # A short field that requests the same bytes many times would make a huge response.
    if sum(item.length for item in ranges) > size:
        return None
    return tuple(_merged(sorted(ranges, key=lambda item: item.start)))


def _number(digits: bytes) -> int | None:
    if not digits:
        return None
    digits = digits.lstrip(b"0")
    return int(digits or b"0") if len(digits) <= _MAX_DIGITS else _BEYOND


def _satisfiable(first: int | None, last: int | None, size: int) -> ByteRange | None:
    """The part of one range that the file has (RFC 9110 14.1.2); None without any."""
    if first is None:
        start, stop = max(0, size - (last or 0)), size
    else:
        start, stop = first, size if last is None else min(last + 1, size)
    return ByteRange(start, stop) if start < stop else None


def _merged(ranges: Iterable[ByteRange]) -> list[ByteRange]:
    """`ranges`, with neighbouring and overlapping ones joined."""
    result: list[ByteRange] = []
    for item in ranges:
        if result and item.start <= result[-1].stop:
            result[-1] = ByteRange(result[-1].start, max(item.stop, result[-1].stop))
        else:
            result.append(item)
    return result


def multipart(
    ranges: Sequence[ByteRange], size: int, media_type: bytes, boundary: bytes
) -> list[Part]:
    """The body of a `multipart/byteranges` response (RFC 9110 14.6)."""
    parts: list[Part] = []
    for number, item in enumerate(ranges):
        parts.append(
            b"%b--%b\r\nContent-Type: %b\r\nContent-Range: %b\r\n\r\n"
            % (b"\r\n" if number else b"", boundary, media_type, item.content_range(size))
        )
        parts.append(item)
    parts.append(b"\r\n--%b--\r\n" % boundary)
    return parts


def length(parts: Iterable[Part]) -> int:
    """The number of bytes in `parts`."""
    return sum(len(part) if isinstance(part, bytes) else part.length for part in parts)
