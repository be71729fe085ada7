"""
Telling the init system what the daemon is doing (sd_notify(3)).

Rules: speaks to NOTIFY_SOCKET and to nothing else; without one it is silent.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

_log = Logger()

STATUS_SECONDS: Final = 10.0
"""How old the status may be that `systemctl status` shows."""


def notify(environ: Mapping[str, str], *assignments: str) -> None:
    """Send `assignments` to the service manager, if one listens; never waits, never raises."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            # systemd writes the leading NUL of an abstract socket as @.
            sock.connect("\0" + address[1:] if address[0] == "@" else address)
            sock.send("\n".join(assignments).encode())
    except OSError as wrong:
        _log.warn("NOTIFY_SOCKET {address}: {wrong}", address=address, wrong=wrong)


def watchdog_seconds(environ: Mapping[str, str], pid: int) -> float:
    """How often the manager wants a sign of life (sd_watchdog_enabled(3)); 0: not at all."""
    asked = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid) or not asked.isdigit():
        return 0.0
    return int(asked) / 1_000_000


class Pulse:
    """
    Calls `beat` each `seconds`, by a timer of the reactor: one that stands still has no pulse.

    Whoever starts it stops it.
    """

    def __init__(self, clock: Any, seconds: float, beat: Callable[[], None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._beat = beat
        self._next: IDelayedCall | None = None

    def start(self) -> None:
        """The first beat is one period from now."""
        self._next = self._clock.callLater(self._seconds, self._due)

    def _due(self) -> None:
        self.start()
        self._beat()

    def stop(self) -> None:
        """No more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None


class Ready(Service):
    """
    Says READY=1 once every service before it has started, STOPPING=1 when the stop begins.

    With READY goes `X_NETD_LISTEN`, `name=endpoint` of every listener with
    spaces between, so that whoever started the daemon on port 0 learns where
    it is.  In between it tells the `doing` of the moment and, when asked to,
    that the reactor turns; that goes on until `close`, as a stop may take long.
    """

    def __init__(
        self,
        reactor: Any,
        listening: Callable[[], Mapping[str, str]],
        environ: Mapping[str, str],
        doing: Callable[[], str] = str,
    ) -> None:
        self._reactor = reactor
        self._listening = listening
        self._environ = environ
        self._doing = doing
        self._pulses: list[Pulse] = []

    def startService(self) -> None:
        """Announce, as soon as the reactor runs and hears signals."""
        Service.startService(self)
        self._reactor.callWhenRunning(self._announce)

    def _announce(self) -> None:
        if not self.running:
            return
        said = " ".join(f"{name}={where}" for name, where in self._listening().items())
        _log.info("ready: {said}", said=said)
        notify(self._environ, "READY=1", f"STATUS=Serving {said}", f"X_NETD_LISTEN={said}")
        if self._environ.get("NOTIFY_SOCKET"):
            self._keep_telling()

    def _keep_telling(self) -> None:
        # Here and not before: twistd may have forked meanwhile.
        alive = watchdog_seconds(self._environ, os.getpid()) / 2
        if alive:
            self._begin(alive, lambda: notify(self._environ, "WATCHDOG=1"))
        self._begin(STATUS_SECONDS, self._tell)

    def _begin(self, seconds: float, beat: Callable[[], None]) -> None:
        pulse = Pulse(self._reactor, seconds, beat)
        self._pulses.append(pulse)
        pulse.start()

    def _tell(self) -> None:
        doing = self._doing()
        if doing and self.running:
            notify(self._environ, f"STATUS={doing}")

    def reloading(self) -> None:
        """The configuration is being read again; `reloaded` must follow."""
        # What systemd compares with its own clock (Type=notify-reload).
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        notify(self._environ, "RELOADING=1", f"MONOTONIC_USEC={now}")

    def reloaded(self, result: str) -> None:
        """It is in force, or was refused; `result` says which in one line."""
        notify(self._environ, "READY=1", f"STATUS={result}")

    def stopService(self) -> None:
        """Take leave."""
        Service.stopService(self)
        notify(self._environ, "STOPPING=1", "STATUS=Finishing answers in flight")

    def close(self) -> None:
        """The stop is over: no more signs of life."""
        while self._pulses:
            self._pulses.pop().stop()
