"""
Tests of netd.services.tcp.
"""

from __future__ import annotations

from math import inf
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

from netd.addresses import limited
from netd.counters import Counters
from netd.script import Abort, Script, Send, Wait
from netd.services import tcp
from netd.services.messages import chargen
from netd.services.tcp import LINGER_SECONDS, Discard, Echo, ScriptProtocol, ServiceFactory
from netd.transport.drain import IDrainable

HERE = IPv4Address("TCP", "127.0.0.1", 5000)


@implementer(ITCPTransport)
class Client(StringTransport):
    """The client at the other end of a connection from `address`."""

    def __init__(self, factory: ServiceFactory, address: Any = HERE) -> None:
        StringTransport.__init__(self)
        self.protocol: Any = factory.buildProtocol(address)
        self.events: list[str] = []
        assert self.protocol is not None
        self.protocol.makeConnection(self)

    @property
    def received(self) -> bytes:
        """Everything that was sent to the client."""
        data: bytes = self.value()
        return data

    def send(self, data: bytes) -> None:
        """Send `data` to the service."""
        assert self.producerState == "producing", "the service does not read"
        self.protocol.dataReceived(data)

    def half_close(self) -> None:
        """Close the sending side."""
        IHalfCloseableProtocol(self.protocol).readConnectionLost()

    def leave(self) -> None:
        """Close the connection; as a real transport does, stop its producer."""
        producer, self.producer = self.producer, None
        if producer is not None:
            producer.stopProducing()
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def loseConnection(self) -> None:
        """Note it; a real transport would wait for its producer for ever."""
        assert self.producer is None or self.producer is self, "closed with a producer"
        self.events.append("close")

    def loseWriteConnection(self) -> None:
        """Note it, and notify the protocol."""
        self.events.append("half-close")
        self.protocol.writeConnectionLost()

    def abortConnection(self) -> None:
        """Note it."""
        self.events.append("abort")

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Unused."""
        raise NotImplementedError

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Note it."""
        self.events.append("keep alive")

    def getTcpNoDelay(self) -> bool:
        """Unused."""
        raise NotImplementedError

    def getTcpKeepAlive(self) -> bool:
        """Unused."""
        raise NotImplementedError


OPENED = ["keep alive"]


