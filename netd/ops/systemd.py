"""
Telling the init system what the daemon is doing (sd_notify(3)).

Rules: speaks to NOTIFY_SOCKET and to nothing else; without one it is silent.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger

_log = Logger()


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


class Ready(Service):
    """
    Says READY=1 once every service before it has started, STOPPING=1 when the stop begins.

    With READY goes `X_NETD_LISTEN`, `name=endpoint` of every listener with
    spaces between, so that whoever started the daemon on port 0 learns where
    it is.
    """

    def __init__(
        self,
        reactor: Any,
        listening: Callable[[], Mapping[str, str]],
        environ: Mapping[str, str],
    ) -> None:
        self._reactor = reactor
        self._listening = listening
        self._environ = environ

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

    def stopService(self) -> None:
        """Take leave."""
        Service.stopService(self)
        notify(self._environ, "STOPPING=1", "STATUS=Finishing answers in flight")
