"""
Preconditions of a request: does the client have it already, is it still the same (RFC 9110 13).

Rules: pure; knows validators, no file and no clock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from attrs import frozen

from netd.http import dates

Fields: TypeAlias = Mapping[bytes, tuple[bytes, ...]]
"""The values of each request field by its lower-case name."""

FIELDS: Final = frozenset(
    {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"}
)
"""The fields that `verdict` looks at."""

# RFC 9110 8.8.3
_TAG: Final = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+"'
_TAGS: Final = re.compile(
    rb"[ \t,]*+" + _TAG + rb"(?:[ \t]*+,[ \t,]*+" + _TAG + rb")*+[ \t,]*+"
)
_EACH: Final = re.compile(_TAG)
_ONE: Final = re.compile(_TAG)


@frozen
class Validators:
    """What tells one state of a file from another."""

    etag: bytes
    """As it stands in ETag, with its quotes, and with `W/` when it is weak."""
    modified: int
    """Last-Modified in seconds since the epoch."""
    steady: bool = True
    """Old enough for Last-Modified to be a strong validator (RFC 9110 8.8.2.2)."""


def verdict(fields: Fields, here: Validators, now: float) -> int | None:
    """
    The status that the preconditions of a GET or HEAD demand: 412, 304, or None to go on.

    In the order of RFC 9110 13.2.2; what cannot be parsed never makes a 304.
    """
    if b"if-match" in fields:
        if not _listed(fields[b"if-match"], here.etag, weakly=False):
            return 412
    else:
        limit = _date(fields, b"if-unmodified-since", now)
        if limit is not None and here.modified > limit:
            return 412
    if b"if-none-match" in fields:
        return 304 if _listed(fields[b"if-none-match"], here.etag, weakly=True) else None
    since = _date(fields, b"if-modified-since", now)
    return 304 if since is not None and here.modified <= since else None


def range_stands(fields: Fields, here: Validators, now: float) -> bool:
    """Whether If-Range, if there is one, lets the Range be answered (RFC 9110 13.1.5)."""
    said = fields.get(b"if-range")
    if said is None:
        return True
    if len(said) != 1:
        return False
    if _ONE.fullmatch(said[0]):
        return _strong(said[0]) and said[0] == here.etag
    return here.steady and dates.parse(said[0], now) == here.modified


def _strong(tag: bytes) -> bool:
    return not tag.startswith(b"W/")


def _listed(values: tuple[bytes, ...], etag: bytes, weakly: bool) -> bool:
    """Whether `etag` is in the list of tags, or the list is `*` (RFC 9110 8.8.3.2)."""
    value = b",".join(values)
    if value.strip(b" \t") == b"*":
        return True
    if _TAGS.fullmatch(value) is None:
        return False
    tags = _EACH.findall(value)
    if weakly:
        return etag.removeprefix(b"W/") in [tag.removeprefix(b"W/") for tag in tags]
    return _strong(etag) and etag in tags


def _date(fields: Fields, name: bytes, now: float) -> int | None:
    values = fields.get(name, ())
    return dates.parse(values[0], now) if len(values) == 1 else None
