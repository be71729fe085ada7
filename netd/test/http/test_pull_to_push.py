"""Pull producers, pulled."""

from __future__ import annotations

from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netd.http.pull_to_push import PullToPush


class Source:
    """A pull producer that rests after `turns`."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.pulled: PullToPush
        self.stopped = 0

    def resumeProducing(self) -> None:
        """Produce; the last time, pause."""
        self.turns -= 1
        if not self.turns:
            self.pulled.pauseProducing()

    def stopProducing(self) -> None:
        """Stop."""
        self.stopped += 1


class PulledTests(SynchronousTestCase):
    """Turns, pauses, ends."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.failures: list[Failure] = []

    def pull(self, source: Source) -> PullToPush:
        """`source`, pulled."""
        source.pulled = PullToPush(source, self.failures.append, self.clock)  # type: ignore[arg-type]
        return source.pulled

    def test_interface(self) -> None:
        """It is a push producer."""
        verifyObject(IPushProducer, self.pull(Source(1)))

    def test_turns(self) -> None:
        """It is pulled until it pauses, and again when it resumes."""
        source = Source(3)
        pulled = self.pull(source)
        self.assertEqual(source.turns, 3)
        self.clock.advance(0)
        self.assertEqual((source.turns, self.clock.getDelayedCalls()), (0, []))
        source.turns = 2
        pulled.resumeProducing()
        pulled.resumeProducing()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(0)
        self.assertEqual(source.turns, 0)

    def test_stop(self) -> None:
        """Stopping reaches the producer, and leaves no call behind."""
        source = Source(1)
        self.pull(source).stopProducing()
        self.assertEqual((source.stopped, self.clock.getDelayedCalls()), (1, []))

    def test_rest(self) -> None:
        """Resting leaves no call behind, and does not reach the producer."""
        source = Source(1)
        pulled = self.pull(source)
        pulled.rest()
        pulled.rest()
        self.assertEqual((source.stopped, self.clock.getDelayedCalls()), (0, []))

    def test_fails(self) -> None:
        """One that raises is handed over, and pulled no more."""
        source = Source(1)
        self.patch(source, "resumeProducing", lambda: 1 / 0)
        self.pull(source)
        self.clock.advance(0)
        (failure,) = self.failures
        self.assertTrue(failure.check(ZeroDivisionError))
        self.assertEqual(self.clock.getDelayedCalls(), [])
