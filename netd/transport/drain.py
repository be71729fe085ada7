"""
A graceful stop: load balancers learn of it, then requests in flight may finish within a grace.

Rules: knows no protocol; a factory with connections provides `IDrainable`.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import Interface

from netd.counters import Counters

_log = Logger()


class IDrainable(Interface):
    """A factory whose connections can be drained."""

    def drain() -> Deferred[None]:
        """Accept no more requests; fires when the last connection is closed."""

    def abort() -> int:
        """Cut every open connection; returns their number."""


class Drain(Service):
    """
    On a stop, drains `sources` for at most `grace` seconds, then cuts their connections.

    `delay` is the seconds between the announcement of a stop and the stop.
    """

    def __init__(
        self,
        sources: Iterable[IDrainable],
        grace: float,
        clock: IReactorTime,
        counters: Counters,
        delay: float = 0.0,
    ) -> None:
        self._sources = list(sources)
        self.grace = grace
        self.delay = delay
        self._clock = clock
        self._counters = counters
        self._announced: IDelayedCall | None = None
        self._begins: Deferred[None] = Deferred()
        self._over: Deferred[None] = Deferred()
        self._has_cut = False

    def add(self, source: IDrainable) -> None:
        """Let `source` finish, too."""
        self._sources.append(source)

    def over(self) -> Deferred[None]:
        """Fires when a stop has drained all sources."""
        return _copy(self._over)

    def begins(self) -> Deferred[None]:
        """Fires when a stop begins, after its announcement."""
        return _copy(self._begins)

    def announce(self) -> Deferred[None]:
        """Take no new work, as `running` says; fires when the stop may begin."""
        Service.stopService(self)
        begins = self.begins()
        if not self.delay:
            self._begin()
        else:
            self._announced = self._clock.callLater(self.delay, self._begin)
        return begins

    def _begin(self) -> None:
        if not self._begins.called:
            self._begins.callback(None)

    def left(self) -> float:
        """The seconds that a stop may take after a further signal."""
        announced = self._announced
        return self.grace if announced is not None and announced.active() else 0.0

    def stopService(self) -> Deferred[None]:
        """Fires when the last connection is closed, at the latest soon after the grace."""
        Service.stopService(self)
        timeout = self._clock.callLater(self.grace, self._cut)

        def log(failure: Failure) -> None:
            # A source that fails must not end the wait for the others.
            _log.failure("draining failed", failure)

        def end(result: object) -> None:
            if timeout.active():
                timeout.cancel()
            if not self._over.called:
                self._over.callback(None)

        drained = [source.drain().addErrback(log) for source in self._sources]
        return DeferredList(drained).addBoth(end).addCallback(self._one_more_turn)

    def change(self, grace: float, delay: float = 0.0) -> None:
        """Use another grace and another delay for the next stop."""
        self.grace = grace
        self.delay = delay

    def hurry(self) -> None:
        """End what the stop waits for: the delay, or else the grace."""
        if (announced := self._announced) is not None and announced.active():
            announced.reset(0)
        else:
            self._cut()

    def _cut(self) -> None:
        """Cut every connection now."""
        cut = sum(source.abort() for source in self._sources)
        if cut:
            self._has_cut = True
            self._counters.aborted += cut
            _log.warn("cut {cut} connections that had not finished", cut=cut)

    def _one_more_turn(self, result: None) -> Deferred[None] | None:
        """After a cut, time for the `finally` of asyncio's tasks, which were only told so."""
        return deferLater(self._clock, 0) if self._has_cut else None


def _copy(event: Deferred[None]) -> Deferred[None]:
    """What fires when `event` does."""
    copy: Deferred[None] = Deferred()
    event.chainDeferred(copy)
    return copy
