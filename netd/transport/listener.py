"""
Listening sockets, which are resolved and bound before the daemon detaches.

Rules: knows addresses and no protocol.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import combinations, product
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger
from twisted.python import log
from twisted.python.usage import UsageError

from netd.addresses import loopback
from netd.transport import balanced_port, tcp_port, unix
from netd.transport.tcp import TCPTransport
from netd.values import Endpoint

_log = Logger()

_SOMAXCONN: Final = Path("/proc/sys/net/core/somaxconn")
_SHORT_QUEUE: Final = (
    "{option}: the kernel queues {granted} connections and not the {asked} asked for; "
    "raise net.core.somaxconn"
)
_ATTEMPTS: Final = 20
_EVERY_HOST: Final = frozenset({"0.0.0.0", "::"})
# Twisted's ports log "... starting on 8000" whatever `noisy` is; the line `ready:` says more.
_SILENT: Final = {"log_format": ""}

Serve: TypeAlias = Callable[[socket.socket], IListeningPort]
"""Serves a bound, non-blocking socket, of which it keeps a duplicate."""


def _resolve(endpoint: Endpoint, kind: socket.SocketKind) -> tuple[tuple[int, Any], ...]:
    """The families and addresses to bind, one of each; UsageError for an unknown host."""
    if endpoint.kind == "unix":
        if unix.FAMILY < 0:
            raise UsageError(f"{endpoint.option}: this system has no UNIX sockets")
        # Absolute, because twistd may change the directory before the path is removed.
        return ((unix.FAMILY, str(Path(endpoint.host).absolute())),)
    if endpoint.host == "*":
        ipv4 = socket.AF_INET, ("0.0.0.0", endpoint.port)
        ipv6 = socket.AF_INET6, ("::", endpoint.port)
        return (ipv4, ipv6) if socket.has_ipv6 else (ipv4,)
    family = socket.AF_INET6 if endpoint.kind.endswith("6") else socket.AF_UNSPEC
    try:
        found = socket.getaddrinfo(
            endpoint.host, endpoint.port, family, kind, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise UsageError(f"{endpoint.option}: {endpoint.host}: {reason}") from None
    # IPv4 for a name of both families; tcp6: and udp6: ask for IPv6.
    best = min(found, key=lambda info: info[0] != socket.AF_INET)
    return ((best[0], best[4]),)


def kernel_backlog(path: Path = _SOMAXCONN) -> int | None:
    """The longest accept queue that the kernel grants; None where that is not known."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


