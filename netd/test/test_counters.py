"""
Tests for netd.counters.
"""

from __future__ import annotations

from typing import Any

from attrs import fields
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters


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
