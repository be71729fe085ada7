"""
A listening port for `netd.transport.tcp`, calm when descriptors run out.

Rules: as for the transport.  Knows no HTTP.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_TCP,
    NI_NUMERICHOST,
    NI_NUMERICSERV,
    SOCK_STREAM,
    TCP_NODELAY,
    getnameinfo,
    socket,
)
from sys import intern
from typing import Any, Final

from twisted.internet import tcp
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IProtocolFactory
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger
from twisted.python.failure import Failure

from netd.transport import private
from netd.transport.tcp import TCPTransport

_log = Logger()

TURN_SECONDS: Final = 0.02
"""How long one turn of the reactor accepts at most."""
_CROWD: Final = 16
_MOST: Final = 4096
REST_SECONDS: Final = 0.5
"""How long nobody is let in after a connection could not be accepted."""
_SHED: Final = 128
"""Connections closed unheard before that rest."""
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# accept(2): errors of the one connection, not of the listening socket.
_PASSING: Final = frozenset(
    {errno.EPERM, errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENETUNREACH}
    | {errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.EOPNOTSUPP, errno.EINTR}
)


class TCPPort(tcp.Port):
    """Accepts many at a time, and rests when the process has no descriptor left."""

    reactor: Any
    factory: Any
    transport = TCPTransport
    _resting: IDelayedCall | None = None
    _next: IDelayedCall | None = None
    _spare = -1
    _complained = float("-inf")

    def startListening(self) -> None:
        """Listen, with one descriptor kept back for the day when there is none."""
        tcp.Port.startListening(self)
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def doRead(self) -> None:
        """
        Accept whoever is there, for `TURN_SECONDS` at most.

        Who waits in the backlog comes before who has been let in: a backlog
        that is full loses connections, and each of them a second or more.
        """
        family, clock = int(self.addressFamily), self.reactor.seconds
        until = clock() + TURN_SECONDS
        for accepted in range(self.numberAccepts):
            try:
                # accept() of Python's own sockets, without its detours by enumerations.
                number, address = self.socket._accept()  # type: ignore[union-attr]
            except BlockingIOError:
                # The next time as many, which saves the call that says there are no more.
                self.numberAccepts = max(1, accepted)
                return
            except OSError as error:
                if error.errno in _PASSING:
                    continue
                if error.errno not in _EXHAUSTED:
                    raise
                self._rest(error)
                return
            self._welcome(socket(family, SOCK_STREAM, 0, number), address)
            if clock() >= until:
                break
        self._go_on()

    def _go_on(self) -> None:
        """There may be more: try for more of them, and ahead of all that is readable."""
        if self.numberAccepts >= _CROWD and self._next is None:
            self._next = self.reactor.callLater(0, self._again)
        self.numberAccepts = min(4 * self.numberAccepts, _MOST)

    def _again(self) -> None:
        self._next = None
        if self._resting is None and self.connected and not self.disconnecting:
            self.doRead()

    def _welcome(self, sock: socket, address: Any) -> None:
        """Bring a transport and a protocol together."""
        if len(address) == 4 and address[3]:
            # Link-local addresses mean nothing without their interface.
            host = getnameinfo(address, NI_NUMERICHOST | NI_NUMERICSERV)[0]
            address = (host, *address[1:])
        # Connections of one client name it by one string.
        address = (intern(address[0]), *address[1:])
        try:
            protocol = self.factory.buildProtocol(self._addressType("TCP", *address))
            if protocol is None:
                sock.close()
                return
            number = self.sessionno
            self.sessionno = number + 1
            transport = self.transport(sock, protocol, address, self, number, self.reactor)
            protocol.makeConnection(transport)
        except Exception:
            # One connection must not take the port down with it.
            _log.failure("while accepting a connection")
            sock.close()

    def _rest(self, error: OSError) -> None:
        """Shed who is waiting, stop accepting, and come back soon."""
        self._shed()
        self.reactor.removeReader(self)
        self._resting = self.reactor.callLater(REST_SECONDS, self._wake)
        now = self.reactor.seconds()
        if now - self._complained >= 1:
            self._complained = now
            _log.warn("cannot accept connections: {error}", error=os.strerror(error.errno or 0))

    def _shed(self) -> None:
        """Close what waits in the backlog: a quick no is better than none."""
        if self._spare >= 0:
            os.close(self._spare)
        # Until nobody is left, or the descriptor went to somebody else.
        with suppress(OSError):
            for _ in range(_SHED):
                self.socket.accept()[0].close()
        try:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._spare = -1

    def _wake(self) -> None:
        self._resting = None
        if self.connected and not self.disconnecting:
            self.reactor.addReader(self)

    def connectionLost(self, reason: Failure) -> None:
        """No longer listening."""
        for waiting in (self._resting, self._next):
            if waiting is not None:
                waiting.cancel()
        self._resting = self._next = None
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
        tcp.Port.connectionLost(self, reason)


def port(reactor: Any, sock: socket, factory: IProtocolFactory) -> IListeningPort:
    """
    Listen on `sock`, which is bound, listening and non-blocking, and is taken over.

    Connections get an eager transport where this Twisted and this reactor allow
    it, and the stock one elsewhere.
    """
    listening: IListeningPort
    internet = sock.family in (AF_INET, AF_INET6)
    if internet:
        # Linux and BSD hand it on to accepted connections.
        sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    try:
        if internet and isinstance(reactor, PosixReactorBase) and not private.TCP.missing():
            listening = TCPPort._fromListeningDescriptor(  # type: ignore[no-untyped-call]  # Twisted has no types there
                reactor, sock.fileno(), sock.family, factory
            )
            listening.startListening()
        else:
            listening = reactor.adoptStreamPort(sock.fileno(), sock.family, factory)
    finally:
        # Both have made a descriptor of their own.
        sock.close()
    return listening
