"""
How long to wait.
"""

from __future__ import annotations

from math import inf

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.lab.waits import drawn, waiting
from netd.settings import Limits
from netd.test.lab.calling import bench, call
from netd.test.lab.conversation import HTTP
from netd.values import Distribution


class WaitTests(SynchronousTestCase):
    """
    Durations and distributions.
    """

    def test_nothing(self) -> None:
        """What is not asked for is not waited for."""
        self.assertEqual(waiting(call("GET /echo"), "delay"), 0.0)

    def test_duration(self) -> None:
        """A duration is itself; beyond --max-delay it is refused, or clamped."""
        self.assertEqual(waiting(call("GET /echo?delay=59s"), "delay"), 59.0)
        self.assertRaises(BadCall, waiting, call("GET /echo?delay=61s"), "delay")
        self.assertEqual(waiting(call("GET /delay/61"), "duration"), 60.0)

    def test_distribution(self) -> None:
        """A distribution is drawn from, at most --max-delay."""
        self.assertEqual(waiting(call("GET /echo?delay=normal:70s,0s"), "delay"), 60.0)
        self.assertEqual(waiting(call("GET /echo?delay=normal:7s,0s"), "delay"), 7.0)

    def test_unlimited(self) -> None:
        """With --max-delay 0 a year is still the end of it."""
        on = bench()
        on.config = evolve(HTTP, limits=Limits(max_delay=inf))
        long = Distribution.parse("uniform:365d-365d")
        self.assertEqual(drawn(call("GET /", on=on), long), 31_536_000.0)
