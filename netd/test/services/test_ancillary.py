"""
Tests of netd.services.ancillary, on real loopback sockets.
"""

from __future__ import annotations

import socket
import sys

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netd.services import ancillary
from netd.services.ancillary import (
    RECEIVE_BUFFER,
    ControlMessages,
    PacketInfo,
    enlarge_receive_buffer,
    kernel_drops,
)

LINUX = sys.platform == "linux"


class _Sockets(SynchronousTestCase):
    """
    Bound sockets that are closed after the test.
    """

    def bind(self, host: str, v6only: int = 1) -> socket.socket:
        """A datagram socket on any port of `host`."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
        sock.bind((host, 0))
        sock.settimeout(60)
        return sock


class PacketInfoTests(_Sockets):
    """
    Control messages of received datagrams.
    """

    if not LINUX:
        skip = "the numbers are Linux's"

    def receive(
        self, bound: str, address: str, hops: bool = False
    ) -> tuple[PacketInfo, ControlMessages, socket.socket, socket.socket]:
        """The control messages of a datagram to `address`, received on `bound`."""
        server, client = self.bind(bound), self.bind("::1" if ":" in address else "127.0.0.1")
        tested = PacketInfo(server, "udp", hops)
        client.sendto(b"x", (address, server.getsockname()[1]))
        data, control, _, self.source = server.recvmsg(65_535, tested.buffer_size)
        self.assertEqual(data, b"x")
        return tested, control, server, client

    def test_knownAddress(self) -> None:
        """A socket on one address needs no control messages."""
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(PacketInfo(self.bind(host), "udp", False).buffer_size, 0)

    def test_wildcard(self) -> None:
        """A response of a wildcard socket leaves from the address of the request."""
        for bound, address in (("0.0.0.0", "127.0.0.2"), ("::", "::1")):
            tested, control, server, client = self.receive(bound, address)
            for _ in range(2):
                source = tested.source(control)
                assert source is not None
                server.sendmsg((b"y",), source, 0, self.source)
                data, sender = client.recvfrom(10)
                self.assertEqual((data, sender[0]), (b"y", address))
            self.assertEqual(tested.hops(control), 0)

    def test_broadcast(self) -> None:
        """A broadcast or multicast has no source for a response."""
        tested = PacketInfo(self.bind("0.0.0.0"), "udp", False)
        local, broadcast = socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.255")
        control = [(socket.IPPROTO_IP, 8, bytes(4) + local + broadcast)]
        self.assertIsNone(tested.source(control))
        tested = PacketInfo(self.bind("::"), "udp", False)
        group = socket.inet_pton(socket.AF_INET6, "ff02::1")
        kind = socket.IPV6_PKTINFO
        self.assertIsNone(tested.source([(socket.IPPROTO_IPV6, kind, group + bytes(4))]))

    def test_linkLocal(self) -> None:
        """A source has an interface only when it is link-local."""
        tested = PacketInfo(self.bind("::"), "udp", False)
        for host, interface in (("fe80::1", b"\2\0\0\0"), ("2001:db8::1", bytes(4))):
            address = socket.inet_pton(socket.AF_INET6, host)
            control = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, address + b"\2\0\0\0")]
            self.assertEqual(
                tested.source(control),
                [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, address + interface)],
            )

    def test_empty(self) -> None:
        """Without control messages the kernel chooses the source, and the hop limit is 0."""
        tested = PacketInfo(self.bind("0.0.0.0"), "udp", True)
        self.assertEqual((tested.source([]), tested.hops([])), ((), 0))
        other = [(socket.IPPROTO_IP, 99, b"\1\0\0\0")]
        self.assertEqual((tested.source(other), tested.hops(other)), ((), 0))

    def test_hops(self) -> None:
        """The hop limit is read where it is requested."""
        for bound in ("127.0.0.1", "::1", "0.0.0.0", "::"):
            address = "::1" if ":" in bound else "127.0.0.1"
            tested, control, _, client = self.receive(bound, address, hops=True)
            level, option = (
                (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)
                if ":" in bound
                else (socket.IPPROTO_IP, socket.IP_TTL)
            )
            self.assertEqual(tested.hops(control), client.getsockopt(level, option))

    def test_bothFamilies(self) -> None:
        """A socket for both families has the hop limit and the source of each datagram."""
        server = self.bind("::", v6only=0)
        tested = PacketInfo(server, "udp", True)
        for host, level, option in (
            ("127.0.0.1", socket.IPPROTO_IP, socket.IP_TTL),
            ("::1", socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
        ):
            client = self.bind(host)
            client.setsockopt(level, option, 77)
            client.sendto(b"x", (host, server.getsockname()[1]))
            _, control, _, address = server.recvmsg(65_535, tested.buffer_size)
            self.assertEqual(tested.hops(control), 77)
            server.sendmsg((b"y",), tested.source(control) or (), 0, address)
            self.assertEqual(client.recvfrom(10)[1][0], host)

    def test_bounded(self) -> None:
        """The known addresses are bounded."""
        self.patch(ancillary, "_MAX_ADDRESSES", 10)
        tested = PacketInfo(self.bind("0.0.0.0"), "udp", False)
        for number in range(100):
            address = socket.inet_aton(f"127.0.1.{number}")
            tested.source([(socket.IPPROTO_IP, 8, bytes(4) + address * 2)])
        self.assertLessEqual(len(tested.sources), 10)

    def test_missing(self) -> None:
        """An option that the system lacks is off, with one log line."""
        absent = {socket.AF_INET: (socket.IPPROTO_IP, None, None)}
        self.patch(ancillary, "_OPTIONS", absent)
        with capturedLogs() as events:
            tested = PacketInfo(self.bind("0.0.0.0"), "udp 7", True)
        self.assertEqual(tested.buffer_size, 0)
        self.assertEqual(
            [(event["name"], event["what"]) for event in events],
            [("udp 7", "the local address"), ("udp 7", "the hop limit")],
        )


class BufferTests(_Sockets):
    """
    The receive buffer.
    """

    def test_enlargeReceiveBuffer(self) -> None:
        """The buffer is not smaller than before, and a buffer below the request is logged."""
        sock = self.bind("127.0.0.1")
        before = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        with capturedLogs() as events:
            granted = enlarge_receive_buffer(sock, "udp 7")
        self.assertEqual(granted, sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
        self.assertGreaterEqual(granted, before)
        enough = granted >= RECEIVE_BUFFER * (2 if LINUX else 1)
        self.assertEqual([event["name"] for event in events], [] if enough else ["udp 7"])

    def test_logged(self) -> None:
        """A buffer below the request is logged once, and a sufficient one is not."""
        sock = self.bind("127.0.0.1")
        for size, count in ((2**30, 1), (1, 0)):
            self.patch(ancillary, "RECEIVE_BUFFER", size)
            with capturedLogs() as events:
                enlarge_receive_buffer(sock, "udp 7")
            self.assertEqual(len(events), count)

    def test_kernelDrops(self) -> None:
        """The kernel counts the datagrams that do not fit into the buffer."""
        server, client = self.bind("127.0.0.1"), self.bind("127.0.0.1")
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.assertEqual(kernel_drops(server), 0)
        for _ in range(100):
            client.sendto(bytes(1000), server.getsockname())
        if LINUX:
            self.assertGreater(kernel_drops(server), 50)
        self.patch(ancillary, "_LINUX", False)
        self.assertEqual(
            (kernel_drops(server), enlarge_receive_buffer(server, "udp") > 0), (0, True)
        )

    def test_noCount(self) -> None:
        """A kernel without the option has dropped none."""
        self.patch(ancillary, "_SO_MEMINFO", 9999)
        self.assertEqual(kernel_drops(self.bind("127.0.0.1")), 0)
