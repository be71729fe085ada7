"""Tests for netd.transport.proxy_reader."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
)

from netd.test.transport.recording import (
    LOCAL,
    V1,
    V2,
    AccessTestCase,
    HalfCloseable,
    address,
)
from netd.transport.proxy_reader import HEADER_SECONDS


class HeaderTests(AccessTestCase):
    """The header of a trusted proxy."""

    def test_client(self) -> None:
        """The inner protocol is built for the client that the header names."""
        for header in (V1, V2):
            self.inner.built.clear()
            connection = self.connect()
            connection.receive(header)
            (protocol,) = self.inner.built
            self.assertEqual(protocol.address, IPv4Address("TCP", "203.0.113.9", 4711))
            self.assertIs(connection.protocol, protocol)
            self.assertEqual(connection.getPeer(), protocol.address)
            self.assertEqual(connection.value(), b"hello")
            connection.receive(b"x")
            self.assertEqual(protocol.received, [b"x"])

    def test_cut(self) -> None:
        """The header may be split anywhere; the bytes behind it are the client's."""
        for header in (V1, V2):
            for end in range(len(header) + 2):
                self.inner.built.clear()
                connection = self.connect()
                data = header + b"GET"
                if data[:end]:
                    connection.receive(data[:end])
                self.assertEqual(len(self.inner.built), int(end >= len(header)))
                connection.receive(data[end:])
                received = self.inner.built[0].received
                self.assertTrue(all(isinstance(each, bytes) for each in received))
                self.assertEqual(
                    b"".join(each for each in received if isinstance(each, bytes)), b"GET"
                )
        self.assertEqual(len(self.factory.readers), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bytewise(self) -> None:
        """The header may be received byte by byte."""
        connection = self.connect()
        for byte in V2 + b"hi":
            connection.receive(bytes((byte,)))
        self.assertEqual(self.inner.built[0].received, [b"h", b"i"])

    def test_silent(self) -> None:
        """Nothing is sent before the header is complete."""
        connection = self.connect()
        connection.receive(V1[:-1])
        self.assertEqual((connection.value(), self.inner.built), (b"", []))

    def test_local(self) -> None:
        """A proxy whose header names no client is itself the client."""
        for header in (LOCAL, b"PROXY UNKNOWN\r\n"):
            self.inner.built.clear()
            self.connect().receive(header)
            self.assertEqual(self.inner.built[0].address, address("192.0.2.1"))

    def test_six(self) -> None:
        """A client may have an IPv6 address behind an IPv4 proxy."""
        self.connect().receive(b"PROXY TCP6 2001:db8::9 2001:db8::1 4711 80\r\n")
        self.assertEqual(self.inner.built[0].address, IPv6Address("TCP", "2001:db8::9", 4711))

    def test_bad(self) -> None:
        """A trusted proxy with no header or a malformed one is cut and counted."""
        for data in (
            b"GET / HTTP/1.1\r\n",
            V1[:-2] + b"9999\r\n",
            V2[:12] + b"\x31",
            b"\0" * 9999,
        ):
            connection = self.connect()
            connection.receive(data)
            self.assertTrue(connection.cut)
            connection.lose()
        self.assertEqual(self.counters.refusals, {"proxy-header": 4})
        self.policy.stop()
        self.assertEqual((self.inner.built, self.clock.getDelayedCalls()), ([], []))

    def test_late(self) -> None:
        """A header that is late ends the connection."""
        connection = self.connect()
        connection.receive(V1[:10])
        self.clock.advance(HEADER_SECONDS - 0.1)
        self.assertFalse(connection.cut)
        self.clock.advance(0.2)
        self.assertTrue(connection.cut)
        self.assertEqual(self.counters.refusals, {"proxy-header": 1})

    def test_left(self) -> None:
        """A proxy that closes within its header leaves no timer and no reader."""
        connection = self.connect()
        connection.receive(V1[:10])
        connection.half_close()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual((len(self.factory.readers), self.inner.built), (0, []))

    def test_deniedClient(self) -> None:
        """The access lists apply to the client that the header names."""
        connection = self.connect()
        connection.receive(b"PROXY TCP4 198.51.100.9 192.0.2.2 4711 80\r\n")
        self.assertTrue(connection.cut)
        self.assertEqual((self.inner.built, self.counters.refusals), ([], {"network": 1}))

    def test_full(self) -> None:
        """A client without a protocol is cut."""
        self.inner.full = True
        connection = self.connect()
        connection.receive(V1)
        self.assertTrue(connection.cut)


class ForgedTests(AccessTestCase):
    """Peers that are not trusted proxies."""

    STRANGER = "203.0.113.1"

    def test_forged(self) -> None:
        """A header from an untrusted peer cuts the connection, wherever it is split."""
        for header in (V1, V2):
            for end in range(1, len(header)):
                self.counters.refusals.clear()
                connection = self.connect(self.STRANGER)
                connection.receive(header[:end])
                connection.receive(header[end:])
                self.assertTrue(connection.cut)
                self.assertEqual(self.inner.built[-1].received, [])
                self.assertIn("proxy-forged", self.counters.refusals)
                connection.lose()
                self.assertEqual(self.inner.built[-1].received, ["lost"])

    def test_plain(self) -> None:
        """Other input reaches the inner protocol, which speaks first, directly."""
        connection = self.connect(self.STRANGER)
        self.assertEqual(connection.value(), b"hello")
        connection.receive(b"GET")
        (protocol,) = self.inner.built
        self.assertIs(connection.protocol, protocol)
        connection.receive(b" /")
        self.assertEqual(protocol.received, [b"GET", b" /"])

    def test_undecided(self) -> None:
        """Input that may become a header is held back, and delivered when it does not."""
        connection = self.connect(self.STRANGER)
        connection.receive(b"PRO")
        self.assertEqual(self.inner.built[0].received, [])
        connection.receive(b"PFIND")
        self.assertEqual(self.inner.built[0].received, [b"PROPFIND"])

    def test_halfClosed(self) -> None:
        """A half-close is passed on after the input held back."""
        self.inner.kind = HalfCloseable
        connection = self.connect(self.STRANGER)
        connection.receive(b"P")
        connection.protocol.writeConnectionLost()
        connection.half_close()
        self.assertEqual(self.inner.built[0].received, ["our half", b"P", "half"])
        silent = self.connect(self.STRANGER)
        silent.half_close()
        self.assertEqual(self.inner.built[1].received, ["half"])

    def test_notHalfClosed(self) -> None:
        """A protocol without half-close loses the connection by one."""
        connection = self.connect(self.STRANGER)
        self.assertFalse(IHalfCloseableProtocol.providedBy(connection.protocol))
        connection.half_close()
        self.assertEqual(self.inner.built[0].received, ["lost"])

    def test_full(self) -> None:
        """A peer for which the inner factory builds no protocol gets none."""
        self.inner.full = True
        self.assertIsNone(self.build(self.STRANGER))
