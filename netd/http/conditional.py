"""
Preconditions of a request and their evaluation (RFC 9110 13).

Rules: pure; knows validators, no file and no clock.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

from netd.http import dates
from netd.http.fields import Fields

FIELDS: Final = frozenset(
    {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"}
)
"""The fields that `evaluate` looks at."""

# RFC 9110 8.8.3
_ETAG_TEXT: Final = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+"'
_ETAG: Final = re.compile(_ETAG_TEXT)
_ETAGS: Final = re.compile(
    rb"[ \t,]*+" + _ETAG_TEXT + rb"(?:[ \t]*+,[ \t,]*+" + _ETAG_TEXT + rb")*+[ \t,]*+"
)


@frozen
class Validators:
    """What tells one state of a representation from another (RFC 9110 8.8)."""

    etag: bytes
    """As it stands in ETag, with its quotes, and with `W/` when it is weak."""
    modified: int
    """Last-Modified in seconds since the epoch."""
    strong: bool = True
    """Whether Last-Modified is old enough to be a strong validator (RFC 9110 8.8.2.2)."""


def evaluate(fields: Fields, validators: Validators, now: float) -> int | None:
    """
    The status that the preconditions of a GET or HEAD demand: 412, 304, or None to go on.

    The order is that of RFC 9110 13.2.2.  A malformed field never leads to a 304.
    """
    if b"if-match" in fields:
        if not _listed(fields[b"if-match"], validators.etag, weakly=False):
            return 412
    else:
        limit = _date(fields, b"if-unmodified-since", now)
        if limit is not None and validators.modified > limit:
            return 412
    if b"if-none-match" in fields:
        return 304 if _listed(fields[b"if-none-match"], validators.etag, weakly=True) else None
    since = _date(fields, b"if-modified-since", now)
    return 304 if since is not None and validators.modified <= since else None


def range_applies(fields: Fields, validators: Validators, now: float) -> bool:
    """Whether If-Range, if there is one, lets the Range apply (RFC 9110 13.1.5)."""
    values = fields.get(b"if-range")
    if values is None:
        return True
    if len(values) != 1:
        return False
    (value,) = values
    if _ETAG.fullmatch(value):
        return value == validators.etag and not value.startswith(b"W/")
    return validators.strong and dates.parse(value, now) == validators.modified


def _listed(values: tuple[bytes, ...], etag: bytes, weakly: bool) -> bool:
    """Whether `etag` is in the list of tags, or the list is `*` (RFC 9110 8.8.3.2)."""
    value = b",".join(values)
    if value.strip(b" \t") == b"*":
        return True
    if _ETAGS.fullmatch(value) is None:
        return False
    etags = _ETAG.findall(value)
    if weakly:
        return etag.removeprefix(b"W/") in [tag.removeprefix(b"W/") for tag in etags]
    return etag in etags and not etag.startswith(b"W/")


def _date(fields: Fields, name: bytes, now: float) -> int | None:
    values = fields.get(name, ())
    return dates.parse(values[0], now) if len(values) == 1 else None
