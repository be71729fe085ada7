"""
The watch: one round a second over all connections, in place of a timer for each.

Rules: decides nothing about HTTP; a connection is told that its deadline has
passed, and cut when its client takes nothing of what waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from netd.counters import Counters
from netd.transport.tcp import bytes_unsent

if TYPE_CHECKING:
    from netd.http.connection import HTTPConnection
    from netd.http.server import Site

ROUND_SECONDS: Final = 1.0


class TimeoutSweep:
    """Makes its rounds over the connections of `site` from `start` to `stop`."""

    def __init__(self, site: Site, clock: IReactorTime, counters: Counters) -> None:
        self._site = site
        self._clock = clock
        self._counters = counters
        self._next: IDelayedCall | None = None
        self._due = 0.0
        # How far a slow client had read, and when that was first seen.
        self._slow: dict[HTTPConnection, tuple[int, float]] = {}

    def start(self) -> None:
        """Begin, unless begun."""
        if self._next is None:
            self._site.turn(self._clock.seconds())
            self._again()

    def stop(self) -> None:
        """End, and leave no timer behind."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def forget(self, channel: HTTPConnection) -> None:
        """`channel` is gone."""
        self._slow.pop(channel, None)

    def _again(self) -> None:
        self._due = self._clock.seconds() + ROUND_SECONDS
        self._next = self._clock.callLater(ROUND_SECONDS, self._round)

    def _round(self) -> None:
        now = self._clock.seconds()
        self._counters.lag = lag = max(0.0, now - self._due)
        self._counters.worst_lag = max(self._counters.worst_lag, lag)
        self._again()
        self._site.turn(now)
        for channel in tuple(self._site.channels):
            if channel.written:
                self._progress(channel, now)
            if channel.deadline <= now:
                channel.overdue()

    def _progress(self, channel: HTTPConnection, now: float) -> None:
        """See how much of its answer a client has taken since the round before."""
        left = bytes_unsent(channel.transport)
        if left is None:
            # Not one of ours to look into: it says so only when it holds very much.
            left = int(channel.paused)
        if not left:
            channel.written = 0
            self._slow.pop(channel, None)
            return
        taken = channel.written - left
        before, since = self._slow.get(channel, (None, now))
        if taken != before:
            self._slow[channel] = (taken, now)
        elif now - since >= self._site.limits.stall:
            self._counters.stalled += 1
            channel.written = 0
            channel.abort()
