"""
A directory as a page and as JSON.

Rules: pure; knows names, sizes and times, no disk.  The page has no script and
says so to the browser; whatever a file is called, it is text here.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from html import escape
from typing import Final

from attrs import frozen

from netd.static.paths import Names, display, link

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8883; --dim: #666; --link: #0550ae; --hover: #8881; }
@media (prefers-color-scheme: dark) { :root { --dim: #999; --link: #79b8ff; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.25rem; font-weight: 600; overflow-wrap: anywhere; margin: 0 0 1rem; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; white-space: nowrap; }
th, td { padding: .35rem .5rem; border-bottom: 1px solid var(--line); }
td { vertical-align: top; }
td:first-child { overflow-wrap: anywhere; white-space: pre-wrap; }
tbody tr:hover { background: var(--hover); }
.size { text-align: right; white-space: nowrap; }
.time, p { color: var(--dim); white-space: nowrap; }
p { font-size: .875rem; white-space: normal; }
@media (max-width: 34rem) {
  body { padding: .75rem; }
  th, td { padding: .5rem .25rem; }
  .time span { display: none; }
}
"""
_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
).encode()
"""The Content-Security-Policy of the page: its own style, and nothing else."""


@frozen
class Entry:
    """One line of a directory."""

    name: bytes
    folder: bool
    size: int
    modified: float


@frozen
class Listing:
    """What is in a directory."""

    entries: tuple[Entry, ...]
    whole: bool
    """False when there is more than is listed."""


_KEYS: Final[dict[str, Callable[[Entry], object]]] = {
    "name": lambda entry: entry.name,
    "size": lambda entry: (entry.size, entry.name),
    "time": lambda entry: (entry.modified, entry.name),
}
_COLUMNS: Final = (
    ("name", "Name", ""),
    ("size", "Size", "size"),
    ("time", "Modified (UTC)", "time"),
)
_ORDERS: Final = ("asc", "desc")


@frozen
class Order:
    """How a listing is sorted; directories always come first."""

    key: str = "name"
    way: str = "asc"

    @classmethod
    def parse(cls, key: str, way: str) -> Order:
        """What a query says; ValueError for what cannot be."""
        if key not in _KEYS:
            raise ValueError(f"sort is one of {', '.join(_KEYS)}")
        if way not in _ORDERS:
            raise ValueError(f"order is one of {', '.join(_ORDERS)}")
        return cls(key, way)

    def sorted(self, entries: Iterable[Entry]) -> list[Entry]:
        """`entries` in this order."""
        folders: list[Entry] = []
        files: list[Entry] = []
        for entry in entries:
            (folders if entry.folder else files).append(entry)
        # A directory's own size says nothing about what is in it.
        inner = "name" if self.key == "size" else self.key
        down = self.way == "desc"
        folders.sort(key=_KEYS[inner], reverse=down and inner == self.key)  # type: ignore[arg-type]  # each key's values compare
        files.sort(key=_KEYS[self.key], reverse=down)  # type: ignore[arg-type]
        return folders + files


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
        # A clock gone mad; some file systems can hold any number.
        return None


def as_json(names: Names, scan: Listing, order: Order) -> bytes:
    """The listing as JSON; `href` is exact where `name` had to be made readable."""
    entries = []
    for entry in order.sorted(scan.entries):
        when = _time(entry.modified)
        entries.append(
            {
                "name": display(entry.name),
                "href": link(entry.name, entry.folder),
                "type": "directory" if entry.folder else "file",
                "size": None if entry.folder else entry.size,
                "modified": when and when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )
    path = "".join(display(name) + "/" for name in names)
    said = {"path": "/" + path, "entries": entries, "complete": scan.whole}
    return json.dumps(said, indent=1, ensure_ascii=False).encode() + b"\n"


def as_html(names: Names, scan: Listing, order: Order) -> bytes:
    """The listing as a page that needs nothing but itself."""
    title = "/" + "".join(escape(display(name)) + "/" for name in names)
    rows = ['<tr><td><a href="../">../</a><td class=size><td class=time>'] if names else []
    rows += map(_row, order.sorted(scan.entries))
    note = f"{len(scan.entries)} {'entry' if len(scan.entries) == 1 else 'entries'}"
    if not scan.whole:
        note = f"Only the first {note} are shown"
    lines = [
        "<!doctype html>",
        '<html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="robots" content="noindex"><link rel="icon" href="data:,">',
        f"<title>{title}</title><style>{_STYLE}</style>",
        f"<h1><bdi>{title}</bdi></h1>",
        f"<table><thead><tr>{''.join(_heading(*each, order) for each in _COLUMNS)}<tbody>",
        *rows,
        f'</table><p>{note}. <a href="?format=json">JSON</a></p></html>',
    ]
    return "\n".join(lines).encode() + b"\n"


def _heading(key: str, text: str, style: str, order: Order) -> str:
    here = key == order.key
    way = "desc" if here and order.way == "asc" else "asc"
    mark = {"asc": " \u2191", "desc": " \u2193"}[order.way] if here else ""
    sort = {"asc": "ascending", "desc": "descending"}[order.way] if here else "none"
    href = f"?sort={key}&amp;order={way}"
    return f'<th class="{style}" aria-sort="{sort}"><a href="{href}">{text}{mark}</a>'


def _row(entry: Entry) -> str:
    name = escape(display(entry.name)) + ("/" if entry.folder else "")
    when = _time(entry.modified)
    day, clock = (when.strftime("%Y-%m-%d"), when.strftime("%H:%M")) if when else ("-", "")
    shown = "" if entry.folder else size(entry.size)
    return (
        f'<tr><td><a href="{link(entry.name, entry.folder)}"><bdi>{name}</bdi></a>'
        f"<td class=size>{shown}<td class=time>{day}<span> {clock}</span>"
    )
