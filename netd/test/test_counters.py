"""
Tests for netd.counters.
"""

from __future__ import annotations

from math import inf
from typing import Any

from attrs import fields
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import DELAYS, LATE, Counters


class CountersTests(SynchronousTestCase):
    """
    Tallies are plain numbers that begin at nothing.
    """

    def test_nothing(self) -> None:
        """
        A daemon that has done nothing has counted nothing, under every name.
        """
        counters = Counters()
        for attribute in fields(Counters):
            value = getattr(counters, attribute.name)
            self.assertFalse(value, attribute.name)
            self.assertIsInstance(value, (int, float, dict))

    def test_keyed(self) -> None:
        """
        A tally by key can be added to without asking first whether the key is there.
        """
        counters = Counters()
        counters.answers[200] += 1
        counters.answers[499] += 2
        counters.refusals["body"] += 1
        counters.drops["source port"] += 1
        self.assertEqual(counters.answers, {200: 1, 499: 2})
        self.assertEqual(counters.refusals, {"body": 1})
        self.assertEqual(counters.drops, {"source port": 1})
        self.assertEqual(counters.answers[404], 0)
        self.assertNotIn(404, counters.answers)

    def test_own(self) -> None:
        """
        Two daemons in one process share no tally.
        """
        one, other = Counters(), Counters()
        one.answers[200] += 1
        one.refusals["head"] += 1
        one.drops["unsendable"] += 1
        one.echoes += 1
        self.assertEqual(other, Counters())

    def test_misspelt(self) -> None:
        """
        A tally that nobody reads cannot be made by a misspelt name.
        """
        counters: Any = Counters()
        with self.assertRaises(AttributeError):
            counters.conections = 1


class LateTests(SynchronousTestCase):
    """
    How late answers left that were asked to wait.
    """

    def test_buckets(self) -> None:
        """
        An answer counts under the smallest bound that it was not later than.
        """
        counters = Counters()
        for seconds in (0.0, 0.001, 0.0011, 0.002, 0.3, 1.0, 7.0):
            counters.late(seconds)
        self.assertEqual(counters.waits, {0.001: 2, 0.002: 2, 0.5: 1, 1.0: 1, float("inf"): 1})
        self.assertAlmostEqual(counters.late_seconds, 8.3041)

    def test_early(self) -> None:
        """
        One that left a rounding error too early was not late, and makes up for no other.
        """
        counters = Counters()
        counters.late(-1e-9)
        self.assertEqual((counters.waits[LATE[0]], counters.late_seconds), (1, 0.0))

    def test_bounds(self) -> None:
        """
        The bounds rise, and the last one takes everything.
        """
        self.assertEqual(list(LATE), sorted(set(LATE)))
        self.assertEqual(LATE[-1], float("inf"))

    def test_late(self) -> None:
        """
        A late answer stands under the next larger bound; an early one is not late at all.
        """
        counters = Counters()
        for seconds in (0.0, 0.001, 0.0015, 0.2, 3600.0, -0.1):
            counters.late(seconds)
        self.assertEqual(counters.waits, {0.001: 3, 0.002: 1, 0.5: 1, inf: 1})
        self.assertAlmostEqual(counters.late_seconds, 3600.2025)


class DelayTests(SynchronousTestCase):
    """
    How long answers were asked to wait.
    """

    def test_buckets(self) -> None:
        """
        An answer counts under the smallest bound that it was not asked to wait longer than.
        """
        counters = Counters()
        for seconds in (0.001, 0.01, 0.0101, 3.0, 3.0, 3600.0):
            counters.delayed(seconds)
        self.assertEqual(counters.delays, {0.01: 2, 0.025: 1, 3.0: 2, inf: 1})
        self.assertAlmostEqual(counters.delay_seconds, 3606.0211)

    def test_bounds(self) -> None:
        """
        The bounds rise, and the last one takes everything.
        """
        self.assertEqual(list(DELAYS), sorted(set(DELAYS)))
        self.assertEqual(DELAYS[-1], inf)
