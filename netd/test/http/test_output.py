"""The bytes of one connection."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IPushProducer, ISSLTransport
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides, implementer
from zope.interface.verify import verifyObject

from netd.http.output import AHEAD, Output
from netd.test.http.stages import Pipe


class WireTests(SynchronousTestCase):
    """Out together, in at the pace of the reader."""

    def setUp(self) -> None:
        self.wire = Output(None)
        self.wire.transport = self.pipe = Pipe()
        self.pipe.registerProducer(self.wire, True)

    def test_interface(self) -> None:
        """A transport can pace it."""
        verifyObject(IPushProducer, self.wire)
        self.wire.stopProducing()

    def test_corked(self) -> None:
        """While corked, bytes wait for company, but not without end."""
        self.wire._corked = True
        self.wire.send(b"a")
        self.wire.send(b"b")
        self.assertEqual(self.pipe.value(), b"")
        self.wire.flush()
        self.assertEqual(self.pipe.value(), b"ab")
        self.wire.send(bytes(AHEAD))
        self.assertEqual(self.wire.written, 2)
        self.wire.send(b"c")
        self.assertEqual(self.wire.written, 3 + AHEAD)

    def test_reading(self) -> None:
        """Reading is stopped and started once each, and never after a FIN."""
        self.wire._read(False)
        self.wire._read(False)
        self.assertEqual(self.pipe.producerState, "paused")
        self.wire._read(True)
        self.assertEqual(self.pipe.producerState, "producing")
        self.wire._read(False)
        self.wire._half = True
        self.wire._read(True)
        self.assertEqual(self.pipe.producerState, "paused")

    def test_part(self) -> None:
        """Only a client that may still talk, over TCP, is closed halfway."""
        for unread, half, secure, plain, expected in (
            (False, False, False, False, False),
            (True, False, False, False, True),
            (True, True, False, False, False),
            (True, False, True, False, False),
            (True, False, False, True, False),
        ):
            wire = Output(None)
            pipe = StringTransport() if plain else Pipe()
            pipe.registerProducer(wire, True)
            if secure:
                alsoProvides(pipe, ISSLTransport)
            wire.carry(pipe)
            wire._half = half
            wire._corked = True
            wire.send(b"last")
            self.assertEqual(wire._part(unread), expected)
            self.assertEqual(pipe.value(), b"last")
            self.assertEqual(pipe.disconnecting, not expected)
            self.assertIsNone(pipe.producer)

    def test_pace(self) -> None:
        """A producer is held to the pace of the reader, from its first moment."""
        told: list[str] = []

        @implementer(IPushProducer)
        class Source:
            def pauseProducing(self) -> None:
                told.append("pause")

            def resumeProducing(self) -> None:
                told.append("resume")

            def stopProducing(self) -> None:
                told.append("stop")

        self.wire.produce(Source())
        self.wire.pauseProducing()
        self.assertTrue(self.wire.paused)
        self.wire.resumeProducing()
        self.wire.produce(None)
        self.wire.pauseProducing()
        self.wire.produce(Source())
        self.wire.produce(None)
        self.wire.resumeProducing()
        self.assertEqual(told, ["pause", "resume", "pause"])
        self.assertFalse(self.wire.paused)

    def test_nothing(self) -> None:
        """Nothing to say is nothing said."""
        self.wire.flush()
        self.assertEqual((self.pipe.value(), self.wire.written), (b"", 0))

    def test_peer(self) -> None:
        """A peer is its host, as the log writes it."""
        self.assertEqual(Output(IPv4Address("TCP", "192.0.2.1", 1)).peer, b"192.0.2.1")
        self.assertEqual(Output(UNIXAddress(b"/x")).peer, b"-")

    def test_abort(self) -> None:
        """Cutting is the transport's."""
        self.wire.abort()
        self.assertTrue(self.pipe.aborted)
