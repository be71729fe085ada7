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
    """Holds `left` connections; they go when the test says so, or when they are cut."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.asked = 0
        self.cuts = 0
        self.gone: Deferred[None] = Deferred()

    def drain(self) -> Deferred[None]:
        """As a site does: fires now when nobody is there."""
        self.asked += 1
        return self.gone if self.left else succeed(None)

    def abort(self) -> int:
        """Counts those that are there; that they are gone is heard of later."""
        self.cuts += 1
        return self.left

    def leave(self) -> None:
        """The last connection is gone."""
        self.left = 0
        self.gone.callback(None)


class DrainTests(SynchronousTestCase):
    """
    A stop waits for what is in flight, but not for ever.
    """

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
        """
        It is a service, and the fake is drainable.
        """
        self.assertTrue(verifyObject(IService, self.drain()))
        self.assertTrue(verifyObject(IDrainable, Source(1)))

    def test_running(self) -> None:
        """
        While the daemon runs nobody is asked for anything, and no timer runs.
        """
        source = Source(1)
        self.drain(source)
        self.clock.advance(100)
        self.assertEqual((source.asked, source.cuts), (0, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nothing_in_flight(self) -> None:
        """
        With nothing in flight the stop is over at once and leaves no timer.
        """
        source = Source(0)
        service = self.drain(source)
        self.assertIsNone(self.successResultOf(service.stopService()))
        self.assertFalse(service.running)
        self.assertEqual((source.asked, source.cuts), (1, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_change(self) -> None:
        """
        The grace is what it was last changed to.
        """
        source = Source(1)
        service = self.drain(source)
        service.change(3.0)
        stopped = service.stopService()
        self.clock.advance(2.999)
        self.assertEqual(source.cuts, 0)
        self.clock.advance(0.001)
        self.assertEqual(source.cuts, 1)
        source.leave()
        self.successResultOf(stopped)

    def test_no_sources(self) -> None:
        """
        A daemon of datagrams has nothing to drain.
        """
        self.successResultOf(self.drain().stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_last_one(self) -> None:
        """
        The stop is over when the last connection of the last source is gone.
        """
        one, other = Source(1), Source(2)
        stopped = self.drain(one, other).stopService()
        self.clock.advance(1)
        one.leave()
        self.assertNoResult(stopped)
        self.clock.advance(1)
        other.leave()
        self.assertIsNone(self.successResultOf(stopped))
        self.assertEqual((one.cuts, other.cuts), (0, 0))

    def test_no_timer_left(self) -> None:
        """
        The grace's timer goes when the connections do.
        """
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
        What is left after the grace is cut, not sooner, counted, and said in one warning.
        """
        one, other, gone = Source(2), Source(3), Source(0)
        with capturedLogs() as events:
            stopped = self.drain(one, other, gone).stopService()
            self.clock.advance(self.GRACE - 0.001)
            self.assertEqual((one.cuts, other.cuts), (0, 0))
            self.clock.advance(0.001)
        self.assertEqual((one.cuts, other.cuts), (1, 1))
        self.assertEqual(self.counters.aborted, 5)
        self.assertEqual([event["cut"] for event in events], [5])
        self.assertNoResult(stopped)
        one.leave()
        other.leave()
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_hurry(self) -> None:
        """
        Haste cuts at once, and the stop is over when the cut connections are gone.
        """
        source = Source(4)
        service = self.drain(source)
        stopped = service.stopService()
        with capturedLogs():
            service.hurry()
        self.assertEqual((source.cuts, self.counters.aborted), (1, 4))
        source.leave()
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_hurry_for_nothing(self) -> None:
        """
        Haste with nothing in flight counts nothing and says nothing.
        """
        service = self.drain(Source(0))
        with capturedLogs() as events:
            service.hurry()
        self.assertEqual((self.counters.aborted, events), (0, []))

    def test_in_a_house(self) -> None:
        """
        The stop of the whole house waits for it.
        """
        house, source = MultiService(), Source(1)
        Drain([source], self.GRACE, self.clock, self.counters).setServiceParent(house)
        house.startService()
        stopped = house.stopService()
        self.assertNoResult(stopped)
        source.leave()
        self.successResultOf(stopped)

    def test_failing(self) -> None:
        """
        A source that fails to drain is one line in the log and cuts no other short.
        """
        failing, source = Source(1), Source(1)
        done = self.drain(failing, source).stopService()
        failing.gone.errback(ZeroDivisionError())
        self.assertNoResult(done)
        source.leave()
        self.successResultOf(done)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_over(self) -> None:
        """
        Whoever wants to outlast the stop hears when it is over, once, whenever they asked.
        """
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
