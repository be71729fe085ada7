"""The watch."""

from __future__ import annotations

from math import inf
from typing import Any

from twisted.internet import abstract
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.http.output import Output
from netd.http.timeouts import TimeoutSweep
from netd.settings import Limits
from netd.transport.connections import ConnectionTable


class Connection:
    """As much of a channel as the watch looks at."""

    def __init__(self, deadline: float = inf) -> None:
        self.deadline = deadline
        self.client = None
        transport: Any = abstract.FileDescriptor(object())  # type: ignore[arg-type]
        self.output = Output(transport)
        self.told: list[str] = []

    def hold(self, size: int) -> None:
        """Have so much to send."""
        transport: Any = self.output.transport
        transport._tempDataLen = size

    def overdue(self) -> None:
        """The deadline has passed."""
        self.told.append("overdue")
        self.deadline = inf

    def abort(self) -> None:
        """Cut."""
        self.told.append("abort")


class WatchTests(SynchronousTestCase):
    """Rounds, deadlines, progress, lag."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.seconds: list[float] = []
        self.limits = Limits(stall=3.0)
        self.connections: ConnectionTable[Connection] = ConnectionTable()
        self.sweep = TimeoutSweep(self, self.clock, self.counters)
        self.sweep.start()

    def new_second(self, now: float) -> None:
        """Record the beginning of a round."""
        self.seconds.append(now)

    def add(self, deadline: float = inf) -> Connection:
        """An open connection."""
        connection = Connection(deadline)
        self.connections.add(connection)
        return connection

    def rounds(self, count: int) -> None:
        """So many seconds."""
        for _ in range(count):
            self.clock.advance(1)

    def test_rounds(self) -> None:
        """It begins at once, turns once a second, and ends without a timer."""
        self.rounds(2)
        self.sweep.start()
        self.assertEqual(self.seconds, [0, 1, 2])
        self.sweep.stop()
        self.sweep.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_deadline(self) -> None:
        """Who is overdue is told once, nobody else is."""
        early, late, never = self.add(1.5), self.add(2.5), self.add()
        self.rounds(2)
        self.assertEqual((early.told, late.told), (["overdue"], []))
        self.rounds(5)
        self.assertEqual((early.told, late.told, never.told), (["overdue"], ["overdue"], []))

    def test_leaves(self) -> None:
        """Somebody may go during a round."""
        first, second = self.add(0.5), self.add(0.5)
        for each in (first, second):
            self.patch(each, "overdue", lambda: self.connections.remove(second))
        self.rounds(1)
        self.assertEqual(list(self.connections), [first])

    def test_progress(self) -> None:
        """However slowly a client reads, it may, as long as it reads."""
        slow = self.add()
        slow.output.written = 100
        for left in range(99, 80, -1):
            slow.hold(left)
            self.rounds(2)
        self.assertEqual(slow.told, [])
        slow.hold(0)
        self.rounds(1)
        self.assertEqual((slow.output.written, self.sweep._slow), (0, {}))

    def test_stalled(self) -> None:
        """Who reads nothing for so long is cut, and counted."""
        stalled = self.add()
        stalled.output.written = 100
        stalled.hold(50)
        self.rounds(3)
        self.assertEqual(stalled.told, [])
        self.rounds(1)
        self.assertEqual((stalled.told, self.counters.stalled), (["abort"], 1))

    def test_refilled(self) -> None:
        """A producer that fills up what a client reads is progress."""
        reading = self.add()
        for total in range(100, 1000, 100):
            reading.output.written = total
            reading.hold(50)
            self.rounds(2)
        self.assertEqual(reading.told, [])

    def test_opaque(self) -> None:
        """Of a transport that cannot be looked into, being paused is all that is known."""
        opaque = self.add()
        opaque.output = Output(StringTransport())
        opaque.output.written = 1
        opaque.output.paused = True
        self.rounds(4)
        self.assertEqual(opaque.told, ["abort"])

    def test_forget(self) -> None:
        """Who is gone is forgotten."""
        gone = self.add()
        gone.output.written = 2
        gone.hold(1)
        self.rounds(1)
        self.assertEqual(list(self.sweep._slow), [gone])
        self.sweep.forget(gone)
        self.sweep.forget(gone)
        self.assertEqual(self.sweep._slow, {})

    def test_lag(self) -> None:
        """How late the reactor is gets noted, and how late it was at its worst."""
        self.clock.advance(1.5)
        self.assertEqual((self.counters.lag, self.counters.worst_lag), (0.5, 0.5))
        self.clock.advance(1)
        self.assertEqual((self.counters.lag, self.counters.worst_lag), (0, 0.5))
