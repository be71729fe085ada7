"""
The worst legal requests for files, and the tree that they are for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from netd.test.worst.requests import FIELDS, MAX_HEAD, MAX_TARGET, Case

NAMES: Final = 500
"""Names in the directory that is listed."""
_PATHS: Final = ("a", "a/", "./", "../", "%41", "%2e/", "%c3", "//", ";")
_RANGES: Final = ("0-0,", "-1,", "0-,", ",", " ,", "00000-1,", "9-1,")


def make_tree(root: Path) -> Path:
    """A directory of many files, with letters that HTML and JSON escape, and one large file."""
    root.mkdir()
    (root / "file.txt").write_bytes(bytes(1024 * 1024))
    listed = root / "listed"
    listed.mkdir()
    for number in range(NAMES):
        (listed / (f"{number} " + '<"&\x01' * 40)).touch()
    return root


def files(size: int) -> Iterator[Case]:
    """Paths, header fields and ranges of `size` bytes, or as many as are allowed."""
    room = min(size, MAX_TARGET) - 64
    for unit in _PATHS:
        yield _case(f"path of {unit}", f"/files/{unit * (room // len(unit))}")
    for accept in ("text/html", "application/json"):
        yield _case(f"listing in {accept}", "/files/listed/", "Accept", accept, threaded=True)
    room = min(size, MAX_HEAD) - 128
    for name, unit in (*FIELDS, *(("Range", unit) for unit in _RANGES)):
        start = "bytes=" if name == "Range" else ""
        value = start + unit * (room // len(unit))
        yield _case(f"{name} of {unit}", "/files/file.txt", name, value)
    yield _case(
        "50 ranges",
        "/files/file.txt",
        "Range",
        "bytes=" + ",".join(f"{number * 9}-{number * 9 + 1}" for number in range(50)),
    )


def _case(
    name: str, target: str, field: str = "X", value: str = "", *, threaded: bool = False
) -> Case:
    head = f"GET {target} HTTP/1.1\r\nHost: netd\r\n{field}: {value.strip()}\r\n\r\n"
    return Case("/files", name, head.encode("latin-1"), threaded)
