"""
What is said of datagrams that got no answer.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.services.drops import QUIET_SECONDS, SOON_SECONDS, Drops


class DropsTests(SynchronousTestCase):
    """
    Much is dropped, little is said.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.lost = 0
        self.drops = Drops("udp", self.counters, self.clock, lambda: self.lost)

    def said(self, seconds: float) -> list[tuple[str, int]]:
        """Reasons and counts of the lines that the next `seconds` bring."""
        with capturedLogs() as events:
            self.clock.pump([1.0] * int(seconds))
        return [(event["reason"], event["count"]) for event in events]

    def test_counted(self) -> None:
        """Every drop is counted by its reason."""
        self.drops.add({"rate": 3, "network": 1})
        self.drops.add({"rate": 2})
        self.assertEqual(self.counters.drops, {"rate": 5, "network": 1})

    def test_soon(self) -> None:
        """The first ones are said soon, in one line a reason."""
        self.drops.add({"rate": 3})
        self.drops.add({"rate": 2, "network": 1})
        self.assertEqual(self.said(SOON_SECONDS), [("rate", 5), ("network", 1)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_once_a_minute(self) -> None:
        """Whatever goes on, a reason is said once a minute, with what came meanwhile."""
        said = []
        for _ in range(180):
            self.drops.add({"rate": 1})
            said += self.said(1)
        self.assertEqual(said, [("rate", 1), ("rate", 60), ("rate", 60)])
        self.drops.add({"network": 1})
        self.assertEqual(self.said(QUIET_SECONDS), [("rate", 59), ("network", 1)])

    def test_another_reason(self) -> None:
        """One reason does not silence another."""
        self.drops.add({"rate": 1})
        self.said(2)
        self.drops.add({"network": 1})
        self.assertEqual(self.said(2), [("network", 1)])

    def test_kernel(self) -> None:
        """What the kernel dropped is looked up soon after a busy turn, and counted once."""
        self.lost = 7
        self.drops.add({})
        self.assertEqual(self.said(1), [("receive buffer", 7)])
        self.drops.add({})
        self.assertEqual(self.said(1), [])
        self.lost = 9
        self.drops.stop()
        self.assertEqual(self.counters.drops, {"receive buffer": 9})

    def test_stop(self) -> None:
        """Stopped, it leaves no timer behind."""
        self.drops.add({"rate": 1})
        self.drops.stop()
        self.drops.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
