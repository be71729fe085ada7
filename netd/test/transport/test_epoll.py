"""The lean dispatch."""

from __future__ import annotations

import os
import select
import socket
import sys
from typing import Any

from twisted.internet import abstract
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netd.transport import epoll as lean_module
from netd.transport.epoll import fast_dispatch


class LeanTests(SynchronousTestCase):
    """The switch for the epoll reactor."""

    def reactor(self) -> Any:
        """An epoll reactor of our own."""
        from unittest import SkipTest

        try:
            from twisted.internet.epollreactor import EPollReactor
        except ImportError as error:
            raise SkipTest("no epoll here") from error
        made = EPollReactor()
        self.addCleanup(made.waker.connectionLost, None)
        self.addCleanup(made._poller.close)
        return made

    def read(self, one: Any) -> Any:
        """A descriptor that the reactor watches, its far end, and what happened to it."""
        near, far = socket.socketpair()
        self.addCleanup(near.close)
        self.addCleanup(far.close)
        happened: list[object] = []

        class Reader(abstract.FileDescriptor):
            answer: object = None

            def fileno(self) -> int:
                return near.fileno()

            def doRead(self) -> object:
                happened.append("read")
                if isinstance(self.answer, type):
                    raise self.answer
                return self.answer

            def doWrite(self) -> None:
                happened.append("write")
                self.stopWriting()

            def connectionLost(self, reason: Failure) -> None:
                happened.append(reason.type)

            def readConnectionLost(self, reason: Failure) -> None:
                happened.append(("half", reason.type))

        reader = Reader(one)
        one.addReader(reader)
        self.addCleanup(one.removeAll)
        return reader, far, happened

    def test_elsewhere(self) -> None:
        """Any other reactor stays as it is."""
        self.assertFalse(fast_dispatch(Clock()))
        one = self.reactor()
        kind: Any = type("Other", (type(one),), {})
        self.assertFalse(fast_dispatch(kind.__new__(kind)))

    def test_noEpoll(self) -> None:
        """Where the platform has no epoll there is nothing to do."""
        self.patch(sys, "modules", {**sys.modules, "twisted.internet.epollreactor": None})
        self.assertFalse(fast_dispatch(Clock()))

    def test_interrupted(self) -> None:
        """A signal while it waits is no error."""
        one = self.reactor()

        class Poller:
            def poll(self, timeout: float, most: int) -> Any:
                raise InterruptedError

        poller, one._poller = one._poller, Poller()
        self.assertTrue(fast_dispatch(one))
        one.doIteration(None)
        one._poller = poller

    def test_reads(self) -> None:
        """Input is delivered; nothing happens where there is none."""
        one = self.reactor()
        self.assertTrue(fast_dispatch(one))
        _, far, happened = self.read(one)
        one.doIteration(0)
        self.assertEqual(happened, [])
        far.send(b"x")
        one.doIteration(0)
        self.assertEqual(happened, ["read"])

    def test_bounded(self) -> None:
        """One turn serves so many, the next one the others, so that timers are not held up."""
        one = self.reactor()
        fast_dispatch(one)
        self.patch(lean_module, "EVENTS", 2)
        fast_dispatch(one)
        pairs = [self.read(one) for _ in range(3)]
        for _, far, _ in pairs:
            far.send(b"x")
        for reader, _, _ in pairs:
            near = reader.fileno
            self.patch(reader, "doRead", lambda near=near: os.read(near(), 1) and None)
        one.doIteration(0)
        waiting = select.select([reader for reader, _, _ in pairs], [], [], 0)[0]
        self.assertEqual(len(waiting), 1)
        one.doIteration(0)
        self.assertEqual(select.select([reader for reader, _, _ in pairs], [], [], 0)[0], [])

    def test_writes(self) -> None:
        """All other events go the stock way."""
        one = self.reactor()
        fast_dispatch(one)
        reader, _, happened = self.read(one)
        one.addWriter(reader)
        one.doIteration(0)
        self.assertEqual(happened, ["write"])

    def test_ends(self) -> None:
        """The end of input, a lost connection and a bug end it as on stock."""
        from twisted.internet.error import ConnectionDone, ConnectionLost
        from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST

        for answer, expected in (
            (CONNECTION_DONE, ("half", ConnectionDone)),
            (CONNECTION_LOST, ConnectionLost),
            (ValueError, ValueError),
        ):
            one = self.reactor()
            fast_dispatch(one)
            reader, far, happened = self.read(one)
            reader.answer = answer
            far.send(b"x")
            one.doIteration(0)
            self.assertEqual(happened, ["read", expected])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_closedMeanwhile(self) -> None:
        """A descriptor that another one's event has closed is left alone."""
        one = self.reactor()
        fast_dispatch(one)
        pairs = [self.read(one) for _ in range(2)]
        for (reader, far, _), (other, _, _) in zip(pairs, reversed(pairs), strict=True):
            far.send(b"x")
            reader.answer = None
            self.patch(reader, "doRead", lambda other=other: one.removeReader(other))
        one.doIteration(0)
        left = [each for each in one.getReaders() if each in (pairs[0][0], pairs[1][0])]
        self.assertEqual(len(left), 1)

    def test_leaves(self) -> None:
        """What an event has to send leaves in the same turn, behind all of its events."""
        one = self.reactor()
        fast_dispatch(one)
        pairs = [self.read(one) for _ in range(2)]
        happened: list[str] = []

        class Flushable:
            def flush(self) -> None:
                happened.append("departed")

        def heard() -> None:
            happened.append("heard")
            one.write_batch.add(Flushable())

        for reader, far, _ in pairs:
            far.send(b"x")
            self.patch(reader, "doRead", heard)
        one.doIteration(0)
        self.assertEqual(happened, ["heard", "heard", "departed", "departed"])

    def test_leavesFirst(self) -> None:
        """What a timer has to send leaves before the wait, which ends for what it calls for."""
        one = self.reactor()
        asked: list[float] = []

        class Poller:
            def poll(self, timeout: float, most: int) -> Any:
                asked.append(timeout)
                return []

        class Flushable:
            def flush(self) -> None:
                one.callLater(0, asked.clear)

        poller, one._poller = one._poller, Poller()
        fast_dispatch(one)
        one.write_batch.add(Flushable())
        one.doIteration(60)
        one.doIteration(60)
        one._poller = poller
        self.assertEqual(asked, [0, 60])
        one.runUntilCurrent()
        self.assertEqual(asked, [])
