"""
Tests of netd.turns: who proceeds, in which order, and for how long.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.steps import Steps
from netd.turns import SLICE_SECONDS, Turns


def take_turn(clock: Clock) -> None:
    """One turn of the reactor; `advance` would take all of them."""
    call: Any
    (call,) = clock.getDelayedCalls()
    clock.calls.remove(call)
    call.called = 1
    call.func(*call.args, **call.kw)


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
        take_turn(self.clock)
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

    def test_one(self) -> None:
        """A clock has one `Turns`, and it goes with the clock."""
        self.assertIs(Turns.of(self.clock), Turns.of(self.clock))
        self.assertIsNot(Turns.of(self.clock), Turns.of(Clock()))
        clock = Clock()
        gone = weakref.ref(clock)
        Turns.of(clock).in_time()
        del clock
        gc.collect()
        self.assertIsNone(gone())


class StepsTests(SynchronousTestCase):
    """
    Work in steps.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock)
        self.done: list[str] = []

    def work(self, name: str, count: int, seconds: float = 0.0) -> Steps[str]:
        """Take `count` steps of `seconds` each."""
        for _ in range(count):
            self.done.append(name)
            self.clock.rightNow += seconds
            yield
        return name

    def turn(self) -> None:
        """One turn of the reactor; Clock.advance would take all of them."""
        take_turn(self.clock)

    def test_atOnce(self) -> None:
        """Work that ends with its first step needs no other turn."""
        done = self.turns.finish(self.work("a", 0))
        self.assertEqual(self.successResultOf(done), "a")

    def test_late(self) -> None:
        """Work for which this turn has no time begins in the next one."""
        first, second = (self.turns.finish(self.work(name, 1, SLICE_SECONDS)) for name in "ab")
        self.assertEqual(self.done, ["a"])
        self.turn()
        self.successResultOf(first)
        self.turn()
        self.successResultOf(second)
        self.assertEqual(self.done, ["a", "b"])

    def test_result(self) -> None:
        """The result comes after as many turns as there are steps."""
        done = self.turns.finish(self.work("a", 3))
        for _ in range(3):
            self.assertNoResult(done)
            self.turn()
        self.assertEqual(self.successResultOf(done), "a")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_shared(self) -> None:
        """Two works share the turns, step by step."""
        both = [self.turns.finish(self.work(name, 6, SLICE_SECONDS / 4)) for name in "ab"]
        while self.clock.calls:
            self.turn()
        self.assertEqual([self.successResultOf(each) for each in both], ["a", "b"])
        self.assertEqual("".join(self.done), "ab" * 6)

    def test_failure(self) -> None:
        """An exception in any step ends the work."""

        def broken(count: int) -> Steps[str]:
            yield from self.work("a", count)
            raise KeyError("x")

        for count in (0, 1, 5):
            done = self.turns.finish(broken(count))
            while self.clock.calls:
                self.turn()
            self.failureResultOf(done, KeyError)

    def test_cancelled(self) -> None:
        """Cancelled work takes no more steps, and its `finally` runs."""

        def tidy() -> Steps[str]:
            try:
                return (yield from self.work("a", 5))
            finally:
                self.done.append("tidy")

        done = self.turns.finish(tidy())
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.turn()
        self.assertEqual(self.done, ["a", "tidy"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
