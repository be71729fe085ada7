"""
Offloaded calls on Celery workers, one or many machines of them.

Rules: the face of `pool.Pool`.  Imports neither Celery nor Redis: a `Client` has both, in
threads of its own, and tells a `Receiver` on the reactor's thread what happens.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from attrs import define
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from netd.counters import Counters
from netd.queue_url import QueueURL
from netd.turns import Turns
from netd.xmlrpc import codec, in_flight
from netd.xmlrpc.faults import BUSY, Fault
from netd.xmlrpc.in_flight import Call, Client, InFlight, Message, Receiver, Report
from netd.xmlrpc.pool import settle
from netd.xmlrpc.registry import Procedure
from netd.xmlrpc.scalars import Value
from netd.xmlrpc.worker import outcome
from netd.xmlrpc.writer import LARGEST, Encoded

_log = Logger()

STOP_SECONDS: Final = 2.0
"""How long a stop waits for the client's threads, which flush for one second."""
_KEEP_SECONDS: Final = 60
"""How much longer than its longest call the daemon's results are kept."""


Connect = Callable[[str, Receiver], Client]
"""Makes the client of the daemon of this name."""


@define(eq=False)
class _Job:
    """A call, what waits for it, and its message once that is written."""

    call: Call
    result: Deferred[Encoded]
    message: Message | None = None


