"""
Tests for netd.lab.counts.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.counts import MAX_KEYS, Counts, Later


class CountsTests(SynchronousTestCase):
    """
    The counts of one process.
    """

    def test_count(self) -> None:
        """Each count returns how many requests with the same key came before."""
        counts = Counts()
        self.assertEqual(
            [counts.count("a"), counts.count("a"), counts.count("b"), counts.count("a")],
            [0, 1, 0, 2],
        )

    def test_bounded(self) -> None:
        """The number of keys is limited, and the least recent key is forgotten."""
        counts = Counts()
        counts.count("kept")
        counts.count("lost")
        for number in range(MAX_KEYS - 1):
            counts.count("kept")
            counts.count(str(number))
        self.assertEqual(counts.count("kept"), MAX_KEYS)
        self.assertEqual(counts.count("lost"), 0)
        self.assertLessEqual(len(counts._counts), MAX_KEYS)

    def test_forget(self) -> None:
        """A key that is forgotten is counted anew, and others are not."""
        counts = Counts()
        for key in ("a", "a", "b"):
            counts.count(key)
        self.assertEqual([counts.forget("a"), counts.forget("a")], [2, 0])
        self.assertEqual([counts.count("a"), counts.count("b")], [0, 1])


class LaterTests(SynchronousTestCase):
    """
    A count of another process.
    """

    def test_fetch(self) -> None:
        """It has the function that fetches the value."""
        found: list[object] = []
        Later(lambda done: done(3)).fetch(found.append)
        self.assertEqual(found, [3])
