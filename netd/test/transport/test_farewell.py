"""
Tests for netd.transport.farewell: a word to those who may not come in.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netd.transport import farewell
from netd.transport.drain import IDrainable
from netd.transport.farewell import MOST_BYTES, SECONDS, Farewell


class Line(StringTransport):
    """A connection that notes being cut, and tells."""

    def __init__(self, protocol: Any) -> None:
        StringTransport.__init__(self)
        self.protocol = protocol
        self.cut = False
        protocol.makeConnection(self)

    def abortConnection(self) -> None:
        """Note it."""
        self.cut = True
        self.protocol.connectionLost()


class FarewellTests(SynchronousTestCase):
    """
    What those hear.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.farewell = Farewell(lambda first: b"no to " + first, self.clock)

    def line(self) -> Line:
        """One more who may not come in."""
        return Line(self.farewell.buildProtocol(None))

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.farewell.told, set())

    def test_interface(self) -> None:
        """It can be drained."""
        self.assertTrue(verifyObject(IDrainable, self.farewell))

    def test_said(self) -> None:
        """The first bytes are answered, once, and not before they come."""
        line = self.line()
        self.assertEqual(line.value(), b"")
        for data in (b"one", b"two"):
            line.protocol.dataReceived(data)
        self.assertEqual((line.value(), line.disconnecting), (b"no to one", False))
        self.clock.advance(SECONDS)
        self.assertEqual((line.disconnecting, line.cut), (True, False))
        self.clock.advance(SECONDS)
        self.assertTrue(line.cut)

    def test_silent(self) -> None:
        """Who says nothing is cut soon."""
        line = self.line()
        self.clock.advance(SECONDS)
        self.assertEqual((line.value(), line.cut), (b"", True))

    def test_half_closed(self) -> None:
        """Who half-closes behind the question still gets the answer."""
        line = self.line()
        line.protocol.dataReceived(b"one")
        IHalfCloseableProtocol(line.protocol).readConnectionLost()
        self.assertEqual(line.value(), b"no to one")
        self.assertEqual((line.disconnecting, line.cut), (True, False))
        line.protocol.connectionLost()

    def test_much(self) -> None:
        """Who says too much is cut."""
        line = self.line()
        line.protocol.dataReceived(b"x" * MOST_BYTES)
        self.assertFalse(line.cut)
        line.protocol.dataReceived(b"x")
        self.assertTrue(line.cut)

    def test_many(self) -> None:
        """Beyond so many nobody is told; who leaves makes room."""
        self.patch(farewell, "MOST", 2)
        lines = [self.line() for _ in range(2)]
        self.assertIsNone(self.farewell.buildProtocol(None))
        lines[0].protocol.connectionLost()
        self.line()
        self.assertEqual(self.farewell.abort(), 0)

    def test_drain(self) -> None:
        """A stop waits for none of them."""
        line = self.line()
        self.successResultOf(self.farewell.drain())
        self.assertTrue(line.cut)
