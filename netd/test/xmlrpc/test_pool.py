"""
The pool, with fake processes and with a few real ones.
"""

from __future__ import annotations

import os
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorProcess
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import provider

from netd.test.xmlrpc import profile  # noqa: F401  # hypothesis' settings
from netd.xmlrpc import pool
from netd.xmlrpc.faults import APPLICATION, BUSY, INTERNAL, Fault
from netd.xmlrpc.loading import load
from netd.xmlrpc.pool import Pool
from netd.xmlrpc.worker import RESULT, framed
from netd.xmlrpc.writer import Encoded

HEAVY = load("netd.test.xmlrpc.published:heavy")


class _Process:
    """A transport without a process."""

    pid = 77

    def __init__(self) -> None:
        self.sent = b""
        self.signals: list[str] = []

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        """Note it."""
        assert descriptor == 0
        self.sent += data

    def signalProcess(self, name: str) -> None:
        """Note it."""
        self.signals.append(name)


class _Reactor:
    """A reactor whose processes are fake."""

    def __init__(self) -> None:
        self.workers: list[Any] = []
        self.fails = False

    def spawnProcess(self, protocol: Any, *_: Any, **named: Any) -> None:
        """Note it."""
        if self.fails:
            raise OSError("no more processes")
        assert named["childFDs"] == {0: "w", 1: "r", 2: "r", 3: "r"}
        protocol.transport = _Process()
        self.workers.append(protocol)


class QueueTests(SynchronousTestCase):
    """
    The queue and its workers, with fake processes.
    """

    def setUp(self) -> None:
        self.reactor = _Reactor()
        self.pool = Pool(cast(IReactorProcess, self.reactor), 2, queue=2)

    def call(self) -> Deferred[Encoded]:
        """Start a call."""
        return self.pool.run(HEAVY["square"], [3])

    def answer(self, number: int, message: bytes = RESULT + b"x") -> None:
        """Receive a message of a worker."""
        self.reactor.workers[number].childDataReceived(3, framed(message))

    def end(self, number: int) -> None:
        """End the process of a worker."""
        self.reactor.workers[number].processEnded(Failure(CancelledError()))

    def test_lazy(self) -> None:
        """A worker is started by the first call and used again."""
        self.assertEqual(self.reactor.workers, [])
        for _ in range(3):
            done = self.call()
            self.answer(0)
            self.assertEqual(self.successResultOf(done), Encoded(b"x"))
        self.assertEqual(len(self.reactor.workers), 1)

    def test_oneEach(self) -> None:
        """A worker has one call at a time, and further calls wait in order."""
        calls = [self.call() for _ in range(4)]
        self.assertEqual(len(self.reactor.workers), 2)
        self.answer(1, RESULT + b"second")
        self.answer(1, RESULT + b"third")
        self.assertEqual(self.successResultOf(calls[1]).xml, b"second")
        self.assertEqual(self.successResultOf(calls[2]).xml, b"third")
        self.assertNoResult(calls[0])
        self.assertNoResult(calls[3])

    def test_told(self) -> None:
        """The pool counts waiting calls and busy workers."""
        for waiting, busy in ((0, 1), (0, 2), (1, 2)):
            self.call()
            self.assertEqual((self.pool.waiting(), self.pool.busy()), (waiting, busy))
        self.answer(0)
        self.assertEqual((self.pool.waiting(), self.pool.busy()), (0, 2))
        self.answer(0)
        self.answer(1)
        self.assertEqual((self.pool.waiting(), self.pool.busy()), (0, 0))

    def test_busy(self) -> None:
        """A call is the fault BUSY while too many wait."""
        for _ in range(4):
            self.call()
        self.assertEqual(self.assertRaises(Fault, self.call).code, BUSY)

    def test_cancelWaiting(self) -> None:
        """A cancelled call leaves the queue, and no worker is killed."""
        calls = [self.call() for _ in range(4)]
        calls[3].cancel()
        self.failureResultOf(calls[3], CancelledError)
        self.assertEqual([each.transport.signals for each in self.reactor.workers], [[], []])
        self.call()

    def test_cancelRunning(self) -> None:
        """Cancelling a running call kills its worker, and the next call gets a new one."""
        calls = [self.call() for _ in range(3)]
        calls[0].cancel()
        self.failureResultOf(calls[0], CancelledError)
        self.assertEqual(self.reactor.workers[0].transport.signals, ["KILL"])
        self.assertEqual(len(self.reactor.workers), 3)
        # A late message of the dying worker is dropped.
        self.answer(0)
        self.end(0)
        self.answer(2)
        self.successResultOf(calls[2])
        self.assertNoResult(calls[1])

    def test_death(self) -> None:
        """A dead worker fails its own call only, and the next call gets a new worker."""
        calls = [self.call() for _ in range(3)]
        self.end(0)
        fault = self.failureResultOf(calls[0], Fault).value
        self.assertEqual(fault.code, INTERNAL)
        self.assertNoResult(calls[1])
        self.answer(2)
        self.successResultOf(calls[2])

    def test_idleDeath(self) -> None:
        """A worker that dies without a call is replaced."""
        self.call()
        self.answer(0)
        self.end(0)
        self.call()
        self.assertEqual(len(self.reactor.workers), 2)

    def test_noProcess(self) -> None:
        """A call is a fault when no process can be started, and the next one tries again."""
        self.reactor.fails = True
        fault = self.failureResultOf(self.call(), Fault).value
        self.assertEqual(fault.code, INTERNAL)
        self.reactor.fails = False
        self.call()
        self.assertEqual(len(self.reactor.workers), 1)

    @given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 60))
    def test_pieces(self, results: list[bytes], piece: int) -> None:
        """Messages arrive unchanged however the pipe cuts them."""
        self.reactor = _Reactor()
        self.pool = Pool(cast(IReactorProcess, self.reactor), 1)
        received: list[bytes] = []
        data = b""
        for result in results:
            self.call().addCallback(lambda encoded: received.append(encoded.xml))
            data += framed(RESULT + result)
        for start in range(0, len(data), piece):
            self.reactor.workers[0].childDataReceived(3, data[start : start + piece])
        self.assertEqual(received, results)

    def test_tooLong(self) -> None:
        """A worker is killed as soon as the length of its message shows that it is too long."""
        self.call()
        self.patch(pool, "_LONGEST", 10)
        self.reactor.workers[0].childDataReceived(3, framed(RESULT + b"x" * 9))
        self.assertEqual(self.reactor.workers[0].transport.signals, [])
        self.reactor.workers[0].childDataReceived(3, framed(b"x" * 11)[:4])
        self.assertEqual(self.reactor.workers[0].transport.signals, ["KILL"])

    def test_muchTooLong(self) -> None:
        """A length of 2 GiB is refused."""
        self.call()
        self.reactor.workers[0].childDataReceived(3, (2**31).to_bytes(4, "big"))
        self.assertEqual(self.reactor.workers[0].transport.signals, ["KILL"])

    def test_printed(self) -> None:
        """The output of a function is logged line by line."""
        lines: list[str] = []

        @provider(ILogObserver)
        def observe(event: Any) -> None:
            lines.append(event.get("line"))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.call()
        self.reactor.workers[0].childDataReceived(1, b"one\ntwo\xff\n")
        self.assertEqual(lines, ["one", "two\ufffd"])

    def test_stop(self) -> None:
        """Stopping kills idle workers at once and busy ones after their calls."""
        calls = [self.call() for _ in range(3)]
        self.answer(1)
        self.answer(1)
        stopped = self.pool.stopService()
        self.assertEqual(
            [each.transport.signals for each in self.reactor.workers], [[], ["KILL"]]
        )
        self.end(1)
        self.assertNoResult(stopped)
        self.answer(0)
        self.assertNoResult(stopped)
        self.end(0)
        self.successResultOf(stopped)
        self.assertEqual([self.successResultOf(each).xml for each in calls], [b"x"] * 3)

    def test_stopNothing(self) -> None:
        """A pool without workers stops at once."""
        self.successResultOf(self.pool.stopService())


