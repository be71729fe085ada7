"""Tests for netd.transport.epoll."""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.internet import abstract
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netd.transport import epoll, private
from netd.transport.epoll import BATCH, WriteBatch, fast_dispatch


@frozen
class Writer:
    """Something that is flushed."""

    then: Callable[[], object]

    def flush(self) -> None:
        """Call `then`."""
        self.then()


class WriteBatchTests(SynchronousTestCase):
    """Writers that are flushed together."""

    def setUp(self) -> None:
        self.batch = WriteBatch()
        self.flushed: list[object] = []

    def add(self, value: object) -> None:
        """Add a writer that appends `value` to `flushed`."""
        self.batch.add(Writer(lambda: self.flushed.append(value)))

    def test_together(self) -> None:
        """A flush flushes every writer once and in order."""
        self.add(1)
        self.add(2)
        self.assertEqual(self.flushed, [])
        self.assertTrue(self.batch.flush())
        self.assertEqual(self.flushed, [1, 2])
        self.assertFalse(self.batch.flush())
        self.assertEqual(self.flushed, [1, 2])

    def test_full(self) -> None:
        """A full batch is flushed at once."""
        for number in range(BATCH + 1):
            self.add(number)
        self.assertEqual(self.flushed, list(range(BATCH)))

    def test_meanwhile(self) -> None:
        """A writer that is added during a flush is flushed, too."""
        self.batch.add(Writer(lambda: self.add("late")))
        self.assertTrue(self.batch.flush())
        self.assertEqual(self.flushed, ["late"])

    def test_bug(self) -> None:
        """An exception is logged and does not stop the others."""
        self.batch.add(Writer({}.popitem))
        self.add("next")
        self.batch.flush()
        self.assertEqual(self.flushed, ["next"])
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)


