"""
Tests of netd.http.turns: who proceeds, in which order, and for how long.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.http.turns import SLICE_SECONDS, Turns


class Connection:
    """A connection that needs some slices, each of which takes `seconds`."""

    queued = False

    def __init__(self, test: TurnsTests, slices: int = 1, seconds: float = 0.0) -> None:
        self.test = test
        self.slices = slices
        self.seconds = seconds

    def proceed(self) -> None:
        """Take a slice."""
        assert not self.queued
        self.test.proceeded.append(self)
        self.test.clock.rightNow += self.seconds
        self.slices -= 1
        if self.slices:
            self.test.turns.wait(self)


class TurnsTests(SynchronousTestCase):
    """
    Connections proceed in turn.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock)
        self.proceeded: list[Connection] = []

    def turn(self) -> list[Connection]:
        """One turn of the reactor; who has proceeded in it."""
        call: Any
        (call,) = self.clock.getDelayedCalls()
        self.clock.calls.remove(call)
        call.called = 1
        call.func(*call.args, **call.kw)
        proceeded, self.proceeded = self.proceeded, []
        return proceeded

    def test_roundRobin(self) -> None:
        """In each turn each connection proceeds once, in the order in which they came."""
        first, second, third = (Connection(self, slices) for slices in (3, 1, 2))
        for connection in (first, second, third, first):
            self.turns.wait(connection)
        self.assertEqual(self.turn(), [first, second, third])
        self.assertEqual(self.turn(), [first, third])
        self.assertEqual(self.turn(), [first])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_time(self) -> None:
        """A turn ends when its time is up; the next one begins with those that waited."""
        first, second, third = (Connection(self, 2, SLICE_SECONDS / 2) for _ in range(3))
        for connection in (first, second, third):
            self.turns.wait(connection)
        self.assertEqual(self.turn(), [first, second])
        self.assertEqual(self.turn(), [third, first])
        self.assertEqual(self.turn(), [second, third])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bug(self) -> None:
        """An exception does not stop the other connections."""
        first, second = Connection(self), Connection(self)
        self.patch(first, "proceed", {}.popitem)
        self.turns.wait(first)
        self.turns.wait(second)
        self.assertRaises(KeyError, self.turn)
        self.assertEqual(self.turn(), [second])

    def test_parts(self) -> None:
        """What arrives in parts is taken in for a limited time of each turn."""
        self.assertTrue(self.turns.in_time())
        self.assertTrue(self.turns.in_time())
        self.clock.rightNow += 0.02
        self.assertFalse(self.turns.in_time())
        self.turn()
        self.assertTrue(self.turns.in_time())

    def test_stop(self) -> None:
        """A stop leaves no timer behind, in a turn or between two."""
        first, second = Connection(self), Connection(self)
        self.turns.stop()
        self.turns.wait(first)
        self.turns.wait(second)
        self.turns.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        first.queued = False
        self.patch(first, "proceed", self.turns.stop)
        self.turns.wait(first)
        self.assertEqual(self.turn(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])
