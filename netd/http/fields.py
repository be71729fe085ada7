"""
Field lines: those of a head, and those of a trailer section; parameters of a value.

Rules: pure.  Whatever the patterns do not match is refused; nothing is repaired.

Source: RFC 9110 section 5 and 6.5, RFC 9112 section 5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar
from urllib.parse import unquote

from netd.http.errors import RequestError
from netd.values import TCHAR

_T = TypeVar("_T")

Fields: TypeAlias = Mapping[bytes, tuple[bytes, ...]]
"""The values of each field by its lower-case name."""
FieldLines: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Names and values in order."""

MAX_KNOWN: Final = 500
"""Lines of each kind whose meaning is kept; then all are forgotten."""
MAX_LINE: Final = 256
"""Bytes of the longest of them."""
# Each is of one client: little is lost by not keeping it.
_SECRET: Final = frozenset({b"authorization", b"cookie", b"proxy-authorization"})

# RFC 9110 5.6.2
TOKEN: Final = TCHAR.encode() + b"++"
# RFC 9110 5.5; obs-text (0x80 to 0xff) is allowed, control characters are not.
_LINE: Final = re.compile(rb"(" + TOKEN + rb"):[\t ]*+([\t\x20-\x7e\x80-\xff]*+)")
CHARSETS: Final = ("utf-8", "iso-8859-1", "us-ascii", "ascii")
"""The charsets of parameters and forms, as in werkzeug; other codecs may be slow."""
# A quoted string is passed over whole, so that no parameter is found inside; an open one goes
# to the end, so that the search is not repeated from each quote in it.
_PARAMETER: Final = re.compile(
    r"""(?is);[ \t]*+(name|filename|charset|boundary)(\*?+)="""
    r"""(?:"((?:[^"\\]|\\.)*+)"|([^\s";]++))|"(?:[^"\\]|\\.?)*+(?:"|\Z)"""
)


class Known(dict[bytes, _T]):
    """
    What `function` makes of a line, which clients send again and again.

    The results for up to `MAX_KNOWN` lines of up to `MAX_LINE` bytes are kept; what it raises
    is not.
    """

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[bytes], _T]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, line: bytes) -> _T:
        """The result for a `line` that is not kept."""
        result = self._function(line)
        self._keep(line, result)
        return result

    def _keep(self, line: bytes, result: _T) -> None:
        if len(line) <= MAX_LINE:
            if len(self) >= MAX_KNOWN:
                self.clear()
            self[line] = result


def _parts(line: bytes) -> tuple[bytes, tuple[bytes]]:
    """The lower-case name and the value in a field `line`."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise RequestError("field")
    name, value = match.groups()
    return name.lower(), (value.rstrip(b" \t"),)


class KnownFields(Known[tuple[bytes, tuple[bytes]]]):
    """The names and values in field lines; those of `_SECRET` are not kept."""

    __slots__ = ()

    def __missing__(self, line: bytes) -> tuple[bytes, tuple[bytes]]:
        parts = self._function(line)
        if parts[0] not in _SECRET:
            self._keep(line, parts)
        return parts


_parts_of: Final = KnownFields(_parts).__getitem__


def parse_fields(lines: Sequence[bytes]) -> dict[bytes, tuple[bytes, ...]]:
    """Values by lower-case name of field `lines` without their ends; else RequestError."""
    fields: dict[bytes, tuple[bytes, ...]] = dict(map(_parts_of, lines))
    if len(fields) == len(lines):
        return fields
    values: dict[bytes, list[bytes]] = {name: [] for name in fields}
    for name, (value,) in map(_parts_of, lines):
        values[name].append(value)
    return {name: tuple(all_values) for name, all_values in values.items()}


def begins(fields: Fields, prefix: bytes) -> bool:
    """Whether there is a field whose name begins with `prefix`, in lower case."""
    # Most heads have no name that comes behind it in the alphabet.
    if not fields or max(fields) < prefix:
        return False
    return any(name.startswith(prefix) for name in fields)


def trailers(block: bytes, max_fields: int) -> dict[bytes, tuple[bytes, ...]]:
    """
    Values by lower-case name of the trailer section `block`, its empty line included.

    Trailer fields stay apart from header fields: RFC 9110 6.5.1 forbids merging fields
    that could change framing or routing.
    """
    lines = block.split(b"\r\n")[:-2]
    try:
        fields = parse_fields(lines)
    except RequestError:
        raise RequestError("trailer") from None
    if len(lines) > max_fields:
        raise RequestError("fields")
    return fields


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
