"""
Tests for netd.lru.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lru import LRU

# A busy machine is no failure, and each run is the same one.
_property = settings(deadline=None, derandomize=True, max_examples=100)


class LRUTests(SynchronousTestCase):
    """A table of bounded size."""

    def test_known(self) -> None:
        """An added key has its value, even a false one; another key has None."""
        table: LRU[str, int] = LRU(10)
        table.put("a", 0)
        self.assertEqual((table.get("a"), table.get("b"), len(table)), (0, None, 1))

    def test_used_stays(self) -> None:
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

    @_property
    @given(st.integers(2, 20), st.lists(st.tuples(st.booleans(), st.integers(0, 30))))
    def test_bounded(self, most: int, calls: list[tuple[bool, int]]) -> None:
        """The table never exceeds its size, whatever is added and looked up."""
        table: LRU[int, int] = LRU(most)
        for puts, key in calls:
            if puts and table.get(key) is None:
                table.put(key, key)
            self.assertIn(table.get(key), (None, key))
            self.assertLessEqual(len(table), most)
