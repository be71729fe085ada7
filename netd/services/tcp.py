"""
The small services over streams.

Rules: knows no address.  Everything that is sent is subject to back-pressure.

Stock `protocols.wire.Echo` buffers without limit for a client that does not
read, and drops what is left at a half-close.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Final, TypeAlias

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

from netd.addresses import limited
from netd.counters import Counters
from netd.player import Player, Sink
from netd.script import Script
from netd.transport.connections import ConnectionTable
from netd.transport.drain import IDrainable

_log = Logger()

MAX_CONNECTIONS: Final = 1000
"""Open connections of one service."""
MAX_PER_CLIENT: Final = 64
"""Open connections of one client to one service; loopback has no limit."""
LINGER_SECONDS: Final = 2.0
"""Time between the half-close at the end of a script and the full close."""


@implementer(IHalfCloseableProtocol)
class ServiceProtocol(TimeoutMixin, Protocol):
    """A connection to a service; it is cut when it is idle for too long."""

    # An ITCPTransport or a UNIX one.
    transport: Any
    # TimeoutMixin has no types.
    setTimeout: Callable[[float | None], None]
    resetTimeout: Callable[[], None]

    def __init__(self, factory: ServiceFactory) -> None:
        self.factory: ServiceFactory = factory
        self.client: bytes | None = None

    def connectionMade(self) -> None:
        """Count the connection and start its idle timer."""
        self.factory.counters.services[self.factory.name] += 1
        self.factory.connections.add(self)
        if self.factory.idle < inf:
            self.setTimeout(self.factory.idle)
        if ITCPTransport.providedBy(self.transport):
            # Otherwise a peer that vanished is counted for ever.
            self.transport.setTcpKeepAlive(True)

    def callLater(self, seconds: float, function: Callable[[], object]) -> IDelayedCall:
        """The clock of TimeoutMixin."""
        return self.factory.clock.callLater(seconds, function)

    def timeoutConnection(self) -> None:
        """Cut the connection, as it is idle."""
        self.factory.counters.refusals["service-idle"] += 1
        self.abort()

    def readConnectionLost(self) -> None:
        """Close after the client's half-close."""
        self.drain()

    def writeConnectionLost(self) -> None:
        """No-op: netd closed its side."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the connection."""
        self.setTimeout(None)
        self.factory.connections.remove(self)

    def drain(self) -> None:
        """Close when everything written has been sent."""
        self.transport.loseConnection()

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abortConnection()


class Echo(ServiceProtocol):
    """Sends back every byte (RFC 862); reads only as fast as the client does."""

    def connectionMade(self) -> None:
        """Make the transport pace its reading by its writing."""
        ServiceProtocol.connectionMade(self)
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        """Send `data` back."""
        self.resetTimeout()
        self.transport.write(data)

    def drain(self) -> None:
        """Close when everything written has been sent."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()


class Discard(ServiceProtocol):
    """Discards every byte (RFC 863)."""

    def dataReceived(self, data: bytes) -> None:
        """Discard `data`."""
        self.resetTimeout()


@implementer(Sink)
class ScriptProtocol(ServiceProtocol):
    """Performs a script, discards what the client sends, and closes."""

    def __init__(self, factory: ServiceFactory, script: Script) -> None:
        ServiceProtocol.__init__(self, factory)
        self._player = Player(script, self, factory.clock)
        self._linger: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Start the script."""
        ServiceProtocol.connectionMade(self)
        self._player.perform().addErrback(self._failed)

    def dataReceived(self, data: bytes) -> None:
        """Discard `data` (RFC 864 to 868)."""

    def readConnectionLost(self) -> None:
        """Close if the script has ended; until then the client may still read."""
        if self._linger is not None:
            self.transport.loseConnection()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Let the transport pace the script."""
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """The script has ended."""
        self.transport.unregisterProducer()

    def write(self, data: bytes) -> None:
        """Send `data`."""
        self.resetTimeout()
        self.transport.write(data)

    def finish(self) -> None:
        """
        Close the sending side, and the receiving side `LINGER_SECONDS` later.

        Closing both at once with unread input would reset the connection, and
        the client would lose what it has not read yet.
        """
        self._linger = self.factory.clock.callLater(
            LINGER_SECONDS, self.transport.loseConnection
        )
        self.transport.loseWriteConnection()

    def drain(self) -> None:
        """Stop the script and close when everything written has been sent."""
        self._player.stopProducing()
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the connection."""
        if self._linger is not None and self._linger.active():
            self._linger.cancel()
        ServiceProtocol.connectionLost(self, reason)

    def _failed(self, failure: Failure) -> None:
        _log.failure("while performing a script", failure)
        self.abort()


MakeProtocol: TypeAlias = Callable[["ServiceFactory"], ServiceProtocol]


@implementer(IDrainable)
@define(eq=False, slots=False)
class ServiceFactory(Factory):
    """The connections of one service."""

    noisy = False

    name: str
    _make_protocol: MakeProtocol
    clock: IReactorTime
    counters: Counters
    idle: float = inf
    """Seconds without activity after which a connection is cut."""
    connections: ConnectionTable[ServiceProtocol] = field(factory=ConnectionTable, init=False)

    def logPrefix(self) -> str:
        """The name of the service."""
        return self.name

    def buildProtocol(  # type: ignore[override]  # it gives the factory itself
        self, addr: IAddress | None
    ) -> ServiceProtocol | None:
        """A protocol for the client at `addr`; None above the limits and in a drain."""
        table, client = self.connections, limited(addr)
        if table.draining:
            return None
        if len(table) >= MAX_CONNECTIONS or len(table.of(client)) >= MAX_PER_CLIENT:
            self.counters.refusals["service"] += 1
            return None
        protocol = self._make_protocol(self)
        protocol.client = client
        return protocol

    def drain(self) -> Deferred[None]:
        """Drain every connection; fires when all are closed."""
        drained = self.connections.drain()
        for connection in self.connections:
            connection.drain()
        return drained

    def abort(self) -> int:
        """Cut every connection; the number of them."""
        return self.connections.abort()
