"""
Which response a request for a file gets: status, header fields, and the selected parts.

Rules: pure; knows the request's fields, and the name and the state of a file, not where the
file is (RFC 9110 13 and 14).
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from fnmatch import translate
from typing import Final

from attrs import frozen

from netd.http import conditional, dates, ranges
from netd.http.conditional import Validators
from netd.http.cors import Policy
from netd.http.fields import FieldLines, Fields
from netd.http.ranges import ByteRange, Part
from netd.lab.call import BadCall
from netd.settings import Files
from netd.static.mime import media_type
from netd.static.paths import Names

METHODS: Final = b"GET, HEAD, OPTIONS"
SUFFIXES: Final = {b"br": b".br", b"zstd": b".zst", b"gzip": b".gz"}
"""The suffix of a sibling by its content coding."""
STRONG_AFTER_SECONDS: Final = 2.0
"""The age from which a file's ETag is strong: a later write may leave the same time stamp."""

# RFC 9110 15.4.5: a 304 repeats the other fields of the 200; these describe only the body.
_OF_BODY: Final = frozenset({b"Content-Type", b"Content-Encoding", b"Accept-Ranges"})
_EXPOSED: Final = b"ETag, Content-Length, Content-Range, Accept-Ranges, Content-Encoding"


@frozen
class FileHeaders:
    """The header fields of a 200 with a file, and the validators among them."""

    fields: FieldLines
    validators: Validators
    media_type: bytes

    @property
    def not_modified(self) -> FieldLines:
        """The fields of a 304."""
        return tuple(line for line in self.fields if line[0] not in _OF_BODY)


class HeaderRules:
    """Makes the header fields of files by the operator's settings."""

    def __init__(self, config: Files) -> None:
        self._cache_control = tuple(
            (re.compile(translate(glob)), "/" in glob, value.encode())
            for glob, value in config.cache
        )
        origin = config.cors.encode("latin-1") if config.cors is not None else None
        origins = frozenset(() if origin is None else (origin,))
        self._sharing = Policy(METHODS, origins, exposed=_EXPOSED)
        extra = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in config.headers
        ]
        self.common: FieldLines = (
            (b"X-Content-Type-Options", b"nosniff"),
            *self._sharing.allow(origin),
            *extra,
        )
        """The fields of every response of the tree."""
        self._vary = [b"Origin"] if origin not in (None, b"*") else []

    def vary(self, *names: bytes) -> FieldLines:
        """The Vary field of a response that depends on the request fields `names`."""
        names = (*names, *self._vary)
        return ((b"Vary", b", ".join(names)),) if names else ()

    def preflight(self, requested: Iterable[bytes]) -> FieldLines:
        """The CORS fields of the response to OPTIONS."""
        return self._sharing.preflight(b", ".join(requested)) if self._sharing.origins else ()

    def cache_control(self, names: Names) -> bytes:
        """The value of Cache-Control for the file `names`: that of the first glob that fits."""
        path = os.fsdecode(b"/".join(names))
        name = path.rpartition("/")[2]
        for pattern, whole_path, value in self._cache_control:
            if pattern.match(path if whole_path else name):
                return value
        return b"no-cache"

    def headers(
        self, names: Names, stat: os.stat_result, now: float, coding: bytes | None, varies: bool
    ) -> FileHeaders:
        """The header fields of a file at the time `now`; `varies`: it has coded siblings."""
        validators = validators_of(stat, now, coding)
        kind = media_type(names[-1])
        fields: list[tuple[bytes, bytes]] = [
            (b"Content-Type", kind),
            (b"ETag", validators.etag),
            (b"Last-Modified", dates.http_date(validators.modified).encode()),
            (b"Accept-Ranges", b"bytes"),
            (b"Cache-Control", self.cache_control(names)),
            *self.vary(*([b"Accept-Encoding"] if varies else [])),
            *self.common,
        ]
        if coding is not None:
            fields.append((b"Content-Encoding", coding))
        return FileHeaders(tuple(fields), validators, kind)


def validators_of(stat: os.stat_result, now: float, coding: bytes | None = None) -> Validators:
    """The validators of a file in this state and `coding` at the time of day `now`."""
    mark = SUFFIXES[coding].replace(b".", b"-") if coding is not None else b""
    strong = now - stat.st_mtime >= STRONG_AFTER_SECONDS
    tag = b'"%x-%x-%x%b"' % (stat.st_mtime_ns % 2**64, stat.st_size, stat.st_ino, mark)
    # Rounded down, and never after Date (RFC 9110 8.8.2.1).
    modified = max(0, min(stat.st_mtime_ns // 1_000_000_000, int(now)))
    return Validators(tag if strong else b"W/" + tag, modified, strong)


@frozen
class Selection:
    """A response without the bytes of the file."""

    code: int
    fields: FieldLines
    parts: tuple[Part, ...]


SELECTING: Final = conditional.FIELDS | {b"range"}
"""The fields that `select` looks at."""


def select(
    method: bytes, fields: Fields, headers: FileHeaders, size: int, now: float
) -> Selection:
    """The response to a GET or HEAD for a file of `size` bytes; BadCall for 412 and 416."""
    whole = Selection(200, headers.fields, (ByteRange(0, size),))
    if SELECTING.isdisjoint(fields):
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
