"""
Tests for netd.workers.backoff.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.test.chance import by_chance
from netd.workers.backoff import FIRST_DELAY, LONGEST_DELAY, SHORT_LIFE, Backoff


class BackoffTests(SynchronousTestCase):
    """
    The delays of one slot.
    """

    def test_doubled(self) -> None:
        """Each short life doubles the delay, up to the longest."""
        backoff = Backoff()
        delays = [backoff.delay(0.0) for _ in range(8)]
        self.assertEqual(delays, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])

    def test_lived(self) -> None:
        """After a life that was not short there is no delay."""
        self.assertEqual(Backoff().delay(SHORT_LIFE), 0.0)

    def test_reset(self) -> None:
        """Only a long life makes short ones before it forgotten."""
        backoff = Backoff()
        lives = (0.0, 0.0, 5.0, 0.0, 59.9, 0.0, 60.0, 0.0)
        delays = [backoff.delay(life) for life in lives]
        self.assertEqual(delays, [0.1, 0.2, 0.0, 0.4, 0.0, 0.8, 0.0, 0.1])

    @given(st.lists(st.floats(0, 1000), min_size=1))
    @by_chance
    def test_noStorm(self, lives: list[float]) -> None:
        """A worker and the wait after it take at least the first delay together."""
        backoff = Backoff()
        for life in lives:
            delay = backoff.delay(life)
            self.assertGreaterEqual(life + delay, FIRST_DELAY)
            self.assertLessEqual(delay, LONGEST_DELAY)
