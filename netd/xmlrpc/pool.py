"""
Offloaded calls in processes of their own, one call at a time in each.

Rules: knows no HTTP and no XML.  A worker is started when a call finds none
idle, and is kept.  A worker whose call is given up is killed with the children
of its function, because nothing else stops a computation.  A worker that dies
fails only its own call.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from attrs import define
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from netd.values import escape_unprintable
from netd.xmlrpc.faults import INTERNAL, Fault, lost, too_many
from netd.xmlrpc.framing import FrameReader, framed
from netd.xmlrpc.registry import Procedure
from netd.xmlrpc.scalars import Value
from netd.xmlrpc.worker import RESULT_FD, outcome
from netd.xmlrpc.writer import LARGEST, Encoded

_log = Logger()

QUEUE: Final = 64
"""Calls that may wait for a worker; the next one is the fault BUSY."""

_LONGEST: Final = LARGEST + 1024 * 1024
"""Bytes of a worker's message."""
_LINE: Final = 4096
"""Bytes of a function's output that are logged at a time."""

_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from netd.xmlrpc.worker import main; main(sys.argv[2:])"
)


def settle(result: Deferred[Encoded], value: Encoded | Fault | Failure) -> None:
    """End a call with what its worker sent, or with why there is nothing."""
    if isinstance(value, Encoded):
        result.callback(value)
    else:
        result.errback(value)


@define(eq=False)
class _Job:
    """A call that waits for a worker or has one."""

    message: bytes
    result: Deferred[Encoded]
    name: str


class _Worker(ProcessProtocol):
    """The daemon's end of a process."""

    transport: IProcessTransport
    pid: int

    def __init__(self, pool: Pool, job: _Job) -> None:
        self._pool = pool
        self._frames = FrameReader(_LONGEST)
        self.job: _Job | None = job

    def connectionMade(self) -> None:
        """Keep the process id, which is that of its group too."""
        self.pid = self.transport.pid

    def run(self, job: _Job) -> None:
        """Send the idle worker a job."""
        self.job = job
        self.transport.writeToChild(0, framed(job.message))

    def kill(self) -> None:
        """End the process, busy or not, and the children of its functions."""
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
        with suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """A part of a message, or output of a function."""
        if childFD != RESULT_FD:
            for line in data[:_LINE].decode("utf-8", "replace").splitlines():
                _log.info("worker {pid}: {line}", pid=self.pid, line=escape_unprintable(line))
            return
        try:
            messages = self._frames.feed(data)
        except ValueError as wrong:
            _log.warn("worker {pid}: {wrong}", pid=self.pid, wrong=wrong)
            self.kill()
            return
        for message in messages:
            self._pool.message_received(self, message)

    def processExited(self, reason: Failure) -> None:
        """The process is gone; a child may keep its pipes open for ever."""
        self.kill()
        self._pool.worker_ended(self, reason.value)


class Pool(Service):
    """At most `size` workers, and a bounded queue in front of them."""

    name = "rpc-workers"

    def __init__(self, reactor: IReactorProcess, size: int, queue: int = QUEUE) -> None:
        self._reactor = reactor
        self._size = size
        self._queue = queue
        self._waiting: deque[_Job] = deque()
        self._workers: list[_Worker] = []
        # Killed but not yet gone.
        self._dying: set[_Worker] = set()
        self._stopped: Deferred[None] | None = None

    def waiting(self) -> int:
        """How many calls wait for a worker."""
        return len(self._waiting)

    def waits(self, result: Deferred[Value]) -> bool:
        """Whether the call of this Deferred of `run` waits for a worker."""
        return any(job.result is result for job in self._waiting)

    def busy(self) -> int:
        """How many workers run a call."""
        return sum(worker.job is not None for worker in self._workers)

    def run(self, procedure: Procedure, parameters: Sequence[Value]) -> Deferred[Encoded]:
        """
        The procedure's result; a Fault when it fails or too many calls wait.

        Cancelling gives the call up and frees its worker.
        """
        if len(self._waiting) >= self._queue:
            raise too_many(len(self._waiting))
        source, name = procedure.source
        message = pickle.dumps((source, name, list(parameters)))
        result: Deferred[Encoded] = Deferred(lambda _: self._give_up(job))
        job = _Job(message, result, procedure.name)
        self._waiting.append(job)
        self._dispatch()
        return result

    def _dispatch(self) -> None:
        """Give waiting calls to idle workers, starting new ones up to `size`."""
        while self._waiting:
            worker = next((idle for idle in self._workers if idle.job is None), None)
            if worker is None and len(self._workers) >= self._size:
                return
            job = self._waiting.popleft()
            try:
                (worker or self._start(job)).run(job)
            # Twisted gives a process on Windows no such pipes: ValueError.
            except (OSError, ValueError) as wrong:
                self._workers.pop()
                _log.error("no worker can be started: {wrong}", wrong=wrong)
                job.result.errback(Fault(INTERNAL, "no worker started"))

    def _start(self, job: _Job) -> _Worker:
        path = json.dumps([entry or os.getcwd() for entry in sys.path])
        arguments = [sys.executable, "-c", _START, path, str(os.getpid())]
        fds = {0: "w", 1: "r", 2: "r", RESULT_FD: "r"}
        worker = _Worker(self, job)
        # Before the start, as the process may end before that is over.
        self._workers.append(worker)
        self._reactor.spawnProcess(worker, arguments[0], arguments, env=None, childFDs=fds)
        return worker

    def _give_up(self, job: _Job) -> None:
        """Drop a cancelled job; a worker that runs it is killed."""
        if job in self._waiting:
            self._waiting.remove(job)
            return
        for worker in [busy for busy in self._workers if busy.job is job]:
            worker.job = None
            self._end(worker)
        self._dispatch()

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        self._dying.add(worker)
        worker.kill()

    def message_received(self, worker: _Worker, message: bytes) -> None:
        """A worker sent the result or the fault of its call."""
        job, worker.job = worker.job, None
        if job is None:
            return
        settle(job.result, outcome(message))
        self._dispatch()
        self._end_idle()

    def worker_ended(self, worker: _Worker, how: object) -> None:
        """A worker is gone; a call that it still had fails."""
        self._dying.discard(worker)
        if worker in self._workers:
            self._workers.remove(worker)
        job, worker.job = worker.job, None
        if job is not None:
            _log.warn("the worker that ran {name} died: {how}", name=job.name, how=how)
            job.result.errback(lost("process", job.name))
        self._dispatch()
        self._end_idle()

    def stopService(self) -> Deferred[None]:
        """End the workers, busy ones after their calls; fires when all are gone."""
        Service.stopService(self)
        self._stopped = stopped = Deferred[None]()
        self._end_idle()
        return stopped

    def _end_idle(self) -> None:
        """While stopping, end idle workers; when no work and no worker is left, fire."""
        if self._stopped is None or self._stopped.called:
            return
        for worker in [idle for idle in self._workers if idle.job is None]:
            self._end(worker)
        if not (self._workers or self._dying or self._waiting):
            self._stopped.callback(None)
