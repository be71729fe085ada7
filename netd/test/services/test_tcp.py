"""
The small services over streams.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, ITCPTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from netd.counters import Counters
from netd.script import Abort, Script, Send, Wait
from netd.services import tcp
from netd.services.messages import chargen
from netd.services.tcp import LINGER_SECONDS, Discard, Echo, ServiceFactory, Speaker
from netd.transport.drain import IDrainable

HERE = IPv4Address("TCP", "127.0.0.1", 5000)


@implementer(ITCPTransport)
class Line(StringTransport):
    """A connection from `address`, as the client sees it."""

    def __init__(self, factory: ServiceFactory, address: Any = HERE) -> None:
        StringTransport.__init__(self)
        self.protocol: Any = factory.buildProtocol(address)
        self.events: list[str] = []
        assert self.protocol is not None
        self.protocol.makeConnection(self)

    @property
    def said(self) -> bytes:
        """Everything that was said so far."""
        data: bytes = self.value()
        return data

    def come(self, data: bytes) -> None:
        """The client says `data`."""
        assert self.producerState == "producing", "nobody reads"
        self.protocol.dataReceived(data)

    def half_close(self) -> None:
        """The client says no more."""
        IHalfCloseableProtocol(self.protocol).readConnectionLost()

    def leave(self) -> None:
        """The connection is gone; as a real one, it tells its producer."""
        producer, self.producer = self.producer, None
        if producer is not None:
            producer.stopProducing()
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def loseConnection(self) -> None:
        """A real one would wait for its producer for ever."""
        assert self.producer is None or self.producer is self, "closed with a producer"
        self.events.append("close")

    def loseWriteConnection(self) -> None:
        """Note it, and tell."""
        self.events.append("half-close")
        self.protocol.writeConnectionLost()

    def abortConnection(self) -> None:
        """Note it."""
        self.events.append("abort")

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Note it."""
        self.events.append("no delay")

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Note it."""
        self.events.append("keep alive")

    def getTcpNoDelay(self) -> bool:
        """Nobody asks."""
        raise NotImplementedError

    def getTcpKeepAlive(self) -> bool:
        """Nobody asks."""
        raise NotImplementedError


OPENED = ["keep alive", "no delay"]


class _Services(SynchronousTestCase):
    """
    Services on a clock.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()

    def factory(self, begin: Any) -> ServiceFactory:
        """A service that `begin` makes the conversations of."""
        return ServiceFactory("name", begin, self.clock, self.counters)

    def speaking(self, script: Script) -> ServiceFactory:
        """A service that performs `script`."""
        return self.factory(lambda factory: Speaker(factory, script))


class EchoTests(_Services):
    """
    RFC 862.
    """

    def test_echo(self) -> None:
        """Every byte comes back."""
        line = Line(self.factory(Echo))
        for data in (b"a", b"\0\xff", b"x" * 100_000):
            line.come(data)
        self.assertEqual(line.said, b"a\0\xff" + b"x" * 100_000)
        self.assertEqual(line.events, OPENED)

    def test_pace(self) -> None:
        """The transport paces its own reading: a client that does not read is not read from."""
        line = Line(self.factory(Echo))
        self.assertIs(line.producer, line)
        self.assertTrue(line.streaming)

    def test_half_close(self) -> None:
        """After a half-close what is left is sent, then the connection ends."""
        line = Line(self.factory(Echo))
        line.come(b"a")
        line.half_close()
        self.assertEqual((line.events, line.producer), ([*OPENED, "close"], None))


class DiscardTests(_Services):
    """
    RFC 863.
    """

    def test_discard(self) -> None:
        """Nothing comes back, whatever is said."""
        line = Line(self.factory(Discard))
        line.come(b"x" * 100_000)
        line.half_close()
        self.assertEqual((line.said, line.events), (b"", [*OPENED, "close"]))


class SpeakerTests(_Services):
    """
    A script on a stream.
    """

    def test_script(self) -> None:
        """It is performed whatever the client says; then our side is closed."""
        line = Line(self.speaking([Send(b"a"), Wait(1.0), Send(b"b")]))
        line.come(b"noise")
        self.assertEqual((line.said, line.events), (b"a", OPENED))
        self.clock.advance(1.0)
        self.assertEqual((line.said, line.events), (b"ab", [*OPENED, "half-close"]))

    def test_linger(self) -> None:
        """Who does not close in answer is closed soon, so that its input makes no reset."""
        line = Line(self.speaking([Send(b"a")]))
        line.come(b"noise")
        self.clock.advance(LINGER_SECONDS)
        self.assertEqual(line.events, [*OPENED, "half-close", "close"])
        line.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_both_closed(self) -> None:
        """Who closes in answer is closed at once, and no timer is left."""
        line = Line(self.speaking([Send(b"a")]))
        line.half_close()
        self.assertEqual(line.events, [*OPENED, "half-close", "close"])
        line.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_half_closed_early(self) -> None:
        """Who has nothing to say may still listen."""
        line = Line(self.speaking([Wait(1.0), Send(b"a")]))
        line.half_close()
        self.assertEqual(line.events, OPENED)
        self.clock.advance(1.0)
        self.assertEqual(line.said, b"a")

    def test_back_pressure(self) -> None:
        """A client that does not read stops the script."""
        line = Line(self.speaking(chargen()))
        self.clock.advance(0.1)
        before = len(line.said)
        assert line.producer is not None
        line.producer.pauseProducing()
        self.clock.pump([0.1] * 100)
        self.assertEqual(len(line.said), before)
        line.producer.resumeProducing()
        self.clock.advance(0.1)
        self.assertGreater(len(line.said), before)
        line.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_left(self) -> None:
        """A client that leaves ends the script."""
        line = Line(self.speaking([Wait(1.0), Send(b"a")]))
        line.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_abort(self) -> None:
        """A script may cut the connection."""
        line = Line(self.speaking([Send(b"a"), Abort()]))
        self.assertEqual(line.events, [*OPENED, "abort"])

    def test_broken(self) -> None:
        """A script that fails is a bug: logged once, and the connection is cut."""

        def broken() -> Any:
            yield Send(b"a")
            raise RuntimeError("no more")

        line = Line(self.speaking(broken()))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(line.events, [*OPENED, "abort"])


