"""
The small services over streams.

Rules: knows no address.  What a service says by itself is a script, performed
with back-pressure; echo gives back what it gets, as fast as it is taken.

Stock `protocols.wire.Echo` buffers without end for a client that does not
read, and drops what is left on a half-close.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final, TypeAlias

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
from twisted.python.failure import Failure
from zope.interface import implementer

from netd.addresses import limited
from netd.counters import Counters
from netd.player import Player, Sink
from netd.script import Script
from netd.transport.drain import IDrainable

_log = Logger()

MOST: Final = 1000
"""Connections of one service."""
MOST_OF_ONE: Final = 64
"""Of these, of one client network; any number on loopback."""
LINGER_SECONDS: Final = 2.0
"""How long a client gets to read the end before its unread input makes a reset of it."""


@implementer(IHalfCloseableProtocol)
class _ServiceProtocol(Protocol):
    """A connection that its factory knows."""

    transport: Any

    def __init__(self, factory: ServiceFactory) -> None:
        self.factory: ServiceFactory = factory
        self.client: bytes | None = None
        self.moved = 0.0
        """When something was heard or said."""
        self._overdue: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Somebody is there."""
        self.factory.enter(self)
        self.move()
        self._look()
        if ITCPTransport.providedBy(self.transport):
            # A peer that vanished would otherwise hold its place for ever.
            self.transport.setTcpKeepAlive(True)
            self.transport.setTcpNoDelay(True)

    def move(self) -> None:
        """Something moves; what moves nothing for too long is cut."""
        self.moved = self.factory.clock.seconds()

    def _look(self) -> None:
        """Cut a conversation in which nothing moves, or look again when it may be time."""
        self._overdue = None
        factory = self.factory
        if not factory.idle:
            return
        left = self.moved + factory.idle - factory.clock.seconds()
        if left > 0:
            self._overdue = factory.clock.callLater(left, self._look)
        else:
            factory.cut(self)

    def readConnectionLost(self) -> None:
        """The client has said everything."""
        self.drain()

    def writeConnectionLost(self) -> None:
        """Our side is closed, as we wished."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Nobody is there any more."""
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
        self.factory.lost(self)

    def drain(self) -> None:
        """Come to an end, with nothing lost that is on its way to the client."""
        self.transport.loseConnection()


class Echo(_ServiceProtocol):
    """Gives back every byte (RFC 862); a client that does not read is not read from."""

    def connectionMade(self) -> None:
        """Pace the reading by the writing."""
        _ServiceProtocol.connectionMade(self)
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        """Give it back."""
        self.move()
        self.transport.write(data)

    def drain(self) -> None:
        """The end, behind what is still to be taken."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()


class Discard(_ServiceProtocol):
    """Throws away every byte (RFC 863)."""

    def dataReceived(self, data: bytes) -> None:
        """Throw it away."""
        self.move()


@implementer(Sink)
class Speaker(_ServiceProtocol):
    """Performs a script, whatever the client says, and closes."""

    def __init__(self, factory: ServiceFactory, script: Script) -> None:
        _ServiceProtocol.__init__(self, factory)
        self._player = Player(script, self, factory.clock)
        self._linger: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Begin."""
        _ServiceProtocol.connectionMade(self)
        done = self._player.perform()
        done.addErrback(self._failed)

    def dataReceived(self, data: bytes) -> None:
        """Throw it away, as RFC 864 to 868 have it."""

    def readConnectionLost(self) -> None:
        """The client has nothing more to say, and may still listen."""
        if self._linger is not None:
            self.transport.loseConnection()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """The script is paced by the client."""
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """The script is over."""
        self.transport.unregisterProducer()

    def write(self, data: bytes) -> None:
        """Say it."""
        self.move()
        self.transport.write(data)

    def finish(self) -> None:
        """
        Close our side, and soon the other.

        Closing both with input unread would reset the connection, and the
        reset would destroy what is on its way.
        """
        self._linger = self.factory.clock.callLater(LINGER_SECONDS, self._close)
        self.transport.loseWriteConnection()

    def abort(self) -> None:
        """Cut it, as the script says."""
        self.transport.abortConnection()

    def drain(self) -> None:
        """Stop in the middle."""
        self._player.stopProducing()
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Nobody listens any more."""
        if self._linger is not None and self._linger.active():
            self._linger.cancel()
        _ServiceProtocol.connectionLost(self, reason)

    def _close(self) -> None:
        self.transport.loseConnection()

    def _failed(self, failure: Failure) -> None:
        _log.failure("while speaking", failure)
        self.transport.abortConnection()


Begin: TypeAlias = Callable[["ServiceFactory"], _ServiceProtocol]


@implementer(IDrainable)
class ServiceFactory(Factory):
    """The connections of one service, `begin` makes each; bounded, and brought to an end."""

    noisy = False

    def __init__(
        self,
        name: str,
        begin: Begin,
        clock: IReactorTime,
        counters: Counters,
        idle: float = 0.0,
    ) -> None:
        self.clock = clock
        self.idle = idle
        """Seconds in which nothing moves that end a conversation; 0: no number does."""
        self.connected: set[_ServiceProtocol] = set()
        self._name = name
        self._begin = begin
        self._counters = counters
        self._of_one: Counter[bytes] = Counter()
        self._drained: Deferred[None] | None = None

    def logPrefix(self) -> str:
        """What Twisted's ports name in the log."""
        return self._name

    def buildProtocol(  # type: ignore[override]  # it gives the factory itself
        self, addr: IAddress | None
    ) -> _ServiceProtocol | None:
        """A conversation with the client at `addr`; None when there are too many."""
        if self._drained is not None:
            return None
        who = limited(addr)
        if len(self.connected) >= MOST or (who and self._of_one[who] >= MOST_OF_ONE):
            self._counters.refusals["service"] += 1
            return None
        conversation = self._begin(self)
        conversation.client = who
        return conversation

    def enter(self, conversation: _ServiceProtocol) -> None:
        """One begins."""
        self._counters.services[self._name] += 1
        self.connected.add(conversation)
        if conversation.client is not None:
            self._of_one[conversation.client] += 1

    def lost(self, conversation: _ServiceProtocol) -> None:
        """One is over."""
        self.connected.discard(conversation)
        who = conversation.client
        if who is not None:
            self._of_one[who] -= 1
            if not self._of_one[who]:
                del self._of_one[who]
        if self._drained is not None and not self.connected and not self._drained.called:
            self._drained.callback(None)

    def cut(self, conversation: _ServiceProtocol) -> None:
        """End one in which nothing moves."""
        self._counters.refusals["service-idle"] += 1
        conversation.transport.abortConnection()

    def drain(self) -> Deferred[None]:
        """Bring all to their ends; fires when the last client has taken what it was sent."""
        self._drained = Deferred()
        if not self.connected:
            self._drained.callback(None)
        for each in tuple(self.connected):
            each.drain()
        return self._drained

    def abort(self) -> int:
        """Cut all, and say how many those were."""
        left = tuple(self.connected)
        for each in left:
            each.transport.abortConnection()
        return len(left)
