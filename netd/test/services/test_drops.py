"""
Tests of netd.services.drops.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.services.drops import Drops


class DropsTests(SynchronousTestCase):
    """
    Many drops, few log lines.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.kernel_drops = 0
        self.drops = Drops("udp", self.counters, self.clock, lambda: self.kernel_drops)

    def logged(self, seconds: float) -> list[tuple[str, int]]:
        """Reasons and counts of the log lines of the next `seconds`."""
        with capturedLogs() as events:
            self.clock.pump([1.0] * int(seconds))
        return [(event["reason"], event["count"]) for event in events]

    def test_counted(self) -> None:
        """Drops are counted by reason."""
        self.drops.add({"rate": 3, "network": 1})
        self.drops.add({"rate": 2})
        self.assertEqual(self.counters.drops, {"rate": 5, "network": 1})

    def test_one(self) -> None:
        """A single drop is counted."""
        self.drops.add({"rate": 1})
        self.assertEqual(self.counters.drops, {"rate": 1})

    def test_logged(self) -> None:
        """Each reason is logged with the number of its drops, once a minute."""
        self.drops.add({"rate": 3})
        self.drops.add({"rate": 2, "network": 1})
        self.assertEqual(self.logged(1), [("rate", 5), ("network", 1)])
        self.drops.add({"rate": 4})
        self.assertEqual(self.logged(58), [])
        self.assertEqual(self.logged(2), [("rate", 4)])

    def test_kernel(self) -> None:
        """Drops of the kernel are counted once, soon after a busy turn."""
        self.kernel_drops = 7
        self.drops.add({})
        self.assertEqual(self.logged(1), [("receive buffer", 7)])
        self.drops.add({})
        self.assertEqual(self.logged(1), [])
        self.kernel_drops = 9
        self.drops.stop()
        self.assertEqual(self.counters.drops, {"receive buffer": 9})

    def test_stop(self) -> None:
        """A stop logs what no line has yet, and leaves no timer."""
        self.drops.add({"rate": 1})
        with capturedLogs() as events:
            self.drops.stop()
            self.drops.stop()
        self.assertEqual([event["count"] for event in events], [1])
        self.assertEqual(self.clock.getDelayedCalls(), [])