class ProcessTests(TestCase):
    """
    Real processes, one or two in each test.
    """

    def setUp(self) -> None:
        self.pool = Pool(reactor, 1)
        self.addCleanup(self.pool.stopService)

    async def call(self, name: str, *values: Any) -> bytes:
        """The XML of a result."""
        return (await self.pool.run(HEAVY[name], values)).xml

    async def fault(self, name: str, *values: Any) -> Fault:
        """The fault that a call ends in."""
        done: Deferred[Any] = self.pool.run(HEAVY[name], values)
        found: Fault = await self.assertFailure(done, Fault)
        return found

    async def _pid(self) -> int:
        return int((await self.call("pid")).removeprefix(b"<value><int>").partition(b"<")[0])

    def test_calls(self) -> Any:
        """All calls run in one process that survives faults, bugs and output."""

        async def scenario() -> None:
            self.assertEqual(await self.call("square", 7), b"<value><int>49</int></value>")
            pid = await self._pid()
            self.assertNotEqual(pid, os.getpid())
            self.assertEqual((await self.fault("refusing")).code, 7)
            bug = await self.fault("broken")
            self.assertEqual((bug.code, bug.text), (APPLICATION, ""))
            self.assertIn("ZeroDivisionError", bug.trace)
            self.assertEqual(await self.call("talkative"), b"<value><int>0</int></value>")
            self.assertEqual(len(await self.call("large", 5_000_000)), 5_000_032)
            self.assertEqual(await self._pid(), pid)

        return Deferred.fromCoroutine(scenario())

    def test_killed(self) -> Any:
        """A worker killed during a call fails that call, and the next one succeeds."""

        async def scenario() -> None:
            pid = await self._pid()
            self.assertEqual((await self.fault("crash")).code, INTERNAL)
            self.assertNotEqual(await self._pid(), pid)

        return Deferred.fromCoroutine(scenario())

    def test_givenUp(self) -> Any:
        """A cancelled call of an hour is stopped at once."""

        async def scenario() -> None:
            await self.call("square", 1)
            busy = self.pool.run(HEAVY["busy"], [3600.0])
            after = self.pool.run(HEAVY["square"], [2])
            busy.cancel()
            await self.assertFailure(busy, CancelledError)
            self.assertEqual((await after).xml, b"<value><int>4</int></value>")

        return Deferred.fromCoroutine(scenario())


class ModuleTests(SynchronousTestCase):
    """
    Limits.
    """

    def test_bounded(self) -> None:
        """At most 64 calls wait."""
        self.assertEqual(pool.QUEUE, 64)