class _Services(SynchronousTestCase):
    """
    A service on a clock.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()

    def factory(self, make_protocol: Any) -> ServiceFactory:
        """A service with the protocol of `make_protocol`."""
        return ServiceFactory("name", make_protocol, self.clock, self.counters)

    def performing(self, script: Script) -> ServiceFactory:
        """A service that performs `script`."""
        return self.factory(lambda factory: ScriptProtocol(factory, script))


class EchoTests(_Services):
    """
    RFC 862.
    """

    def test_echo(self) -> None:
        """Every byte is sent back."""
        client = Client(self.factory(Echo))
        for data in (b"a", b"\0\xff", b"x" * 100_000):
            client.send(data)
        self.assertEqual(client.received, b"a\0\xff" + b"x" * 100_000)
        self.assertEqual(client.events, OPENED)

    def test_pace(self) -> None:
        """The transport is its own producer: it reads only as fast as the client."""
        client = Client(self.factory(Echo))
        self.assertIs(client.producer, client)
        self.assertTrue(client.streaming)

    def test_halfClose(self) -> None:
        """After a half-close the rest is sent and the connection is closed."""
        client = Client(self.factory(Echo))
        client.send(b"a")
        client.half_close()
        self.assertEqual((client.events, client.producer), ([*OPENED, "close"], None))


class DiscardTests(_Services):
    """
    RFC 863.
    """

    def test_discard(self) -> None:
        """Nothing is sent back."""
        client = Client(self.factory(Discard))
        client.send(b"x" * 100_000)
        client.half_close()
        self.assertEqual((client.received, client.events), (b"", [*OPENED, "close"]))


class ScriptProtocolTests(_Services):
    """
    A script on a stream.
    """

    def test_script(self) -> None:
        """The script is performed despite input; then the sending side is closed."""
        client = Client(self.performing([Send(b"a"), Wait(1.0), Send(b"b")]))
        client.send(b"noise")
        self.assertEqual((client.received, client.events), (b"a", OPENED))
        self.clock.advance(1.0)
        self.assertEqual((client.received, client.events), (b"ab", [*OPENED, "half-close"]))

    def test_linger(self) -> None:
        """A client that does not close is closed after `LINGER_SECONDS`."""
        client = Client(self.performing([Send(b"a")]))
        client.send(b"noise")
        self.clock.advance(LINGER_SECONDS)
        self.assertEqual(client.events, [*OPENED, "half-close", "close"])
        client.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bothClosed(self) -> None:
        """A client that closes after the script is closed at once, and no timer is left."""
        client = Client(self.performing([Send(b"a")]))
        client.half_close()
        self.assertEqual(client.events, [*OPENED, "half-close", "close"])
        client.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_halfClosedEarly(self) -> None:
        """A half-close before the end of the script does not stop it."""
        client = Client(self.performing([Wait(1.0), Send(b"a")]))
        client.half_close()
        self.assertEqual(client.events, OPENED)
        self.clock.advance(1.0)
        self.assertEqual(client.received, b"a")

    def test_backPressure(self) -> None:
        """A client that does not read pauses the script."""
        client = Client(self.performing(chargen()))
        self.clock.advance(0.1)
        before = len(client.received)
        assert client.producer is not None
        client.producer.pauseProducing()
        self.clock.pump([0.1] * 100)
        self.assertEqual(len(client.received), before)
        client.producer.resumeProducing()
        self.clock.advance(0.1)
        self.assertGreater(len(client.received), before)
        client.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_left(self) -> None:
        """A client that leaves stops the script."""
        client = Client(self.performing([Wait(1.0), Send(b"a")]))
        client.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_abort(self) -> None:
        """An Abort cuts the connection."""
        client = Client(self.performing([Send(b"a"), Abort()]))
        self.assertEqual(client.events, [*OPENED, "abort"])

    def test_broken(self) -> None:
        """A script that raises is logged once, and the connection is cut."""

        def broken() -> Any:
            yield Send(b"a")
            raise RuntimeError("no more")

        client = Client(self.performing(broken()))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(client.events, [*OPENED, "abort"])


class IdleTests(_Services):
    """
    Idle connections.
    """

    def client(self, make_protocol: Any, idle: float = 10.0) -> Client:
        """A client that is cut after `idle` seconds."""
        return Client(ServiceFactory("name", make_protocol, self.clock, self.counters, idle))

    def test_cut(self) -> None:
        """An idle connection is cut after exactly that time, and counted."""
        for make_protocol in (Echo, Discard):
            client = self.client(make_protocol)
            self.clock.advance(9.9)
            client.send(b"x")
            self.clock.advance(9.9)
            self.assertEqual(client.events, OPENED)
            self.clock.advance(0.1)
            self.assertEqual(client.events, [*OPENED, "abort"])
            client.leave()
        self.assertEqual(self.counters.refusals, {"service-idle": 2})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unread(self) -> None:
        """A client that does not read is cut; a client that reads is not idle."""
        client = self.client(lambda factory: ScriptProtocol(factory, chargen()))
        self.clock.pump([0.1] * 120)
        self.assertEqual(client.events, OPENED)
        assert client.producer is not None
        client.producer.pauseProducing()
        self.clock.advance(10.0)
        self.assertEqual(client.events, [*OPENED, "abort"])
        client.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_never(self) -> None:
        """Without a limit there is no timer, and a closed connection leaves none."""
        client = self.client(Echo, idle=inf)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        client.leave()
        self.client(Echo).leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ServiceFactoryTests(_Services):
    """
    The connections of one service.
    """

    def test_interface(self) -> None:
        """The factory is drainable and named."""
        self.assertEqual(self.factory(Echo).logPrefix(), "name")
        self.assertTrue(verifyObject(IDrainable, self.factory(Echo)))

    def test_counted(self) -> None:
        """Connections are counted by the name of the service."""
        factory = self.factory(Echo)
        for _ in range(3):
            Client(factory).leave()
        self.assertEqual(self.counters.services, {"name": 3})
        self.assertEqual(len(factory.connections), 0)

    def test_many(self) -> None:
        """The connections are limited, and a closed one makes room."""
        self.patch(tcp, "MAX_CONNECTIONS", 2)
        factory = self.factory(Echo)
        clients = [Client(factory) for _ in range(2)]
        self.assertIsNone(factory.buildProtocol(HERE))
        self.assertEqual(self.counters.refusals, {"service": 1})
        clients[0].leave()
        self.assertIsNotNone(factory.buildProtocol(HERE))

    def test_manyOfOneClient(self) -> None:
        """The connections of one client are limited, except on loopback and UNIX sockets."""
        self.patch(tcp, "MAX_PER_CLIENT", 2)
        factory = self.factory(Echo)
        there = IPv4Address("TCP", "192.0.2.1", 5000)
        clients = [Client(factory, there) for _ in range(2)]
        self.assertIsNone(factory.buildProtocol(there))
        self.assertIsNotNone(factory.buildProtocol(IPv4Address("TCP", "192.0.2.2", 5000)))
        mapped = IPv6Address("TCP", "::ffff:127.0.0.1", 5000)
        for address in (HERE, IPv6Address("TCP", "::1", 5000), mapped, UNIXAddress(None)):
            for _ in range(5):
                Client(factory, address)
        for client in clients:
            client.leave()
        self.assertEqual(len(factory.connections.of(limited(there))), 0)
        self.assertIsNotNone(factory.buildProtocol(there))

    def test_notThere(self) -> None:
        """A protocol without a connection is not counted."""
        factory = self.factory(Echo)
        factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 5000))
        self.assertEqual(len(factory.connections), 0)

    def test_unix(self) -> None:
        """A UNIX transport has no TCP options."""
        plain = StringTransport()
        protocol = self.factory(Discard).buildProtocol(UNIXAddress(None))
        assert protocol is not None
        protocol.makeConnection(plain)
        self.assertEqual(plain.value(), b"")

    def test_drain(self) -> None:
        """A drain closes every connection, accepts none, and fires when all are closed."""
        for make_protocol in (
            Echo,
            Discard,
            lambda factory: ScriptProtocol(factory, chargen()),
        ):
            factory = self.factory(make_protocol)
            clients = [Client(factory) for _ in range(2)]
            drained = factory.drain()
            self.assertIsNone(factory.buildProtocol(HERE))
            for client in clients:
                self.assertEqual(client.events, [*OPENED, "close"])
                self.assertNoResult(drained)
                client.leave()
            self.successResultOf(drained)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_drainNobody(self) -> None:
        """A drain without connections fires at once."""
        self.successResultOf(self.factory(Echo).drain())

    def test_abort(self) -> None:
        """An abort cuts and counts the connections, and ends the drain."""
        factory = self.factory(Echo)
        clients = [Client(factory) for _ in range(2)]
        drained = factory.drain()
        self.assertEqual(factory.abort(), 2)
        for client in clients:
            self.assertEqual(client.events[-1], "abort")
            client.leave()
        self.successResultOf(drained)
