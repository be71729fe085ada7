"""
Whose requests have to wait for another turn of the reactor, so that all get their share.

Rules: knows no HTTP.  A connection waits here once at most, and in order.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

SLICE_REQUESTS: Final = 16
"""Requests that one connection gets responses to without a break ..."""
SLICE_SECONDS: Final = 0.005
"""... and the time within which all of them begin; also that of all `Turns` in one turn."""
_PARTS_SECONDS: Final = 0.01
"""How long a turn takes in what arrives in many parts."""


class Waiting(Protocol):
    """A connection with requests that were received and have no response yet."""

    queued: bool
    """Whether `proceed` will be called."""

    def proceed(self) -> None:
        """Respond to a slice of them."""


class Turns:
    """The connections that wait for their turn."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._queue: deque[Waiting] = deque()
        self._next: IDelayedCall | None = None
        self._until = inf  # when this turn ends; holds while `_next` is due

    def in_time(self) -> bool:
        """Whether this turn may take in more parts; its time begins with the first call."""
        self._schedule()
        return self._clock.seconds() < self._until

    def wait(self, connection: Waiting) -> None:
        """Let `connection` proceed in a later turn, after those that wait already."""
        if not connection.queued:
            connection.queued = True
            self._queue.append(connection)
            self._schedule()

    def stop(self) -> None:
        """No connection is left: leave no timer behind."""
        self._queue.clear()
        if self._next is not None and self._next.active():
            self._next.cancel()
            self._next = None

    def _schedule(self) -> None:
        if self._next is None:
            self._until = self._clock.seconds() + _PARTS_SECONDS
            self._next = self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        """Let connections proceed, each once at most, until the time is up."""
        until = self._clock.seconds() + SLICE_SECONDS
        try:
            for connection in list(self._queue):
                self._queue.popleft()
                connection.queued = False
                connection.proceed()
                if self._clock.seconds() >= until or not self._queue:
                    break
        finally:
            self._next = None
            if self._queue:
                self._schedule()
