"""
Tests of netd.http.output: collecting, pacing and closing.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPushProducer, ISSLTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides
from zope.interface.verify import verifyObject

from netd.counters import Counters
from netd.http.output import AHEAD, Output, PullToPush
from netd.http.unsent import UnsentBytes
from netd.test.http.stages import MemoryTransport, RecordingProducer


class OutputTests(SynchronousTestCase):
    """
    Bytes leave together, at the pace of the client.
    """

    def setUp(self) -> None:
        self.transport = MemoryTransport()
        self.unsent = UnsentBytes(10**9, Clock(), Counters())
        self.output = Output(self.transport, self.unsent)

    def test_corked(self) -> None:
        """While corked, bytes are collected up to a limit, and leave in one write."""
        self.output.cork()
        self.output.send(b"a")
        self.output.cork()
        self.output.send(b"b")
        self.assertEqual(self.transport.value(), b"")
        self.output.flush()
        self.assertEqual(self.transport.value(), b"ab")
        self.output.send(bytes(AHEAD))
        self.assertEqual(self.output.written, 2)
        self.output.send(b"c")
        self.assertEqual(self.output.written, 3 + AHEAD)
        self.output.send(b"d")
        self.output.uncork()
        self.output.send(b"e")
        self.assertEqual(self.transport.value()[-3:], b"cde")
        self.assertEqual(self.output.written, 5 + AHEAD)

    def test_nothing(self) -> None:
        """Without collected bytes nothing is written."""
        self.output.flush()
        self.output.cork()
        self.output.uncork()
        self.assertEqual((self.transport.value(), self.output.written), (b"", 0))

    def test_close(self) -> None:
        """Only our side is closed when that is asked for and possible; never over TLS."""
        for half, secure, plain, expected in (
            (False, False, False, False),
            (True, False, False, True),
            (True, True, False, False),
            (True, False, True, False),
        ):
            transport = StringTransport() if plain else MemoryTransport()
            if secure:
                alsoProvides(transport, ISSLTransport)
            output = Output(transport, self.unsent)
            transport.registerProducer(RecordingProducer(), True)
            output.cork()
            output.send(b"last")
            self.assertEqual(output.close(half), expected)
            self.assertEqual(transport.value(), b"last")
            self.assertEqual(transport.disconnecting, not expected)
            self.assertIsNone(transport.producer)

    def test_pace(self) -> None:
        """A producer is held to the pace of the client, from its first moment."""
        producer = RecordingProducer()
        self.output.produce(producer)
        self.output.pause()
        self.assertTrue(self.output.paused)
        self.output.resume()
        self.output.produce(None)
        self.output.pause()
        self.output.produce(producer)
        self.output.produce(None)
        self.output.resume()
        self.assertEqual(producer.calls, ["pause", "resume", "pause"])
        self.assertFalse(self.output.paused)

    def test_discard(self) -> None:
        """After the connection is lost no bytes are kept, and no producer."""
        producer = RecordingProducer()
        self.output.produce(producer)
        self.output.cork()
        self.output.send(b"a")
        self.output.discard()
        self.output.pause()
        self.output.uncork()
        self.assertEqual((self.transport.value(), producer.calls), (b"", []))

    def test_secure(self) -> None:
        """The output knows whether its transport is TLS."""
        alsoProvides(self.transport, ISSLTransport)
        self.assertFalse(self.output.secure)
        other = Output(self.transport, self.unsent)
        # Twisted's TLS delivers input in parts, netd's own does not.
        self.assertEqual((other.secure, other.in_parts), (True, True))
        self.assertFalse(self.output.in_parts)


class Source:
    """A pull producer that pauses after `turns`."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.push: PullToPush
        self.stopped = 0

    def resumeProducing(self) -> None:
        """Produce; the last time, pause."""
        self.turns -= 1
        if not self.turns:
            self.push.pauseProducing()

    def stopProducing(self) -> None:
        """Stop."""
        self.stopped += 1


class PullToPushTests(SynchronousTestCase):
    """
    A pull producer is pulled once a turn.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.failures: list[Failure] = []

    def push(self, source: Any) -> PullToPush:
        """`source` as a push producer."""
        source.push = PullToPush(source, self.failures.append, self.clock)
        push: PullToPush = source.push
        return push

    def test_interface(self) -> None:
        """The result is a push producer."""
        verifyObject(IPushProducer, self.push(Source(1)))

    def test_turns(self) -> None:
        """The producer is pulled until it is paused, and again when it is resumed."""
        source = Source(3)
        push = self.push(source)
        self.assertEqual(source.turns, 3)
        self.clock.advance(0)
        self.assertEqual((source.turns, self.clock.getDelayedCalls()), (0, []))
        source.turns = 2
        push.resumeProducing()
        push.resumeProducing()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(0)
        self.assertEqual(source.turns, 0)

    def test_stop(self) -> None:
        """Stopping reaches the producer, and leaves no call behind."""
        source = Source(1)
        self.push(source).stopProducing()
        self.assertEqual((source.stopped, self.clock.getDelayedCalls()), (1, []))

    def test_pause(self) -> None:
        """Pausing leaves no call behind, and does not stop the producer."""
        source = Source(1)
        push = self.push(source)
        push.pauseProducing()
        push.pauseProducing()
        self.assertEqual((source.stopped, self.clock.getDelayedCalls()), (0, []))

    def test_fails(self) -> None:
        """The exception of a producer is handed over, and the producer is pulled no more."""
        source = Source(1)
        self.patch(source, "resumeProducing", lambda: 1 / 0)
        self.push(source)
        self.clock.advance(0)
        (failure,) = self.failures
        self.assertTrue(failure.check(ZeroDivisionError))
        self.assertEqual(self.clock.getDelayedCalls(), [])
