"""
What the daemon has done so far, in plain integers.

Rules: pure; nobody here decides anything.  A field is only ever added to, by
its one owner, and read by whoever reports; counting takes no lock, because
all of it happens on the reactor's thread.
"""

from __future__ import annotations

from collections import Counter

from attrs import Factory, define


@define
class Counters:
    """One daemon's tallies since it started."""

    answers: Counter[int] = Factory(Counter)
    """
    HTTP answers finished, by status.

    499 stands for a client that left before its answer, 444 for a connection
    that a Resource cut before its answer began.
    """
    refusals: Counter[str] = Factory(Counter)
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
    log_drops: int = 0
    """Access log lines lost to a full disk or a closed pipe."""
    aborted: int = 0
    """Connections cut because the grace of a stop was over."""
    datagrams: int = 0
    """UDP datagrams received."""
    echoes: int = 0
    """UDP datagrams sent back."""
    drops: Counter[str] = Factory(Counter)
    """UDP datagrams not answered, by reason."""
