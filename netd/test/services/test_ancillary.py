"""
What the kernel tells beside a datagram, on real loopback sockets.
"""

from __future__ import annotations

import socket
import sys

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netd.services import ancillary
from netd.services.ancillary import RECEIVE_BUFFER, Ancillary, Control, lost, widen

LINUX = sys.platform == "linux"


class _Sockets(SynchronousTestCase):
    """
    Bound sockets that are closed when the test is over.
    """

    def bind(self, host: str) -> socket.socket:
        """A datagram socket on a port that the kernel chose."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, 0))
        sock.settimeout(10)
        return sock


class ControlTests(_Sockets):
    """
    Options, and what they bring.
    """

    if not LINUX:
        skip = "the numbers are Linux's"

    def told(
        self, bound: str, asked: str, hops: bool = False
    ) -> tuple[Control, Ancillary, socket.socket, socket.socket]:
        """What is told of a datagram sent to `asked` where `bound` is listened on."""
        server, client = self.bind(bound), self.bind("::1" if ":" in asked else "127.0.0.1")
        tested = Control(server, "udp", hops)
        client.sendto(b"x", (asked, server.getsockname()[1]))
        data, ancillary, _, self.source = server.recvmsg(65_535, tested.room)
        self.assertEqual(data, b"x")
        return tested, ancillary, server, client

    def test_known_address(self) -> None:
        """At a known address nothing has to be told."""
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(Control(self.bind(host), "udp", False).room, 0)

    def test_asked(self) -> None:
        """On a wildcard an answer leaves from the address that was asked."""
        for bound, asked in (("0.0.0.0", "127.0.0.2"), ("::", "::1")):
            tested, ancillary, server, client = self.told(bound, asked)
            for _ in range(2):
                answer = tested.answer(ancillary)
                assert answer is not None
                server.sendmsg((b"y",), answer, 0, self.source)
                data, source = client.recvfrom(10)
                self.assertEqual((data, source[0]), (b"y", asked))
            self.assertEqual(tested.hops(ancillary), 0)

    def test_broadcast(self) -> None:
        """What was sent to more than one has no address to be answered from."""
        tested = Control(self.bind("0.0.0.0"), "udp", False)
        local, all_of_them = socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.255")
        told = [(socket.IPPROTO_IP, 8, bytes(4) + local + all_of_them)]
        self.assertIsNone(tested.answer(told))
        tested = Control(self.bind("::"), "udp", False)
        many = socket.inet_pton(socket.AF_INET6, "ff02::1")
        kind = socket.IPV6_PKTINFO
        self.assertIsNone(tested.answer([(socket.IPPROTO_IPV6, kind, many + bytes(4))]))

    def test_link_local(self) -> None:
        """A link-local address needs its interface, others go as the routes have it."""
        tested = Control(self.bind("::"), "udp", False)
        for host, interface in (("fe80::1", b"\2\0\0\0"), ("2001:db8::1", bytes(4))):
            asked = socket.inet_pton(socket.AF_INET6, host)
            told = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, asked + b"\2\0\0\0")]
            self.assertEqual(
                tested.answer(told),
                [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, asked + interface)],
            )

    def test_nothing_told(self) -> None:
        """Where the kernel is silent the answer leaves from where the kernel likes."""
        tested = Control(self.bind("0.0.0.0"), "udp", True)
        self.assertEqual((tested.answer([]), tested.hops([])), ((), 0))
        other = [(socket.IPPROTO_IP, 99, b"\1\0\0\0")]
        self.assertEqual((tested.answer(other), tested.hops(other)), ((), 0))

    def test_hops(self) -> None:
        """The hop limit is told where it is asked for."""
        for bound in ("127.0.0.1", "::1", "0.0.0.0", "::"):
            asked = "::1" if ":" in bound else "127.0.0.1"
            tested, ancillary, _, client = self.told(bound, asked, hops=True)
            level, option = (
                (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)
                if ":" in bound
                else (socket.IPPROTO_IP, socket.IP_TTL)
            )
            self.assertEqual(tested.hops(ancillary), client.getsockopt(level, option))

    def test_bounded(self) -> None:
        """However many addresses are asked, what is kept of them is bounded."""
        self.patch(ancillary, "_MOST_ASKED", 10)
        tested = Control(self.bind("0.0.0.0"), "udp", False)
        for number in range(100):
            address = socket.inet_aton(f"127.0.1.{number}")
            tested.answer([(socket.IPPROTO_IP, 8, bytes(4) + address * 2)])
        self.assertLessEqual(len(tested.known), 10)

    def test_missing(self) -> None:
        """What a system cannot tell is off, with one line each."""
        self.patch(ancillary, "_LINUX", False)
        with capturedLogs() as events:
            tested = Control(self.bind("0.0.0.0"), "udp 7", True)
        self.assertEqual(tested.room, 0)
        self.assertEqual(
            [(event["name"], event["what"]) for event in events],
            [("udp 7", "the address that was asked"), ("udp 7", "hop limits")],
        )


class BufferTests(_Sockets):
    """
    The receive buffer.
    """

    def test_widen(self) -> None:
        """More than the default is had, and said what it is when that is less than asked."""
        sock = self.bind("127.0.0.1")
        before = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        with capturedLogs() as events:
            granted = widen(sock, "udp 7")
        self.assertEqual(granted, sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
        self.assertGreaterEqual(granted, before)
        enough = granted >= RECEIVE_BUFFER * (2 if LINUX else 1)
        self.assertEqual([event["name"] for event in events], [] if enough else ["udp 7"])

    def test_said(self) -> None:
        """A kernel that grants little is told of once, one that grants enough is not."""
        sock = self.bind("127.0.0.1")
        for asked, count in ((2**30, 1), (1, 0)):
            self.patch(ancillary, "RECEIVE_BUFFER", asked)
            with capturedLogs() as events:
                widen(sock, "udp 7")
            self.assertEqual(len(events), count)

    def test_lost(self) -> None:
        """What does not fit in is counted by the kernel, where it does count."""
        server, client = self.bind("127.0.0.1"), self.bind("127.0.0.1")
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.assertEqual(lost(server), 0)
        for _ in range(100):
            client.sendto(bytes(1000), server.getsockname())
        if LINUX:
            self.assertGreater(lost(server), 50)
        self.patch(ancillary, "_LINUX", False)
        self.assertEqual((lost(server), widen(server, "udp") > 0), (0, True))

    def test_not_told(self) -> None:
        """An option that the kernel does not have is none dropped."""
        self.patch(ancillary, "_SO_MEMINFO", 9999)
        self.assertEqual(lost(self.bind("127.0.0.1")), 0)
