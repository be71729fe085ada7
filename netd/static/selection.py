"""
Which answer a request for a file gets: status, fields, and the parts of the file in it.

Rules: pure; decides by the request's fields and the file's sheet (RFC 9110 13 and 14).
"""

from __future__ import annotations

import secrets

from attrs import frozen

from netd.http import conditional, ranges
from netd.http.conditional import Fields
from netd.http.ranges import Part, Span
from netd.lab.call import BadCall
from netd.static.headers import FileHeaders, Lines


@frozen
class Selection:
    """An answer, but for the bytes of the file."""

    code: int
    lines: Lines
    parts: tuple[Part, ...]


_ASKS = conditional.FIELDS | {b"range"}


def plan(method: bytes, fields: Fields, sheet: FileHeaders, size: int, now: float) -> Selection:
    """The answer to a GET or HEAD for a file of `size` bytes; BadCall for 412 and 416."""
    whole = Selection(200, sheet.lines, (Span(0, size),))
    if _ASKS.isdisjoint(fields):
        return whole
    verdict = conditional.verdict(fields, sheet.here, now)
    if verdict == 412:
        raise BadCall("the file is not in the state that the request demands", 412)
    if verdict == 304:
        return Selection(304, sheet.short, ())
    asked = fields.get(b"range", ())
    # A second Range field makes the first no better.
    if method != b"GET" or len(asked) != 1:
        return whole
    if not conditional.range_stands(fields, sheet.here, now):
        return whole
    spans = ranges.parse(asked[0], size)
    return whole if spans is None else _partial(sheet, spans, size)


def _partial(sheet: FileHeaders, spans: tuple[Span, ...], size: int) -> Selection:
    if not spans:
        where = (("Content-Range", f"bytes */{size}"),)
        raise BadCall(f"none of these bytes is among the {size} of the file", 416, where)
    if len(spans) == 1:
        return Selection(206, (*sheet.lines, (b"Content-Range", spans[0].of(size))), spans)
    # Random, so that no file can hold it.
    boundary = secrets.token_hex(16).encode()
    kind = b"multipart/byteranges; boundary=" + boundary
    lines = tuple(
        (name, kind if name == b"Content-Type" else said) for name, said in sheet.lines
    )
    return Selection(206, lines, tuple(ranges.multipart(spans, size, sheet.kind, boundary)))
