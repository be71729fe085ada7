"""
A listening port for `netd.transport.tcp` that copes with a lack of descriptors.

Rules: as for the transport.
"""

from __future__ import annotations

import errno
import os
import socket as sockets
from contextlib import suppress
from socket import SOCK_STREAM, SocketType, socket
from typing import Any, Final

from twisted.internet import tcp
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IProtocolFactory
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger
from twisted.python.failure import Failure

from netd.transport import private
from netd.transport.tcp import TCPTransport, plain

_log = Logger()

TURN_SECONDS: Final = 0.02
"""How long a turn of the reactor accepts connections."""
_CROWD: Final = 16
_MOST: Final = 4096
PAUSE_SECONDS: Final = 0.5
"""How long no connection is accepted after a lack of descriptors."""
_SHED: Final = 128
"""Connections closed before that pause."""
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# accept(2): errors of a single connection, not of the listening socket.
_PASSING: Final = frozenset(
    {errno.EPERM, errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENETUNREACH}
    | {errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.EOPNOTSUPP, errno.EINTR}
)


class TCPPort(tcp.Port):
    """Accepts many connections a turn, and pauses when the process lacks descriptors."""

    reactor: Any
    factory: Any
    transport = TCPTransport
    _pause: IDelayedCall | None = None
    _next: IDelayedCall | None = None
    _spare_descriptor = -1
    _warned_at = float("-inf")

    def startListening(self) -> None:
        """Listen, with a spare descriptor for the time when there is no other."""
        tcp.Port.startListening(self)
        self._reserve()

    def doRead(self) -> None:
        """Accept the waiting connections, for `TURN_SECONDS` at most."""
        family, clock = int(self.addressFamily), self.reactor.seconds
        until = clock() + TURN_SECONDS
        for accepted in range(self.numberAccepts):
            try:
                # As socket.accept(), without the conversion to enumerations.
                number, address = self.socket._accept()  # type: ignore[union-attr]
            except BlockingIOError:
                # Next time, accept as many without the call that finds no more.
                self.numberAccepts = max(1, accepted)
                return
            except OSError as error:
                if error.errno in _PASSING:
                    continue
                if error.errno not in _EXHAUSTED:
                    raise
                self._pause_accepting(error)
                return
            # Without the methods that Python adds, and a third quicker.
            sock: Any = SocketType(family, SOCK_STREAM, 0, number)
            self._connect(sock, address)
            if clock() >= until:
                break
        # There may be more.  Accept them before the next input, and more at a time: a full
        # backlog loses connections, each of which costs its client a second or more.
        if self.numberAccepts >= _CROWD and self._next is None:
            self._next = self.reactor.callLater(0, self._accept_more)
        self.numberAccepts = min(4 * self.numberAccepts, _MOST)

    def _accept_more(self) -> None:
        self._next = None
        if self._pause is None and self.connected and not self.disconnecting:
            self.doRead()

    def _connect(self, sock: socket, address: Any) -> None:
        """Connect a new transport and a new protocol."""
        address = plain(address)
        kind = IPv4Address if len(address) == 2 else IPv6Address
        try:
            protocol = self.factory.buildProtocol(kind("TCP", *address))
            if protocol is None:
                sock.close()
                return
            number = self.sessionno
            self.sessionno = number + 1
            transport = self.transport(sock, protocol, address, self, number, self.reactor)
            protocol.makeConnection(transport)
        except Exception:
            # A failure of one connection must not close the port.
            _log.failure("while accepting a connection")
            sock.close()

    def _pause_accepting(self, error: OSError) -> None:
        """Close the waiting connections, so that clients need not wait; accept no others."""
        self._release()
        # Until the backlog is empty, or the spare descriptor is used elsewhere.
        with suppress(OSError):
            for _ in range(_SHED):
                self.socket.accept()[0].close()
        with suppress(OSError):
            self._reserve()
        self.reactor.removeReader(self)
        self._pause = self.reactor.callLater(PAUSE_SECONDS, self._resume)
        now = self.reactor.seconds()
        if now - self._warned_at >= 1:
            self._warned_at = now
            _log.warn("cannot accept connections: {error}", error=os.strerror(error.errno or 0))

    def _resume(self) -> None:
        self._pause = None
        if self.connected and not self.disconnecting:
            self.reactor.addReader(self)

    def _reserve(self) -> None:
        self._spare_descriptor = os.open(os.devnull, os.O_RDONLY)

    def _release(self) -> None:
        if self._spare_descriptor >= 0:
            os.close(self._spare_descriptor)
            self._spare_descriptor = -1

    def connectionLost(self, reason: Failure) -> None:
        """Stop listening."""
        for call in (self._pause, self._next):
            if call is not None:
                call.cancel()
        self._pause = self._next = None
        self._release()
        tcp.Port.connectionLost(self, reason)


class _StockTransport(tcp.Server):
    """Stock, with the client's address as `TCPPort` makes it."""

    def __init__(self, sock: socket, protocol: Any, client: Any, *rest: Any) -> None:
        tcp.Server.__init__(self, sock, protocol, plain(client), *rest)


def port(
    sock: socket,
    factory: IProtocolFactory,
    reactor: Any,
    transport: type[TCPTransport] = TCPTransport,
    kind: type[TCPPort] = TCPPort,
) -> IListeningPort:
    """
    Listen on the listening, non-blocking TCP `sock` and close it.

    The port is a `kind` with transports of the kind `transport` if supported.
    """
    listening: IListeningPort
    # Accepted connections inherit the option on Linux and BSD.
    sock.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
    try:
        if isinstance(reactor, PosixReactorBase) and not private.TCP.missing():
            listening = kind._fromListeningDescriptor(  # type: ignore[no-untyped-call]  # Twisted has no types there
                reactor, sock.fileno(), sock.family, factory
            )
            listening.transport = transport  # type: ignore[attr-defined]  # TCPPort's
            listening.startListening()
        else:
            listening = reactor.adoptStreamPort(sock.fileno(), sock.family, factory)
            if isinstance(listening, tcp.Port):
                listening.transport = _StockTransport  # type: ignore[assignment]  # Twisted sets it so
    finally:
        # The port has a duplicate of the descriptor.
        sock.close()
    return listening
