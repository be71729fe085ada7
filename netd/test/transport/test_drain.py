"""
Tests for netd.transport.drain.
"""

from __future__ import annotations

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from netd.counters import Counters
from netd.transport.drain import Drain, IDrainable


@implementer(IDrainable)
class Source:
    """A factory with `left` connections."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.drains = 0
        self.cuts = 0
        self.closed: Deferred[None] = Deferred()

    def drain(self) -> Deferred[None]:
        """Fires at once without connections, otherwise on `leave`."""
        self.drains += 1
        return self.closed if self.left else succeed(None)

    def abort(self) -> int:
        """Count the call; the connections end on `leave`."""
        self.cuts += 1
        return self.left

    def leave(self) -> None:
        """Close the last connection."""
        self.left = 0
        self.closed.callback(None)


class DrainTests(SynchronousTestCase):
    """A graceful stop."""

    GRACE = 10.0

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()

    def drain(self, *sources: Source) -> Drain:
        """A running service over `sources`."""
        service = Drain(sources, self.GRACE, self.clock, self.counters)
        service.startService()
        return service

    def test_interfaces(self) -> None:
        """Drain is a service, and the fake source is drainable."""
        self.assertTrue(verifyObject(IService, self.drain()))
        self.assertTrue(verifyObject(IDrainable, Source(1)))

    def test_running(self) -> None:
        """A running service drains nothing and has no timer."""
        source = Source(1)
        self.drain(source)
        self.clock.advance(100)
        self.assertEqual((source.drains, source.cuts), (0, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_begins(self) -> None:
        """Everybody learns when a stop begins: after its delay, in the order of asking."""
        service = self.drain()
        service.change(self.GRACE, 2.0)
        said: list[str] = []
        service.begins().addCallback(lambda _: said.append("first"))
        service.announce().addCallback(lambda _: said.append("second"))
        self.clock.advance(1.0)
        self.assertEqual(said, [])
        self.clock.advance(1.0)
        self.assertEqual(said, ["first", "second"])
        service.change(self.GRACE)
        self.successResultOf(service.announce())
        self.successResultOf(service.begins())

    def test_nothingInFlight(self) -> None:
        """Without connections the stop ends at once and leaves no timer."""
        source = Source(0)
        service = self.drain(source)
        self.assertIsNone(self.successResultOf(service.stopService()))
        self.assertFalse(service.running)
        self.assertEqual((source.drains, source.cuts), (1, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_change(self) -> None:
        """The grace is the value it was last changed to."""
        source = Source(1)
        service = self.drain(source)
        service.change(3.0)
        stopped = service.stopService()
        self.clock.advance(2.999)
        self.assertEqual(source.cuts, 0)
        self.clock.advance(0.001)
        self.assertEqual(source.cuts, 1)
        source.leave()
        self.clock.advance(0)
        self.successResultOf(stopped)

    def test_noSources(self) -> None:
        """Without sources the stop ends at once."""
        self.successResultOf(self.drain().stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lastOne(self) -> None:
        """The stop ends when the last connection of the last source is closed."""
        first, second = Source(1), Source(2)
        stopped = self.drain(first, second).stopService()
        self.clock.advance(1)
        first.leave()
        self.assertNoResult(stopped)
        self.clock.advance(1)
        second.leave()
        self.assertIsNone(self.successResultOf(stopped))
        self.assertEqual((first.cuts, second.cuts), (0, 0))

    def test_noTimerLeft(self) -> None:
        """The timer of the grace ends with the last connection."""
        source = Source(1)
        self.drain(source).stopService()
        self.assertEqual(
            [call.getTime() for call in self.clock.getDelayedCalls()], [self.GRACE]
        )
        source.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.counters.aborted, 0)

    def test_grace(self) -> None:
        """
        After the grace the remaining connections are cut, counted and logged once.

        One more turn of the reactor follows, in which cancelled coroutines get to their end.
        """
        first, second, closed = Source(2), Source(3), Source(0)
        with capturedLogs() as events:
            stopped = self.drain(first, second, closed).stopService()
            self.clock.advance(self.GRACE - 0.001)
            self.assertEqual((first.cuts, second.cuts), (0, 0))
            self.clock.advance(0.001)
        self.assertEqual((first.cuts, second.cuts), (1, 1))
        self.assertEqual(self.counters.aborted, 5)
        self.assertEqual([event["cut"] for event in events], [5])
        self.assertNoResult(stopped)
        first.leave()
        second.leave()
        self.assertNoResult(stopped)
        self.clock.advance(0)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_hurry(self) -> None:
        """`hurry` cuts at once, and the stop ends when the cut connections are closed."""
        source = Source(4)
        service = self.drain(source)
        stopped = service.stopService()
        with capturedLogs():
            service.hurry()
        self.assertEqual((source.cuts, self.counters.aborted), (1, 4))
        source.leave()
        self.clock.advance(0)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_hurryWithoutConnections(self) -> None:
        """Without connections, `hurry` counts and logs nothing."""
        service = self.drain(Source(0))
        with capturedLogs() as events:
            service.hurry()
        self.assertEqual((self.counters.aborted, events), (0, []))

    def test_multiService(self) -> None:
        """A MultiService waits for its Drain."""
        parent, source = MultiService(), Source(1)
        Drain([source], self.GRACE, self.clock, self.counters).setServiceParent(parent)
        parent.startService()
        stopped = parent.stopService()
        self.assertNoResult(stopped)
        source.leave()
        self.successResultOf(stopped)

    def test_failing(self) -> None:
        """A source that fails to drain is logged and does not end the wait for others."""
        failing, source = Source(1), Source(1)
        done = self.drain(failing, source).stopService()
        failing.closed.errback(ZeroDivisionError())
        self.assertNoResult(done)
        source.leave()
        self.successResultOf(done)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def announced(self, source: Source) -> tuple[Drain, list[None]]:
        """A service of a delay of 5 s whose stop is announced, and what comes of that."""
        service = self.drain(source)
        service.change(self.GRACE, 5.0)
        done: list[None] = []
        service.announce().addCallback(done.append)
        self.assertFalse(service.running)
        return service, done

    def test_delay(self) -> None:
        """An announced stop begins after the delay; until then no source is drained."""
        source = Source(1)
        _, done = self.announced(source)
        self.clock.advance(4.999)
        self.assertEqual((done, source.drains), ([], 0))
        self.clock.advance(0.001)
        self.assertEqual(done, [None])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_noDelay(self) -> None:
        """Without a delay an announced stop begins at once, and no timer is left."""
        service = self.drain()
        self.assertIsNone(self.successResultOf(service.announce()))
        self.assertFalse(service.running)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_hurryDelay(self) -> None:
        """The first `hurry` ends the delay and cuts nothing, the second cuts."""
        source = Source(1)
        service, done = self.announced(source)
        self.assertEqual(service.left(), self.GRACE)
        service.hurry()
        self.clock.advance(0)
        self.assertEqual((done, source.cuts), ([None], 0))
        self.assertEqual(service.left(), 0.0)
        service.stopService()
        with capturedLogs():
            service.hurry()
        self.assertEqual(source.cuts, 1)
        source.leave()

    def test_left(self) -> None:
        """Without a delay nothing is left after a further signal."""
        self.assertEqual(self.drain().left(), 0.0)

    def test_over(self) -> None:
        """`over` fires once after each call, when the stop has ended."""
        source = Source(1)
        service = self.drain(source)
        early = service.over()
        stopped = service.stopService()
        late = service.over()
        self.assertNoResult(early)
        self.assertNoResult(late)
        source.leave()
        self.successResultOf(early)
        self.successResultOf(late)
        self.successResultOf(service.over())
        self.successResultOf(stopped)
