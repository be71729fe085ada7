"""
Tests for netd.workers.merge.
"""

from __future__ import annotations

from attrs import fields
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters, Histogram
from netd.test.chance import by_chance
from netd.workers import merge
from netd.workers.messages import Snapshot

# An event by its number, and the process that it comes to.
_EVENTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(1, 5)))


def count(counters: Counters, event: int, amount: int) -> None:
    """Count something, as netd does."""
    if event == 0:
        counters.responses[200 + amount] += 1
    elif event == 1:
        counters.sent += amount
    elif event == 2:
        counters.delays.add(amount)
    elif event == 3:
        counters.calls["method", amount] += 1
    elif event == 4:
        counters.lag = float(amount)
        counters.worst_lag = max(counters.worst_lag, counters.lag)
    elif event == 5:
        counters.drops["rate"] += amount
    else:
        counters.lateness.add(amount)


class CountersTests(SynchronousTestCase):
    """
    Counters of several processes.
    """

    @given(_EVENTS)
    @by_chance
    def test_model(self, events: list[tuple[int, int, int]]) -> None:
        """The sum over processes is what one process would have counted of everything."""
        one, several = Counters(), [Counters() for _ in range(3)]
        for event, process, amount in events:
            count(one, event, amount)
            count(several[process], event, amount)
        total = merge.counters(several)
        # The latest lag of one process is not the largest of all.
        one.lag = max(each.lag for each in several)
        self.assertEqual(total, one)

    def test_unchanged(self) -> None:
        """The parts stay as they were."""
        part = Counters()
        count(part, 0, 1)
        total = merge.counters([part, part])
        self.assertEqual((part.responses, total.responses), ({201: 1}, {201: 2}))

    def test_settled(self) -> None:
        """The lags of a process that is gone are forgotten, all else stays."""
        part = Counters(lag=1.0, worst_lag=2.0, sent=5)
        self.assertEqual(merge.settled(part), Counters(sent=5))
        self.assertEqual(part.lag, 1.0)

    def test_everyField(self) -> None:
        """Every field takes part."""
        part = Counters()
        for field in fields(Counters):
            value = getattr(part, field.name)
            if isinstance(value, dict):
                value["x"] = 1
            elif isinstance(value, Histogram):
                value.add(1.0)
            else:
                setattr(part, field.name, 1)
        self.assertEqual(merge.counters([part]), part)


class SnapshotTests(SynchronousTestCase):
    """
    Snapshots of several processes.
    """

    def test_sums(self) -> None:
        """Gauges are added up by key, and the certificate that expires first counts."""
        one = Snapshot(Counters(sent=1), {"http": 1, "echo": 2}, {"http": 3}, 1, 2, {"a": 5.0})
        two = Snapshot(Counters(sent=2), {"http": 10}, {}, 10, 20, {"a": 4.0, "b": 9.0})
        total = Snapshot(
            Counters(sent=3), {"http": 11, "echo": 2}, {"http": 3}, 11, 22, {"a": 4.0, "b": 9.0}
        )
        self.assertEqual(merge.snapshots([one, two]), total)

    def test_queue(self) -> None:
        """All see one queue, which is up if each reaches it; who has no calls says nothing."""
        one = Snapshot(Counters(), {}, {}, 0, 0, {}, 1, 3, {"netd": 5})
        two = Snapshot(Counters(), {}, {}, 0, 0, {}, 0, 4, {"netd": 4, "netd.gpu": 0})
        idle = Snapshot(Counters(), {}, {}, 0, 0, {})
        both = {"netd": 5, "netd.gpu": 0}
        total = Snapshot(Counters(), {}, {}, 0, 0, {}, 0, 4, both)
        self.assertEqual(merge.snapshots([one, idle, two]), total)
        self.assertEqual(merge.snapshots([one, idle]), one)

    def test_none(self) -> None:
        """Nothing is the sum of nothing."""
        self.assertEqual(merge.snapshots([]), Snapshot(Counters(), {}, {}, 0, 0, {}))
