"""
Sockets that listen: resolved and bound while there is still someone to complain to.

Rules: knows addresses and no protocol.  A listener is a Service; its socket
is bound by `privilegedStartService` (before privileges are shed), served from
`startService` on, and closed to newcomers by `stopService`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.usage import UsageError

from netd.values import Where

_log = Logger()

_SOMAXCONN: Final = Path("/proc/sys/net/core/somaxconn")

Serve: TypeAlias = Callable[[socket.socket], IListeningPort]
"""Serves an already bound, non-blocking socket, of which it keeps a copy of its own."""


def _resolve(where: Where, kind: socket.SocketKind) -> tuple[int, Any]:
    """Address family and socket address; UsageError when the host is unknown here."""
    family = socket.AF_INET6 if where.kind.endswith("6") else socket.AF_UNSPEC
    try:
        found = socket.getaddrinfo(
            where.host, where.port, family, kind, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as wrong:
        reason = wrong.strerror if isinstance(wrong, OSError) else "not a host name"
        raise UsageError(f"{where.option}: {where.host}: {reason}") from None
    # A name of both families means the older one; tcp6: and udp6: ask for the other.
    found.sort(key=lambda each: each[0] != socket.AF_INET)
    return found[0][0], found[0][4]


def kernel_backlog(path: Path = _SOMAXCONN) -> int | None:
    """The longest accept queue the kernel grants; None where it does not say."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


class Listener(Service):
    """
    One bound socket, of streams or datagrams, and whoever serves it.

    Building it looks the host up, starting it binds; both raise UsageError
    that names the option.  Port 0 lets the kernel choose; `bound` tells.
    """

    def __init__(self, where: Where, kind: socket.SocketKind, serve: Serve) -> None:
        self._asked = where
        self._kind = kind
        self._serve = serve
        self._family, self._address = _resolve(where, kind)
        self._socket: socket.socket | None = None
        self._port: IListeningPort | None = None
        self.bound: Where | None = None
        """Where it really listens, once it does."""

    def privilegedStartService(self) -> None:
        """Bind, unless that is already done."""
        Service.privilegedStartService(self)
        if self._socket is None and self._port is None:
            self._socket = self._bind()
            host, number = self._socket.getsockname()[:2]
            self.bound = evolve(self._asked, host=host, port=number)

    def startService(self) -> None:
        """Serve."""
        self.privilegedStartService()
        Service.startService(self)
        if self._socket is not None:
            self._port = self._serve(self._socket)
            self._socket.close()
            self._socket = None

    def stopService(self) -> Deferred[Any]:
        """Close to newcomers; fires when the port is closed."""
        Service.stopService(self)
        if self._socket is not None:
            self._socket.close()
        port, self._port, self._socket, self.bound = self._port, None, None, None
        return maybeDeferred(port.stopListening if port is not None else lambda: None)

    def _bind(self) -> socket.socket:
        sock = socket.socket(self._family, self._kind)
        try:
            sock.setblocking(False)
            if self._family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if self._kind is socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(self._address)
            if self._kind is socket.SOCK_STREAM:
                self._listen(sock)
        except OSError as wrong:
            sock.close()
            host, number = self._address[:2]
            raise UsageError(
                f"{self._asked.option}: cannot listen on {self._asked.kind} "
                f"{host} port {number}: {wrong.strerror}"
            ) from None
        return sock

    def _listen(self, sock: socket.socket) -> None:
        sock.listen(self._asked.backlog)
        granted = kernel_backlog()
        if granted is not None and granted < self._asked.backlog:
            _log.warn(
                "{option}: the kernel queues {granted} connections and not the {asked} asked "
                "for; raise net.core.somaxconn",
                option=self._asked.option,
                granted=granted,
                asked=self._asked.backlog,
            )


def stream(where: Where, factory: Any, reactor: Any) -> Listener:
    """A service that lets `factory` speak with whoever connects to `where`."""

    def serve(sock: socket.socket) -> IListeningPort:
        port: IListeningPort = reactor.adoptStreamPort(sock.fileno(), sock.family, factory)
        return port

    return Listener(where, socket.SOCK_STREAM, serve)


def datagram(where: Where, serve: Serve) -> Listener:
    """A service that lets `serve` make a port of the datagram socket bound to `where`."""
    return Listener(where, socket.SOCK_DGRAM, serve)
