"""
File names: from a URL, in a link, and in text for a reader.

Rules: pure; names are bytes, as the kernel has them, because not all are UTF-8.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from netd.lab.call import BadCall

Names: TypeAlias = tuple[bytes, ...]
"""A path below the root, name by name."""

_WELL_KNOWN: Final = b".well-known"
_FORBIDDEN: Final = re.compile(rb"[\0/\\]")
# RFC 3986 3.4; everything else is percent-encoded so that a header can carry it.
_QUERY: Final = "!$&'()*+,-./:;=?@_~%"


def hidden(name: bytes, top: bool) -> bool:
    """Whether `name`, in the root directory if `top`, is a hidden dot file."""
    return name.startswith(b".") and not (top and name == _WELL_KNOWN)


def servable(name: bytes, top: bool) -> bool:
    """Whether a URL can name a directory entry called `name`."""
    return not hidden(name, top) and _FORBIDDEN.search(name) is None


def resolve(path: bytes, depth: int) -> tuple[Names, bool]:
    """
    The names in the URL's `path` below `depth` segments, and whether it ends with a slash.

    Dot segments are removed (RFC 3986 5.2.4).  BadCall: 400 for a name that no disk has,
    for a percent-encoded dot segment and for a path that leaves the tree, 404 for an empty
    or hidden name.
    """
    segments = path[1:].split(b"/")[depth:]
    slash = bool(segments) and segments[-1] in (b"", b".", b"..")
    names: list[bytes] = []
    for segment in segments[: -1 if segments[-1:] == [b""] else None]:
        if segment == b"..":
            if not names and depth:
                raise BadCall("the path leaves the file tree")
            del names[-1:]
        elif segment != b".":
            names.append(unquote_to_bytes(segment))
    for number, name in enumerate(names):
        if name in (b".", b"..") or _FORBIDDEN.search(name):
            raise BadCall(
                "a name in the path is a percent-encoded . or .., or has /, \\ or NUL"
            )
        if not name or hidden(name, not number):
            raise BadCall("no such file", 404)
    return tuple(names), slash


def link(name: bytes, directory: bool = False) -> str:
    """A relative reference to `name` (RFC 3986 4.2), never mistaken for a scheme."""
    return quote(name, safe="") + ("/" if directory else "")


def location(names: Sequence[bytes], query: bytes) -> bytes:
    """The absolute path of the directory `names`, never mistaken for a host, and `query`."""
    path = "".join("/" + quote(name, safe="") for name in names) + "/"
    return (path + ("?" + quote(query, safe=_QUERY) if query else "")).encode()


def display(name: bytes) -> str:
    """`name` for a reader, with bytes that are not UTF-8 and invisible characters escaped."""
    text = name.decode("utf-8", "surrogateescape")
    return "".join(map(_visible, text)) if not text.isprintable() else text


def _visible(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()
