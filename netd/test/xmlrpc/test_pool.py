"""
The pool: real processes, which only this and one or two tests of `tests/` start.
"""

from __future__ import annotations

import os
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorProcess
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import provider

from netd.xmlrpc import pool
from netd.xmlrpc.faults import APPLICATION, BUSY, INTERNAL, Fault
from netd.xmlrpc.framing import framed
from netd.xmlrpc.loading import load
from netd.xmlrpc.pool import Pool
from netd.xmlrpc.worker import RESULT
from netd.xmlrpc.writer import Encoded

HEAVY = load("netd.test.xmlrpc.published:heavy")


class _Process:
    """The daemon's end of a process that is none."""

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
    """Starts processes that are none."""

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
    Who runs when, with processes that are none.
    """

    def setUp(self) -> None:
        self.reactor = _Reactor()
        self.pool = Pool(cast(IReactorProcess, self.reactor), 2, queue=2)

    def call(self) -> Deferred[Encoded]:
        """One call more."""
        return self.pool.run(HEAVY["square"], [3])

    def answer(self, number: int, message: bytes = RESULT + b"x") -> None:
        """The worker of that number answers."""
        self.reactor.workers[number].childDataReceived(3, framed(message))

    def end(self, number: int) -> None:
        """The worker of that number is gone."""
        self.reactor.workers[number].processEnded(Failure(CancelledError()))

    def test_lazy(self) -> None:
        """A worker is started when a call needs one, and used again."""
        self.assertEqual(self.reactor.workers, [])
        for _ in range(3):
            done = self.call()
            self.answer(0)
            self.assertEqual(self.successResultOf(done), Encoded(b"x"))
        self.assertEqual(len(self.reactor.workers), 1)

    def test_oneEach(self) -> None:
        """A worker has one call at a time; those beyond wait, in order."""
        calls = [self.call() for _ in range(4)]
        self.assertEqual(len(self.reactor.workers), 2)
        self.answer(1, RESULT + b"second")
        self.answer(1, RESULT + b"third")
        self.assertEqual(self.successResultOf(calls[1]).xml, b"second")
        self.assertEqual(self.successResultOf(calls[2]).xml, b"third")
        self.assertNoResult(calls[0])
        self.assertNoResult(calls[3])

    def test_told(self) -> None:
        """It tells how many calls wait and how many workers are at work."""
        for waiting, busy in ((0, 1), (0, 2), (1, 2)):
            self.call()
            self.assertEqual((self.pool.waiting(), self.pool.busy()), (waiting, busy))
        self.answer(0)
        self.assertEqual((self.pool.waiting(), self.pool.busy()), (0, 2))
        self.answer(0)
        self.answer(1)
        self.assertEqual((self.pool.waiting(), self.pool.busy()), (0, 0))

    def test_busy(self) -> None:
        """When too many wait, one more is told so."""
        for _ in range(4):
            self.call()
        self.assertEqual(self.assertRaises(Fault, self.call).code, BUSY)

    def test_cancelWaiting(self) -> None:
        """A waiting call that is cancelled leaves the queue and no worker dies."""
        calls = [self.call() for _ in range(4)]
        calls[3].cancel()
        self.failureResultOf(calls[3], CancelledError)
        self.assertEqual([each.transport.signals for each in self.reactor.workers], [[], []])
        self.call()

    def test_cancelRunning(self) -> None:
        """A running call that is cancelled kills its worker; the next one has a new one."""
        calls = [self.call() for _ in range(3)]
        calls[0].cancel()
        self.failureResultOf(calls[0], CancelledError)
        self.assertEqual(self.reactor.workers[0].transport.signals, ["KILL"])
        self.assertEqual(len(self.reactor.workers), 3)
        # What the dying one still says is nobody's.
        self.answer(0)
        self.end(0)
        self.answer(2)
        self.successResultOf(calls[2])
        self.assertNoResult(calls[1])

    def test_death(self) -> None:
        """A worker that dies faults its call only, and the next call has a new one."""
        calls = [self.call() for _ in range(3)]
        self.end(0)
        wrong = self.failureResultOf(calls[0], Fault).value
        self.assertEqual(wrong.code, INTERNAL)
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
        """When no process can be started the call is a fault, and the next may go well."""
        self.reactor.fails = True
        wrong = self.failureResultOf(self.call(), Fault).value
        self.assertEqual(wrong.code, INTERNAL)
        self.reactor.fails = False
        self.call()
        self.assertEqual(len(self.reactor.workers), 1)

    def test_tooLong(self) -> None:
        """A worker that says more than a result can be is killed."""
        self.call()
        self.reactor.workers[0].childDataReceived(3, (2**31).to_bytes(4, "big"))
        self.assertEqual(self.reactor.workers[0].transport.signals, ["KILL"])

    def test_printed(self) -> None:
        """What a function prints is logged, line by line."""
        said: list[str] = []

        @provider(ILogObserver)
        def observe(event: Any) -> None:
            said.append(event.get("line"))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.call()
        self.reactor.workers[0].childDataReceived(1, b"one\ntwo\xff\n")
        self.assertEqual(said, ["one", "two\ufffd"])

    def test_stop(self) -> None:
        """Stopping kills idle workers, waits for the others and for their ends."""
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
        """A pool that never ran anything stops at once."""
        self.successResultOf(self.pool.stopService())


class ProcessTests(TestCase):
    """
    Real workers, one or two a test.
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
        """Calls run in one other process, faults and bugs and chatter notwithstanding."""

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
        """A worker killed in the middle of a call faults that call, and the next goes well."""

        async def scenario() -> None:
            pid = await self._pid()
            self.assertEqual((await self.fault("crash")).code, INTERNAL)
            self.assertNotEqual(await self._pid(), pid)

        return Deferred.fromCoroutine(scenario())

    def test_givenUp(self) -> Any:
        """A call that is given up is stopped, though it computes for an hour."""

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
    The module's promises.
    """

    def test_bounded(self) -> None:
        """The queue has an end."""
        self.assertEqual(pool.QUEUE, 64)
