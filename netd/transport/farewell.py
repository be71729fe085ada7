"""
A word to those who may not come in, where a bare close would be taken for a fault.

Rules: knows no protocol; what is said is a function of the first bytes heard.
Few are told at a time and not for long, so that being turned away is no way to
hold a place: whoever comes beyond that is closed without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from netd.transport.drain import IDrainable

MOST: Final = 64
"""Those who are told at one time."""
SECONDS: Final = 2.0
"""From the connection to its close, in which the client has to ask and to read."""
MOST_BYTES: Final = 1024 * 1024
"""What one client may say meanwhile; it is thrown away."""


@implementer(IDrainable)
class Farewell(Factory):
    """Answers whoever connects with `say(first bytes)`, and with nothing else."""

    noisy = False

    def __init__(self, say: Callable[[bytes], bytes], clock: IReactorTime) -> None:
        self.say = say
        self.clock = clock
        self.told: set[_Told] = set()

    def buildProtocol(self, addr: IAddress | None) -> _Told | None:
        """A protocol that says it; None when there are too many already."""
        return _Told(self) if len(self.told) < MOST else None

    def drain(self) -> Deferred[None]:
        """Wait for nobody; fires at once."""
        self.abort()
        return succeed(None)

    def abort(self) -> int:
        """Cut all; those were to be closed anyway, and are not counted."""
        for each in tuple(self.told):
            each.cut()
        return 0


@implementer(IHalfCloseableProtocol)
class _Told(Protocol):
    """One who may not come in."""

    transport: Any

    def __init__(self, factory: Farewell) -> None:
        self._farewell = factory
        self._end: IDelayedCall | None = None
        self._heard = 0
        self._closed = False

    def connectionMade(self) -> None:
        """Wait for the question, but not for long."""
        self._farewell.told.add(self)
        self._end = self._farewell.clock.callLater(SECONDS, self._late)

    def dataReceived(self, data: bytes) -> None:
        """Answer the first bytes, and throw away what follows."""
        first, self._heard = not self._heard, self._heard + len(data)
        if first:
            self.transport.write(self._farewell.say(data))
        elif self._heard > MOST_BYTES:
            self.cut()

    def readConnectionLost(self) -> None:
        """The client has said everything; what was answered still leaves."""
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Nobody half-closes here."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Gone."""
        self._farewell.told.discard(self)
        if self._end is not None:
            self._end.cancel()
            self._end = None

    def cut(self) -> None:
        """End it."""
        self.transport.abortConnection()

    def _late(self) -> None:
        """Close, so that what was said is not lost; cut who does not take even that."""
        self._end = None
        if self._heard and not self._closed:
            self._closed = True
            self._end = self._farewell.clock.callLater(SECONDS, self._late)
            self.transport.loseConnection()
        else:
            self.cut()
