"""
Bytes of responses that their clients have not taken yet, all of one server together.

Rules: knows no HTTP.  A reader counts from when its transport holds more than it wants
to, until it holds nothing; a response that waits for its time counts by itself.
"""

from __future__ import annotations

from typing import Final, Protocol

from twisted.internet.interfaces import IReactorTime

from netd.counters import Counters

PATIENCE: Final = 1.0
"""Seconds that a reader may lag before it is cut to make room for a new response."""


class Reader(Protocol):
    """A client that lags behind its responses."""

    def cut(self) -> None:
        """Cut its connection."""


class UnsentBytes:
    """
    What lagging readers hold, at most `limit` bytes.

    Beyond it the reader that has lagged for longest is cut and counted as stalled.
    Responses that wait for their time may hold half of `limit` besides.
    """

    def __init__(self, limit: int, clock: IReactorTime, counters: Counters) -> None:
        self.limit = limit
        self._clock = clock
        self._counters = counters
        self._held = self._waiting = 0
        self._readers: dict[Reader, tuple[int, float]] = {}  # the slowest first

    def hold(self, reader: Reader, count: int) -> None:
        """`reader` lags behind by `count` bytes."""
        self.release(reader)
        self._readers[reader] = count, self._clock.seconds()
        self._held += count
        while self._held > self.limit:
            self._cut_slowest()

    def release(self, reader: Reader) -> None:
        """`reader` has caught up, or is gone."""
        self._held -= self._readers.pop(reader, (0, 0.0))[0]

    def has_room(self, count: int) -> bool:
        """Whether `count` more bytes may be held, after cutting whoever lags for too long."""
        while self._readers and self._held + count > self.limit:
            _, since = next(iter(self._readers.values()))
            if self._clock.seconds() - since < PATIENCE:
                self._counters.refusals["unsent"] += 1
                return False
            self._cut_slowest()
        return True

    def wait(self, count: int) -> bool:
        """Hold `count` bytes until `waited`; False: there is no room for them."""
        if self._waiting + count > self.limit // 2:
            self._counters.refusals["unsent"] += 1
            return False
        self._waiting += count
        return True

    def waited(self, count: int) -> None:
        """The `count` bytes are sent, or nobody waits for them any more."""
        self._waiting -= count

    def _cut_slowest(self) -> None:
        slowest = next(iter(self._readers))
        self.release(slowest)
        self._counters.stalled += 1
        slowest.cut()
