"""
Sockets that listen: resolved and bound while there is still someone to complain to.

Rules: knows addresses and no protocol.  A listener is a Service; its socket
is bound by `privilegedStartService` (before privileges are shed), served from
`startService` on, and closed to newcomers by `stopService`.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.usage import UsageError

from netd.transport import unix
from netd.values import Endpoint

_log = Logger()

_SOMAXCONN: Final = Path("/proc/sys/net/core/somaxconn")

Serve: TypeAlias = Callable[[socket.socket], IListeningPort]
"""Serves an already bound, non-blocking socket, of which it keeps a copy of its own."""


_Address: TypeAlias = tuple[int, Any]
"""A family, and an address as `bind` takes it."""

_ATTEMPTS: Final = 20


def _resolve(where: Endpoint, kind: socket.SocketKind) -> tuple[_Address, ...]:
    """What to bind, at most one of each family; UsageError when the host is unknown here."""
    if where.kind == "unix":
        # Absolute, for twistd may change the directory before it is removed.
        return ((socket.AF_UNIX, str(Path(where.host).absolute())),)
    if where.host == "*":
        pair = (
            (socket.AF_INET, ("0.0.0.0", where.port)),
            (socket.AF_INET6, ("::", where.port)),
        )
        return pair if socket.has_ipv6 else pair[:1]
    return (_look_up(where, kind),)


def _look_up(where: Endpoint, kind: socket.SocketKind) -> _Address:
    """The address of a host by its name or number."""
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
    One address that is listened on, for streams or datagrams, and whoever serves it.

    Building it looks the host up, starting it binds; both raise UsageError
    that names the option.  Port 0 lets the kernel choose; `bound` tells.
    `*` is one socket for each family, with the same port.  One that inherits
    its sockets binds nothing, and the last of them is not closed here: whoever
    made them keeps them open.
    """

    def __init__(self, where: Endpoint, kind: socket.SocketKind, serve: Serve) -> None:
        self.endpoint = where
        """The address asked for, or that of the inherited sockets."""
        self.kind = kind
        """Streams or datagrams."""
        self.lent = False
        """Whether the sockets are somebody else's."""
        self.after: Callable[[], Deferred[Any]] | None = None
        """What a stop waits for before this listener closes; None: nothing."""
        self._serve = serve
        self._addresses = _resolve(where, kind)
        self._sockets: list[socket.socket] = []
        self._ports: list[IListeningPort] = []
        self._path: tuple[str, unix.Identity] | None = None
        self.bound: Endpoint | None = None
        """Where it really listens, once it does."""

    def inherit(self, sockets: Sequence[socket.socket]) -> None:
        """Serve `sockets`, which are bound and do not block, instead of binding any."""
        self._sockets, self.lent = list(sockets), True
        first = self._sockets[0]
        if first.family == socket.AF_UNIX:
            kind = "unix"
        else:
            kind = "tcp" if self.kind is socket.SOCK_STREAM else "udp"
            kind += "6" if first.family == socket.AF_INET6 else ""
        self.endpoint = evolve(self.endpoint, kind=kind, host="", backlog=4096)
        self.bound = self._bound(first)

    def privilegedStartService(self) -> None:
        """Bind, unless that is already done."""
        Service.privilegedStartService(self)
        if not self._sockets and not self._ports:
            try:
                self._sockets = self._bind_all()
            except OSError as error:
                raise UsageError(
                    f"{self.endpoint.option}: cannot listen on {self._place()}: "
                    f"{error.strerror}"
                ) from None
            self.bound = self._bound(self._sockets[0])

    def startService(self) -> None:
        """Serve."""
        self.privilegedStartService()
        Service.startService(self)
        sockets, self._sockets = self._sockets, []
        for sock in sockets:
            self._ports.append(self._serve(sock))
            sock.close()

    def stopService(self) -> Deferred[Any]:
        """Close to newcomers; fires when the port is closed."""
        Service.stopService(self)
        if self.after is not None and self._ports:
            return self.after().addBoth(lambda _: self._close())
        return self._close()

    def _close(self) -> Deferred[Any]:
        for sock in self._sockets:
            sock.close()
        ports, path = self._ports, self._path
        self._ports, self._sockets, self.bound, self._path = [], [], None, None

        def remove(result: Any) -> Any:
            # Twisted's port does that too, and does not bear to find it done.
            if path is not None:
                unix.remove(*path)
            return result

        return gatherResults([maybeDeferred(port.stopListening) for port in ports]).addBoth(
            remove
        )

    def _place(self) -> str:
        family, address = self._addresses[0]
        if family == socket.AF_UNIX:
            return f"unix {address}"
        host = "*" if self.endpoint.host == "*" else address[0]
        return f"{self.endpoint.kind} {host} port {address[1]}"

    def _bound(self, sock: socket.socket) -> Endpoint:
        address = sock.getsockname()
        if sock.family == socket.AF_UNIX:
            return evolve(self.endpoint, host=address)
        if self.endpoint.host == "*":
            return evolve(self.endpoint, port=address[1])
        # Unlike getsockname's, this address keeps its scope.
        host, _ = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        return evolve(self.endpoint, host=host, port=address[1])

    def _bind_all(self) -> list[socket.socket]:
        """Every socket; where the kernel may choose the port, one that is free for all."""
        for attempt in range(_ATTEMPTS):
            made: list[socket.socket] = []
            try:
                for family, address in self._addresses:
                    chosen = made and not self.endpoint.port
                    number = made[0].getsockname()[1] if chosen else 0
                    made.append(self._bind(family, (address[0], number) if chosen else address))
            except OSError as wrong:
                for sock in made:
                    sock.close()
                again = len(made) and not self.endpoint.port and wrong.errno == errno.EADDRINUSE
                if again and attempt < _ATTEMPTS - 1:
                    continue
                raise
            break
        return made

    def _bind(self, family: int, address: Any) -> socket.socket:
        sock = socket.socket(family, self.kind)
        try:
            sock.setblocking(False)
            if family == socket.AF_UNIX:
                self._path = address, unix.bind(sock, address, self.endpoint.mode)
            else:
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                if self.kind is socket.SOCK_STREAM:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(address)
            if self.kind is socket.SOCK_STREAM:
                self._listen(sock)
        except OSError:
            sock.close()
            raise
        return sock

    def _listen(self, sock: socket.socket) -> None:
        sock.listen(self.endpoint.backlog)
        granted = kernel_backlog()
        if granted is not None and granted < self.endpoint.backlog:
            _log.warn(
                "{option}: the kernel queues {granted} connections and not the {asked} asked "
                "for; raise net.core.somaxconn",
                option=self.endpoint.option,
                granted=granted,
                asked=self.endpoint.backlog,
            )


def adopt(reactor: Any, sock: socket.socket, factory: Any) -> IListeningPort:
    """A stock port on `sock`."""
    port: IListeningPort = reactor.adoptStreamPort(sock.fileno(), sock.family, factory)
    return port


def stream(
    where: Endpoint,
    factory: Any,
    reactor: Any,
    port: Callable[[Any, socket.socket, Any], IListeningPort] = adopt,
) -> Listener:
    """
    A service that lets `factory` speak with whoever connects to `where`.

    `port(reactor, socket, factory)` makes the listening port of an Internet socket.
    """

    def serve(sock: socket.socket) -> IListeningPort:
        made: IListeningPort
        if sock.family == socket.AF_UNIX:
            mode = None if listener.lent else where.mode
            made = unix.port(sock, factory, mode, where.backlog, reactor)
        else:
            made = port(reactor, sock, factory)
        return made

    listener = Listener(where, socket.SOCK_STREAM, serve)
    return listener


def datagram(where: Endpoint, serve: Serve) -> Listener:
    """A service that lets `serve` make a port of the datagram socket bound to `where`."""
    return Listener(where, socket.SOCK_DGRAM, serve)
