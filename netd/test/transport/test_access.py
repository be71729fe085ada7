"""Tests for netd.transport.access."""

from __future__ import annotations

from types import SimpleNamespace

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import (
    ILoggingContext,
    IProtocolFactory,
)
from twisted.logger import capturedLogs, formatEvent
from zope.interface.verify import verifyObject

from netd.test.transport.recording import (
    LOCAL,
    V1,
    AccessTestCase,
    Recorder,
    RecordingFactory,
    networks,
)
from netd.transport.access import Access, AccessFactory, listener_of
from netd.transport.drain import IDrainable


class AccessFactoryTests(AccessTestCase):
    """The factory before the inner factory."""

    access = Access(networks(deny="198.51.100.0/24"))

    def test_interfaces(self) -> None:
        """The factory is drainable, and has the log prefix of its inner factory."""
        for each in (IProtocolFactory, IDrainable, ILoggingContext):
            self.assertTrue(verifyObject(each, self.factory))
        self.assertEqual(self.factory.logPrefix(), "RecordingFactory")
        self.assertEqual(
            AccessFactory(self.policy, self.factory).logPrefix(), "RecordingFactory"
        )

    def test_ports(self) -> None:
        """The inner factory is started and stopped with its ports."""
        self.factory.doStart()
        self.assertEqual(self.inner.numPorts, 1)
        self.factory.doStop()
        self.assertEqual(self.inner.numPorts, 0)

    def test_direct(self) -> None:
        """Without proxies the inner protocol is built, and nothing stands before it."""
        self.assertIs(type(self.build()), Recorder)

    def test_denied(self) -> None:
        """A peer from a denied network is closed and counted; nothing is built for it."""
        for host in ("198.51.100.7", "::ffff:198.51.100.7"):
            self.assertIsNone(self.build(host))
        self.assertEqual(self.counters.refusals, {"network": 2})
        self.assertEqual(self.inner.built, [])

    def test_rateDenied(self) -> None:
        """A client that exceeds its rate is closed, although there is a denied factory."""
        denied = RecordingFactory()
        self.factory = AccessFactory(self.policy, self.inner, denied)
        self.policy.change(Access(networks(), rate=1))
        for _ in range(2):
            self.connect("198.51.100.7")
        self.assertIsNone(self.build("198.51.100.7"))
        self.assertEqual(denied.built, [])

    def test_local(self) -> None:
        """A peer on loopback that no list names gets a protocol of the local factory."""
        local = RecordingFactory()
        self.factory = AccessFactory(self.policy, self.inner, None, local)
        self.policy.change(Access(networks("192.0.2.0/24", "127.0.0.2")))
        for host in ("127.0.0.1", "::1", "::ffff:127.0.0.3"):
            self.assertIs(type(self.build(host)), Recorder)
        self.assertEqual((len(local.built), self.counters.refusals), (3, {}))
        for host in ("127.0.0.2", "198.51.100.7"):
            self.assertIsNone(self.build(host))
        self.assertEqual((len(local.built), self.counters.refusals), (3, {"network": 2}))
        self.build("192.0.2.1")
        self.assertEqual((len(local.built), len(self.inner.built)), (3, 1))

    def test_localThroughProxy(self) -> None:
        """A PROXY header leads nobody to the local factory, and a peer there may forge none."""
        local = RecordingFactory()
        self.factory = AccessFactory(self.policy, self.inner, None, local)
        self.policy.change(Access(networks("192.0.2.0/24"), networks("192.0.2.0/24")))
        for header in (V1.replace(b"203.0.113.9", b"127.0.0.1"), LOCAL):
            self.connect().receive(header)
        self.assertEqual(local.built, [])
        transport = self.connect("127.0.0.1")
        self.assertEqual(len(local.built), 1)
        transport.receive(V1)
        self.assertTrue(transport.cut)
        self.assertEqual(self.counters.refusals["proxy-forged"], 1)

    def test_unix(self) -> None:
        """The lists and the rate do not apply to UNIX sockets."""
        self.policy.change(Access(networks("192.0.2.1"), networks("192.0.2.1"), 1.0))
        self.assertIsNotNone(self.factory.buildProtocol(UNIXAddress(None)))
        self.assertIsNotNone(self.factory.buildProtocol(UNIXAddress(None)))

    def test_full(self) -> None:
        """A connection for which the inner factory builds no protocol is closed."""
        self.inner.full = True
        self.assertIsNone(self.build())

    def test_change(self) -> None:
        """Changed lists apply to new connections."""
        self.assertIsNotNone(self.build())
        self.policy.change(Access(networks(deny="192.0.2.1")))
        self.assertIsNone(self.build())

    def test_headersIgnored(self) -> None:
        """Without proxies, a PROXY header is ordinary input."""
        connection = self.connect()
        connection.receive(V1)
        self.assertEqual(self.inner.built[0].received, [V1])


