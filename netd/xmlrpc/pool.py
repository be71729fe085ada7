"""
The pool: offloaded calls in processes of their own, one call each at a time.

Rules: knows no HTTP and no XML.  A worker is started when a call finds none
free, is kept, and is killed and replaced when its call is given up, because
nothing else stops a computation.  A worker that dies faults only the call that
it had.  `run(procedure, parameters) -> Deferred` is the whole face, so that a
pool behind a broker could stand in its place.
"""

from __future__ import annotations

import json
import os
import pickle
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

from netd.xmlrpc.faults import BUSY, INTERNAL, Fault
from netd.xmlrpc.framing import FrameReader, framed
from netd.xmlrpc.registry import Procedure
from netd.xmlrpc.scalars import Value
from netd.xmlrpc.worker import RESULT, RESULT_FD
from netd.xmlrpc.writer import LARGEST, Encoded

_log = Logger()

QUEUE: Final = 64
"""Calls that wait for a worker; one more is told that the server is busy."""

_MOST: Final = LARGEST + 1024 * 1024
_LINE: Final = 4096
"""Bytes of what a function prints that go into the log at a time."""

_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from netd.xmlrpc.worker import main; main(sys.argv[2:])"
)


@define(eq=False)
class _Job:
    """One call that waits for a worker or has one."""

    message: bytes
    done: Deferred[Encoded]
    name: str


class _Worker(ProcessProtocol):
    """The daemon's end of one process."""

    transport: IProcessTransport

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._frames = FrameReader(_MOST)
        self.job: _Job | None = None

    def take(self, job: _Job) -> None:
        """Run `job`, alone."""
        self.job = job
        self.transport.writeToChild(0, framed(job.message))

    def kill(self) -> None:
        """End it, whatever it does."""
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """A result, or something that a function printed."""
        if childFD != RESULT_FD:
            for line in data[:_LINE].decode("utf-8", "replace").splitlines():
                _log.info("worker {pid}: {line}", pid=self.transport.pid, line=line)
            return
        try:
            messages = self._frames.feed(data)
        except ValueError as wrong:
            _log.warn("worker {pid}: {wrong}", pid=self.transport.pid, wrong=wrong)
            self.kill()
            return
        for message in messages:
            self._pool.message_received(self, message)

    def processEnded(self, reason: Failure) -> None:
        """The process is gone and all that it said is here."""
        self._pool.worker_ended(self, reason.value)


class Pool(Service):
    """At most `size` workers, and a bounded queue in front of them."""

    name = "rpc-workers"

    def __init__(self, reactor: IReactorProcess, size: int, queue: int = QUEUE) -> None:
        self._reactor = reactor
        self._size = size
        self._most_waiting = queue
        self._waiting: deque[_Job] = deque()
        self._workers: list[_Worker] = []
        # Killed but not yet gone.
        self._dying: set[_Worker] = set()
        self._stopped: Deferred[None] | None = None

    def waiting(self) -> int:
        """How many calls wait for a worker."""
        return len(self._waiting)

    def busy(self) -> int:
        """How many workers run a call."""
        return sum(each.job is not None for each in self._workers)

    def run(self, procedure: Procedure, parameters: Sequence[Value]) -> Deferred[Encoded]:
        """
        What the procedure gives, encoded; a Fault when it fails or all are busy.

        Cancelling gives the call up and frees its worker.
        """
        if len(self._waiting) >= self._most_waiting:
            raise Fault(BUSY, f"busy: {len(self._waiting)} calls are waiting already")
        source, name = procedure.source
        message = pickle.dumps((source, name, list(parameters)))
        done: Deferred[Encoded] = Deferred(lambda _: self._give_up(job))
        job = _Job(message, done, procedure.name)
        self._waiting.append(job)
        self._serve()
        return done

    def _serve(self) -> None:
        """Hand waiting calls to free workers, new ones where there may be more."""
        while self._waiting:
            worker = next((each for each in self._workers if each.job is None), None)
            if worker is None:
                if len(self._workers) >= self._size:
                    return
                try:
                    worker = self._start()
                except OSError as wrong:
                    _log.error("no worker can be started: {wrong}", wrong=wrong)
                    self._waiting.popleft().done.errback(Fault(INTERNAL, "no worker started"))
                    continue
            worker.take(self._waiting.popleft())

    def _start(self) -> _Worker:
        path = json.dumps([each or os.getcwd() for each in sys.path])
        words = [sys.executable, "-c", _START, path, str(os.getpid())]
        worker = _Worker(self)
        self._reactor.spawnProcess(
            worker,
            sys.executable,
            words,
            env=None,
            childFDs={0: "w", 1: "r", 2: "r", RESULT_FD: "r"},
        )
        self._workers.append(worker)
        return worker

    def _give_up(self, job: _Job) -> None:
        """Nobody wants the result of `job` any more."""
        if job in self._waiting:
            self._waiting.remove(job)
            return
        for worker in self._workers:
            if worker.job is job:
                worker.job = None
                self._end(worker)
                break
        self._serve()

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        self._dying.add(worker)
        worker.kill()

    def message_received(self, worker: _Worker, message: bytes) -> None:
        """A worker has something to say about its call."""
        job, worker.job = worker.job, None
        if job is None:
            return
        if message[:1] == RESULT:
            job.done.callback(Encoded(message[1:]))
        else:
            job.done.errback(Fault(*json.loads(message[1:])))
        self._serve()
        self._rest()

    def worker_ended(self, worker: _Worker, how: object) -> None:
        """A worker is gone; when nobody killed it, that is its call's fault."""
        self._dying.discard(worker)
        if worker in self._workers:
            self._workers.remove(worker)
        job, worker.job = worker.job, None
        if job is not None:
            _log.warn("the worker that ran {name} died: {how}", name=job.name, how=how)
            job.done.errback(Fault(INTERNAL, f"the process that ran {job.name} died"))
        self._serve()
        self._rest()

    def stopService(self) -> Deferred[None]:
        """End the workers; fires when they are gone, those with a call after that."""
        Service.stopService(self)
        stopped: Deferred[None] = Deferred()
        self._stopped = stopped
        self._rest()
        return stopped

    def _rest(self) -> None:
        """When stopping, end whoever has nothing to do."""
        if self._stopped is None or self._stopped.called:
            return
        for worker in [each for each in self._workers if each.job is None]:
            self._end(worker)
        if not (self._workers or self._dying or self._waiting):
            self._stopped.callback(None)
