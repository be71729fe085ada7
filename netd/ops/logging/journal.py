"""
The log as entries of the systemd journal.

Rules: knows no HTTP; an entry is one datagram, and none is waited for.

Protocol: <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from netd.counters import Counters
from netd.http.context import AccessRecord
from netd.ops.logging import log_fields

SOCKET: Final = "/run/systemd/journal/socket"
RETRY_SECONDS: Final = 1.0
"""Time until a busy journal is tried again."""
MAX_BYTES: Final = 256 * 1024
"""Bytes kept for a busy journal; further entries are lost."""

# syslog(3).
_PRIORITIES: Final = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}
_STDERR: Final = 2


def is_stderr(environ: Mapping[str, str], descriptor: int = _STDERR) -> bool:
    """Whether the journal reads standard error, by JOURNAL_STREAM (systemd.exec(5))."""
    device, colon, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    if not (colon and device.isdigit() and inode.isdigit()):
        return False
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (int(device), int(inode))


def field_name(name: str) -> str:
    """The name of a field in the journal: every one but `message` has the prefix NETD_."""
    return "MESSAGE" if name == "message" else f"NETD_{name.upper()}"


def datagram(priority: int, fields: Mapping[str, str | int | float]) -> bytes:
    """One entry."""
    data = [b"PRIORITY=%d\nSYSLOG_IDENTIFIER=netd\n" % priority]
    for name, value in fields.items():
        text = f"{value:.6f}" if isinstance(value, float) else str(value)
        data.append(_field(field_name(name).encode(), text.encode("utf-8", "backslashreplace")))
    return b"".join(data)


def _field(key: bytes, value: bytes) -> bytes:
    if b"\n" in value:
        return b"%b\n%b%b\n" % (key, len(value).to_bytes(8, "little"), value)
    return b"%b=%b\n" % (key, value)


@implementer(ILogObserver)
class JournalLog:
    """
    Sends responses and events, and keeps some of them while the journal is busy.

    An entry is lost and counted when there is no journal, or when it is too large.
    """

    detailed: Final = True

    def __init__(
        self,
        clock: IReactorTime,
        counters: Counters,
        path: str | bytes = SOCKET,
        fields: Callable[[AccessRecord], log_fields.Fields] = log_fields.access_fields,
    ) -> None:
        self._fields = fields
        self._clock = clock
        self._counters = counters
        self._path = path
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._timer: IDelayedCall | None = None
        self._stopped = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    @property
    def descriptor(self) -> int:
        """The socket."""
        return self._socket.fileno()

    def record(self, entry: AccessRecord) -> None:
        """Send the entry of a response."""
        self._send(datagram(_PRIORITIES["info"], self._fields(entry)))

    def __call__(self, event: LogEvent) -> None:
        """Send the entry of an event."""
        fields = log_fields.event_fields(event)
        if fields:
            self._send(datagram(_PRIORITIES.get(log_fields.level_name(event), 6), fields))

    def _send(self, data: bytes) -> None:
        # Entries keep their order.
        if not self._waiting and self._try_send(data):
            return
        if self._stopped or self._size + len(data) > MAX_BYTES:
            self._counters.log_drops += 1
            return
        self._waiting.append(data)
        self._size += len(data)
        if self._timer is None:
            self._timer = self._clock.callLater(RETRY_SECONDS, self._retry)

    def _try_send(self, data: bytes) -> bool:
        """Send `data`, or count it as lost; False when the journal is busy."""
        try:
            # By the path each time: a restarted journal has another socket there.
            self._socket.sendto(data, self._path)
        except BlockingIOError:
            return False
        except OSError:
            self._counters.log_drops += 1
        return True

    def _retry(self) -> None:
        self._timer = None
        self.flush()
        if self._waiting:
            self._timer = self._clock.callLater(RETRY_SECONDS, self._retry)

    def flush(self) -> None:
        """Send waiting entries until the journal is busy."""
        while self._waiting and self._try_send(self._waiting[0]):
            self._size -= len(self._waiting.popleft())

    def reopen(self) -> None:
        """No-op: the journal rotates its files itself."""

    def stop(self) -> None:
        """Send waiting entries or count them as lost; later ones never wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.flush()
        self._counters.log_drops += len(self._waiting)
        self._waiting.clear()
        self._size = 0
        self._stopped = True