class LogTests(AccessTestCase):
    """What the log says of refused connections."""

    def setUp(self) -> None:
        super().setUp()
        self.factory = AccessFactory(self.policy, self.inner, listener="http")

    def logged(self, seconds: float) -> list[str]:
        """The messages of the next `seconds`."""
        with capturedLogs() as events:
            self.clock.pump([1.0] * int(seconds))
        return [formatEvent(event) for event in events]

    def test_oneLine(self) -> None:
        """A line names the latest peer, its listener and the reason, and counts the others."""
        self.build("198.51.100.7")
        self.assertEqual(
            self.logged(1), ["refused 198.51.100.7 at http: its network may not connect"]
        )
        for number in range(1000):
            self.build(f"198.51.100.{number % 256}")
        self.assertEqual(self.logged(58), [])
        others = "refused 198.51.100.231 at http, and 999 others: its network may not connect"
        self.assertEqual(self.logged(2), [others])
        self.assertEqual(self.counters.refusals, {"network": 1001})

    def test_members(self) -> None:
        """An event has the peer, the listener and the reason as the metric names it."""
        self.build("198.51.100.7")
        with capturedLogs() as events:
            self.clock.advance(1)
        (event,) = events
        members = {name: event[name] for name in ("peer", "listener", "refusal")}
        self.assertEqual(
            members, {"peer": "198.51.100.7", "listener": "http", "refusal": "network"}
        )

    def test_everyReason(self) -> None:
        """Every reason has a line of its own, that of a full service too; none is doubled."""
        self.policy.change(
            Access(networks(deny="198.51.100.0/24"), networks("192.0.2.0/24"), 1.0)
        )
        self.build("198.51.100.7")
        for _ in range(3):
            self.build("203.0.113.1")
        self.connect().receive(b"GET / HTTP/1.1\r\n")
        self.connect("203.0.113.2").receive(V1)
        behind = self.connect()
        behind.receive(b"PROXY TCP4 198.51.100.9 192.0.2.2 4711 80\r\n")
        self.inner.full = True
        self.build("203.0.113.5")
        self.assertEqual(
            self.logged(1),
            [
                f"refused {each}"
                for each in (
                    "198.51.100.9 at http, and 1 others: its network may not connect",
                    "203.0.113.1 at http: too many connections a second",
                    "192.0.2.1 at http: no PROXY header, or a malformed or late one",
                    "203.0.113.2 at http: a PROXY header from a peer outside --proxy-from",
                    "203.0.113.5 at http: too many connections to the service",
                )
            ],
        )
        counted = {"network": 2, "rate": 1, "proxy-header": 1, "proxy-forged": 1}
        self.assertEqual(self.counters.refusals, counted)

    def test_unix(self) -> None:
        """A peer without an address is named by its kind of socket."""
        self.policy.log("service", "tcp-echo", UNIXAddress(None))
        text = "refused a UNIX socket at tcp-echo: too many connections to the service"
        self.assertEqual(self.logged(1), [text])

    def test_stop(self) -> None:
        """A stop logs what no line has yet, and leaves no timer."""
        self.build("198.51.100.7")
        with capturedLogs() as events:
            self.policy.stop()
        self.assertEqual(len(events), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ListenerTests(AccessTestCase):
    """The name of a connection's listener."""

    def test_name(self) -> None:
        """The name is that of the factory of the transport's port, and otherwise unknown."""
        factory = AccessFactory(self.policy, self.inner, listener="https")
        port = SimpleNamespace(factory=factory)
        self.assertEqual(listener_of(SimpleNamespace(server=port)), "https")
        for other in (SimpleNamespace(server=SimpleNamespace(factory=self.inner)), object()):
            self.assertIsNone(listener_of(other))


class RateTests(AccessTestCase):
    """The limit of connections a second."""

    access = Access(networks(), rate=2.0)

    def test_rate(self) -> None:
        """Each client network has its own rate, with a burst of two seconds' worth."""
        accepted = [self.build("192.0.2.1") is not None for _ in range(5)]
        self.assertEqual(accepted, [True] * 4 + [False])
        self.assertIsNotNone(self.build("192.0.2.2"))
        self.clock.advance(0.5)
        self.assertIsNotNone(self.build("192.0.2.1"))
        self.assertIsNone(self.build("192.0.2.1"))
        self.assertEqual(self.counters.refusals, {"rate": 2})

    def test_network(self) -> None:
        """An IPv6 /64 is one client."""
        accepted = [self.build(f"2001:db8::{number}") is not None for number in range(5)]
        self.assertEqual(accepted, [True] * 4 + [False])

    def test_loopback(self) -> None:
        """Loopback addresses have no limit."""
        for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
            for _ in range(10):
                self.assertIsNotNone(self.build(host))


class ProxyTests(AccessTestCase):
    """A policy with trusted proxies."""

    def test_deniedFactory(self) -> None:
        """The denied factory serves denied clients, behind a proxy as well."""
        denied = RecordingFactory()
        self.factory = AccessFactory(self.policy, self.inner, denied)
        self.connect("198.51.100.7")
        connection = self.connect()
        connection.receive(b"PROXY TCP4 198.51.100.9 192.0.2.2 4711 80\r\nGET")
        self.assertEqual(denied.built[1].received, [b"GET"])
        self.assertFalse(connection.cut)
        self.assertEqual((self.inner.built, self.counters.refusals), ([], {"network": 2}))
        self.policy.change(Access(networks(deny="192.0.2.7"), networks("192.0.2.0/24")))
        self.assertIsNone(self.build("192.0.2.7"))

    def test_deniedProxy(self) -> None:
        """A proxy from a denied network is refused before its header."""
        self.policy.change(Access(networks(deny="192.0.2.7"), networks("192.0.2.0/24")))
        self.assertIsNone(self.build("192.0.2.7"))
        self.assertEqual(self.counters.refusals, {"network": 1})

    def test_rateByClient(self) -> None:
        """The rate is that of the client and not that of its proxy."""
        self.policy.change(Access(networks(), networks("192.0.2.0/24"), 1.0))
        for number in range(10):
            connection = self.connect()
            connection.receive(b"PROXY TCP4 203.0.113.%d 192.0.2.2 4711 80\r\n" % number)
            self.assertFalse(connection.cut)
        cut = []
        for _ in range(3):
            connection = self.connect()
            connection.receive(V1.replace(b"113.9", b"113.99"))
            cut.append(connection.cut)
        self.assertEqual(cut, [False, False, True])

    def test_drain(self) -> None:
        """A drain cuts connections whose header is incomplete."""
        connection = self.connect()
        connection.receive(V1[:5])
        self.successResultOf(self.factory.drain())
        self.assertTrue(connection.cut)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.factory.abort(), 0)

    def test_guarded(self) -> None:
        """Every protocol for an untrusted peer gets a ForgeryGuard."""
        self.assertEqual(type(self.build("203.0.113.5")).__name__, "ForgeryGuard")
        self.inner.full = True
        self.assertIsNone(self.build("203.0.113.5"))
