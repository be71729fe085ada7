"""
The datagram port, on real loopback sockets: the kernel is the subject.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.wire import answers, udp


class AnswerPortTests(SynchronousTestCase):
    """
    One read turn at a time, driven by hand.
    """

    def setUp(self) -> None:
        self.counters = Counters()
        bound = self.bind()
        reactor: Any = MemoryReactorClock()
        self.port: Any = udp.serve(answers.echo, self.counters, reactor)(bound)
        self.reactor = reactor
        self.address = bound.getsockname()
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """Close the port, as its service would."""
        if self.port.connected:
            self.port.stopListening()
            self.reactor.advance(0)

    def bind(self) -> socket.socket:
        """A bound loopback socket, closed when the test is over."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        return sock

    def received(self, sock: socket.socket) -> list[bytes]:
        """Every datagram that has come to `sock`."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(sock.recv(65_535))
        return found

    def test_echo(self) -> None:
        """A datagram comes back to where it came from."""
        client = self.bind()
        client.sendto(b"hello", self.address)
        self.port.doRead()
        self.assertEqual(self.received(client), [b"hello"])
        self.assertEqual((self.counters.datagrams, self.counters.echoes), (1, 1))

    def test_whole(self) -> None:
        """The largest datagram that IPv4 has, 65 507 bytes, comes back whole."""
        client = self.bind()
        data = bytes(range(256)) * 256
        client.sendto(data[:65_507], self.address)
        self.port.doRead()
        self.assertEqual(self.received(client), [data[:65_507]])

    def test_empty(self) -> None:
        """An empty datagram is a datagram."""
        client = self.bind()
        client.sendto(b"", self.address)
        self.port.doRead()
        self.assertEqual(self.received(client), [b""])

    def test_ownAddress(self) -> None:
        """A datagram that claims to come from the port itself is dropped: it cannot loop."""
        # The port's own socket sends to itself: what a spoofed source looks like.
        self.port.socket.sendto(b"ping", self.address)
        self.port.doRead()
        self.port.doRead()
        self.assertEqual((self.counters.datagrams, self.counters.echoes), (1, 0))
        self.assertEqual(self.counters.drops, {"source port": 1})

    def test_ownPortElsewhere(self) -> None:
        """So is one from the same port of another address of this host."""
        twin = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(twin.close)
        twin.bind(("127.0.0.2", self.address[1]))
        twin.sendto(b"ping", self.address)
        self.port.doRead()
        self.assertEqual(self.counters.echoes, 0)

    def test_turnIsBounded(self) -> None:
        """A turn reads 64 datagrams, empty ones too, and leaves the rest for the next."""
        client = self.bind()
        for _ in range(100):
            client.sendto(b"", self.address)
        self.port.doRead()
        self.assertEqual(self.counters.datagrams, 64)
        self.port.doRead()
        self.assertEqual(self.counters.datagrams, 100)

    def test_clientGone(self) -> None:
        """An answer to a socket that is closed stops nothing that comes later."""
        gone, client = self.bind(), self.bind()
        gone.sendto(b"x", self.address)
        gone.close()
        self.port.doRead()
        client.sendto(b"y", self.address)
        self.port.doRead()
        self.port.doRead()
        self.assertEqual(self.received(client), [b"y"])

    def test_unsendable(self) -> None:
        """An answer that the kernel does not take is counted as a drop, and nothing more."""
        client = self.bind()
        self.port._answer = lambda data: bytes(70_000)
        client.sendto(b"x", self.address)
        self.port.doRead()
        self.assertEqual(self.counters.drops, {"unsendable": 1})

    def test_talkative(self) -> None:
        """Ports that answer by themselves, and 0, are refused from the start."""
        for number in (0, 7, 13, 17, 19, 37, self.address[1]):
            self.assertIn(number, self.port._refused)

    def test_stop(self) -> None:
        """Stopping closes the port and frees the address once its giver has closed too."""
        done = self.port.stopListening()
        self.reactor.advance(0)
        self.successResultOf(done)
        self.assertFalse(self.port.connected)
