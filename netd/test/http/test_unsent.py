"""
Tests of netd.http.unsent: who is cut when clients read too slowly.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.http.unsent import PATIENCE, UnsentBytes
from netd.test.http.stages import GET, LIMITS, Call, ServerFixture


class Reader:
    """A reader that can be cut."""

    cuts = 0

    def cut(self) -> None:
        """Count it."""
        self.cuts += 1


class UnsentTests(SynchronousTestCase):
    """
    What lagging readers hold.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.unsent = UnsentBytes(100, self.clock, self.counters)
        self.readers = [Reader() for _ in range(4)]

    def cuts(self) -> list[int]:
        """How often each reader was cut."""
        return [reader.cuts for reader in self.readers]

    def test_slowestFirst(self) -> None:
        """Beyond the limit the reader that has lagged for longest is cut, and no other."""
        first, second, third, _ = self.readers
        for reader in (first, second, first):
            self.unsent.hold(reader, 50)
        self.assertEqual(self.cuts(), [0, 0, 0, 0])
        self.unsent.hold(third, 50)
        self.assertEqual(self.cuts(), [0, 1, 0, 0])
        self.assertEqual(self.counters.stalled, 1)

    def test_released(self) -> None:
        """A reader that has caught up, or is gone, holds nothing."""
        for reader in self.readers:
            self.unsent.hold(reader, 100)
            self.unsent.release(reader)
            self.unsent.release(reader)
        self.assertEqual(self.cuts(), [0, 0, 0, 0])

    def test_alone(self) -> None:
        """A reader that holds more than the limit by itself is cut."""
        self.unsent.hold(self.readers[0], 101)
        self.assertEqual(self.cuts(), [1, 0, 0, 0])
        self.assertTrue(self.unsent.has_room(100))

    def test_room(self) -> None:
        """A new response is refused while the slowest has lagged for a short time only."""
        first, second, *_ = self.readers
        self.unsent.hold(first, 40)
        self.unsent.hold(second, 40)
        self.assertTrue(self.unsent.has_room(20))
        self.assertFalse(self.unsent.has_room(21))
        self.assertEqual((self.cuts(), self.counters.refusals["unsent"]), ([0, 0, 0, 0], 1))
        self.clock.advance(PATIENCE)
        self.assertTrue(self.unsent.has_room(60))
        self.assertEqual(self.cuts(), [1, 0, 0, 0])

    def test_wait(self) -> None:
        """Responses that wait for their time hold half of the limit, and make nobody slow."""
        reader = self.readers[0]
        self.assertTrue(self.unsent.wait(50))
        self.assertFalse(self.unsent.wait(1))
        self.assertEqual(self.counters.refusals["unsent"], 1)
        self.unsent.hold(reader, 100)
        self.assertEqual(reader.cuts, 0)
        self.unsent.waited(50)
        self.assertTrue(self.unsent.wait(50))

    def test_large(self) -> None:
        """A response above the limit is sent when nobody lags."""
        self.assertTrue(self.unsent.has_room(1000))


class ServerTests(SynchronousTestCase):
    """
    The clients of one server.
    """

    def setUp(self) -> None:
        self.fixture = ServerFixture(Call(lambda request: bytes(100_000)), unsent=250_000)

    def test_refused(self) -> None:
        """A large response for which there is no room becomes a short 503."""
        slow = self.fixture.ask(GET)
        self.fixture.server.context.unsent.hold(slow.connection.output, 200_000)
        client = self.fixture.ask(GET)
        (response,) = client.responses()
        self.assertEqual((response.code, response.field(b"Retry-After")), (503, b"1"))
        self.assertFalse(client.closed())
        details = self.fixture.log.entries[-1].details
        self.assertEqual(details and details.notes, (("refusal", "unsent"),))

    def test_cut(self) -> None:
        """Readers that lag for a while are cut for the next response, the slowest first."""
        clients = [self.fixture.ask(GET) for _ in range(3)]
        for client in clients[:2]:
            self.fixture.server.context.unsent.hold(client.connection.output, 100_000)
        self.fixture.clock.advance(PATIENCE)
        self.assertEqual(self.fixture.ask(GET).response().code, 200)
        self.assertEqual([each.transport.aborted for each in clients], [True, False, False])

    def test_changed(self) -> None:
        """A reload changes the limit."""
        unsent = self.fixture.server.context.unsent
        self.fixture.server.change(evolve(LIMITS, unsent=1))
        self.assertEqual(unsent.limit, 1)

    def test_lost(self) -> None:
        """A client that has left holds nothing."""
        client = self.fixture.ask(GET)
        client.connection.pauseProducing()
        client.reset()
        self.assertTrue(self.fixture.server.context.unsent.has_room(250_000))
