"""
Tests for netd.ops.status.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.ops.status import MOST, Status, bounded, timers


class BoundedTests(SynchronousTestCase):
    """
    A line with a limit.
    """

    def test_all(self) -> None:
        """
        Few items are all there; none are a word.
        """
        self.assertEqual(bounded({"a": 1, "b": "x"}), "a=1 b=x")
        self.assertEqual(bounded({}), "none")

    def test_more(self) -> None:
        """
        Of many the rest is counted.
        """
        said = bounded(dict.fromkeys(range(MOST + 5), 0))
        self.assertTrue(said.endswith(f"{MOST - 1}=0 and 5 more"), said)


class TimerTests(SynchronousTestCase):
    """
    Delayed calls.
    """

    def test_none(self) -> None:
        """
        None is 0.
        """
        self.assertEqual(timers(Clock()), "0")

    def test_several(self) -> None:
        """
        They are counted, in all and by what they call, with the time of the nearest.
        """
        clock = Clock()
        for seconds in (3, 2, 7):
            clock.callLater(seconds, bounded, {})
        clock.callLater(9, timers, clock)
        self.assertEqual(timers(clock), "4, the next in 2.000 s (bounded=3 timers=1)")

    def test_overdue(self) -> None:
        """
        One that is overdue is due now; what has no name of its own is called other.
        """

        class Called:
            """Has no name."""

            def __call__(self) -> None:
                """Nothing."""

        clock = Clock()
        clock.callLater(0, Called())
        clock.rightNow += 1
        self.assertEqual(timers(clock), "1, the next in 0.000 s (other=1)")


class StateTests(SynchronousTestCase):
    """
    The moment.
    """

    def setUp(self) -> None:
        self.counters = Counters()
        self.state = Status(
            Clock(),
            self.counters,
            lambda: {"http": "tcp:80"},
            {"connections": lambda: {"http": 2, "tcp-echo": 1}, "waiting answers": dict},
        )

    def test_lines(self) -> None:
        """
        Services, connections, waiting answers, timers and counters have a line each.
        """
        self.counters.responses[200] += 3
        self.counters.responses[404] += 0
        self.counters.sent = 174
        self.counters.worst_lag = 0.123456789
        self.assertEqual(
            list(self.state.lines()),
            [
                "services: http=tcp:80",
                "connections: 3 (http=2 tcp-echo=1)",
                "waiting answers: 0 (none)",
                "timers: 0",
                "counters: responses[200]=3 sent=174 worst_lag=0.123457",
            ],
        )

    def test_dump(self) -> None:
        """
        They go into the log.
        """
        with capturedLogs() as events:
            self.state.dump()
        self.assertEqual([each["line"] for each in events], list(self.state.lines()))

    def test_summary(self) -> None:
        """
        The shortest of it is one line.
        """
        self.counters.responses[200] += 3
        self.counters.refusals["rate"] += 2
        self.counters.datagrams = 7
        self.assertEqual(
            self.state.summary(),
            "Serving: 3 connections, 0 waiting answers; so far 3 answers, 2 refusals, "
            "7 datagrams",
        )