class IdleTests(_Services):
    """
    ServiceFactory in which nothing moves.
    """

    def line(self, begin: Any, idle: float = 10.0) -> Line:
        """A connection that is cut after `idle` seconds."""
        return Line(ServiceFactory("name", begin, self.clock, self.counters, idle))

    def test_cut(self) -> None:
        """One of any kind is cut when nothing moved for so long, not before, and counted."""
        for begin in (Echo, Discard):
            line = self.line(begin)
            self.clock.advance(9.9)
            line.come(b"x")
            self.clock.advance(9.9)
            self.assertEqual(line.events, OPENED)
            self.clock.advance(0.1)
            self.assertEqual(line.events, [*OPENED, "abort"])
            line.leave()
        self.assertEqual(self.counters.refusals, {"service-idle": 2})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unread(self) -> None:
        """Who does not read what is said to it is cut; who reads may take its time."""
        line = self.line(lambda factory: Speaker(factory, chargen()))
        self.clock.pump([0.1] * 120)
        self.assertEqual(line.events, OPENED)
        assert line.producer is not None
        line.producer.pauseProducing()
        self.clock.advance(10.0)
        self.assertEqual(line.events, [*OPENED, "abort"])
        line.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_never(self) -> None:
        """Without a limit nobody looks, and who leaves leaves no timer."""
        line = self.line(Echo, idle=0.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        line.leave()
        self.line(Echo).leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ConversationsTests(_Services):
    """
    All connections of one service.
    """

    def test_interface(self) -> None:
        """They can be drained, and have a name."""
        self.assertEqual(self.factory(Echo).logPrefix(), "name")
        self.assertTrue(verifyObject(IDrainable, self.factory(Echo)))

    def test_counted(self) -> None:
        """Each is counted by the name of the service."""
        factory = self.factory(Echo)
        for _ in range(3):
            Line(factory).leave()
        self.assertEqual(self.counters.services, {"name": 3})
        self.assertEqual(factory.connected, set())

    def test_many(self) -> None:
        """There are at most so many; who leaves makes room."""
        self.patch(tcp, "MOST", 2)
        factory = self.factory(Echo)
        lines = [Line(factory) for _ in range(2)]
        self.assertIsNone(factory.buildProtocol(HERE))
        self.assertEqual(self.counters.refusals, {"service": 1})
        lines[0].leave()
        self.assertIsNotNone(factory.buildProtocol(HERE))

    def test_many_of_one(self) -> None:
        """One client network has at most so many, except on loopback and through a file."""
        self.patch(tcp, "MOST_OF_ONE", 2)
        factory = self.factory(Echo)
        there = IPv4Address("TCP", "192.0.2.1", 5000)
        lines = [Line(factory, there) for _ in range(2)]
        self.assertIsNone(factory.buildProtocol(there))
        self.assertIsNotNone(factory.buildProtocol(IPv4Address("TCP", "192.0.2.2", 5000)))
        mapped = IPv6Address("TCP", "::ffff:127.0.0.1", 5000)
        for address in (HERE, IPv6Address("TCP", "::1", 5000), mapped, UNIXAddress(None)):
            for _ in range(5):
                Line(factory, address)
        for line in lines:
            line.leave()
        self.assertEqual(len(factory._of_one), 0)
        self.assertIsNotNone(factory.buildProtocol(there))

    def test_not_there(self) -> None:
        """A connection that is over before it begins leaves no place taken."""
        factory = self.factory(Echo)
        factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 5000))
        self.assertEqual((factory.connected, len(factory._of_one)), (set(), 0))

    def test_unix(self) -> None:
        """What is no TCP has no options of TCP."""
        plain = StringTransport()
        protocol = self.factory(Discard).buildProtocol(UNIXAddress(None))
        assert protocol is not None
        protocol.makeConnection(plain)
        self.assertEqual(plain.value(), b"")

    def test_drain(self) -> None:
        """A drain brings each to its end, lets nobody in, and fires when all are gone."""
        for begin in (Echo, Discard, lambda factory: Speaker(factory, chargen())):
            factory = self.factory(begin)
            lines = [Line(factory) for _ in range(2)]
            drained = factory.drain()
            self.assertIsNone(factory.buildProtocol(HERE))
            for line in lines:
                self.assertEqual(line.events, [*OPENED, "close"])
                self.assertNoResult(drained)
                line.leave()
            self.successResultOf(drained)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_drain_nobody(self) -> None:
        """With nobody there a drain is over at once."""
        self.successResultOf(self.factory(Echo).drain())

    def test_abort(self) -> None:
        """What is left can be cut, and is counted; the drain then ends."""
        factory = self.factory(Echo)
        lines = [Line(factory) for _ in range(2)]
        drained = factory.drain()
        self.assertEqual(factory.abort(), 2)
        for line in lines:
            self.assertEqual(line.events[-1], "abort")
            line.leave()
        self.successResultOf(drained)