class Listener(Service):
    """
    Listens on one endpoint, for streams or datagrams.

    The constructor resolves the host; `privilegedStartService` binds, before privileges
    are shed; both raise a UsageError that names the option.  With port 0 the kernel
    chooses a port, which `bound` has.  The host `*` is one socket for each family, with
    the same port.  Inherited sockets stay open in the process that passed them.
    """

    def __init__(self, endpoint: Endpoint, kind: socket.SocketKind, serve: Serve) -> None:
        self.endpoint = endpoint
        """The endpoint asked for, or that of the inherited sockets."""
        self.kind = kind
        self.inherited = False
        """Whether the sockets are inherited."""
        self.after: Callable[[], Deferred[None]] | None = None
        """What a stop waits for before this listener closes; None: nothing."""
        self.crowded: Callable[[], bool] | None = None
        """Whether newcomers shall go to another process; None: there is no other."""
        self.bound: Endpoint | None = None
        """The endpoint with the address that is bound; None before and after."""
        self._serve = serve
        self._addresses = _resolve(endpoint, kind)
        self._sockets: list[socket.socket] = []
        self._ports: list[IListeningPort] = []
        self._file: tuple[str, unix.Identity] | None = None

    def clashes(self, other: Listener) -> bool:
        """Whether the kernel would refuse one of the two; never for inherited sockets."""
        if self.kind is not other.kind or self.inherited or other.inherited:
            return False
        pairs = product(self._addresses, other._addresses)
        return any(_same(mine, theirs) for mine, theirs in pairs)

    def inherit(self, sockets: Sequence[socket.socket]) -> None:
        """Serve `sockets`, which are bound and non-blocking, instead of binding any."""
        self._sockets, self.inherited = list(sockets), True
        first = self._sockets[0]
        kind = "tcp" if self.kind is socket.SOCK_STREAM else "udp"
        kind = {unix.FAMILY: "unix", socket.AF_INET6: f"{kind}6"}.get(first.family, kind)
        self.endpoint = evolve(self.endpoint, kind=kind, host="", backlog=4096)
        self.bound = self._bound(first)

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """The bound sockets that are not served yet."""
        return self._sockets

    def lend(self) -> None:
        """Serve sockets that stay another process's: that one removes a UNIX socket's file."""
        self.inherited, self._file = True, None

    def shut(self) -> None:
        """Refuse newcomers in every process that has the sockets, unless they are inherited."""
        for sock in self._sockets:
            if self.kind is socket.SOCK_STREAM and not self.inherited:
                # Another process may have shut it down.
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    @property
    def local(self) -> bool:
        """Whether all its addresses, bound or yet to be, are of loopback or UNIX sockets."""
        given = tuple((each.family, each.getsockname()) for each in self._sockets)
        return all(
            family == unix.FAMILY or loopback(address[0])
            for family, address in given or self._addresses
        )

    def privilegedStartService(self) -> None:
        """Bind, unless that is done."""
        Service.privilegedStartService(self)
        if not self._sockets and not self._ports:
            try:
                self._sockets = self._bind_all()
            except OSError as error:
                raise UsageError(f"{self._failure()}: {error.strerror}") from None
            self.bound = self._bound(self._sockets[0])

    def startService(self) -> None:
        """Serve."""
        self.privilegedStartService()
        Service.startService(self)
        sockets, self._sockets = self._sockets, []
        for sock in sockets:
            self._ports.append(log.callWithContext(_SILENT, self._serve, sock))
            sock.close()

    def stopService(self) -> Deferred[object]:
        """Stop listening, after `after`; fires when the ports are closed."""
        Service.stopService(self)
        if self.after is not None and self._ports:
            return self.after().addBoth(lambda _: self._close())
        return self._close()

    def _close(self) -> Deferred[object]:
        for sock in self._sockets:
            sock.close()
        ports, file = self._ports, self._file
        self._ports, self._sockets, self.bound, self._file = [], [], None, None

        def remove(result: object) -> object:
            # Twisted's port removes the file, too, and fails when it is gone.
            if file is not None:
                unix.remove(*file)
            return result

        closed = gatherResults([maybeDeferred(port.stopListening) for port in ports])
        return closed.addBoth(remove)

    def _failure(self) -> str:
        endpoint, (family, address) = self.endpoint, self._addresses[0]
        place = f"unix {address}"
        if family != unix.FAMILY:
            host = "*" if endpoint.host == "*" else address[0]
            place = f"{endpoint.kind} {host} port {address[1]}"
        return f"{endpoint.option}: cannot listen on {place}"

    def _bound(self, sock: socket.socket) -> Endpoint:
        address = sock.getsockname()
        if sock.family == unix.FAMILY:
            return evolve(self.endpoint, host=address)
        if self.endpoint.host == "*":
            return evolve(self.endpoint, port=address[1])
        # Unlike that of getsockname, this address has its scope.
        host, _ = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        return evolve(self.endpoint, host=host, port=address[1])

    def _bind_all(self, attempts: int = _ATTEMPTS) -> list[socket.socket]:
        """Bind all addresses; with port 0, to one port that is free for all."""
        sockets: list[socket.socket] = []
        any_port = not self.endpoint.port
        try:
            for family, address in self._addresses:
                chosen = (
                    (address[0], sockets[0].getsockname()[1]) if sockets and any_port else ()
                )
                sockets.append(self._bind(family, chosen or address))
        except OSError as error:
            for sock in sockets:
                sock.close()
            if sockets and any_port and error.errno == errno.EADDRINUSE and attempts > 1:
                return self._bind_all(attempts - 1)
            raise
        return sockets

    def _bind(self, family: int, address: Any) -> socket.socket:
        sock = socket.socket(family, self.kind)
        try:
            sock.setblocking(False)
            if family == unix.FAMILY:
                self._file = address, unix.bind(sock, address, self.endpoint.mode)
            else:
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                # On Windows the option would share the port with whoever asks.
                if self.kind is socket.SOCK_STREAM and sys.platform != "win32":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(address)
            if self.kind is socket.SOCK_STREAM:
                self._listen(sock)
        except OSError:
            sock.close()
            raise
        return sock

    def _listen(self, sock: socket.socket) -> None:
        backlog = self.endpoint.backlog
        sock.listen(backlog)
        granted = kernel_backlog()
        if granted is not None and granted < backlog:
            option = self.endpoint.option
            _log.warn(_SHORT_QUEUE, option=option, granted=granted, asked=backlog)


def _same(mine: tuple[int, Any], theirs: tuple[int, Any]) -> bool:
    """Whether two addresses are one, or one of them is every address with that port."""
    (family, address), (other_family, other) = mine, theirs
    if family != other_family or family == unix.FAMILY:
        return mine == theirs
    # With port 0 the kernel chooses another one each time.
    one_port = address[1] == other[1] != 0
    return one_port and (address == other or bool(_EVERY_HOST & {address[0], other[0]}))


def check_distinct(listeners: Iterable[Listener]) -> None:
    """UsageError for the first two listeners of which the kernel would refuse one."""
    for first, second in combinations(listeners, 2):
        if first.clashes(second):
            owner, option = first.endpoint.option, second.endpoint.option
            raise UsageError(f"{option}: not an address of its own, {owner} has it")


def stream(
    endpoint: Endpoint,
    factory: IProtocolFactory,
    reactor: Any,
    transport: type[TCPTransport] = TCPTransport,
) -> Listener:
    """Listen for clients of `factory`; `transport` is their kind where a TCPPort listens."""

    def serve(sock: socket.socket) -> IListeningPort:
        if sock.family == unix.FAMILY:
            mode = None if listener.inherited else endpoint.mode
            return unix.port(sock, factory, mode, endpoint.backlog, reactor)
        if listener.crowded is not None:
            return balanced_port.port(sock, factory, reactor, listener.crowded, transport)
        return tcp_port.port(sock, factory, reactor, transport)

    listener = Listener(endpoint, socket.SOCK_STREAM, serve)
    return listener


def datagram(endpoint: Endpoint, serve: Serve) -> Listener:
    """A listener for the datagrams of `endpoint`, whose port `serve` makes."""
    return Listener(endpoint, socket.SOCK_DGRAM, serve)
