"""
Tests of netd.services.blackhole, with sockets, as the kernel is the subject.
"""

from __future__ import annotations

import errno
import select
import socket
import sys
from socket import AF_INET, AF_INET6

from twisted.internet.interfaces import IListeningPort
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netd.services.blackhole import MOST, Blackhole, serve


class BlackholeTests(SynchronousTestCase):
    """A socket whose accept queue is full."""

    if sys.platform != "linux":
        skip = "only Linux drops a SYN here"

    def listening(self, host: str = "127.0.0.1") -> socket.socket:
        """A listening socket."""
        family = AF_INET6 if ":" in host else AF_INET
        sock = socket.socket(family)
        self.addCleanup(sock.close)
        sock.bind((host, 0))
        sock.listen(128)
        return sock

    def connected(self, sock: socket.socket) -> bool:
        """Whether a new connection to the address of `sock` is complete at once."""
        client = socket.socket(sock.family)
        self.addCleanup(client.close)
        client.setblocking(False)
        client.connect_ex(sock.getsockname())
        poll = select.poll()
        poll.register(client, select.POLLOUT)
        return bool(poll.poll(0))

    def test_full(self) -> None:
        """No connection is made, on any address of either family."""
        for host in ("127.0.0.1", "0.0.0.0", "::1", "::"):
            sock = self.listening(host)
            self.assertTrue(self.connected(sock), host)
            port = serve(sock)
            self.addCleanup(port.stopListening)
            self.assertFalse(self.connected(sock), host)

    def test_port(self) -> None:
        """The port has its address, and lets go of it at the end."""
        for host in ("127.0.0.1", "::1"):
            sock = self.listening(host)
            address = sock.getsockname()
            port = Blackhole(sock)
            self.assertTrue(verifyObject(IListeningPort, port))
            self.assertEqual((port.getHost().host, port.getHost().port), address[:2])
            port.startListening()
            sock.close()
            self.successResultOf(port.stopListening())
            with socket.socket(AF_INET6 if ":" in host else AF_INET) as client:
                self.assertEqual(client.connect_ex(address), errno.ECONNREFUSED)

    def test_elsewhere(self) -> None:
        """Where the queue does not fill, a warning says so, and the connections are few."""
        port = Blackhole(self.listening())
        self.addCleanup(port.stopListening)

        class Ready:
            """A poll(2) that finds each connection complete."""

            def register(self, *_: object) -> None:
                """Do nothing."""

            def poll(self, _: int) -> list[int]:
                """One is ready."""
                return [1]

        self.patch(select, "poll", Ready)
        with capturedLogs() as events:
            port.startListening()
        (line,) = map(formatEvent, events)
        self.assertIn("does not fill", line)
        self.assertEqual(len(port.own), MOST)

    def test_unreachable(self) -> None:
        """An address that cannot be reached gives the same warning."""
        sock = self.listening()
        port = Blackhole(sock)
        self.addCleanup(port.stopListening)
        self.patch(socket.socket, "connect_ex", lambda *_: 111)
        with capturedLogs() as events:
            port.startListening()
        self.assertEqual(len(events), 1)
