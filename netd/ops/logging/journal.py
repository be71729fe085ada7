"""
The log as entries of the systemd journal, with fields of their own.

Rules: knows no HTTP; one datagram an entry, none of which is ever waited for.

Protocol: <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from netd.counters import Counters
from netd.http.context import AccessRecord
from netd.ops.logging import log_fields

SOCKET: Final = "/run/systemd/journal/socket"
PERIOD_SECONDS: Final = 1.0
"""How long until a journal that was busy is tried again."""
KEPT: Final = 256 * 1024
"""Bytes kept for a journal that is busy; then entries are lost."""

# syslog(3).
_PRIORITIES: Final = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}
_ERROR: Final = 2


def listens(environ: Mapping[str, str], descriptor: int = _ERROR) -> bool:
    """Whether standard error is the journal's, by JOURNAL_STREAM (systemd.exec(5))."""
    device, colon, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    if not (colon and device.isdigit() and inode.isdigit()):
        return False
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (int(device), int(inode))


def datagram(priority: int, said: Mapping[str, Any]) -> bytes:
    """One entry; every field but `message` is called NETD_ and its name."""
    fields = {"PRIORITY": str(priority), "SYSLOG_IDENTIFIER": "netd"}
    for name, value in said.items():
        key = "MESSAGE" if name == "message" else f"NETD_{name.upper()}"
        fields[key] = str(value)
    return b"".join(
        _field(key.encode(), value.encode("utf-8", "backslashreplace"))
        for key, value in fields.items()
    )


def _field(key: bytes, value: bytes) -> bytes:
    if b"\n" in value:
        return b"%b\n%b%b\n" % (key, len(value).to_bytes(8, "little"), value)
    return b"%b=%b\n" % (key, value)


@implementer(ILogObserver)
class Journal:
    """
    Sends answers and events, and keeps a few while the journal is busy.

    An entry that the journal is not there for, or that is too large for it, is
    lost and counted.
    """

    def __init__(
        self, clock: IReactorTime, counters: Counters, path: str | bytes = SOCKET
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._path = path
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._next: IDelayedCall | None = None
        self._stopped = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def record(self, entry: AccessRecord) -> None:
        """Send one answer."""
        said = log_fields.access_fields(entry)
        self._put(datagram(_PRIORITIES["info"], said))

    def __call__(self, event: LogEvent) -> None:
        """Send one event of the daemon."""
        said = log_fields.happening(event)
        if said:
            self._put(datagram(_PRIORITIES.get(log_fields.level(event), 6), said))

    def _put(self, data: bytes) -> None:
        # One that must wait must not be overtaken.
        if not self._kept and self._send(data):
            return
        if self._stopped or self._size + len(data) > KEPT:
            self._counters.log_drops += 1
            return
        self._kept.append(data)
        self._size += len(data)
        if self._next is None:
            self._next = self._clock.callLater(PERIOD_SECONDS, self._due)

    def _send(self, data: bytes) -> bool:
        """Whether `data` is dealt with: sent, or lost and counted."""
        try:
            # To the path each time: a journal that was restarted has another socket there.
            self._socket.sendto(data, self._path)
        except BlockingIOError:
            return False
        except OSError:
            self._counters.log_drops += 1
        return True

    def _due(self) -> None:
        self._next = None
        self.flush()
        if self._kept:
            self._next = self._clock.callLater(PERIOD_SECONDS, self._due)

    def flush(self) -> None:
        """Send what was kept, as far as the journal takes it."""
        while self._kept and self._send(self._kept[0]):
            self._size -= len(self._kept.popleft())

    def reopen(self) -> None:
        """Nothing to do: the journal rotates by itself."""

    def stop(self) -> None:
        """Send what is left, as far as possible; from now on nothing is kept."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self.flush()
        self._counters.log_drops += len(self._kept)
        self._kept.clear()
        self._size = 0
        self._stopped = True
