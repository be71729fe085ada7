"""
The access log: one line an answer, in the combined format, written in batches.

Rules: knows no HTTP and never holds the reactor up.  A full disk loses lines,
a closed pipe loses lines, both are counted; no request ever notices.

Format: <https://httpd.apache.org/docs/2.4/logs.html#combined>
"""

from __future__ import annotations

import os
import re
import select
import stat
import time
from collections.abc import Callable
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

# What could end a field or a line, or play tricks on a terminal.
_UNSAFE: Final = bytes(each for each in range(256) if not 32 <= each < 127 or each in b'"\\')
_UNSAFE_BYTE: Final = re.compile(rb"[^ !#-\[\]-~]")
# As much as a pipe that is writable takes without blocking (POSIX, write).
_ATOM: Final = select.PIPE_BUF


def escape(field: bytes) -> bytes:
    r"""`field` with quotes, backslashes, control and 8-bit bytes as `\xNN`."""
    return _UNSAFE_BYTE.sub(lambda found: b"\\x%02X" % ord(found[0]), field)


class AccessLog:
    """
    Writes to a file, or to a descriptor that is open already (standard output).

    A path is opened for appending and can be opened anew after a rotation; a
    descriptor stays its owner's.  OSError when a path cannot be opened.
    """

    def __init__(
        self,
        where: Path | str | int,
        clock: IReactorTime,
        counters: Counters,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = None if isinstance(where, int) else Path(where)
        self._clock = clock
        self._counters = counters
        self._now = now
        self._lines: list[bytes] = []
        self._size = 0
        self._rest = b""
        self._next: IDelayedCall | None = None
        self._second = -1
        self._stamp = b""
        self._descriptor = where if isinstance(where, int) else _open(where)
        self._regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)

    def record(  # noqa: PLR0917 - called once a request, where keywords cost
        self,
        peer: bytes,
        line: bytes,
        code: int,
        length: int,
        referer: bytes,
        agent: bytes,
        user: bytes = b"-",
    ) -> None:
        """Write down one answer, soon."""
        if self._size > KEPT:
            self._counters.log_drops += 1
            return
        now = int(self._now())
        if now != self._second:
            self._second = now
            self._stamp = _stamp(now)
        said = line + referer + agent
        if len(said.translate(None, _UNSAFE)) != len(said):
            line, referer, agent = escape(line), escape(referer), escape(agent)
        if user != b"-":
            # The only field that ends with a space.
            user = escape(user).replace(b" ", b"\\x20")
        entry = b'%b - %b [%b] "%b" %d %d "%b" "%b"\n' % (
            peer,
            user,
            self._stamp,
            line,
            code,
            length,
            referer,
            agent,
        )
        self._lines.append(entry)
        self._size += len(entry)
        if self._next is None:
            self._next = self._clock.callLater(PERIOD_SECONDS, self._due)
        if self._size >= BATCH and not self._rest:
            self.flush()

    def _due(self) -> None:
        self._next = None
        self.flush()
        if self._size:
            self._next = self._clock.callLater(PERIOD_SECONDS, self._due)

    def flush(self) -> None:
        """Write what can be written without waiting."""
        data = self._rest + b"".join(self._lines)
        self._lines.clear()
        try:
            written = os.write(self._descriptor, data) if self._regular else self._trickle(data)
        except BlockingIOError:
            written = 0
        except OSError as error:
            written = self._lost(data, error)
        self._rest = data[written:]
        self._size = len(self._rest)

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
        if not self._counters.log_drops:
            _log.warn("the access log loses lines: {error}", error=error.strerror)
        self._counters.log_drops += data.count(b"\n")
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
        self.flush()
        self._counters.log_drops += self._rest.count(b"\n")
        self._rest = b""
        if self._path is not None:
            os.close(self._descriptor)


def _open(path: Path | str) -> int:
    # Without O_NONBLOCK a FIFO nobody reads would hold the daemon up here.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    return os.open(path, flags, 0o640)


def _stamp(seconds: int) -> bytes:
    """The time of day as the combined format has it, in UTC and whatever the locale."""
    now = time.gmtime(seconds)
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[now.tm_mon * 3 - 3 : now.tm_mon * 3]
    return (
        f"{now.tm_mday:02}/{month}/{now.tm_year:04}"
        f":{now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02} +0000"
    ).encode()
