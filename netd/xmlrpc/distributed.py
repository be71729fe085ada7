"""
Offloaded calls on Celery workers, one or many machines of them.

Rules: the face of `pool.Pool`.  Imports neither Celery nor Redis: `QueueClient` has both, in
threads of its own, and tells a `Receiver` on the reactor's thread what happens.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from netd.counters import Counters
from netd.queue_url import QueueURL
from netd.turns import Turns
from netd.xmlrpc import codec, faults, in_flight
from netd.xmlrpc.faults import Fault
from netd.xmlrpc.in_flight import Call, InFlight, Report
from netd.xmlrpc.pool import settle
from netd.xmlrpc.registry import Procedure
from netd.xmlrpc.scalars import Value
from netd.xmlrpc.worker import outcome
from netd.xmlrpc.writer import LARGEST, Encoded

if TYPE_CHECKING:
    from netd.xmlrpc.queue_client import QueueClient

_log = Logger()

STOP_SECONDS: Final = 2.0
"""How long a stop waits for the client's threads, which flush for one second."""


class _Result(Deferred[Encoded]):
    """The result of `call`; smaller than a function of its own for a cancellation."""

    call: Call


class DistributedPool(Service):
    """The calls of one daemon that Celery workers run; at most `backlog` wait for one."""

    name = "rpc-workers"

    def __init__(
        self, reactor: Any, client: QueueClient, place: str, backlog: int, counters: Counters
    ) -> None:
        self._clock: IReactorTime = reactor
        self._turns = Turns.of(reactor)
        self._client = client
        self._place = place
        self._backlog = backlog
        self._counters = counters
        self._calls = InFlight()
        self._results: dict[str, _Result] = {}
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
        return any(self._results[each.key] is result for each in calls if each.host is None)

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
        return len(self._report.workers)

    def run(self, procedure: Procedure, parameters: Sequence[Value]) -> Deferred[Encoded]:
        """
        The procedure's result; a Fault when it fails, is lost or too many calls wait.

        Cancelling gives the call up and frees its worker.
        """
        if self._calls.waiting >= self._backlog:
            raise faults.too_many(self._calls.waiting)
        call = Call(str(uuid.uuid4()), procedure, self._clock.seconds())
        result = _Result(self._give_up)
        result.call = call
        self._calls.calls[call.key], self._results[call.key] = call, result
        writing = self._turns.finish(codec.call_body(procedure.name, parameters))
        writing.addCallback(self._written, call)
        writing.addErrback(lambda failure: self._end(call, failure))
        return result

    def _written(self, body: bytes, call: Call) -> None:
        """Send the call, unless it was given up meanwhile."""
        if call.key in self._results:
            call.body = body.decode()
            self._client.send(call)

    def _give_up(self, result: Deferred[Encoded]) -> None:
        assert isinstance(result, _Result)  # noqa: S101 - for the type checker
        self._end(result.call, None)

    def _end(self, call: Call, value: Encoded | Fault | Failure | None) -> None:
        """End a call, unless it has ended already; None: it was given up."""
        result = self._results.pop(call.key, None)
        if result is None:
            return
        self._calls.ended(call)
        if value is None:
            self._client.cancel(call)
        else:
            if call.host is not None:
                self._counters.queue_runs.add(self._clock.seconds() - call.began)
            settle(result, value)
        self._end_if_idle()

    # What the client tells

    def entries(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """What workers say about calls, in order; other entries are dropped and counted."""
        for name, content in entries:
            if why := self._dropped(name, content):
                self._counters.queue_drops[why] += 1

    def _dropped(self, name: bytes, content: bytes) -> str:
        """Heed an entry; why that cannot be, else an empty text."""
        key, _, start = name[1:].partition(b" ")
        call = self._calls.calls.get(key.decode("latin-1"))
        if call is None:
            return "late"
        if name[:1] == in_flight.BEGAN:
            now = self._clock.seconds()
            if self._calls.began(call, content.decode("utf-8", "replace"), now):
                self._counters.queue_waits.add(now - call.made)
            return ""
        # What is told again, after a reply was lost, is told from the start.
        if start == b"0":
            call.parts = ()
        size = sum(map(len, call.parts))
        if start != b"%d" % size:
            return "unreadable"
        if size + len(content) > LARGEST:
            return "too large"
        call.parts += (content,)
        if name[:1] == in_flight.PART:
            return ""
        try:
            value = outcome(name[:1], b"".join(call.parts))
        except ValueError:
            return "unreadable"
        self._end(call, value)
        return ""

    def report(self, report: Report) -> None:
        """What the client saw: what was lost ends, what may be lost is sent again."""
        self._report = report
        now = self._clock.seconds()
        for call, why in self._calls.lost(report, now):
            # The end of one may be the end of others.
            if call.key in self._results:
                self._counters.queue_lost[why] += 1
                self._end(call, faults.lost(why, call.method.name))
        for call in self._calls.overtaken(report.depths, now):
            self._counters.queue_resent += 1
            self._client.send(call)

    def state(self, part: str, trouble: str) -> None:
        """A part of the queue cannot be reached, or can be again without `trouble`."""
        before = any(self._troubles.values())
        self._troubles[part] = trouble
        if trouble and not before:
            text = "the queue {place} is away, calls wait: {trouble}"
            _log.warn(text, place=self._place, trouble=trouble)
        elif before and not any(self._troubles.values()):
            _log.info("the queue {place} is back", place=self._place)

    # Start and stop

    def startService(self) -> None:
        """Start the client, in the process that makes the calls."""
        Service.startService(self)
        self._client.start(self, self._calls.calls)

    def stopService(self) -> Deferred[None]:
        """End after the last call; fires when the client has ended."""
        if not self.running:
            return succeed(None)
        Service.stopService(self)
        self._idle = Deferred()
        self._idle.addCallback(self._disconnect)
        self._end_if_idle()
        return self._idle

    def _end_if_idle(self) -> None:
        if self._idle is not None and not self._idle.called and not self._calls.calls:
            self._idle.callback(None)

    def _disconnect(self, _: None) -> Deferred[None]:
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
    place = f"{queue}" if broker is None else f"{broker} with {queue}"
    client = QueueClient(reactor, queue, broker)
    return DistributedPool(reactor, client, place, backlog, counters)
