"""
Notifications to the service manager (sd_notify(3)).

Rules: speaks to NOTIFY_SOCKET and to nothing else; without it nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

_log = Logger()

STATUS_SECONDS: Final = 10.0
"""Interval at which the status of `systemctl status` is refreshed."""


def notify(environ: Mapping[str, str], *assignments: str) -> None:
    """Send `assignments` to the service manager, if there is one; never waits or raises."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            # systemd writes the leading NUL of an abstract socket as @.
            sock.connect("\0" + address[1:] if address[0] == "@" else address)
            sock.send("\n".join(assignments).encode())
    except OSError as error:
        _log.warn("NOTIFY_SOCKET {address}: {error}", address=address, error=error)


def watchdog_seconds(environ: Mapping[str, str], pid: int) -> float:
    """The watchdog interval of the process `pid` (sd_watchdog_enabled(3)); 0: no watchdog."""
    usec = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid) or not usec.isdigit():
        return 0.0
    return int(usec) / 1_000_000


class Notifier(Service):
    """
    Sends READY=1 when all services before it have started, and STOPPING=1 at a stop.

    READY comes with `X_NETD_LISTEN`, the `name=endpoint` of every listener
    separated by spaces, which tells the ports that the kernel chose.  After it
    the `status` is sent regularly, and WATCHDOG=1 if the manager wants it, until
    `close`, as a stop may take long.  The log has READY with `places`, for people.
    """

    def __init__(
        self,
        reactor: Any,
        listening: Callable[[], Mapping[str, str]],
        environ: Mapping[str, str],
        status: Callable[[], str] = str,
        places: Callable[[], str] = str,
    ) -> None:
        self._reactor = reactor
        self._listening = listening
        self._environ = environ
        self._status = status
        self._places = places
        self._calls: list[LoopingCall] = []

    def startService(self) -> None:
        """Send READY as soon as the reactor runs and handles signals."""
        Service.startService(self)
        self._reactor.callWhenRunning(self._ready)

    def _ready(self) -> None:
        if not self.running:
            return
        listen = " ".join(f"{name}={where}" for name, where in self._listening().items())
        _log.info("ready: {places}", places=self._places())
        notify(self._environ, "READY=1", f"STATUS=Serving {listen}", f"X_NETD_LISTEN={listen}")
        if self._environ.get("NOTIFY_SOCKET"):
            # The process id is final now: twistd may have forked before.
            watchdog = watchdog_seconds(self._environ, os.getpid()) / 2
            if watchdog:
                self._repeat(watchdog, lambda: notify(self._environ, "WATCHDOG=1"))
            self._repeat(STATUS_SECONDS, self._send_status)

    def _repeat(self, seconds: float, function: Callable[[], None]) -> None:
        # By the reactor, so that a blocked reactor misses the watchdog.
        call = LoopingCall(function)
        call.clock = self._reactor
        call.start(seconds, now=False)
        self._calls.append(call)

    def _send_status(self) -> None:
        status = self._status()
        if status and self.running:
            notify(self._environ, f"STATUS={status}")

    def reloading(self) -> None:
        """Announce a reload; `reloaded` must follow."""
        # systemd compares this with its own clock (Type=notify-reload).
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        notify(self._environ, "RELOADING=1", f"MONOTONIC_USEC={now}")

    def reloaded(self, result: str) -> None:
        """Announce the end of a reload with its `result`, one line."""
        notify(self._environ, "READY=1", f"STATUS={result}")

    def stopService(self) -> None:
        """Announce the stop, once."""
        if self.running:
            notify(self._environ, "STOPPING=1", "STATUS=Finishing responses in flight")
        Service.stopService(self)

    def close(self) -> None:
        """Stop the watchdog notifications, as the stop is over."""
        while self._calls:
            self._calls.pop().stop()
