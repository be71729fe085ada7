"""
Names of files: what a URL may ask for, how a link is written, what a reader gets to see.

Rules: pure; names are bytes, as the kernel has them, because not all are UTF-8.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, TypeAlias
from urllib.parse import quote

from netd.lab.call import BadCall

Names: TypeAlias = tuple[bytes, ...]
"""A path below the root, one name a step."""

_WELL_KNOWN: Final = b".well-known"
_FORBIDDEN: Final = re.compile(rb"[\0/\\]")
# RFC 3986 3.4; everything else is percent-encoded so that a header can carry it.
_QUERY: Final = "!$&'()*+,-./:;=?@_~%"


def hidden(name: bytes, top: bool) -> bool:
    """Whether `name` is nobody's business; `top` says that it stands in the root."""
    return name.startswith(b".") and not (top and name == _WELL_KNOWN)


def servable(name: bytes, top: bool) -> bool:
    """Whether a URL can ask for a directory entry called `name`."""
    return not hidden(name, top) and _FORBIDDEN.search(name) is None


def resolve(segments: Sequence[bytes]) -> tuple[Names, bool]:
    """
    The names that percent-decoded `segments` of a URL ask for, and whether a slash ended it.

    BadCall: 400 for what is no name on any disk, 404 for what is hidden.
    """
    slash = bool(segments) and not segments[-1]
    names = tuple(segments[:-1] if slash else segments)
    for number, name in enumerate(names):
        if name in (b".", b"..") or _FORBIDDEN.search(name):
            raise BadCall("the path has a dot segment, a slash, a backslash or a NUL in a name")
        if not name or hidden(name, not number):
            raise BadCall("no such file", 404)
    return names, slash


def link(name: bytes, folder: bool = False) -> str:
    """A relative reference to `name` (RFC 3986 4.2); a colon in it is no scheme."""
    return quote(name, safe="") + ("/" if folder else "")


def location(names: Sequence[bytes], query: bytes) -> bytes:
    """The directory `names` as an absolute path, never read as another host, and `query`."""
    path = "".join("/" + quote(name, safe="") for name in names) + "/"
    said = "?" + quote(query, safe=_QUERY) if query else ""
    return (path + said).encode()


def display(name: bytes) -> str:
    """`name` for a reader: what is not UTF-8, a control or a direction mark is made visible."""
    text = name.decode("utf-8", "surrogateescape")
    return "".join(map(_visible, text)) if not text.isprintable() else text


def _visible(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    if code < 0x100:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
