"""
Which response a request for a file gets: status, fields, and the selected parts.

Rules: pure; decides by the request's fields and the file's headers (RFC 9110 13 and 14).
"""

from __future__ import annotations

import secrets
from typing import Final

from attrs import frozen

from netd.http import conditional, ranges
from netd.http.fields import FieldLines, Fields
from netd.http.ranges import ByteRange, Part
from netd.lab.call import BadCall
from netd.static.headers import FileHeaders


@frozen
class Selection:
    """A response without the bytes of the file."""

    code: int
    fields: FieldLines
    parts: tuple[Part, ...]


_SELECTING: Final = conditional.FIELDS | {b"range"}


def select(
    method: bytes, fields: Fields, headers: FileHeaders, size: int, now: float
) -> Selection:
    """The response to a GET or HEAD for a file of `size` bytes; BadCall for 412 and 416."""
    whole = Selection(200, headers.fields, (ByteRange(0, size),))
    if _SELECTING.isdisjoint(fields):
        return whole
    status = conditional.evaluate(fields, headers.validators, now)
    if status == 412:
        raise BadCall("the file is not in the state that the request demands", 412)
    if status == 304:
        return Selection(304, headers.not_modified, ())
    values = fields.get(b"range", ())
    # Two Range fields are as malformed as a bad one.
    if method != b"GET" or len(values) != 1:
        return whole
    if not conditional.range_applies(fields, headers.validators, now):
        return whole
    requested = ranges.parse(values[0], size)
    return whole if requested is None else _partial(headers, requested, size)


def _partial(headers: FileHeaders, requested: tuple[ByteRange, ...], size: int) -> Selection:
    if not requested:
        where = (("Content-Range", f"bytes */{size}"),)
        raise BadCall(f"none of these bytes is among the {size} of the file", 416, where)
    if len(requested) == 1:
        line = (b"Content-Range", requested[0].content_range(size))
        return Selection(206, (*headers.fields, line), requested)
    # Random, so that no file can contain the boundary on purpose.
    boundary = secrets.token_hex(16).encode()
    kind = b"multipart/byteranges; boundary=" + boundary
    parts = ranges.multipart(requested, size, headers.media_type, boundary)
    fields = {**dict(headers.fields), b"Content-Type": kind}
    return Selection(206, tuple(fields.items()), tuple(parts))
