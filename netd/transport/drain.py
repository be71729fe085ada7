"""
A stop that loses nothing: what is in flight finishes, within a grace.

Rules: knows no protocol.  Whoever holds connections offers `IDrainable`.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import Interface

from netd.counters import Counters

_log = Logger()


class IDrainable(Interface):
    """A factory that can be asked to come to an end."""

    def drain() -> Deferred[None]:
        """Take no more work; fire when the last connection is gone."""

    def abort() -> int:
        """Cut every connection that is left and say how many those were."""


def _broke(failure: Failure) -> None:
    _log.failure("draining failed", failure)


class Drain(Service):
    """On stopping, let every one of `sources` finish for `grace` seconds, then cut it off."""

    def __init__(
        self,
        sources: Iterable[IDrainable],
        grace: float,
        clock: IReactorTime,
        counters: Counters,
    ) -> None:
        self._sources = list(sources)
        self._grace = grace
        self._clock = clock
        self._counters = counters
        self._waiting: list[Deferred[None]] = []
        self._over = False

    def add(self, source: IDrainable) -> None:
        """Let `source` finish, too."""
        self._sources.append(source)

    def over(self) -> Deferred[None]:
        """Fires when a stop has let everything finish, at once when it has."""
        waiting: Deferred[None] = Deferred()
        if self._over:
            waiting.callback(None)
        else:
            self._waiting.append(waiting)
        return waiting

    def stopService(self) -> Deferred[None]:
        """Fires when nothing is in flight any more, at the latest soon after the grace."""
        Service.stopService(self)
        overdue = self._clock.callLater(self._grace, self.hurry)
        # One that fails must not cut the others short.
        gone = DeferredList([source.drain().addErrback(_broke) for source in self._sources])

        def rest(result: object) -> None:
            if overdue.active():
                overdue.cancel()
            self._over = True
            while self._waiting:
                self._waiting.pop().callback(None)

        return gone.addBoth(rest)

    def change(self, grace: float) -> None:
        """Another grace for the stop to come."""
        self._grace = grace

    def hurry(self) -> None:
        """Cut off whatever is still in flight, now."""
        cut = sum(source.abort() for source in self._sources)
        if cut:
            self._counters.aborted += cut
            _log.warn("cut {cut} connections that had not finished", cut=cut)
