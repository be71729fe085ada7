"""
What the daemon has counted since it started, as plain numbers.

Rules: pure.  Only the owner of a field adds to it.  Counting takes no lock: all
of it happens on the reactor's thread.
"""

from __future__ import annotations

from bisect import bisect_left
from math import inf
from typing import TypeVar

from attrs import Factory, define

_Key = TypeVar("_Key")

LATENESS_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.5, 1.0, inf)
"""Upper bounds of the lateness histogram, in seconds."""
DELAY_BOUNDS = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, inf),
)
"""Upper bounds of the delay histogram, in seconds."""


class Tally(dict[_Key, int]):
    """How often each key was counted; 0 for a key that never was."""

    # Not a Counter: it has a `__delitem__`, and so each store into it looks for a method,
    # which more than doubles the price of what every request does.
    __slots__ = ()

    def __missing__(self, key: _Key) -> int:
        return 0


@define
class Histogram:
    """Lengths of time, each under the smallest of `bounds` that it does not exceed."""

    bounds: tuple[float, ...]
    """In seconds, rising, up to infinity."""
    counts: Tally[float] = Factory(Tally)
    seconds: float = 0.0
    """The sum of all."""

    def add(self, seconds: float) -> None:
        """Count a length of time; one below zero adds nothing to the sum."""
        self.counts[self.bounds[bisect_left(self.bounds, seconds)]] += 1
        self.seconds += max(0.0, seconds)


def _delays() -> Histogram:
    return Histogram(DELAY_BOUNDS)


@define
class Counters:
    """The counters of one daemon."""

    responses: Tally[int] = Factory(Tally)
    """HTTP responses by status; 499: the client left before, 444: a Resource cut it."""
    refusals: Tally[str] = Factory(Tally)
    """Refused requests and connections by reason."""
    connections: int = 0
    """Accepted HTTP connections."""
    sent: int = 0
    """Bytes of HTTP response bodies."""
    stalled: int = 0
    """HTTP connections cut because the client read nothing of its response."""
    lag: float = 0.0
    """Seconds by which the reactor was late at the latest sample."""
    worst_lag: float = 0.0
    """The largest lag of all samples."""
    lateness: Histogram = Factory(lambda: Histogram(LATENESS_BOUNDS))
    """How long after they were due delayed HTTP responses left."""
    delays: Histogram = Factory(_delays)
    """The requested delays of HTTP responses, those included whose client left early."""
    log_drops: int = 0
    """Log lines lost to a full disk or a closed pipe."""
    aborted: int = 0
    """Connections cut at the end of the grace period of a stop."""
    calls: Tally[tuple[str, int]] = Factory(Tally)
    """XML-RPC calls by method ("" for an unknown one) and fault code (0 for a result)."""
    queue_waits: Histogram = Factory(_delays)
    """How long distributed calls waited for a worker."""
    queue_runs: Histogram = Factory(_delays)
    """How long distributed calls ran."""
    queue_resent: int = 0
    """Messages of distributed calls that were sent again."""
    queue_lost: Tally[str] = Factory(Tally)
    """Distributed calls that nobody ended, by what lost them: queue or worker."""
    queue_drops: Tally[str] = Factory(Tally)
    """Entries of workers without a call, by reason."""
    services: Tally[str] = Factory(Tally)
    """Connections to the small services by name."""
    datagrams: int = 0
    """Received UDP datagrams."""
    datagrams_sent: int = 0
    """Sent UDP datagrams."""
    drops: Tally[str] = Factory(Tally)
    """UDP datagrams without a response, by reason."""
