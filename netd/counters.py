"""
What the daemon has done so far, in plain integers.

Rules: pure; nobody here decides anything.  A field is only ever added to, by
its one owner, and read by whoever reports; counting takes no lock, because
all of it happens on the reactor's thread.
"""

from __future__ import annotations

from bisect import bisect_left
from math import inf
from typing import TypeVar

from attrs import Factory, define

_Key = TypeVar("_Key")

LATE = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.5, 1.0, inf)
"""Seconds by which an answer may be late, as a histogram has them."""
DELAYS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, inf)
"""Seconds for which an answer may be asked to wait, likewise."""


class Tally(dict[_Key, int]):
    """How often each key was counted; 0 for those that never were."""

    # Not a Counter: it has a `__delitem__`, and so each store into it looks for a method,
    # which more than doubles the price of what every request does.
    __slots__ = ()

    def __missing__(self, key: _Key) -> int:
        return 0


@define
class Counters:
    """One daemon's tallies since it started."""

    answers: Tally[int] = Factory(Tally)
    """
    HTTP answers finished, by status.

    499 stands for a client that left before its answer, 444 for a connection
    that a Resource cut before its answer began.
    """
    refusals: Tally[str] = Factory(Tally)
    """Requests and connections turned away, by reason."""
    connections: int = 0
    """HTTP connections accepted."""
    sent: int = 0
    """Bytes of HTTP answers' bodies."""
    stalled: int = 0
    """HTTP connections cut because the client took nothing of its answer."""
    lag: float = 0.0
    """Seconds by which the reactor was late at the latest sample."""
    worst_lag: float = 0.0
    """Seconds by which it was late at its worst."""
    waits: Tally[float] = Factory(Tally)
    """
    HTTP answers that were asked to wait, by how late they left.

    Each stands under the smallest of `LATE` that it was not later than.
    """
    late_seconds: float = 0.0
    """How late all of them were together."""
    delays: Tally[float] = Factory(Tally)
    """
    HTTP answers by how long they were asked to wait before their first bytes.

    Those whose client did not wait so long are among them.
    Each stands under the smallest of `DELAYS` that it was not asked to wait longer than.
    """
    delay_seconds: float = 0.0
    """How long all of them were asked to wait together."""
    log_drops: int = 0
    """Log lines lost to a full disk or a closed pipe."""
    aborted: int = 0
    """Connections cut because the grace of a stop was over."""
    calls: Tally[tuple[str, int]] = Factory(Tally)
    """XML-RPC calls by method, "" for those of none, and by fault code, 0 for a result."""
    services: Tally[str] = Factory(Tally)
    """Connections to the small services, by name."""
    datagrams: int = 0
    """UDP datagrams received."""
    echoes: int = 0
    """UDP datagrams sent back."""
    drops: Tally[str] = Factory(Tally)
    """UDP datagrams not answered, by reason."""

    def late(self, seconds: float) -> None:
        """Count an answer that left `seconds` after the moment that was asked for."""
        self.waits[LATE[bisect_left(LATE, seconds)]] += 1
        self.late_seconds += max(0.0, seconds)

    def delayed(self, seconds: float) -> None:
        """Count an answer that is asked to wait for `seconds`."""
        self.delays[DELAYS[bisect_left(DELAYS, seconds)]] += 1
        self.delay_seconds += seconds
