"""
What is written in one turn of the reactor, and leaves together at its end.

Rules: knows neither sockets nor HTTP.  Whoever puts something here is called
before the reactor waits for input again, and after `MOST` others at the latest.

A send that finds its reader asleep wakes another processor up, which costs more
than all else that it does; several in a row wake it once.
"""

from __future__ import annotations

from typing import Final, Protocol

from twisted.logger import Logger

_log = Logger()

MOST: Final = 32
"""So many wait for each other at most; the first is never later than the work for those."""


class Flushable(Protocol):
    """Something that has bytes to send."""

    def flush(self) -> None:
        """Send them."""


class WriteBatch:
    """Belongs to one reactor, as its attribute `write_batch`; emptied once a turn."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[Flushable] = []

    def add(self, departing: Flushable) -> None:
        """Call `departing` once, soon."""
        self._waiting.append(departing)
        if len(self._waiting) >= MOST:
            self.flush()

    def flush(self) -> bool:
        """
        Call everybody who waits, and say whether there was anybody.

        Who fails is logged and keeps nobody else from leaving.
        """
        if not self._waiting:
            return False
        while self._waiting:
            leaving, self._waiting = self._waiting, []
            for each in leaving:
                try:
                    each.flush()
                except Exception:
                    _log.failure("while sending for {departing!r}", departing=each)
        return True
