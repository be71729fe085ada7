"""
Tests for netd.counters.
"""

from __future__ import annotations

from math import inf
from typing import Any

from attrs import fields
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import DELAY_BOUNDS, LATENESS_BOUNDS, Counters, Histogram


class CountersTests(SynchronousTestCase):
    """
    Counters of one daemon.
    """

    def test_zero(self) -> None:
        """Every field is a number, a table or a histogram, and begins at zero or empty."""
        counters = Counters()
        for attribute in fields(Counters):
            value = getattr(counters, attribute.name)
            if isinstance(value, Histogram):
                self.assertEqual(value.seconds, 0.0, attribute.name)
                value = value.counts
            self.assertFalse(value, attribute.name)
            self.assertIsInstance(value, (int, float, dict))

    def test_tally(self) -> None:
        """A key can be counted before it is in the table, and reading it adds no key."""
        counters = Counters()
        counters.responses[200] += 1
        counters.responses[499] += 2
        counters.refusals["body"] += 1
        counters.drops["source port"] += 1
        self.assertEqual(counters.responses, {200: 1, 499: 2})
        self.assertEqual(counters.refusals, {"body": 1})
        self.assertEqual(counters.drops, {"source port": 1})
        self.assertEqual(counters.responses[404], 0)
        self.assertNotIn(404, counters.responses)

    def test_separate(self) -> None:
        """Two daemons in one process share no counter."""
        first, second = Counters(), Counters()
        first.responses[200] += 1
        first.refusals["head"] += 1
        first.drops["unsendable"] += 1
        first.datagrams_sent += 1
        self.assertEqual(second, Counters())

    def test_misspelt(self) -> None:
        """A misspelt name makes no new counter."""
        counters: Any = Counters()
        with self.assertRaises(AttributeError):
            counters.conections = 1


class HistogramTests(SynchronousTestCase):
    """
    The histograms of lateness, of requested delays, and of distributed calls.
    """

    def test_buckets(self) -> None:
        """A length is counted under the smallest bound that it does not exceed."""
        lateness = Counters().lateness
        for seconds in (0.0, 0.001, 0.0011, 0.002, 0.3, 1.0, 7.0, 3600.0):
            lateness.add(seconds)
        self.assertEqual(lateness.counts, {0.001: 2, 0.002: 2, 0.5: 1, 1.0: 1, inf: 2})
        self.assertAlmostEqual(lateness.seconds, 3608.3041)

    def test_early(self) -> None:
        """A response that was sent early counts as not late, and lowers no sum."""
        lateness = Counters().lateness
        lateness.add(-0.1)
        self.assertEqual((lateness.counts, lateness.seconds), ({LATENESS_BOUNDS[0]: 1}, 0.0))

    def test_delays(self) -> None:
        """Requested delays, and waits and runs of distributed calls, have longer bounds."""
        counters = Counters()
        for histogram in (counters.delays, counters.queue_waits, counters.queue_runs):
            for seconds in (0.001, 0.01, 0.0101, 3.0, 3.0, 3600.0):
                histogram.add(seconds)
            self.assertEqual(histogram.counts, {0.01: 2, 0.025: 1, 3.0: 2, inf: 1})
            self.assertAlmostEqual(histogram.seconds, 3606.0211)

    def test_bounds(self) -> None:
        """The bounds of both histograms rise, and the last one is infinite."""
        for bounds in (LATENESS_BOUNDS, DELAY_BOUNDS):
            self.assertEqual(list(bounds), sorted(set(bounds)))
            self.assertEqual(bounds[-1], inf)
