"""
The timeout sweep: one round a second over all connections, in place of a timer for each.

Rules: knows no HTTP.  A connection is told that its deadline has passed, and is
cut when its client takes nothing of what waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from netd.counters import Counters
from netd.http.output import Output
from netd.settings import Limits
from netd.transport.tcp import bytes_unsent

ROUND_SECONDS: Final = 1.0


class Timed(Protocol):
    """A connection as the sweep sees it."""

    deadline: float
    output: Output

    def overdue(self) -> None: ...
    def abort(self) -> None: ...


class Swept(Protocol):
    """A server as the sweep sees it: `new_second` is called before each round."""

    limits: Limits

    @property
    def connections(self) -> Iterable[Timed]: ...
    def new_second(self, now: float) -> None: ...


class TimeoutSweep:
    """Sweeps the connections of `server` from `start` to `stop`."""

    def __init__(self, server: Swept, clock: IReactorTime, counters: Counters) -> None:
        self._server = server
        self._clock = clock
        self._counters = counters
        self._next: IDelayedCall | None = None
        self._due = 0.0
        # How far a slow client has read, and when that was first seen.
        self._slow: dict[Timed, tuple[int, float]] = {}

    def start(self) -> None:
        """Begin, unless begun."""
        if self._next is None:
            self._server.new_second(self._clock.seconds())
            self._schedule()

    def stop(self) -> None:
        """End, and leave no timer behind."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def forget(self, connection: Timed) -> None:
        """`connection` is closed."""
        self._slow.pop(connection, None)

    def _schedule(self) -> None:
        self._due = self._clock.seconds() + ROUND_SECONDS
        self._next = self._clock.callLater(ROUND_SECONDS, self._round)

    def _round(self) -> None:
        now = self._clock.seconds()
        self._counters.lag = lag = max(0.0, now - self._due)
        self._counters.worst_lag = max(self._counters.worst_lag, lag)
        self._schedule()
        self._server.new_second(now)
        for connection in self._server.connections:
            if connection.output.written:
                self._check_progress(connection, now)
            if connection.deadline <= now:
                connection.overdue()

    def _check_progress(self, connection: Timed, now: float) -> None:
        """Compare what the client has taken with the round before."""
        output = connection.output
        left = bytes_unsent(output.transport)
        if left is None:
            # A transport that cannot be looked into reports only that it holds very much.
            left = int(output.paused)
        if not left:
            output.written = 0
            self._slow.pop(connection, None)
            return
        taken = output.written - left
        before, since = self._slow.get(connection, (None, now))
        if taken != before:
            self._slow[connection] = (taken, now)
        elif now - since >= self._server.limits.stall:
            self._counters.stalled += 1
            output.written = 0
            connection.abort()
