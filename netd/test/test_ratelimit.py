"""
Tests for netd.ratelimit.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.ratelimit import LRU, TokenBucket, TokenBuckets
from netd.test.chance import by_chance

# A busy machine is no failure, and each run is the same one.


class TokenBucketTests(SynchronousTestCase):
    """One bucket."""

    def test_burst(self) -> None:
        """A full bucket gives its burst at once, then one token for each that flows in."""
        bucket = TokenBucket(3.0, 0.0)
        self.assertEqual([bucket.take(2.0, 3.0, 0.0) for _ in range(4)], [True] * 3 + [False])
        self.assertFalse(bucket.take(2.0, 3.0, 0.25))
        self.assertTrue(bucket.take(2.0, 3.0, 0.5))

    def test_notMore(self) -> None:
        """A bucket never holds more than the burst."""
        bucket = TokenBucket(3.0, 0.0)
        self.assertEqual(sum(bucket.take(2.0, 3.0, 1e9) for _ in range(9)), 3)

    @by_chance
    @given(st.lists(st.floats(0, 10), max_size=200), st.floats(0.5, 50), st.integers(1, 20))
    def test_neverMore(self, times: list[float], rate: float, burst: int) -> None:
        """In any time a bucket gives at most its burst and the inflow."""
        bucket = TokenBucket(float(burst), 0.0)
        taken = sum(bucket.take(rate, float(burst), now) for now in sorted(times))
        self.assertLessEqual(taken, burst + rate * max(times, default=0.0) + 1e-6)


class TokenBucketsTests(SynchronousTestCase):
    """A bucket for each key."""

    def test_each(self) -> None:
        """The keys have separate tokens."""
        buckets = TokenBuckets(1.0, 2.0)
        self.assertEqual([buckets.take("a", 0.0) for _ in range(3)], [True, True, False])
        self.assertTrue(buckets.take("b", 0.0))
        self.assertTrue(buckets.take("a", 1.0))

    def test_bounded(self) -> None:
        """The number of buckets is bounded."""
        buckets = TokenBuckets(1.0, 2.0, most=100)
        for number in range(1000):
            buckets.take(number, 0.0)
        self.assertLessEqual(len(buckets._buckets), 100)


class LRUTests(SynchronousTestCase):
    """A table of bounded size."""

    def test_known(self) -> None:
        """An added key has its value, even a false one; another key has None."""
        table: LRU[str, int] = LRU(10)
        table.put("a", 0)
        self.assertEqual((table.get("a"), table.get("b"), len(table)), (0, None, 1))

    def test_usedStays(self) -> None:
        """A key that is used again and again stays, however many others are added."""
        table: LRU[int, int] = LRU(8)
        table.put(-1, 7)
        for number in range(1000):
            table.put(number, number)
            self.assertEqual(table.get(-1), 7)
        self.assertIsNone(table.get(0))

    def test_young(self) -> None:
        """The younger half is always the same object."""
        table: LRU[int, int] = LRU(4)
        young = table.young
        for number in range(10):
            table.put(number, number)
        self.assertIs(table.young, young)
        self.assertIn(9, young)

    def test_clear(self) -> None:
        """A cleared table has no entries."""
        table: LRU[int, int] = LRU(4)
        for number in range(4):
            table.put(number, number)
        table.clear()
        self.assertEqual([table.get(number) for number in range(4)], [None] * 4)

    @by_chance
    @given(st.integers(2, 20), st.lists(st.tuples(st.booleans(), st.integers(0, 30))))
    def test_bounded(self, most: int, calls: list[tuple[bool, int]]) -> None:
        """The table never exceeds its size, whatever is added and looked up."""
        table: LRU[int, int] = LRU(most)
        for puts, key in calls:
            if puts and table.get(key) is None:
                table.put(key, key)
            self.assertIn(table.get(key), (None, key))
            self.assertLessEqual(len(table), most)
