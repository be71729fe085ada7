"""
A TCP address on which connections neither succeed nor fail, so that clients time out.

Rules: by the behaviour of the kernel alone; no protocol is involved.  Linux drops a SYN for
a socket whose accept queue is full, and a queue of length 0 is full with one connection in
it (tcp_conn_request, sk_acceptq_is_full).
"""

from __future__ import annotations

import errno
import select
import socket
from typing import Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from zope.interface import implementer

_log = Logger()

MOST: Final = 16
"""Own connections that may be needed to fill the queue; Linux needs one."""


@implementer(IListeningPort)
class Blackhole:
    """Keeps the accept queue of a bound, listening TCP `sock`, which is duplicated, full."""

    def __init__(self, sock: socket.socket) -> None:
        self._listening = sock.dup()
        self.own: list[socket.socket] = []
        """The connections that fill the queue."""

    def startListening(self) -> None:
        """Fill the queue."""
        self._listening.listen(0)
        if not self._fill():
            _log.warn("blackhole: this system takes connections, as its queue does not fill")

    def _fill(self) -> bool:
        """Connect until a connection stays incomplete; whether one does."""
        address = self._listening.getsockname()
        for _ in range(MOST):
            client = socket.socket(self._listening.family, socket.SOCK_STREAM)
            # Kept though it is incomplete: on a busy machine it may only be late.
            self.own.append(client)
            client.setblocking(False)
            if client.connect_ex(address) not in (0, errno.EINPROGRESS):
                return False
            poll = select.poll()
            poll.register(client, select.POLLOUT)
            # The loopback has completed what it completes before connect(2) returns.
            if not poll.poll(0):
                return True
        return False

    def stopListening(self) -> Deferred[None]:
        """Close everything; clients that still try are refused."""
        for sock in (self._listening, *self.own):
            sock.close()
        self.own.clear()
        return succeed(None)

    def getHost(self) -> IPv4Address | IPv6Address:
        """The address that is bound."""
        kind = IPv4Address if self._listening.family == socket.AF_INET else IPv6Address
        return kind("TCP", *self._listening.getsockname())


def serve(sock: socket.socket) -> IListeningPort:
    """A running `Blackhole` on the bound, listening TCP `sock`, which may be closed then."""
    port = Blackhole(sock)
    port.startListening()
    return port