class DispatchTests(SynchronousTestCase):
    """The dispatch of the epoll reactor."""

    def reactor(self) -> Any:
        """An epoll reactor of the test's own."""
        try:
            from twisted.internet.epollreactor import EPollReactor
        except ImportError as error:
            raise SkipTest("this platform has no epoll") from error
        reactor: Any = EPollReactor()
        self.addCleanup(reactor.waker.connectionLost, None)
        self.addCleanup(reactor._poller.close)
        return reactor

    def fast(self) -> Any:
        """An epoll reactor with the dispatch."""
        reactor = self.reactor()
        self.assertTrue(fast_dispatch(reactor))
        return reactor

    def read(self, reactor: Any) -> Any:
        """A descriptor that `reactor` reads, the socket's far end, and the list of events."""
        near, far = socket.socketpair()
        self.addCleanup(near.close)
        self.addCleanup(far.close)
        events: list[object] = []

        class Reader(abstract.FileDescriptor):
            result: object = None

            def fileno(self) -> int:
                return near.fileno()

            def doRead(self) -> object:
                events.append("read")
                if isinstance(self.result, type):
                    raise self.result
                return self.result

            def doWrite(self) -> None:
                events.append("write")
                self.stopWriting()

            def connectionLost(self, reason: Failure) -> None:
                events.append(reason.type)

            def readConnectionLost(self, reason: Failure) -> None:
                events.append(("half", reason.type))

        reader = Reader(reactor)
        reactor.addReader(reader)
        self.addCleanup(reactor.removeAll)
        return reader, far, events

    def test_forget(self) -> None:
        """A descriptor that was forgotten and closed leaves its number to another one."""
        reactor = self.fast()
        reader, _, events = self.read(reactor)
        number = reader.fileno()
        reactor.addWriter(reader)
        reactor.forget(number)
        self.assertEqual([*reactor.getReaders(), *reactor.getWriters()], [reactor.waker])
        near, far = socket.socketpair()
        self.addCleanup(near.close)
        self.addCleanup(far.close)
        # As close(2) and accept(2) would do.
        os.dup2(near.fileno(), number)
        reactor.addReader(reader)
        far.send(b"x")
        reactor.doIteration(1)
        self.assertEqual(events, ["read"])

    def test_otherReactor(self) -> None:
        """Any other reactor, a subclass included, stays as it is."""
        self.assertFalse(fast_dispatch(Clock()))
        reactor = self.reactor()
        kind: Any = type("Other", (type(reactor),), {})
        self.assertFalse(fast_dispatch(kind.__new__(kind)))

    def test_noEpoll(self) -> None:
        """A platform without epoll keeps its dispatch."""
        self.patch(sys, "modules", {**sys.modules, "twisted.internet.epollreactor": None})
        self.assertFalse(fast_dispatch(Clock()))

    def test_missingName(self) -> None:
        """A Twisted that lacks a private name keeps its dispatch."""
        reactor = self.reactor()
        self.patch(private, "_attributes", lambda holder: {"_poller"})
        self.assertFalse(fast_dispatch(reactor))
        self.assertNotIn("doIteration", vars(reactor))

    def test_interrupted(self) -> None:
        """A signal during the wait is no error."""
        reactor = self.reactor()

        class Poller:
            def poll(self, timeout: float, most: int) -> Any:
                raise InterruptedError

        poller, reactor._poller = reactor._poller, Poller()
        self.assertTrue(fast_dispatch(reactor))
        reactor.doIteration(None)
        reactor._poller = poller

    def test_reads(self) -> None:
        """Input is delivered; nothing happens where there is none."""
        reactor = self.fast()
        _, far, events = self.read(reactor)
        reactor.doIteration(0)
        self.assertEqual(events, [])
        far.send(b"x")
        reactor.doIteration(0)
        self.assertEqual(events, ["read"])

    def test_bounded(self) -> None:
        """A turn serves a limited number of descriptors, and the next turn the others."""
        self.patch(epoll, "EVENTS", 2)
        reactor = self.fast()
        pairs = [self.read(reactor) for _ in range(3)]
        for reader, far, _ in pairs:
            far.send(b"x")
            near = reader.fileno
            self.patch(reader, "doRead", lambda near=near: os.read(near(), 1) and None)
        readers = [reader for reader, _, _ in pairs]
        reactor.doIteration(0)
        self.assertEqual(len(select.select(readers, [], [], 0)[0]), 1)
        reactor.doIteration(0)
        self.assertEqual(select.select(readers, [], [], 0)[0], [])

    def test_writes(self) -> None:
        """All other events take Twisted's way."""
        reactor = self.fast()
        reader, _, events = self.read(reactor)
        reactor.addWriter(reader)
        reactor.doIteration(0)
        self.assertEqual(events, ["write"])

    def test_ends(self) -> None:
        """The end of input, a lost connection and a bug end the connection as in Twisted."""
        for result, expected in (
            (CONNECTION_DONE, ("half", ConnectionDone)),
            (CONNECTION_LOST, ConnectionLost),
            (ValueError, ValueError),
        ):
            reactor = self.fast()
            reader, far, events = self.read(reactor)
            reader.result = result
            far.send(b"x")
            reactor.doIteration(0)
            self.assertEqual(events, ["read", expected])
            reader, _, events = self.admitted(reactor)
            reader.result = result
            reactor.doIteration(0)
            self.assertEqual(events, ["read", expected])
            self.assertNotIn(reader, reactor.getReaders())
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def admitted(self, reactor: Any) -> Any:
        """As `read`, of a descriptor that is new."""
        reader, far, events = self.read(reactor)
        reactor.removeReader(reader)
        far.send(b"x")
        reactor.admit(reader)
        return reader, far, events

    def test_newcomers(self) -> None:
        """A new connection is read without a wait; from then on the kernel watches it."""
        reactor = self.fast()
        reader, _, events = self.admitted(reactor)
        self.assertEqual(reactor.getReaders(), [reactor.waker])
        # Without input for anybody this would last.
        reactor.doIteration(600)
        self.assertEqual(events, ["read"])
        self.assertIn(reader, reactor.getReaders())
        reactor.doIteration(0)
        self.assertEqual(events, ["read", "read"])

    def test_newcomerOfTurn(self) -> None:
        """A connection that is accepted in a turn is read in the same turn."""
        reactor = self.fast()
        port, far, _ = self.read(reactor)
        reader, _, events = self.read(reactor)
        reactor.removeReader(reader)
        far.send(b"x")
        self.patch(port, "doRead", lambda: reactor.admit(reader))
        reactor.doIteration(0)
        self.assertEqual(events, ["read"])

    def test_newcomersOver(self) -> None:
        """A new connection that is being closed, or closed, is not watched by the kernel."""
        reactor = self.fast()
        closing, _, events = self.admitted(reactor)
        self.patch(closing, "doRead", lambda: setattr(closing, "disconnecting", True))
        forgotten, _, _ = self.admitted(reactor)
        reactor.forget(forgotten.fileno())
        reactor.doIteration(0)
        self.assertEqual(events, [])
        self.assertEqual(reactor.getReaders(), [reactor.waker])

    def test_newcomersPaused(self) -> None:
        """A new connection that is paused is neither read nor watched until it goes on."""
        reactor = self.fast()
        reader, _, events = self.admitted(reactor)
        reader.pauseProducing()
        reactor.doIteration(0)
        reactor.doIteration(0)
        self.assertEqual(events, [])
        reactor.addReader(reader)
        reactor.doIteration(0)
        self.assertEqual(events, ["read"])

    def test_newcomersBounded(self) -> None:
        """A turn reads a limited number of new connections; the kernel watches the others."""
        self.patch(epoll, "EVENTS", 2)
        reactor = self.fast()
        first, second, third = [self.admitted(reactor) for _ in range(3)]
        self.assertIn(third[0], reactor.getReaders())
        self.assertNotIn(second[0], reactor.getReaders())
        reactor.doIteration(0)
        for _, _, events in (first, second, third):
            self.assertEqual(events, ["read"])

    def test_closedMeanwhile(self) -> None:
        """A descriptor that another descriptor's event has closed is left alone."""
        reactor = self.fast()
        pairs = [self.read(reactor) for _ in range(2)]
        for (reader, far, _), (other, _, _) in zip(pairs, reversed(pairs), strict=True):
            far.send(b"x")
            self.patch(reader, "doRead", lambda other=other: reactor.removeReader(other))
        reactor.doIteration(0)
        readers = {reader for reader, _, _ in pairs}
        self.assertEqual(len(readers.intersection(reactor.getReaders())), 1)

    def test_flushedLast(self) -> None:
        """The bytes that events write are sent in the same turn, after all of its events."""
        reactor = self.fast()
        calls: list[str] = []

        def do_read() -> None:
            calls.append("read")
            reactor.write_batch.add(Writer(lambda: calls.append("flush")))

        for reader, far, _ in [self.read(reactor) for _ in range(2)]:
            far.send(b"x")
            self.patch(reader, "doRead", do_read)
        reactor.doIteration(0)
        self.assertEqual(calls, ["read", "read", "flush", "flush"])

    def test_flushedFirst(self) -> None:
        """The bytes that a timer writes are sent before the wait, which heeds new calls."""
        reactor = self.reactor()
        timeouts: list[float] = []

        class Poller:
            def poll(self, timeout: float, most: int) -> Any:
                timeouts.append(timeout)
                return []

        poller, reactor._poller = reactor._poller, Poller()
        fast_dispatch(reactor)
        reactor.write_batch.add(Writer(lambda: reactor.callLater(0, timeouts.clear)))
        reactor.doIteration(60)
        reactor.doIteration(60)
        reactor._poller = poller
        self.assertEqual(timeouts, [0, 60])
        reactor.runUntilCurrent()
        self.assertEqual(timeouts, [])
