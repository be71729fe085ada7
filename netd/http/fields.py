"""
Field lines: those of a head, and those of a trailer section; parameters of a value.

Rules: pure.  Whatever the patterns do not match is refused; nothing is repaired.

Source: RFC 9110 section 5 and 6.5, RFC 9112 section 5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeAlias
from urllib.parse import unquote

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
CHARSETS: Final = ("utf-8", "iso-8859-1", "us-ascii", "ascii")
"""The charsets of parameters and forms, as in werkzeug; other codecs may be slow."""
# A quoted string is passed over whole, so that no parameter is found inside; an open one goes
# to the end, so that the search is not repeated from each quote in it.
_PARAMETER: Final = re.compile(
    r"""(?is);[ \t]*+(name|filename|charset|boundary)(\*?+)="""
    r"""(?:"((?:[^"\\]|\\.)*+)"|([^\s";]++))|"(?:[^"\\]|\\.?)*+(?:"|\Z)"""
)
_FIELDS: Final = re.compile(FIELD + rb"*+\r\n")


def split(block: bytes) -> dict[bytes, tuple[bytes, ...]]:
    """Values by lower-case name of validated field lines; `block` lacks its last CRLF."""
    fields: dict[bytes, tuple[bytes, ...]] = {}
    repeated: dict[bytes, list[bytes]] = {}
    for line in block.split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.lower()
        value = value.strip(b" \t")
        if name in fields:
            repeated.setdefault(name, [*fields[name]]).append(value)
        else:
            fields[name] = (value,)
    fields.update((name, tuple(values)) for name, values in repeated.items())
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


def parameters(value: str) -> dict[str, str]:
    """
    The name, filename, charset and boundary in a field `value`.

    Takes quoted strings (RFC 9110 5.6.4), quotes as browsers escape them, and
    extended values (RFC 8187).  Of repeated ones the last counts, as in httpbin.
    """
    matches = {match[0].lower(): match for match in _PARAMETER.findall(value) if match[0]}
    return {name: _parameter(*match[1:]) for name, match in matches.items()}


def _parameter(extended: str, quoted: str, token: str) -> str:
    if "\\" in quoted:
        # Not before letters: `C:\dir` keeps its own.  Decoded text has no lone surrogate.
        quoted = quoted.replace("\\\\", "\udc5c").replace('\\"', '"').replace("\\ ", " ")
        quoted = quoted.replace("\udc5c", "\\")
    text = quoted or token
    if not extended:
        return text.replace("%22", '"')
    charset, _, rest = text.partition("'")
    _, quote, encoded = rest.partition("'")
    if charset.lower() in CHARSETS and quote:
        return unquote(encoded, charset)
    return encoded if quote else text
