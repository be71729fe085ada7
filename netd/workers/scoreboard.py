"""
What workers tell each other at once: a table in shared memory, one row a worker.

Rules: pure; only a worker writes its own row, and only the supervisor one whose worker
is gone.  A value is one aligned number of 8 bytes, so that no lock is needed.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from enum import IntEnum
from math import inf
from typing import Final

LIVE_SECONDS: Final = 0.15
"""Age of a heartbeat up to which its worker counts as one that serves."""


class Column(IntEnum):
    """What a row holds."""

    HEARTBEAT = 0
    """When the worker's reactor turned last, by the monotonic clock; 0: no worker."""
    LOAD = 1
    """Open connections, for the balance; infinite for a worker that takes no more."""
    HTTP = 2
    """Open HTTP connections."""
    WAITING = 3
    """Responses that wait."""


class Scoreboard:
    """The rows of `workers`, shared with every process that is forked from now on."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        # Anonymous and shared: there is no file and no descriptor.
        self._map = mmap.mmap(-1, workers * len(Column) * 8)
        self._numbers = memoryview(self._map).cast("d")

    def get(self, worker: int, column: Column) -> float:
        """One value of the row of `worker`, which counts from 0."""
        return self._numbers[worker * len(Column) + column]

    def set(self, worker: int, column: Column, value: float) -> None:
        """Change one value."""
        self._numbers[worker * len(Column) + column] = value

    def clear(self, worker: int) -> None:
        """Forget a worker that is gone."""
        for column in Column:
            self.set(worker, column, 0.0)

    def others(self, worker: int, column: Column) -> int:
        """The sum of a column over all workers but `worker`."""
        rows = range(self.workers)
        return int(sum(self.get(row, column) for row in rows if row != worker))

    def live(self, now: float) -> Iterator[int]:
        """The workers whose reactors turn."""
        for worker in range(self.workers):
            if now - self.get(worker, Column.HEARTBEAT) <= LIVE_SECONDS:
                yield worker

    def least(self, worker: int, now: float) -> float:
        """The least load of a live worker other than `worker`; infinite: there is none."""
        rows = (row for row in self.live(now) if row != worker)
        return min((self.get(row, Column.LOAD) for row in rows), default=inf)
