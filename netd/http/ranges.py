"""
Byte ranges of a GET, and the form of an answer with several of them (RFC 9110 14).

Rules: pure; knows sizes and bytes, no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from attrs import frozen

MOST: Final = 50
"""Ranges in one request; whoever asks for more gets the whole (RFC 9110 14.2)."""

_SPEC: Final = re.compile(rb"([0-9]*+)-([0-9]*+)")
# No file is larger, and int() refuses to read numbers of thousands of digits.
_DIGITS: Final = 18
_BEYOND: Final = 10**_DIGITS


@frozen
class Span:
    """The bytes from `start` up to and without `stop`."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.stop - self.start

    def of(self, size: int) -> bytes:
        """The value of Content-Range for a file of `size` bytes."""
        return b"bytes %d-%d/%d" % (self.start, self.stop - 1, size)


Part: TypeAlias = bytes | Span
"""A piece of an answer: said as it stands, or read from the file."""


def parse(value: bytes, size: int) -> tuple[Span, ...] | None:
    """
    What a Range field asks of a file of `size` bytes, ascending and without overlap.

    Empty: nothing of it can be satisfied, which is a 416.  None: the field is to
    be ignored, because it is malformed, of another unit, or asks for too much.
    """
    if value[:6].lower() != b"bytes=":
        return None
    specs = [spec for each in value[6:].split(b",") if (spec := each.strip(b" \t"))]
    if not 0 < len(specs) <= MOST:
        return None
    spans = []
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        if match is None or spec == b"-":
            return None
        first, last = map(_number, match.groups())
        if first is not None and last is not None and last < first:
            return None
        span = _span(first, last, size)
        if span is not None:
            spans.append(span)
    # Asking for the same bytes many times is how little input makes much output.
    if sum(span.length for span in spans) > size:
        return None
    return tuple(_merged(sorted(spans, key=lambda span: span.start)))


def _number(digits: bytes) -> int | None:
    if not digits:
        return None
    digits = digits.lstrip(b"0")
    return int(digits or b"0") if len(digits) <= _DIGITS else _BEYOND


def _span(first: int | None, last: int | None, size: int) -> Span | None:
    """The satisfiable part of one range (RFC 9110 14.1.2), None when there is none."""
    if first is None:
        start, stop = max(0, size - (last or 0)), size
    else:
        start, stop = first, size if last is None else min(last + 1, size)
    return Span(start, stop) if start < stop else None


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Neighbours and overlaps as one."""
    found: list[Span] = []
    for span in spans:
        if found and span.start <= found[-1].stop:
            found[-1] = Span(found[-1].start, max(span.stop, found[-1].stop))
        else:
            found.append(span)
    return found


def multipart(spans: Sequence[Span], size: int, kind: bytes, boundary: bytes) -> list[Part]:
    """The body of a `multipart/byteranges` answer (RFC 9110 14.6), parts of type `kind`."""
    parts: list[Part] = []
    for number, span in enumerate(spans):
        parts.append(
            b"%b--%b\r\nContent-Type: %b\r\nContent-Range: %b\r\n\r\n"
            % (b"\r\n" if number else b"", boundary, kind, span.of(size))
        )
        parts.append(span)
    parts.append(b"\r\n--%b--\r\n" % boundary)
    return parts


def length(parts: Iterable[Part]) -> int:
    """How many bytes `parts` are."""
    return sum(len(part) if isinstance(part, bytes) else part.length for part in parts)
