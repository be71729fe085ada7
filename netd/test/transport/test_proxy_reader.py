"""
Tests for netd.transport.proxy_reader: in whose name, and who forges one.
"""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
)

from netd.test.transport.gates import (
    LOCAL,
    V1,
    V2,
    Gates,
    HalfTalk,
    address,
)
from netd.transport.proxy_reader import HEADER_SECONDS


class HeaderTests(Gates):
    """
    A trusted proxy begins with a header.
    """

    def test_client(self) -> None:
        """
        The inner protocol is built for the client that the header names.
        """
        for header in (V1, V2):
            self.talks.made.clear()
            wire = self.connect()
            wire.come(header)
            (talk,) = self.talks.made
            self.assertEqual(talk.address, IPv4Address("TCP", "203.0.113.9", 4711))
            self.assertIs(wire.protocol, talk)
            self.assertEqual(wire.getPeer(), talk.address)
            self.assertEqual(wire.value(), b"hello")
            wire.come(b"x")
            self.assertEqual(talk.heard, [b"x"])

    def test_cut(self) -> None:
        """
        The header may be cut anywhere; what is behind it is the client's.
        """
        for header in (V1, V2):
            for end in range(len(header) + 2):
                self.talks.made.clear()
                wire = self.connect()
                said = header + b"GET"
                if said[:end]:
                    wire.come(said[:end])
                self.assertEqual(len(self.talks.made), int(end >= len(header)))
                wire.come(said[end:])
                heard = self.talks.made[0].heard
                self.assertTrue(all(isinstance(each, bytes) for each in heard))
                self.assertEqual(
                    b"".join(each for each in heard if isinstance(each, bytes)), b"GET"
                )
        self.assertEqual(len(self.door.readers), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bytewise(self) -> None:
        """
        It may come byte by byte.
        """
        wire = self.connect()
        for byte in V2 + b"hi":
            wire.come(bytes((byte,)))
        self.assertEqual(self.talks.made[0].heard, [b"h", b"i"])

    def test_silent_before(self) -> None:
        """
        Nothing is said before the header is complete.
        """
        wire = self.connect()
        wire.come(V1[:-1])
        self.assertEqual((wire.value(), self.talks.made), (b"", []))

    def test_local(self) -> None:
        """
        A proxy that speaks for itself is itself the client.
        """
        for header in (LOCAL, b"PROXY UNKNOWN\r\n"):
            self.talks.made.clear()
            self.connect().come(header)
            self.assertEqual(self.talks.made[0].address, address("192.0.2.1"))

    def test_six(self) -> None:
        """
        A client may have an IPv6 address behind an IPv4 proxy.
        """
        self.connect().come(b"PROXY TCP6 2001:db8::9 2001:db8::1 4711 80\r\n")
        self.assertEqual(self.talks.made[0].address, IPv6Address("TCP", "2001:db8::9", 4711))

    def test_bad(self) -> None:
        """
        A trusted proxy without a header, or with a bad one, is cut and counted.
        """
        for data in (
            b"GET / HTTP/1.1\r\n",
            V1[:-2] + b"9999\r\n",
            V2[:12] + b"\x31",
            b"\0" * 9999,
        ):
            wire = self.connect()
            wire.come(data)
            self.assertTrue(wire.cut)
            wire.leave()
        self.assertEqual(self.counters.refusals, {"proxy-header": 4})
        self.assertEqual((self.talks.made, self.clock.getDelayedCalls()), ([], []))

    def test_late(self) -> None:
        """
        A header that does not come in time ends the connection.
        """
        wire = self.connect()
        wire.come(V1[:10])
        self.clock.advance(HEADER_SECONDS - 0.1)
        self.assertFalse(wire.cut)
        self.clock.advance(0.2)
        self.assertTrue(wire.cut)
        self.assertEqual(self.counters.refusals, {"proxy-header": 1})

    def test_left(self) -> None:
        """
        A proxy that leaves within its header leaves nothing behind.
        """
        wire = self.connect()
        wire.come(V1[:10])
        wire.half_close()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual((len(self.door.readers), self.talks.made), (0, []))

    def test_denied_client(self) -> None:
        """
        The lists hold for the client that the header names.
        """
        wire = self.connect()
        wire.come(b"PROXY TCP4 198.51.100.9 192.0.2.2 4711 80\r\n")
        self.assertTrue(wire.cut)
        self.assertEqual((self.talks.made, self.counters.refusals), ([], {"network": 1}))

    def test_full(self) -> None:
        """
        A client for whom there is no room is cut.
        """
        self.talks.full = True
        wire = self.connect()
        wire.come(V1)
        self.assertTrue(wire.cut)


class ForgedTests(Gates):
    """
    Whoever else is let in, and who of them begins with a header.
    """

    STRANGER = "203.0.113.1"

    def test_forged(self) -> None:
        """
        A header from elsewhere closes the connection, wherever it is cut, and nobody hears it.
        """
        for header in (V1, V2):
            for end in range(1, len(header)):
                self.counters.refusals.clear()
                wire = self.connect(self.STRANGER)
                wire.come(header[:end])
                wire.come(header[end:])
                self.assertTrue(wire.cut)
                self.assertEqual(self.talks.made[-1].heard, [])
                self.assertIn("proxy-forged", self.counters.refusals)
                wire.leave()
                self.assertEqual(self.talks.made[-1].heard, ["lost"])

    def test_plain(self) -> None:
        """
        Others are served as ever: greeted at once, and after their first bytes directly.
        """
        wire = self.connect(self.STRANGER)
        self.assertEqual(wire.value(), b"hello")
        wire.come(b"GET")
        (talk,) = self.talks.made
        self.assertIs(wire.protocol, talk)
        wire.come(b" /")
        self.assertEqual(talk.heard, [b"GET", b" /"])

    def test_undecided(self) -> None:
        """
        What may still become a header waits, and is not lost when it becomes none.
        """
        wire = self.connect(self.STRANGER)
        wire.come(b"PRO")
        self.assertEqual(self.talks.made[0].heard, [])
        wire.come(b"PFIND")
        self.assertEqual(self.talks.made[0].heard, [b"PROPFIND"])

    def test_half_closed(self) -> None:
        """
        A half-close before that is passed on, with what was said until then.
        """
        self.talks.kind = HalfTalk
        wire = self.connect(self.STRANGER)
        wire.come(b"P")
        wire.protocol.writeConnectionLost()
        wire.half_close()
        self.assertEqual(self.talks.made[0].heard, ["our half", b"P", "half"])
        silent = self.connect(self.STRANGER)
        silent.half_close()
        self.assertEqual(self.talks.made[1].heard, ["half"])

    def test_not_half_closed(self) -> None:
        """
        A protocol that knows no half-close loses the connection by one.
        """
        wire = self.connect(self.STRANGER)
        self.assertFalse(IHalfCloseableProtocol.providedBy(wire.protocol))
        wire.half_close()
        self.assertEqual(self.talks.made[0].heard, ["lost"])

    def test_full(self) -> None:
        """
        There may be no room for them either.
        """
        self.talks.full = True
        self.assertIsNone(self.build(self.STRANGER))