class DistributedPool(Service):
    """The calls of one daemon that Celery workers run; at most `backlog` wait for one."""

    name = "rpc-workers"

    def __init__(
        self,
        reactor: Any,
        connect: Connect,
        place: str,
        backlog: int,
        counters: Counters | None = None,
    ) -> None:
        self._clock: IReactorTime = reactor
        self._turns = Turns.of(reactor)
        self._place = place
        self._backlog = backlog
        self._counters = Counters() if counters is None else counters
        self._name = secrets.token_hex(8)
        self._client = connect(self._name, self)
        self._calls = InFlight()
        self._jobs: dict[str, _Job] = {}
        self._keep = 0.0
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        self._asked = False
        self._report = Report()
        self._reached = False
        self._troubles: dict[str, str] = {}
        self._stopped: Deferred[None] | None = None
        self._ending = False

    # What a pool offers

    def waiting(self) -> int:
        """How many calls wait for a worker."""
        return self._calls.waiting

    def busy(self) -> int:
        """How many calls workers run."""
        return self._calls.running

    def waits(self, result: Deferred[Value]) -> bool:
        """Whether the call of this Deferred of `run` waits for a worker."""
        return any(
            job.result is result and job.call.host is None for job in self._jobs.values()
        )

    def up(self) -> int:
        """Whether the queue can be reached: 1 or 0."""
        return int(self._reached and not self._troubles)

    def depths(self) -> dict[str, int]:
        """How many messages were in each queue at the last look."""
        return dict(self._report.depths)

    def workers(self) -> int:
        """How many workers were alive at the last look."""
        return self._report.workers

    def run(self, procedure: Procedure, parameters: Sequence[Value]) -> Deferred[Encoded]:
        """
        The procedure's result; a Fault when it fails, is lost or too many calls wait.

        Cancelling gives the call up and frees its worker.
        """
        if self._calls.waiting >= self._backlog:
            raise Fault(BUSY, f"busy: {self._calls.waiting} calls are waiting already")
        now = self._clock.seconds()
        queue = in_flight.queue_name(procedure.queue)
        call = Call(str(uuid.uuid4()), procedure.name, queue, now, now + procedure.seconds)
        result: Deferred[Encoded] = Deferred(lambda _: self._give_up(call.key))
        self._calls.calls[call.key] = call
        self._jobs[call.key] = job = _Job(call, result)
        writing = self._turns.finish(codec.call_body(procedure.name, parameters))
        writing.addCallback(self._written, procedure, job)
        writing.addErrback(lambda failure: self._end(call.key, failure))
        return result

    def _written(self, body: bytes, procedure: Procedure, job: _Job) -> None:
        """Send the call, unless it was given up meanwhile."""
        call = job.call
        if call.key not in self._jobs:
            return
        self._keep = max(self._keep, procedure.seconds)
        meta: in_flight.Meta = {
            "to": self._name,
            "ms": int(procedure.seconds * 1000),
            "keep": int(self._keep) + _KEEP_SECONDS,
            "contract": in_flight.contract(procedure),
        }
        name = in_flight.TASK.format(call.name)
        job.message = Message(
            call.key, name, call.queue, body.decode(), procedure.seconds, call.until, meta
        )
        self._client.send(job.message)

    def _give_up(self, key: str) -> None:
        """Forget a cancelled call, and have nobody begin it."""
        job = self._forget(key)
        if job is not None and job.message is not None:
            job.message.wanted = False
            self._client.cancel(key)
        self._stop_if_idle()

    def _forget(self, key: str) -> _Job | None:
        self._calls.ended(key)
        return self._jobs.pop(key, None)

    def _end(self, key: str, value: Encoded | Fault | Failure) -> None:
        job = self._forget(key)
        if job is None:
            if not isinstance(value, Failure):
                self._counters.queue_drops["late"] += 1
            return
        if job.call.host is not None:
            self._counters.add_queue_run(self._clock.seconds() - job.call.began)
        if isinstance(value, Failure):
            job.result.errback(value)
        else:
            settle(job.result, value)
        self._stop_if_idle()

    # What the client tells

    def sent(self, key: str) -> None:
        """The broker has a message for the call."""
        self._calls.sent(key, self._clock.seconds())

    def gone(self, key: str) -> None:
        """The call was not sent again, because its key is gone."""
        self._lose(key, "queue")

    def entries(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """What workers say about calls, in order; other entries are dropped and counted."""
        for key, message in entries:
            if len(message) > LARGEST + 1:
                self._counters.queue_drops["too large"] += 1
            elif message[:1] == in_flight.BEGAN:
                self._begin(key, message[1:].decode("latin-1"))
            else:
                try:
                    value = outcome(message)
                except ValueError:
                    self._counters.queue_drops["unreadable"] += 1
                else:
                    self._end(key, value)

    def _begin(self, key: str, host: str) -> None:
        now = self._clock.seconds()
        call = self._calls.began(key, host, now)
        if call is None:
            self._counters.queue_drops["late"] += 1
            return
        self._counters.add_queue_wait(now - call.made)
        message = self._jobs[key].message
        if message is not None:
            # It may be long.
            message.wanted, message.body = False, ""

    def _look(self) -> None:
        """Ask for a report, unless the last one has yet to come."""
        if not self._asked:
            self._asked = True
            self._client.look(self._calls.look())

    def report(self, report: Report | None) -> None:
        """The outcome of a look; None: Redis could not be reached."""
        self._asked = False
        if report is None:
            return
        self._report = report
        now = self._clock.seconds()
        for call, why in self._calls.lost(report, now):
            self._lose(call.key, why)
        for call in self._calls.overtaken(report.depths, now):
            message = self._jobs[call.key].message
            if message is not None:
                self._counters.queue_resent += 1
                self._client.send(message)

    def _lose(self, key: str, why: in_flight.Why) -> None:
        """End a call that nobody else will."""
        if key in self._jobs:
            self._counters.queue_lost[why] += 1
            self._end(key, in_flight.lost(why))

    def state(self, part: str, trouble: str) -> None:
        """A part of the queue cannot be reached, or can be again without `trouble`."""
        before = bool(self._troubles)
        if trouble:
            self._troubles[part] = trouble
        else:
            self._troubles.pop(part, None)
            self._reached = True
        if self._troubles and not before:
            text = "the queue {place} is away, calls wait: {trouble}"
            _log.warn(text, place=self._place, trouble=trouble)
        elif before and not self._troubles:
            _log.info("the queue {place} is back", place=self._place)

    # Start and stop

    def startService(self) -> None:
        """Start the client's threads."""
        Service.startService(self)
        self._client.start()
        self._looking.start(in_flight.LOOK_SECONDS).addErrback(
            lambda failure: _log.failure("no more looks at the queue", failure)
        )

    def stopService(self) -> Deferred[None]:
        """End after the last call; fires when the threads have ended."""
        Service.stopService(self)
        self._stopped = stopped = Deferred[None]()
        self._stop_if_idle()
        return stopped

    def _stop_if_idle(self) -> None:
        if self._stopped is None or self._jobs or self._ending:
            return
        self._ending = True
        if self._looking.running:
            self._looking.stop()
        self._client.stop()
        # A thread may hang in a socket for longer; it ends with the process.
        timer = self._clock.callLater(STOP_SECONDS, self._stopped.callback, None)

        def stopped(_: None) -> None:
            if timer.active():
                timer.cancel()

        self._stopped.addCallback(stopped)

    def stopped(self) -> None:
        """The client has ended."""
        if self._stopped is not None and not self._stopped.called:
            self._stopped.callback(None)


def build(
    reactor: Any, queue: QueueURL, broker: QueueURL | None, backlog: int, counters: Counters
) -> DistributedPool:
    """The pool behind these URLs, not connected; ValueError without the extra `celery`."""
    try:
        from netd.xmlrpc.queue_client import QueueClient
    except ImportError as error:
        raise ValueError(f"needs netd-workbench[celery] ({error})") from None

    def connect(name: str, receiver: Receiver) -> Client:
        return QueueClient(reactor, receiver, name, queue, broker)

    place = f"{queue}" if broker is None else f"{broker} with {queue}"
    return DistributedPool(reactor, connect, place, backlog, counters)
