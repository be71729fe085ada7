"""
Files that are asked for again and again: small ones kept in memory, of others what is said.

Rules: knows no HTTP.  Nothing stale leaves it: each time, the file's state is
asked of the kernel; and once a second its way there is looked at anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from operator import attrgetter
from typing import Final

from attrs import frozen

from netd.http.response_head import HeaderBlock
from netd.static.headers import STEADY_SECONDS, FileHeaders
from netd.static.tree import Missing, OpenFile, open_file

MOST: Final = 16 * 1024 * 1024
"""Bytes of all of them, with `OVERHEAD` for each."""
OVERHEAD: Final = 1024
"""About what a file costs beside its bytes."""
LOOK_SECONDS: Final = 1.0
"""How long the links, siblings and permissions on a file's way may go unnoticed."""


@frozen
class CachedFile:
    """One file."""

    path: bytes
    state: tuple[int, ...]
    until: float
    sheet: FileHeaders
    block: HeaderBlock
    """The lines of `sheet`."""
    body: bytes | None
    """None: too large to be kept."""

    def open(self) -> OpenFile:
        """The file itself; Missing when it is no longer the same."""
        found = open_file(self.path)
        if _state(found.stat) != self.state:
            os.close(found.fd)
            raise Missing
        return found


# Of an os.stat_result: whatever changes when a file does, as one tuple.
_state: Final[Callable[[os.stat_result], tuple[int, ...]]] = attrgetter(
    "st_ino", "st_dev", "st_size", "st_mtime_ns", "st_ctime_ns"
)


def steady(stat: os.stat_result, now: float) -> bool:
    """
    Whether a file may be kept at the time of day `now`.

    What was written a moment ago may be written again without a trace in its time stamp.
    """
    return now - max(stat.st_mtime, stat.st_ctime) >= STEADY_SECONDS


class FileCache:
    """The files kept, by the path of the URL that they were asked by."""

    def __init__(self, seconds: Callable[[], float], most: int = MOST) -> None:
        self._seconds = seconds
        self._most = most
        self._kept: dict[bytes, CachedFile] = {}
        self._held = 0

    def get(self, key: bytes) -> CachedFile | None:
        """The file asked by `key` when it is kept and, if its body is, still the same."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if self._seconds() < kept.until:
            if kept.body is None:
                return kept
            try:
                if _state(os.stat(kept.path)) == kept.state:
                    return kept
            except OSError:
                # Whoever looks for it will see why.
                pass
        self.drop(key)
        return None

    def put(
        self,
        key: bytes,
        path: bytes,
        stat: os.stat_result,
        sheet: FileHeaders,
        body: bytes | None,
    ) -> None:
        """Keep the file at `path`, which was `steady`; its `body` unless that is large."""
        self.drop(key)
        until, block = self._seconds() + LOOK_SECONDS, HeaderBlock(sheet.lines)
        self._kept[key] = CachedFile(path, _state(stat), until, sheet, block, body)
        self._held += len(body or b"") + OVERHEAD
        while self._held > self._most:
            # The one that was looked at longest ago.
            self.drop(next(iter(self._kept)))

    def drop(self, key: bytes) -> None:
        """Forget the file asked by `key`."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._held -= len(kept.body or b"") + OVERHEAD
