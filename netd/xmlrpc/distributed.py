"""
Offloaded calls on Celery workers, one or many machines of them.

Rules: the face of `pool.Pool`.  Imports neither Celery nor Redis: a `Client` has both, in
threads of its own, and tells a `Receiver` on the reactor's thread what happens.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from netd.counters import Counters
from netd.queue_url import QueueURL
from netd.turns import Turns
from netd.xmlrpc import codec, in_flight
from netd.xmlrpc.faults import BUSY, Fault
from netd.xmlrpc.in_flight import Call, InFlight, Look, Receiver, Report
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


class Client(Protocol):
    """What reaches the queue; no method waits."""

    def start(self) -> None:
        """Begin."""

    def send(self, call: Call) -> None:
        """Send the message of a call until its time is over."""

    def cancel(self, key: str) -> None:
        """Keep a call from beginning, or have the worker end it."""

    def look(self, look: Look) -> None:
        """Make a report, once Redis and the broker can be reached."""

    def stop(self) -> Deferred[None]:
        """Flush what has to be sent, for a second at most; fires at the end."""


Connect = Callable[[str, Receiver], Client]
"""Makes the client of the daemon of this name."""


class DistributedPool(Service):
    """The calls of one daemon that Celery workers run; at most `backlog` wait for one."""

    name = "rpc-workers"
    _client: Client

    def __init__(
        self, reactor: Any, connect: Connect, place: str, backlog: int, counters: Counters
    ) -> None:
        self._clock: IReactorTime = reactor
        self._turns = Turns.of(reactor)
        self._connect = connect
        self._place = place
        self._backlog = backlog
        self._counters = counters
        self._calls = InFlight()
        self._results: dict[str, Deferred[Encoded]] = {}
        self._keep = 0.0
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        self._asked = False
        self._report = Report()
        self._troubles: dict[str, str] = {}
        """By part of the queue; empty: it works."""
        self._idle: Deferred[None] | None = None

    # What a pool offers

    def waiting(self) -> int:
        """How many calls wait for a worker."""
        return self._calls.waiting

    def busy(self) -> int:
        """How many calls workers run."""
        return self._calls.running

    def waits(self, result: Deferred[Value]) -> bool:
        """Whether the call of this Deferred of `run` waits for a worker."""
        calls = self._calls.calls.values()
        return any(call.wanted and self._results[call.key] is result for call in calls)

    def up(self) -> int | None:
        """Whether the queue can be reached, 1 or 0; None where no call can be made."""
        if not self.running:
            return None
        return int(bool(self._troubles) and not any(self._troubles.values()))

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
        seconds = procedure.seconds
        self._keep = max(self._keep, seconds)
        meta: in_flight.Meta = {
            "to": self._name,
            "ms": int(seconds * 1000),
            "keep": int(self._keep) + _KEEP_SECONDS,
            "contract": in_flight.contract(procedure),
        }
        queue = in_flight.queue_name(procedure.queue)
        key, now = str(uuid.uuid4()), self._clock.seconds()
        call = Call(key, procedure.name, queue, seconds, now, meta)
        self._calls.calls[key] = call
        result = Deferred[Encoded](lambda _: self._give_up(call))
        self._results[key] = result
        writing = self._turns.finish(codec.call_body(procedure.name, parameters))
        writing.addCallback(self._written, call)
        writing.addErrback(lambda failure: self._end(key, failure))
        return result

    def _written(self, body: bytes, call: Call) -> None:
        """Send the call, unless it was given up meanwhile."""
        if call.wanted:
            call.body = body.decode()
            self._client.send(call)

    def _give_up(self, call: Call) -> None:
        """Forget a cancelled call, and have nobody begin it."""
        self._calls.ended(call.key)
        del self._results[call.key]
        if call.body is not None:
            self._client.cancel(call.key)
        self._end_if_idle()

    def _end(self, key: str, value: Encoded | Fault | Failure) -> None:
        """End a call, unless it has ended already."""
        call = self._calls.ended(key)
        if call is None:
            return
        if call.host is not None:
            self._counters.add_queue_run(self._clock.seconds() - call.began)
        settle(self._results.pop(key), value)
        self._end_if_idle()

    # What the client tells

    def entries(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """What workers say about calls, in order; other entries are dropped and counted."""
        for key, message in entries:
            if why := self._dropped(key, message):
                self._counters.queue_drops[why] += 1

    def _dropped(self, key: str, message: bytes) -> str:
        """Heed an entry; why that cannot be, else an empty text."""
        if key not in self._results:
            return "late"
        if len(message) > LARGEST + 1:
            return "too large"
        if message[:1] == in_flight.BEGAN:
            now = self._clock.seconds()
            call = self._calls.began(key, message[1:].decode("utf-8", "replace"), now)
            if call is not None:
                self._counters.add_queue_wait(now - call.made)
            return ""
        try:
            value = outcome(message)
        except ValueError:
            return "unreadable"
        self._end(key, value)
        return ""

    def _look(self) -> None:
        """Ask for a report, unless the last one has yet to come."""
        if not self._asked:
            self._asked = True
            self._client.look(self._calls.look())

    def report(self, report: Report) -> None:
        """The outcome of a look."""
        self._asked = False
        self._report = report
        now = self._clock.seconds()
        for call, why in self._calls.lost(report, now):
            # The end of one may be the end of others.
            if call.key in self._results:
                self._counters.queue_lost[why] += 1
                self._end(call.key, in_flight.lost(why))
        for call in self._calls.overtaken(report.depths, now):
            self._counters.queue_resent += 1
            self._client.send(call)

    def state(self, part: str, trouble: str) -> None:
        """A part of the queue cannot be reached, or can be again without `trouble`."""
        before = any(self._troubles.values())
        self._troubles[part] = trouble
        after = any(self._troubles.values())
        if after and not before:
            text = "the queue {place} is away, calls wait: {trouble}"
            _log.warn(text, place=self._place, trouble=trouble)
        elif before and not after:
            _log.info("the queue {place} is back", place=self._place)

    # Start and stop

    def startService(self) -> None:
        """Make the client, which is this process's own, and start its threads."""
        Service.startService(self)
        self._name = secrets.token_hex(8)
        self._client = self._connect(self._name, self)
        self._client.start()
        self._looking.start(in_flight.LOOK_SECONDS).addErrback(
            lambda failure: _log.failure("no more looks at the queue", failure)
        )

    def stopService(self) -> Deferred[None]:
        """End after the last call; fires when the threads have ended."""
        if not self.running:
            return succeed(None)
        Service.stopService(self)
        self._idle = Deferred()
        self._idle.addCallback(self._disconnect)
        self._end_if_idle()
        return self._idle

    def _end_if_idle(self) -> None:
        if self._idle is not None and not self._idle.called and not self._results:
            self._idle.callback(None)

    def _disconnect(self, _: None) -> Deferred[None]:
        if self._looking.running:
            self._looking.stop()
        # A thread may hang in a socket for longer; it ends with the process.
        return self._client.stop().addTimeout(STOP_SECONDS, self._clock, lambda *_: None)


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
