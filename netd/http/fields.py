"""
Field lines: those of a head, and those of a trailer section.

Rules: pure.  Whatever the patterns do not match is refused; nothing is repaired.

Source: RFC 9110 section 5 and 6.5, RFC 9112 section 5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from netd.http.errors import RequestError
from netd.values import TCHAR

Fields: TypeAlias = Mapping[bytes, tuple[bytes, ...]]
"""The values of each field by its lower-case name."""
FieldLines: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Names and values in order."""

# RFC 9110 5.6.2
TOKEN: Final = TCHAR.encode() + b"++"
# RFC 9110 5.5; obs-text (0x80 to 0xff) is allowed, control characters are not.
FIELD: Final = rb"(?>" + TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n)"
_FIELDS: Final = re.compile(FIELD + rb"*+\r\n")


def split(block: bytes) -> dict[bytes, tuple[bytes, ...]]:
    """Values by lower-case name of validated field lines; `block` lacks its last CRLF."""
    fields: dict[bytes, tuple[bytes, ...]] = {}
    for line in block.split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.lower()
        value = value.strip(b" \t")
        fields[name] = (*fields[name], value) if name in fields else (value,)
    fields.pop(b"", None)
    return fields


def trailers(block: bytes, max_fields: int) -> dict[bytes, tuple[bytes, ...]]:
    """
    Values by lower-case name of the trailer section `block`, its empty line included.

    Trailer fields stay apart from header fields: RFC 9110 6.5.1 forbids merging fields
    that could change framing or routing.
    """
    if _FIELDS.fullmatch(block) is None:
        raise RequestError("trailer")
    if block.count(b"\n") - 1 > max_fields:
        raise RequestError("fields")
    return split(block[:-4])
