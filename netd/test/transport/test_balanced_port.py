"""
Tests for netd.transport.balanced_port.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netd.transport import balanced_port, private
from netd.transport.balanced_port import AFTERWARDS, AWAY_SECONDS, MOST, BalancedPort


class _Reactor(SelectReactor):
    """A reactor that is never run, on a clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        super().__init__()

    def seconds(self) -> float:
        return self.clock.seconds()

    def callLater(self, *arguments: Any, **named: Any) -> Any:
        return self.clock.callLater(*arguments, **named)


class BalancedPortTests(SynchronousTestCase):
    """
    A port that steps aside.
    """

    def setUp(self) -> None:
        self.crowded = False
        self.reactor = _Reactor()
        sock = socket.create_server(("127.0.0.1", 0), backlog=100)
        sock.setblocking(False)
        self.address = sock.getsockname()
        self.protocols: list[Protocol] = []
        factory = Factory.forProtocol(Protocol)
        factory.noisy = False
        self.port: Any = balanced_port.port(sock, factory, self.reactor, lambda: self.crowded)
        self.addCleanup(self.end)

    def end(self) -> None:
        """Close everything."""
        self.reactor.clock.advance(1)
        open_port = {self.port} if self.port.connected else set()
        for each in open_port.union(self.reactor.getReaders()):
            each.connectionLost(Failure(ConnectionDone()))

    def connect(self, number: int) -> None:
        """So many newcomers."""
        for _ in range(number):
            sock = socket.create_connection(self.address)
            self.addCleanup(sock.close)

    def accepted(self) -> int:
        """The connections that were accepted."""
        return int(self.port.sessionno)

    def test_few(self) -> None:
        """A turn accepts few, and none is left waiting for ever."""
        self.assertIsInstance(self.port, BalancedPort)
        self.connect(10)
        self.port.doRead()
        self.assertEqual(self.accepted(), MOST)
        self.port.doRead()
        self.port.doRead()
        self.assertEqual(self.accepted(), 10)
        self.port.doRead()

    def test_aside(self) -> None:
        """A crowded process accepts none and does not look, for a moment."""
        self.connect(30)
        self.crowded = True
        self.port.doRead()
        self.assertEqual(self.accepted(), 0)
        self.assertNotIn(self.port, self.reactor.getReaders())
        # A turn that was due already changes nothing.
        self.port.doRead()
        self.reactor.clock.advance(AWAY_SECONDS)
        # More would be accepted in the next turn, but for another look.
        self.assertEqual(self.accepted(), AFTERWARDS)
        self.assertNotIn(self.port, self.reactor.getReaders())
        self.crowded = False
        self.reactor.clock.advance(AWAY_SECONDS)
        self.assertEqual(self.accepted(), 30)
        self.assertIn(self.port, self.reactor.getReaders())

    def test_closedAside(self) -> None:
        """A port that is closed while it looks away stays closed."""
        self.crowded = True
        self.port.doRead()
        self.port.stopListening()
        self.reactor.clock.advance(0)
        self.reactor.clock.advance(AWAY_SECONDS)
        self.assertNotIn(self.port, self.reactor.getReaders())
        self.assertEqual(self.reactor.clock.getDelayedCalls(), [])

    def test_closing(self) -> None:
        """A port that is about to close accepts no more."""
        self.connect(1)
        self.crowded = True
        self.port.doRead()
        self.patch(self.port, "disconnecting", True)
        self.reactor.clock.advance(AWAY_SECONDS)
        self.assertEqual(self.accepted(), 0)

    def test_exhausted(self) -> None:
        """A port without descriptors does not look before its pause is over."""
        self.crowded = True
        self.port.doRead()
        self.patch(self.port, "_accept", lambda most: setattr(self.port, "_pause", Pause()))
        self.reactor.clock.advance(AWAY_SECONDS)
        self.assertNotIn(self.port, self.reactor.getReaders())

    def test_stock(self) -> None:
        """Where Twisted lacks what the port needs, its own is as good."""
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        self.patch(private, "_attributes", lambda _: set())
        port: Any = balanced_port.port(sock, self.port.factory, self.reactor, lambda: False)
        self.assertNotIsInstance(port, BalancedPort)
        port.connectionLost(Failure(ConnectionDone()))


class Pause:
    """A delayed call that waits."""

    def cancel(self) -> None:
        """No-op."""
