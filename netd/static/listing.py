"""
A directory as a page and as JSON.

Rules: pure; knows names, sizes and times, no disk.  The page has no script, and its
policy forbids any; every file name is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from attrs import frozen

from netd import look
from netd.static.paths import Names, display, link

_STYLE: Final = (
    look.STYLE
    + """main { max-width: 62rem; }
h1 { font: 600 1.0625rem/1.5 var(--mono); margin: 0 0 .75rem; }
th a { color: inherit; }
td:first-child { white-space: pre-wrap; overflow-wrap: anywhere; }
td:first-child a { font-family: var(--mono); font-size: .875rem; }
tbody tr:hover { background: var(--field); }
.size { text-align: right; } .size, .time { white-space: nowrap; }
td.time { color: var(--dim); }
th:last-child, td:last-child { padding-right: 0; }
@media (max-width: 34rem) { .time span { display: none; } td a { display: block; } }
"""
)

POLICY: Final = look.policy(_STYLE).encode()
"""The Content-Security-Policy of the page, which allows its own style only."""


@frozen
class Entry:
    """One line of a directory."""

    name: bytes
    directory: bool
    size: int
    modified: float


@frozen
class Listing:
    """The entries of a directory."""

    entries: tuple[Entry, ...]
    complete: bool
    """False when the directory has more entries than are listed."""


_KEYS: Final[dict[str, Callable[[Entry], tuple[object, ...]]]] = {
    "name": lambda entry: (entry.name,),
    "size": lambda entry: (entry.size, entry.name),
    "time": lambda entry: (entry.modified, entry.name),
}
_COLUMNS: Final = (
    ("name", "Name", ""),
    ("size", "Size", "size"),
    ("time", "Modified (UTC)", "time"),
)
_DIRECTIONS: Final = ("asc", "desc")


@frozen
class Order:
    """The order of a listing; directories always come first."""

    key: str = "name"
    direction: str = "asc"

    @classmethod
    def parse(cls, key: str, direction: str) -> Order:
        """The order that a query names; ValueError for any other text."""
        for name, value, known in (("sort", key, _KEYS), ("order", direction, _DIRECTIONS)):
            if value not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}")
        return cls(key, direction)

    def sorted(self, entries: Sequence[Entry]) -> list[Entry]:
        """`entries` in this order."""
        directories = [entry for entry in entries if entry.directory]
        files = [entry for entry in entries if not entry.directory]
        # A directory's size says nothing about its contents.
        key = "name" if self.key == "size" else self.key
        reverse = self.direction == "desc"
        directories.sort(key=_KEYS[key], reverse=reverse and key == self.key)
        files.sort(key=_KEYS[self.key], reverse=reverse)
        return directories + files


def size(count: int) -> str:
    """`count` bytes for a reader: `17 B`, `1.5 MiB`."""
    if count < 1024:
        return f"{count} B"
    number = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        number /= 1024
        if number < 999.95 or unit == "PiB":
            break
    return f"{number:.1f} {unit}"


def _time(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        # Some file systems can hold any number.
        return None


def as_json(names: Names, listing: Listing, order: Order) -> bytes:
    """The listing as JSON; `href` is exact where `name` is escaped for a reader."""
    entries = []
    for entry in order.sorted(listing.entries):
        modified = _time(entry.modified)
        entries.append(
            {
                "name": display(entry.name),
                "href": link(entry.name, entry.directory),
                "type": "directory" if entry.directory else "file",
                "size": None if entry.directory else entry.size,
                "modified": modified and modified.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )
    path = "".join(display(name) + "/" for name in names)
    document = {"path": "/" + path, "entries": entries, "complete": listing.complete}
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def as_html(names: Names, listing: Listing, order: Order, above: Names = ()) -> bytes:
    """The listing as a page that loads nothing else; the tree is at the URL `above`."""
    title = "/" + "".join(escape(display(name)) + "/" for name in (*above, *names))
    rows = ['<tr><td><a href="../">../</a><td class=size><td class=time>'] if names else []
    rows += map(_row, order.sorted(listing.entries))
    note = f"{len(listing.entries)} {'entry' if len(listing.entries) == 1 else 'entries'}"
    if not listing.complete:
        note = f"Only the first {note} are shown"
    lines = [
        "<!doctype html>",
        '<html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="robots" content="noindex"><link rel="icon" href="data:,">',
        f"<title>{title}</title><style>{_STYLE}</style>",
        look.top("Files", look.PAGES if above else ()),
        f'<main id="main" class="card"><h1><bdi>{title}</bdi></h1>',
        f"<table><thead><tr>{''.join(_heading(*column, order) for column in _COLUMNS)}<tbody>",
        *rows,
        f'</table><p class="dim">{note}. <a href="?format=json">JSON</a></p></main></html>',
    ]
    return "\n".join(lines).encode() + b"\n"


def _heading(key: str, text: str, style: str, order: Order) -> str:
    mark, sort, next_direction = "", "none", "asc"
    if key == order.key and order.direction == "asc":
        mark, sort, next_direction = " \u2191", "ascending", "desc"
    elif key == order.key:
        mark, sort = " \u2193", "descending"
    href = f"?sort={key}&amp;order={next_direction}"
    return f'<th class="{style}" aria-sort="{sort}"><a href="{href}">{text}{mark}</a>'


def _row(entry: Entry) -> str:
    name = escape(display(entry.name)) + ("/" if entry.directory else "")
    modified = _time(entry.modified)
    date, time = modified.strftime("%Y-%m-%d %H:%M").split() if modified else ("-", "")
    shown = "" if entry.directory else size(entry.size)
    return (
        f'<tr><td><a href="{link(entry.name, entry.directory)}"><bdi>{name}</bdi></a>'
        f"<td class=size>{shown}<td class=time>{date}<span> {time}</span>"
    )
