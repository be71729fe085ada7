"""
The pool, with fake processes and with a few real ones.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.task import deferLater
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
        self.fails: Exception | None = None
        self.dead = False
        """Whether processes end before they can be used."""

    def spawnProcess(self, protocol: Any, *_: Any, **named: Any) -> None:
        """Note it."""
        if self.fails:
            raise self.fails
        assert named["childFDs"] == {0: "w", 1: "r", 2: "r", 3: "r"}
        protocol.makeConnection(_Process())
        self.workers.append(protocol)
        if self.dead:
            protocol.processExited(Failure(CancelledError()))


class QueueTests(SynchronousTestCase):
    """
    The queue and its workers, with fake processes.
    """

    def setUp(self) -> None:
        self.reactor = _Reactor()
        self.pool = Pool(cast(IReactorProcess, self.reactor), 2, queue=2)
        self.groups: list[tuple[int, int]] = []
        self.patch(os, "killpg", self._kill_group)

    def _kill_group(self, group: int, number: int) -> None:
        self.groups.append((group, number))
        # As from the death of its last member on.
        raise ProcessLookupError

    def call(self) -> Deferred[Encoded]:
        """Start a call."""
        return self.pool.run(HEAVY["square"], [3])

    def answer(self, number: int, message: bytes = RESULT + b"x") -> None:
        """Receive a message of a worker."""
        self.reactor.workers[number].childDataReceived(3, framed(message))

    def end(self, number: int) -> None:
        """End the process of a worker, whose pipes stay open."""
        self.reactor.workers[number].processExited(Failure(CancelledError()))

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

    def test_waits(self) -> None:
        """A call waits until it has a worker."""
        calls = [self.call() for _ in range(3)]
        waits = [self.pool.waits(cast(Deferred[object], each)) for each in calls]
        self.assertEqual(waits, [False, False, True])

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
        self.assertEqual(self.groups, [(77, signal.SIGKILL)])
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
        self.assertEqual(self.groups, [(77, signal.SIGKILL)])
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
        # The second is what Twisted says on Windows.
        for why in (OSError("no more processes"), ValueError("childFDs is not supported")):
            self.reactor.fails = why
            fault = self.failureResultOf(self.call(), Fault).value
            self.assertEqual(fault.code, INTERNAL)
        self.reactor.fails = None
        self.call()
        self.assertEqual(len(self.reactor.workers), 1)

    def test_deadAtOnce(self) -> None:
        """A process that ends before its start is over fails its call and no other."""
        self.reactor.dead = True
        self.assertEqual(self.failureResultOf(self.call(), Fault).value.code, INTERNAL)
        self.reactor.dead = False
        done = self.call()
        self.answer(1)
        self.successResultOf(done)

    def test_tooLong(self) -> None:
        """A worker that sends too long a message is killed."""
        self.call()
        self.reactor.workers[0].childDataReceived(3, (2**31).to_bytes(4, "big"))
        self.assertEqual(self.reactor.workers[0].transport.signals, ["KILL"])

    def test_printed(self) -> None:
        """The output of a function is logged line by line, and controls no terminal."""
        lines: list[str] = []

        @provider(ILogObserver)
        def observe(event: Any) -> None:
            lines.append(event.get("line"))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.call()
        self.reactor.workers[0].childDataReceived(1, b"one\ntwo\xff\n\x1b[2J\n")
        self.assertEqual(lines, ["one", "two\ufffd", r"\x1b[2J"])

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

    def test_child(self) -> Any:
        """A call that is given up, or whose worker dies, leaves no child of its function."""

        async def scenario() -> None:
            for die in (False, True):
                path = Path(self.mktemp())
                call: Deferred[Any] = self.pool.run(HEAVY["parent"], [str(path), die])
                while not path.exists():
                    await deferLater(reactor, 0.01)
                if die:
                    self.assertEqual((await self.assertFailure(call, Fault)).code, INTERNAL)
                else:
                    call.cancel()
                    await self.assertFailure(call, CancelledError)
                while _alive(int(path.read_text())):
                    await deferLater(reactor, 0.01)

        return Deferred.fromCoroutine(scenario())


def _alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class ModuleTests(SynchronousTestCase):
    """
    Limits.
    """

    def test_bounded(self) -> None:
        """At most 64 calls wait."""
        self.assertEqual(pool.QUEUE, 64)
