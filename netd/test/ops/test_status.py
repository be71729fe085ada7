"""
Tests of netd.ops.status.
"""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.ops.status import MAX_ITEMS, Status, bounded, resident_bytes, timers


class BoundedTests(SynchronousTestCase):
    """
    Lines with a limit.
    """

    def test_all(self) -> None:
        """A few items are all shown, and no items are "none"."""
        self.assertEqual(bounded({"a": 1, "b": "x"}.items()), "a=1 b=x")
        self.assertEqual(bounded([]), "none")

    def test_more(self) -> None:
        """Items above the limit are counted."""
        line = bounded(dict.fromkeys(range(MAX_ITEMS + 5), 0).items())
        self.assertTrue(line.endswith(f"{MAX_ITEMS - 1}=0 and 5 more"), line)


class TimerTests(SynchronousTestCase):
    """
    Delayed calls.
    """

    def test_none(self) -> None:
        """No delayed calls are "0"."""
        self.assertEqual(timers(Clock()), "0")

    def test_several(self) -> None:
        """Delayed calls are counted in all and by function, with the time to the next."""
        clock = Clock()
        for seconds in (3, 2, 7):
            clock.callLater(seconds, bounded, ())
        clock.callLater(9, timers, clock)
        self.assertEqual(timers(clock), "4, the next in 2.000 s (bounded=3 timers=1)")

    def test_overdue(self) -> None:
        """An overdue call is due in 0 s, and a function without a name is "other"."""

        class Called:
            """A function without a name."""

            def __call__(self) -> None:
                """Nothing."""

        clock = Clock()
        clock.callLater(0, Called())
        clock.rightNow += 1
        self.assertEqual(timers(clock), "1, the next in 0.000 s (other=1)")


class StatusTests(SynchronousTestCase):
    """
    The lines of the status.
    """

    def setUp(self) -> None:
        self.counters = Counters()
        self.status = Status(
            Clock(),
            self.counters,
            lambda: {"http": "tcp:80"},
            {"connections": lambda: {"http": 2, "tcp-echo": 1}, "waiting responses": dict},
        )

    def test_lines(self) -> None:
        """The services, every gauge, the timers and the counters have a line each."""
        self.counters.responses[200] += 3
        self.counters.responses[404] += 0
        self.counters.sent = 174
        self.counters.worst_lag = 0.123456789
        self.counters.lateness.add(0.0031)
        self.counters.delays.add(2.0)
        late = "lateness[0.005]=1 lateness_seconds=0.0031"
        delayed = "delays[2.0]=1 delay_seconds=2.0"
        self.assertEqual(
            list(self.status.lines()),
            [
                "services: http=tcp:80",
                "connections: 3 (http=2 tcp-echo=1)",
                "waiting responses: 0 (none)",
                "timers: 0",
                f"counters: responses[200]=3 sent=174 worst_lag=0.123457 {late} {delayed}",
            ],
        )

    def test_dump(self) -> None:
        """Every line is logged."""
        with capturedLogs() as events:
            self.status.dump()
        self.assertEqual([event["line"] for event in events], list(self.status.lines()))

    def test_summary(self) -> None:
        """The summary is one line of totals."""
        self.counters.responses[200] += 3
        self.counters.refusals["rate"] += 2
        self.counters.datagrams = 7
        self.assertEqual(
            self.status.summary(),
            "Serving: 3 connections, 0 waiting responses; 3 responses, 2 refusals, "
            "7 datagrams so far",
        )


class MemoryTests(SynchronousTestCase):
    """
    The memory of a process.
    """

    def test_memory(self) -> None:
        """This process has some; one that does not exist has none."""
        self.assertGreater(resident_bytes(), 1_000_000)
        self.assertEqual(round(resident_bytes(os.getpid()) / resident_bytes(), 1), 1.0)
        self.assertEqual(resident_bytes(2**31), 0)
