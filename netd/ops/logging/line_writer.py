"""
Writes lines to a file, a pipe or a terminal, in batches.

Rules: never blocks the reactor.  A full disk or a closed pipe loses lines, which
are counted; the callers never notice.
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

BATCH_BYTES: Final = 64 * 1024
"""Bytes that are written without waiting for more."""
PERIOD_SECONDS: Final = 1.0
"""Time for which a line waits at most."""
MAX_BYTES: Final = 4 * BATCH_BYTES
"""Bytes kept for a slow reader or a busy disk; further lines are lost."""

# A writable pipe takes as much without blocking (POSIX, write).
_PIPE_BYTES: Final = getattr(select, "PIPE_BUF", 512)


class LineWriter:
    """
    Writes to a path, or to an open descriptor (standard output).

    A path is opened for appending and can be reopened after a rotation; a
    descriptor is never closed.  With `shared` other processes write there, too: no piece
    for a pipe ends within a line, and a line that is longer than a piece is cut.  OSError
    when a path cannot be opened.
    """

    def __init__(
        self,
        target: Path | str | int,
        clock: IReactorTime,
        counters: Counters,
        *,
        shared: bool = False,
    ) -> None:
        self._shared = shared
        # Absolute, as twistd may change the directory before a reopening.
        self._path = None if isinstance(target, int) else Path(target).absolute()
        self._clock = clock
        self._counters = counters
        self._lines: list[bytes] = []
        self._rest = b""
        self._size = 0
        self._timer: IDelayedCall | None = None
        self._stopped = False
        self._descriptor = target if isinstance(target, int) else _open(target)
        self._takes_all = _takes_all(self._descriptor)

    @property
    def descriptor(self) -> int:
        """The open file, which another one replaces when it is reopened."""
        return self._descriptor

    def write(self, line: bytes) -> None:
        """Write `line`, whose last byte is its only line feed, within `PERIOD_SECONDS`."""
        if self._size > MAX_BYTES:
            self._counters.log_drops += 1
            return
        self._lines.append(line)
        self._size += len(line)
        if self._timer is None and not self._stopped:
            self._timer = self._clock.callLater(PERIOD_SECONDS, self._flush_later)
        if self._size >= BATCH_BYTES and not self._rest:
            self.flush()

    def write_now(self, line: bytes) -> None:
        """Write `line` and all lines before it, as far as possible without waiting."""
        if self._stopped and self._path is not None:
            self._write_after_stop(self._path, line)
            return
        if self._size > MAX_BYTES:
            self._counters.log_drops += 1
            return
        self._lines.append(line)
        self.flush()
        if self._size and self._timer is None and not self._stopped:
            self._timer = self._clock.callLater(PERIOD_SECONDS, self._flush_later)

    def _flush_later(self) -> None:
        self._timer = None
        self.flush()
        if self._size:
            self._timer = self._clock.callLater(PERIOD_SECONDS, self._flush_later)

    def flush(self) -> None:
        """Write as much as possible without waiting."""
        data = self._rest + b"".join(self._lines)
        self._lines.clear()
        self._rest = b""
        try:
            written = (
                os.write(self._descriptor, data) if self._takes_all else self._write_some(data)
            )
        except BlockingIOError:
            written = 0
        except OSError as error:
            written = self._lose(data, error)
        # The warning about a loss may have become a line meanwhile.
        self._rest = data[written:] + self._rest
        self._size = len(self._rest) + sum(map(len, self._lines))

    def _write_some(self, data: bytes) -> int:
        """Write to a pipe or a terminal as much as it takes now; the number of bytes."""
        # In pieces too small to block: O_NONBLOCK would affect other processes that
        # share the descriptor.
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        written = 0
        while written < len(data) and poll.poll(0):
            piece = data[written : written + _PIPE_BYTES]
            if self._shared:
                written += self._write_lines(data, written, piece)
            else:
                written += os.write(self._descriptor, piece)
        return written

    def _write_lines(self, data: bytes, start: int, piece: bytes) -> int:
        """Write the whole lines of `piece`, at `start` of `data`; the number of bytes done."""
        end = piece.rfind(b"\n") + 1
        if end:
            return os.write(self._descriptor, piece[:end])
        # The pipe takes only so many bytes as one (POSIX, write).
        os.write(self._descriptor, piece[:-1] + b"\n")
        return data.index(b"\n", start) + 1 - start

    def _lose(self, data: bytes, error: OSError) -> int:
        """Count the lines of `data` as lost; the number of its bytes."""
        first = not self._counters.log_drops
        self._counters.log_drops += data.count(b"\n")
        if first:
            # The warning may come back here as a line; the loss is counted by then.
            _log.warn("the log loses lines: {error}", error=error.strerror)
        return len(data)

    def reopen(self) -> None:
        """Open the path again after a rotation."""
        self.flush()
        if self._path is None:
            return
        try:
            descriptor = _open(self._path)
        except OSError as error:
            # The old file stays in use.
            _log.error("cannot reopen {path}: {error}", path=self._path, error=error.strerror)
            return
        os.close(self._descriptor)
        self._descriptor = descriptor
        self._takes_all = _takes_all(descriptor)

    def stop(self) -> None:
        """Write as much as possible and close the path."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._stopped = True
        self.flush()
        self._counters.log_drops += self._rest.count(b"\n")
        self._rest = b""
        if self._path is not None:
            os.close(self._descriptor)

    def _write_after_stop(self, path: Path, line: bytes) -> None:
        try:
            with open(_open(path), "wb", 0) as file:
                file.write(line)
        except OSError:
            self._counters.log_drops += 1


def _open(path: Path | str) -> int:
    # Without O_NONBLOCK this would wait for the reader of a FIFO.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
    return os.open(path, flags, 0o640)


def _takes_all(descriptor: int) -> bool:
    """Whether a write may take its time, as to a disk, or cannot be kept from it (Windows)."""
    return stat.S_ISREG(os.fstat(descriptor).st_mode) or not hasattr(select, "poll")
