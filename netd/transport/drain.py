"""
A graceful stop: requests in flight may finish within a grace period.

Rules: knows no protocol; a factory with connections provides `IDrainable`.
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
    """A factory whose connections can be drained."""

    def drain() -> Deferred[None]:
        """Accept no more requests; fires when the last connection is closed."""

    def abort() -> int:
        """Cut every open connection; returns their number."""


class Drain(Service):
    """On a stop, drains `sources` for at most `grace` seconds, then cuts their connections."""

    def __init__(
        self,
        sources: Iterable[IDrainable],
        grace: float,
        clock: IReactorTime,
        counters: Counters,
    ) -> None:
        self._sources = list(sources)
        self.grace = grace
        self._clock = clock
        self._counters = counters
        self._over: Deferred[None] = Deferred()

    def add(self, source: IDrainable) -> None:
        """Let `source` finish, too."""
        self._sources.append(source)

    def over(self) -> Deferred[None]:
        """Fires when a stop has drained all sources."""
        over: Deferred[None] = Deferred()
        self._over.chainDeferred(over)
        return over

    def stopService(self) -> Deferred[None]:
        """Fires when the last connection is closed, at the latest soon after the grace."""
        Service.stopService(self)
        timeout = self._clock.callLater(self.grace, self.hurry)

        def log(failure: Failure) -> None:
            # A source that fails must not end the wait for the others.
            _log.failure("draining failed", failure)

        def end(result: object) -> None:
            if timeout.active():
                timeout.cancel()
            if not self._over.called:
                self._over.callback(None)

        drained = [source.drain().addErrback(log) for source in self._sources]
        return DeferredList(drained).addBoth(end)

    def change(self, grace: float) -> None:
        """Use another grace for the next stop."""
        self.grace = grace

    def hurry(self) -> None:
        """Cut every connection now."""
        cut = sum(source.abort() for source in self._sources)
        if cut:
            self._counters.aborted += cut
            _log.warn("cut {cut} connections that had not finished", cut=cut)
