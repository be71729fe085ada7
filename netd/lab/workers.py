"""
Workers: how long a response waits for one that is free, as at a server that blocks.

Rules: pure.  Nothing is locked and nobody is woken: a worker is a time at which it is free.
"""

from __future__ import annotations

from collections import OrderedDict
from heapq import heappop, heappush, heapreplace
from typing import Final, TypeAlias

from attrs import define, field

MAX_POOLS: Final = 10_000
"""How many pools are remembered; the least recent is forgotten."""
MAX_BUSY: Final = 100_000
"""How many busy workers are remembered in all; those of the least recent pool are forgotten."""

_Pool: TypeAlias = tuple[str, int]


@define
class Workers:
    """The pools of workers, each of one key and one number; a client that leaves frees none."""

    _free_at: OrderedDict[_Pool, list[float]] = field(init=False, factory=OrderedDict)
    """For each pool a heap of the times at which its busy workers are free."""
    _busy: int = field(init=False, default=0)

    def wait(self, pool: _Pool, now: float, seconds: float, most: float) -> float | None:
        """
        Keep the worker of `pool` that is free first for `seconds`; returns the wait until then.

        None, and no worker is kept, when the wait and `seconds` are more than `most` in all.
        """
        heap = self._free_at.pop(pool, [])
        self._free_at[pool] = heap
        while heap and heap[0] <= now:
            heappop(heap)
            self._busy -= 1
        _, count = pool
        wait = 0.0 if len(heap) < count else heap[0] - now
        if wait and wait + seconds > most:
            return None
        if wait:
            heapreplace(heap, now + wait + seconds)
        else:
            heappush(heap, now + seconds)
            self._busy += 1
        self._forget()
        return wait

    def free_in(self, pool: _Pool, now: float) -> float:
        """The seconds until a worker of `pool` is free."""
        heap = self._free_at.get(pool, [])
        return max(0.0, heap[0] - now) if heap else 0.0

    def _forget(self) -> None:
        """Forget the least recent pools while there are too many."""
        while len(self._free_at) > MAX_POOLS or (
            self._busy > MAX_BUSY and len(self._free_at) > 1
        ):
            _, heap = self._free_at.popitem(last=False)
            self._busy -= len(heap)
