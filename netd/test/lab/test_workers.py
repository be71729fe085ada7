"""
Workers.
"""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from netd.lab import workers
from netd.lab.workers import Workers
from netd.test.chance import by_chance


def _sixteenths(most: int) -> some.SearchStrategy[float]:
    """Seconds up to `most` whose sums are exact."""
    return some.integers(0, 16 * most).map(lambda number: number / 16)


class WorkersTests(SynchronousTestCase):
    """
    How long a response waits for a worker.
    """

    def waits(self, count: int, clients: int, seconds: float = 3.0) -> list[float | None]:
        """The waits of clients that come at the same time."""
        pools = Workers()
        return [pools.wait(("k", count), 10.0, seconds, 60.0) for _ in range(clients)]

    def test_one(self) -> None:
        """With one worker five clients of a server that sleeps 3 s need 15."""
        self.assertEqual(self.waits(1, 5), [0.0, 3.0, 6.0, 9.0, 12.0])

    def test_several(self) -> None:
        """With two workers they need 9, and with five 3."""
        self.assertEqual(self.waits(2, 5), [0.0, 0.0, 3.0, 3.0, 6.0])
        self.assertEqual(self.waits(5, 5), [0.0] * 5)

    def test_freed(self) -> None:
        """A worker is free after its time, and not before."""
        pools = Workers()
        for now, wait in ((0.0, 0.0), (1.0, 2.0), (6.0, 0.0), (8.5, 0.5)):
            self.assertEqual(pools.wait(("k", 1), now, 3.0, 60.0), wait)

    def test_apart(self) -> None:
        """Another key, or another number for the same key, is another pool."""
        pools = Workers()
        for pool in (("a", 1), ("b", 1), ("a", 2)):
            self.assertEqual(pools.wait(pool, 0.0, 3.0, 60.0), 0.0)

    def test_full(self) -> None:
        """A wait that would take too long in all is refused, and keeps no worker."""
        pools = Workers()
        found = [pools.wait(("k", 1), 0.0, 3.0, 9.0) for _ in range(5)]
        self.assertEqual(found, [0.0, 3.0, 6.0, None, None])
        self.assertEqual(pools.free_in(("k", 1), 0.0), 9.0)
        self.assertEqual(pools.free_in(("k", 1), 10.0), 0.0)
        self.assertEqual(pools.free_in(("nobody", 1), 0.0), 0.0)

    def test_long(self) -> None:
        """A response that takes long by itself waits for nobody."""
        self.assertEqual(Workers().wait(("k", 1), 0.0, 99.0, 60.0), 0.0)

    def test_forgotten(self) -> None:
        """Beyond 10 000 pools, or 100 000 busy workers, the least recent pool is forgotten."""
        pools = Workers()
        for number in range(workers.MAX_POOLS + 1):
            pools.wait((str(number), 1), 0.0, 3.0, 60.0)
        self.assertEqual(pools.wait(("0", 1), 0.0, 3.0, 60.0), 0.0)
        self.assertEqual(pools.wait(("2", 1), 0.0, 3.0, 60.0), 3.0)
        with patch.object(workers, "MAX_BUSY", 3):
            pools = Workers()
            for pool in (("a", 9), ("a", 9), ("b", 9), ("b", 9)):
                pools.wait(pool, 0.0, 3.0, 60.0)
            self.assertEqual(pools.free_in(("a", 9), 0.0), 0.0)
            self.assertEqual(pools.free_in(("b", 9), 0.0), 3.0)
            for _ in range(9):
                pools.wait(("b", 9), 0.0, 3.0, 60.0)
            self.assertEqual(pools.wait(("b", 9), 0.0, 3.0, 60.0), 3.0)

    @by_chance
    @given(
        count=some.integers(1, 4),
        jobs=some.lists(some.tuples(_sixteenths(5), _sixteenths(9)), max_size=30),
    )
    def test_model(self, count: int, jobs: list[tuple[float, float]]) -> None:
        """Never do more than `count` responses run at a time, and none waits without need."""
        pools, now, running = Workers(), 0.0, list[tuple[float, float]]()
        for pause, seconds in jobs:
            now += pause
            wait = pools.wait(("k", count), now, seconds, 1e9)
            assert wait is not None
            start = now + wait
            busy = [end for begin, end in running if begin <= start < end]
            assert len(busy) < count
            if wait:
                before = [end for begin, end in running if begin <= now < end or begin > now]
                assert len(before) >= count
            running.append((start, start + seconds))
