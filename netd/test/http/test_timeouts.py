"""
Tests of netd.http.timeouts.
"""

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
from netd.http.unsent import UnsentBytes
from netd.settings import Limits
from netd.transport.connections import ConnectionTable


class Connection:
    """A connection as the sweep sees it."""

    def __init__(self, deadline: float = inf) -> None:
        self.deadline = deadline
        self.client = None
        transport: Any = abstract.FileDescriptor(object())  # type: ignore[arg-type]
        self.output = Output(transport, UnsentBytes(10**9, Clock(), Counters()))
        self.calls: list[str] = []

    def hold(self, size: int) -> None:
        """Hold so many bytes that the client has not taken."""
        transport: Any = self.output.transport
        transport._tempDataLen = size

    def overdue(self) -> None:
        """Record the call."""
        self.calls.append("overdue")
        self.deadline = inf

    def abort(self) -> None:
        """Record the call."""
        self.calls.append("abort")


class TimeoutSweepTests(SynchronousTestCase):
    """
    Rounds, deadlines, progress and lag.
    """

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
        """Let so many seconds pass."""
        for _ in range(count):
            self.clock.advance(1)

    def test_rounds(self) -> None:
        """The sweep begins at once, comes once a second, and ends without a timer."""
        self.rounds(2)
        self.sweep.start()
        self.assertEqual(self.seconds, [0, 1, 2])
        self.sweep.stop()
        self.sweep.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_deadline(self) -> None:
        """Only a connection whose deadline has passed is calls so, once."""
        early, late, never = self.add(1.5), self.add(2.5), self.add()
        self.rounds(2)
        self.assertEqual((early.calls, late.calls), (["overdue"], []))
        self.rounds(5)
        self.assertEqual((early.calls, late.calls, never.calls), (["overdue"], ["overdue"], []))

    def test_leaves(self) -> None:
        """Connections may close during a round."""
        first, second = self.add(0.5), self.add(0.5)
        for connection in (first, second):
            self.patch(connection, "overdue", lambda: self.connections.remove(second))
        self.rounds(1)
        self.assertEqual(list(self.connections), [first])

    def test_progress(self) -> None:
        """A client that reads slowly is not cut as long as it reads."""
        slow = self.add()
        slow.output.written = 100
        for left in range(99, 80, -1):
            slow.hold(left)
            self.rounds(2)
        self.assertEqual(slow.calls, [])
        slow.hold(0)
        self.rounds(1)
        self.assertEqual((slow.output.written, self.sweep._slow), (0, {}))

    def test_stalled(self) -> None:
        """A client that reads nothing for so long is cut, and counted."""
        stalled = self.add()
        stalled.output.written = 100
        stalled.hold(50)
        self.rounds(3)
        self.assertEqual(stalled.calls, [])
        self.rounds(1)
        self.assertEqual((stalled.calls, self.counters.stalled), (["abort"], 1))

    def test_refilled(self) -> None:
        """Bytes that are read count as progress although a producer replaces them."""
        reading = self.add()
        for total in range(100, 1000, 100):
            reading.output.written = total
            reading.hold(50)
            self.rounds(2)
        self.assertEqual(reading.calls, [])

    def test_opaque(self) -> None:
        """A transport that cannot be looked into has made no progress while it is paused."""
        opaque = self.add()
        opaque.output = Output(StringTransport(), UnsentBytes(1, self.clock, Counters()))
        opaque.output.written = 1
        opaque.output.paused = True
        self.rounds(4)
        self.assertEqual(opaque.calls, ["abort"])

    def test_forget(self) -> None:
        """A closed connection is forgotten."""
        gone = self.add()
        gone.output.written = 2
        gone.hold(1)
        self.rounds(1)
        self.assertEqual(list(self.sweep._slow), [gone])
        self.sweep.forget(gone)
        self.sweep.forget(gone)
        self.assertEqual(self.sweep._slow, {})

    def test_lag(self) -> None:
        """The counters have the lag of the reactor, and its worst."""
        self.clock.advance(1.5)
        self.assertEqual((self.counters.lag, self.counters.worst_lag), (0.5, 0.5))
        self.clock.advance(1)
        self.assertEqual((self.counters.lag, self.counters.worst_lag), (0, 0.5))
