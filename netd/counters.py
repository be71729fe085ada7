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
    lateness: Tally[float] = Factory(Tally)
    """Delayed HTTP responses by the smallest of `LATENESS_BOUNDS` that is not exceeded."""
    lateness_seconds: float = 0.0
    """The sum of all lateness."""
    delays: Tally[float] = Factory(Tally)
    """
    HTTP responses by the smallest of `DELAY_BOUNDS` that the requested delay does not
    exceed, those included whose client left early.
    """
    delay_seconds: float = 0.0
    """The sum of all requested delays."""
    log_drops: int = 0
    """Log lines lost to a full disk or a closed pipe."""
    aborted: int = 0
    """Connections cut at the end of the grace period of a stop."""
    calls: Tally[tuple[str, int]] = Factory(Tally)
    """XML-RPC calls by method ("" for an unknown one) and fault code (0 for a result)."""
    queue_waits: Tally[float] = Factory(Tally)
    """Distributed calls by the smallest of `DELAY_BOUNDS` that their wait does not exceed."""
    queue_wait_seconds: float = 0.0
    """The sum of all their waits for a worker."""
    queue_runs: Tally[float] = Factory(Tally)
    """The same for how long they ran."""
    queue_run_seconds: float = 0.0
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

    def add_lateness(self, seconds: float) -> None:
        """Count a response that was sent `seconds` after it was due."""
        self.lateness[LATENESS_BOUNDS[bisect_left(LATENESS_BOUNDS, seconds)]] += 1
        self.lateness_seconds += max(0.0, seconds)

    def add_queue_wait(self, seconds: float) -> None:
        """Count a distributed call that a worker begins after `seconds`."""
        self.queue_waits[DELAY_BOUNDS[bisect_left(DELAY_BOUNDS, seconds)]] += 1
        self.queue_wait_seconds += seconds

    def add_queue_run(self, seconds: float) -> None:
        """Count a distributed call that ends `seconds` after its begin."""
        self.queue_runs[DELAY_BOUNDS[bisect_left(DELAY_BOUNDS, seconds)]] += 1
        self.queue_run_seconds += seconds

    def add_delay(self, seconds: float) -> None:
        """Count a response with a requested delay of `seconds`."""
        self.delays[DELAY_BOUNDS[bisect_left(DELAY_BOUNDS, seconds)]] += 1
        self.delay_seconds += seconds
