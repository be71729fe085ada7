"""
Steps in short turns of the reactor.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.cooperative import TURN, Cooperative
from netd.xmlrpc.steps import Steps


class CooperativeTests(SynchronousTestCase):
    """
    Steps on a clock.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.cooperative = Cooperative(self.clock)
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
        (call,) = self.clock.calls
        self.clock.calls.clear()
        call.called = 1
        call.func(*call.args, **call.kw)

    def start(self, steps: Steps[str]) -> Deferred[str]:
        """Perform `steps`."""
        return Deferred.fromCoroutine(self.cooperative.finish(steps))

    def test_atOnce(self) -> None:
        """Work that ends with its first step takes no turn."""
        self.assertEqual(self.successResultOf(self.start(self.work("a", 0))), "a")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_result(self) -> None:
        """The result comes in a later turn."""
        done = self.start(self.work("a", 3))
        self.assertNoResult(done)
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(done), "a")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_turn(self) -> None:
        """A turn ends with the step that uses its time up."""
        done = self.start(self.work("a", 10, TURN / 2))
        self.assertEqual(len(self.done), 1)
        for expected in (3, 5, 7, 9):
            self.turn()
            self.assertEqual(len(self.done), expected)
        self.turn()
        self.assertEqual(self.successResultOf(done), "a")

    def test_shared(self) -> None:
        """Two works share a turn, step by step."""
        both = [self.start(self.work(name, 6, TURN / 2)) for name in "ab"]
        self.done.clear()
        self.turn()
        self.assertEqual(self.done, ["a", "b"])
        while self.clock.calls:
            self.turn()
        self.assertEqual([self.successResultOf(each) for each in both], ["a", "b"])
        self.assertNotEqual(self.done, sorted(self.done))

    def test_failure(self) -> None:
        """An exception in any step ends the work."""

        def broken(count: int) -> Steps[str]:
            yield from self.work("a", count)
            raise KeyError("x")

        for count in (0, 1, 5):
            done = self.start(broken(count))
            self.clock.advance(0)
            self.failureResultOf(done, KeyError)

    def test_cancelled(self) -> None:
        """Cancelled work takes no more steps."""
        done = self.start(self.work("a", 5, TURN))
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.clock.advance(0)
        self.assertEqual(self.done, ["a"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
