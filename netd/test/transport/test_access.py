"""
Tests for netd.transport.access: who gets in, and what it costs.
"""

from __future__ import annotations

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import (
    ILoggingContext,
    IProtocolFactory,
)
from zope.interface.verify import verifyObject

from netd.test.transport.gates import (
    V1,
    Gates,
    Talk,
    Talks,
    networks,
)
from netd.transport.access import Access, AccessFactory
from netd.transport.drain import IDrainable


class DoorTests(Gates):
    """
    A door stands in for its factory.
    """

    access = Access(networks(deny="198.51.100.0/24"))

    def test_interfaces(self) -> None:
        """
        It is a factory, can be drained, and says who is behind it.
        """
        for each in (IProtocolFactory, IDrainable, ILoggingContext):
            self.assertTrue(verifyObject(each, self.door))
        self.assertEqual(self.door.logPrefix(), "Talks")
        self.assertEqual(AccessFactory(self.gate, self.door).logPrefix(), "Talks")

    def test_ports(self) -> None:
        """
        The inner factory hears of its ports.
        """
        self.door.doStart()
        self.assertEqual(self.talks.numPorts, 1)
        self.door.doStop()
        self.assertEqual(self.talks.numPorts, 0)

    def test_nothing_between(self) -> None:
        """
        Without proxies the inner protocol itself is built: no byte passes through the gate.
        """
        self.assertIs(type(self.build()), Talk)

    def test_denied(self) -> None:
        """
        A peer from a denied network is closed unheard and counted.
        """
        for host in ("198.51.100.7", "::ffff:198.51.100.7"):
            self.assertIsNone(self.build(host))
        self.assertEqual(self.counters.refusals, {"network": 2})
        self.assertEqual(self.talks.made, [])

    def test_told_rate(self) -> None:
        """
        Who comes too often is told nothing.
        """
        told = Talks()
        self.door = AccessFactory(self.gate, self.talks, told)
        self.gate.change(Access(networks(), rate=1))
        for _ in range(2):
            self.connect("198.51.100.7")
        self.assertIsNone(self.build("198.51.100.7"))
        self.assertEqual(told.made, [])

    def test_unix(self) -> None:
        """
        Who comes over a UNIX socket was judged by the file's mode.
        """
        self.gate.change(Access(networks("192.0.2.1"), networks("192.0.2.1"), 1.0))
        self.assertIsNotNone(self.door.buildProtocol(UNIXAddress(None)))
        self.assertIsNotNone(self.door.buildProtocol(UNIXAddress(None)))

    def test_full(self) -> None:
        """
        What the inner factory refuses is refused.
        """
        self.talks.full = True
        self.assertIsNone(self.build())

    def test_change(self) -> None:
        """
        Other lists hold for who comes from then on.
        """
        self.assertIsNotNone(self.build())
        self.gate.change(Access(networks(deny="192.0.2.1")))
        self.assertIsNone(self.build())

    def test_header_is_nothing(self) -> None:
        """
        Without proxies a PROXY header is bytes like others.
        """
        wire = self.connect()
        wire.come(V1)
        self.assertEqual(self.talks.made[0].heard, [V1])


class RateTests(Gates):
    """
    Connections a second.
    """

    access = Access(networks(), rate=2.0)

    def test_rate(self) -> None:
        """
        Each client network has its own rate, with a burst of two seconds' worth.
        """
        let_in = [self.build("192.0.2.1") is not None for _ in range(5)]
        self.assertEqual(let_in, [True] * 4 + [False])
        self.assertIsNotNone(self.build("192.0.2.2"))
        self.clock.advance(0.5)
        self.assertIsNotNone(self.build("192.0.2.1"))
        self.assertIsNone(self.build("192.0.2.1"))
        self.assertEqual(self.counters.refusals, {"rate": 2})

    def test_network(self) -> None:
        """
        An IPv6 /64 is one client.
        """
        let_in = [self.build(f"2001:db8::{number}") is not None for number in range(5)]
        self.assertEqual(let_in, [True] * 4 + [False])

    def test_loopback(self) -> None:
        """
        On loopback there is no limit.
        """
        for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
            for _ in range(10):
                self.assertIsNotNone(self.build(host))


class ProxyTests(Gates):
    """
    A gate whose peers may speak for others.
    """

    def test_told(self) -> None:
        """
        Where something speaks with the denied it does, and the inner factory hears nothing.
        """
        told = Talks()
        self.door = AccessFactory(self.gate, self.talks, told)
        self.connect("198.51.100.7")
        wire = self.connect()
        wire.come(b"PROXY TCP4 198.51.100.9 192.0.2.2 4711 80\r\nGET")
        self.assertEqual(told.made[1].heard, [b"GET"])
        self.assertFalse(wire.cut)
        self.assertEqual((self.talks.made, self.counters.refusals), ([], {"network": 2}))
        self.gate.change(Access(networks(deny="192.0.2.7"), networks("192.0.2.0/24")))
        self.assertIsNone(self.build("192.0.2.7"))

    def test_denied_proxy(self) -> None:
        """
        A proxy from a denied network is refused before its header.
        """
        self.gate.change(Access(networks(deny="192.0.2.7"), networks("192.0.2.0/24")))
        self.assertIsNone(self.build("192.0.2.7"))
        self.assertEqual(self.counters.refusals, {"network": 1})

    def test_rate_by_client(self) -> None:
        """
        The rate is the client's and not that of the proxy it comes through.
        """
        self.gate.change(Access(networks(), networks("192.0.2.0/24"), 1.0))
        for number in range(10):
            wire = self.connect()
            wire.come(b"PROXY TCP4 203.0.113.%d 192.0.2.2 4711 80\r\n" % number)
            self.assertFalse(wire.cut)
        cut = []
        for _ in range(3):
            wire = self.connect()
            wire.come(V1.replace(b"113.9", b"113.99"))
            cut.append(wire.cut)
        self.assertEqual(cut, [False, False, True])

    def test_drain(self) -> None:
        """
        A stop does not wait for headers.
        """
        wire = self.connect()
        wire.come(V1[:5])
        self.successResultOf(self.door.drain())
        self.assertTrue(wire.cut)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.door.abort(), 0)

    def test_watched(self) -> None:
        """
        A peer that may not speak for others is watched, unless it gets no protocol at all.
        """
        self.assertEqual(type(self.build("203.0.113.5")).__name__, "ForgeryGuard")
        self.talks.full = True
        self.assertIsNone(self.build("203.0.113.5"))
