"""
A port for sockets that several processes accept from, which leaves newcomers to others.

Rules: knows no other process; `crowded` compares.

The kernel wakes every process that waits, and the one that is warm wins nearly all
connections.  So a process that has far more of them than another looks away for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from socket import socket
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IListeningPort, IProtocolFactory
from twisted.python.failure import Failure

from netd.transport import tcp_port
from netd.transport.tcp import TCPTransport
from netd.transport.tcp_port import TCPPort

MOST: Final = 4
"""Connections accepted in a turn."""
AWAY_SECONDS: Final = 0.01
"""How long a crowded process looks away."""
AFTERWARDS: Final = 16
"""Connections accepted after that, whatever the others have."""


class BalancedPort(TCPPort):
    """Accepts few connections a turn, and none for a while when this process is crowded."""

    crowded: Callable[[], bool]
    _away: IDelayedCall | None = None

    def doRead(self) -> None:
        """Accept some of the waiting connections, or look away."""
        if self._away is not None:
            return
        if self.crowded():
            self.reactor.removeReader(self)
            self._away = self.reactor.callLater(AWAY_SECONDS, self._return)
        else:
            self._accept(MOST)

    def _accept(self, most: int) -> None:
        self.numberAccepts = most
        TCPPort.doRead(self)

    def _return(self) -> None:
        """Accept whatever the others have: they may only seem to live."""
        self._away = None
        if self.connected and not self.disconnecting:
            self._accept(AFTERWARDS)
            if self._pause is None:
                self.reactor.addReader(self)

    def connectionLost(self, reason: Failure) -> None:
        """Stop listening."""
        if self._away is not None:
            self._away.cancel()
            self._away = None
        TCPPort.connectionLost(self, reason)


def port(
    sock: socket,
    factory: IProtocolFactory,
    reactor: Any,
    crowded: Callable[[], bool],
    transport: type[TCPTransport] = TCPTransport,
) -> IListeningPort:
    """The same as `tcp_port.port` for a socket that several processes have."""
    listening = tcp_port.port(sock, factory, reactor, transport, BalancedPort)
    if isinstance(listening, BalancedPort):
        listening.crowded = crowded
    return listening
