"""
Lines to a file, a pipe or a terminal: written in batches, and lost sooner than waited for.

Rules: knows no form of a line and never holds the reactor up.  A full disk
loses lines, a closed pipe loses lines, both are counted; whoever says them
never notices.
"""

from __future__ import annotations

import os
import select
import stat
from pathlib import Path
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from netd.counters import Counters

_log = Logger()

BATCH: Final = 64 * 1024
"""Bytes after which lines are written without waiting for more."""
PERIOD_SECONDS: Final = 1.0
"""How long a line waits at most."""
KEPT: Final = 4 * BATCH
"""Bytes kept for a reader that is behind, or a disk that is full; then lines are lost."""

# As much as a pipe that is writable takes without blocking (POSIX, write).
_ATOM: Final = select.PIPE_BUF


class LineWriter:
    """
    Writes to a file, or to a descriptor that is open already (standard output).

    A path is opened for appending and can be opened anew after a rotation; a
    descriptor stays its owner's.  OSError when a path cannot be opened.
    """

    def __init__(
        self, where: Path | str | int, clock: IReactorTime, counters: Counters
    ) -> None:
        # Absolute, for twistd may change the directory before it is opened again.
        self._path = None if isinstance(where, int) else Path(where).absolute()
        self._clock = clock
        self._counters = counters
        self._lines: list[bytes] = []
        self._size = 0
        self._rest = b""
        self._next: IDelayedCall | None = None
        self._stopped = False
        self._descriptor = where if isinstance(where, int) else _open(where)
        self._regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)

    def put(self, line: bytes) -> None:
        """Write `line`, which ends with the only line feed in it, soon."""
        if self._size > KEPT:
            self._counters.log_drops += 1
            return
        self._lines.append(line)
        self._size += len(line)
        if self._next is None and not self._stopped:
            self._next = self._clock.callLater(PERIOD_SECONDS, self._due)
        if self._size >= BATCH and not self._rest:
            self.flush()

    def say(self, line: bytes) -> None:
        """Write `line` and all before it now, as far as that needs no waiting."""
        if self._stopped and self._path is not None:
            self._last_words(self._path, line)
            return
        if self._size > KEPT:
            self._counters.log_drops += 1
            return
        self._lines.append(line)
        self._size += len(line)
        self.flush()
        if self._size and self._next is None and not self._stopped:
            self._next = self._clock.callLater(PERIOD_SECONDS, self._due)

    def _due(self) -> None:
        self._next = None
        self.flush()
        if self._size:
            self._next = self._clock.callLater(PERIOD_SECONDS, self._due)

    def flush(self) -> None:
        """Write what can be written without waiting."""
        data = self._rest + b"".join(self._lines)
        self._lines.clear()
        self._rest = b""
        try:
            written = os.write(self._descriptor, data) if self._regular else self._trickle(data)
        except BlockingIOError:
            written = 0
        except OSError as error:
            written = self._lost(data, error)
        # What was said about a loss, if anything was, is behind what was lost.
        self._rest = data[written:] + self._rest
        self._size = len(self._rest) + sum(map(len, self._lines))

    def _trickle(self, data: bytes) -> int:
        """
        Write to a pipe or a terminal as much as it takes at once.

        The descriptor may be shared with other processes, which O_NONBLOCK
        would surprise; so each piece is small enough not to block.
        """
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        written = 0
        while written < len(data) and poll.poll(0):
            written += os.write(self._descriptor, data[written : written + _ATOM])
        return written

    def _lost(self, data: bytes, error: OSError) -> int:
        """Count the lines of `data` that the system refused; they are not tried again."""
        first = not self._counters.log_drops
        self._counters.log_drops += data.count(b"\n")
        if first:
            # These words may come back here as a line, and find the loss counted.
            _log.warn("the log loses lines: {error}", error=error.strerror)
        return len(data)

    def reopen(self) -> None:
        """After a rotation, write to a new file under the old name."""
        self.flush()
        if self._path is not None:
            try:
                fresh = _open(self._path)
            except OSError as error:
                # The old file is better than none.
                _log.error(
                    "cannot reopen {path}: {error}", path=self._path, error=error.strerror
                )
                return
            os.close(self._descriptor)
            self._descriptor = fresh
            self._regular = stat.S_ISREG(os.fstat(fresh).st_mode)

    def stop(self) -> None:
        """Write what is left, as far as possible, and close what was opened here."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._stopped = True
        self.flush()
        self._counters.log_drops += self._rest.count(b"\n")
        self._rest = b""
        if self._path is not None:
            os.close(self._descriptor)

    def _last_words(self, path: Path, line: bytes) -> None:
        """After the end the file is opened for each line that still comes."""
        try:
            descriptor = _open(path)
        except OSError:
            self._counters.log_drops += 1
            return
        try:
            os.write(descriptor, line)
        except OSError:
            self._counters.log_drops += 1
        finally:
            os.close(descriptor)


def _open(path: Path | str) -> int:
    # Without O_NONBLOCK a FIFO nobody reads would hold the daemon up here.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    return os.open(path, flags, 0o640)
