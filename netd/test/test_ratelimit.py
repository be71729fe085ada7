"""
Tests for netd.ratelimit.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.ratelimit import TokenBucket, TokenBuckets

# A busy machine is no failure, and each run is the same one.
_property = settings(deadline=None, derandomize=True, max_examples=100)


class TokenBucketTests(SynchronousTestCase):
    """One bucket."""

    def test_burst(self) -> None:
        """A full bucket gives its burst at once, then one token for each that flows in."""
        bucket = TokenBucket(3.0, 0.0)
        self.assertEqual([bucket.take(2.0, 3.0, 0.0) for _ in range(4)], [True] * 3 + [False])
        self.assertFalse(bucket.take(2.0, 3.0, 0.25))
        self.assertTrue(bucket.take(2.0, 3.0, 0.5))

    def test_not_more(self) -> None:
        """A bucket never holds more than the burst."""
        bucket = TokenBucket(3.0, 0.0)
        self.assertEqual(sum(bucket.take(2.0, 3.0, 1e9) for _ in range(9)), 3)

    @_property
    @given(st.lists(st.floats(0, 10), max_size=200), st.floats(0.5, 50), st.integers(1, 20))
    def test_never_more(self, times: list[float], rate: float, burst: int) -> None:
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
