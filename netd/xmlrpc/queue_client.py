"""
What reaches the queue for a daemon: two threads, however many calls there are.

Rules: Celery, kombu and Redis block, so they are used in the threads only.  The reactor's
thread notes what is to be done and wakes the publisher, which does all of it again on a new
connection when something fails; so what is noted is no more than the calls that are there.
The threads tell by `callFromThread`.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from math import ceil, inf
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads

from netd.queue_url import QueueURL
from netd.xmlrpc import in_flight
from netd.xmlrpc.celery_app import CONNECT_SECONDS, make_app, pauses, redis_client
from netd.xmlrpc.in_flight import Call, Look, Receiver, Report

FLUSH_SECONDS: Final = 1.0
"""How long a stop goes on with what is to be done."""
_TOGETHER: Final = 16
"""Calls that are sent at a time."""
_BLOCK_MS: Final = 1000
"""How long one request waits for entries."""
_ENTRIES: Final = 8
"""Entries of one reply, each of 8 MiB at most."""
_TIME_LIMIT_SECONDS: Final = 5
"""How much longer than the call its process may live."""
_KEEP_SECONDS: Final = 60
"""How much longer than its longest call the daemon's results are kept."""
_MOST_WAIT: Final = 32.0
"""The longest pause of a Celery worker between two attempts to reach its broker."""


class QueueClient:
    """The client of one daemon, under a name that no other one has or had."""

    def __init__(
        self, reactor: IReactorFromThreads, queue: QueueURL, broker: QueueURL | None = None
    ) -> None:
        self._tell = reactor.callFromThread
        self._secrets = queue.secrets + (broker.secrets if broker is not None else ())
        self._app = make_app(queue, broker)
        # kombu's types lack half of what is used.
        self._producer: Any = None
        self._redis = redis_client(queue)
        self._results = redis_client(queue)
        # What is to be done.
        self._wake = threading.Event()
        self._unsent: dict[str, Call] = {}
        self._cancelled: list[str] = []
        self._look = Look()
        self._look_due = False
        self._stop_at = inf
        self._ended: Deferred[None] = Deferred()
        # What was done.
        self._sent = 0
        self._longest = 0.0
        self._troubles: dict[str, str] = {}
        self._failed_since: float | None = None
        self._steady_since = 0.0

    # On the reactor's thread

    def start(self, receiver: Receiver) -> None:
        """Start both threads, which tell `receiver` what happens."""
        self._receiver = receiver
        # Not before, as netd's processes are copies of one.
        self._name = secrets.token_hex(8)
        self._steady_since = time.monotonic()
        publisher = threading.Thread(target=self._publish, name="rpc-publisher", daemon=True)
        reader = threading.Thread(
            target=self._read, args=(publisher.join,), name="rpc-results", daemon=True
        )
        publisher.start()
        reader.start()

    def send(self, call: Call) -> None:
        """Send the message of a call as soon as possible, as long as the call is wanted."""
        self._unsent[call.key] = call
        self._wake.set()

    def cancel(self, call: Call) -> None:
        """Keep a call from beginning, or have the worker end it; it is not wanted any more."""
        self._unsent.pop(call.key, None)
        # Otherwise there is no message, and the publisher sends none.
        if call.marked:
            self._cancelled.append(call.key)
            self._wake.set()

    def look(self, look: Look) -> None:
        """Make a report, once Redis and the broker can be reached; a later one replaces it."""
        self._look, self._look_due = look, True
        self._wake.set()

    def stop(self) -> Deferred[None]:
        """Flush what has to be sent, for a second at most; fires when both threads end."""
        self._stop_at = time.monotonic() + FLUSH_SECONDS
        self._wake.set()
        return self._ended

    # In both threads

    def _say(self, part: str, error: Exception | None = None) -> None:
        """Tell when a part of the queue fails, or works again."""
        trouble = ""
        if error is not None:
            trouble = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            for secret in self._secrets:
                trouble = trouble.replace(secret, "***")
        before = self._troubles.get(part)
        if before is None or bool(before) != bool(trouble):
            self._troubles[part] = trouble
            self._tell(self._receiver.state, part, trouble)

    # In the publisher's thread

    def _publish(self) -> None:
        """Do what is to be done, until a stop."""
        waits = pauses()
        while self._wake.wait():
            self._wake.clear()
            stopping = self._stop_at < inf
            try:
                self._work()
            # Three libraries' errors; a bug is repeated in the same way.
            except Exception as error:
                self._failed(error)
                if time.monotonic() >= self._stop_at:
                    break
                time.sleep(next(waits))
            else:
                self._worked()
                waits = pauses()
                if stopping and not self._wake.is_set():
                    break
        self._drop_connections()
        # Wakes the reader.
        self._results.connection_pool.disconnect()

    def _work(self) -> None:
        """Cancel and send what is to be, then report."""
        now, cancelled = time.monotonic(), self._cancelled[:]
        calls = list(self._unsent.values())[:_TOGETHER]
        states = [(key, in_flight.CANCELLED, in_flight.CANCELLED_MS) for key in cancelled]
        for call in calls:
            # Not twice: a key that is gone may have taken the claim with it.
            if not call.marked:
                left = max(1, int(1000 * (call.until - now)))
                states.append((call.key, in_flight.WANTED, left))
        pipe = self._redis.pipeline(transaction=False)
        for key, state, milliseconds in states:
            pipe.set(in_flight.CALL.format(key), state, px=milliseconds)
        pipe.execute()
        del self._cancelled[: len(cancelled)]
        if calls:
            self._send(calls)
        if self._look_due:
            self._look_due = False
            self._tell(self._receiver.report, self._report(self._look))
        if self._unsent:
            self._wake.set()

    def _failed(self, error: Exception) -> None:
        self._drop_connections()
        if self._failed_since is None:
            self._failed_since = time.monotonic()
        self._say("publisher", error)
        # Only what reaches Redis and the broker shows that they are back.
        self._look_due = True
        self._wake.set()

    def _worked(self) -> None:
        if self._failed_since is not None:
            now = time.monotonic()
            # Celery's pauses are about as long as the outage, so heartbeats come later.
            self._steady_since = now + min(now - self._failed_since, _MOST_WAIT)
            self._failed_since = None
        self._say("publisher")

    def _drop_connections(self) -> None:
        self._redis.connection_pool.disconnect()
        producer, self._producer = self._producer, None
        if producer is not None:
            # It may be broken in any way; an attempt to take leave fails.
            with suppress(Exception):
                producer.connection.release()

    def _connected(self) -> Any:
        """The producer, on a connection that has worked until now."""
        if self._producer is None:
            broker: Any = self._app.connection_for_write(heartbeat=0)
            broker.ensure_connection(
                max_retries=1, interval_start=0, interval_step=0, timeout=CONNECT_SECONDS
            )
            self._producer = self._app.amqp.Producer(broker.channel(), auto_declare=False)
        return self._producer

    def _send(self, calls: list[Call]) -> None:
        """Send the messages of calls whose keys are set."""
        producer = self._connected()
        with producer.batch():
            for call in calls:
                # In this order: who gives the call up either sees the mark or is seen here.
                call.marked = True
                if call.wanted:
                    self._send_task(producer, call)
        for call in calls:
            self._unsent.pop(call.key, None)
            self._sent += 1
            call.sent, call.order = time.monotonic(), self._sent

    def _send_task(self, producer: Any, call: Call) -> None:
        seconds = call.method.seconds
        self._longest = max(self._longest, seconds)
        meta: in_flight.Meta = {
            "to": self._name,
            "ms": int(1000 * seconds),
            "keep": int(self._longest) + _KEEP_SECONDS,
            "contract": in_flight.contract(call.method),
        }
        self._app.send_task(
            in_flight.TASK.format(call.method.name),
            [call.body, meta],
            task_id=call.key,
            producer=producer,
            queue=call.queue,
            ignore_result=True,
            time_limit=ceil(seconds) + _TIME_LIMIT_SECONDS,
            retry=False,
            # Otherwise they hold the parameters.
            argsrepr="...",
            kwargsrepr="",
        )

    def _report(self, look: Look) -> Report:
        found: Any = self._redis.smembers(in_flight.WORKERS)
        known = {host.decode("utf-8", "replace") for host in found}
        hosts = sorted(known.union(look.workers))
        names = [in_flight.CALL.format(key) for key in look.calls]
        names += [in_flight.WORKER.format(host) for host in hosts]
        values: Any = self._redis.mget(names) if names else ()
        gone = {name for name, value in zip(names, values, strict=True) if value is None}
        dead = {host for host in hosts if in_flight.WORKER.format(host) in gone}
        if dead & known:
            self._redis.srem(in_flight.WORKERS, *(dead & known))
        return Report(
            frozenset(key for key in look.calls if in_flight.CALL.format(key) in gone),
            frozenset(dead),
            self._depths(look.queues),
            len(known - dead),
            # During an outage this is the first command that works.
            0.0 if self._failed_since else time.monotonic() - self._steady_since,
        )

    def _depths(self, queues: Iterable[str]) -> dict[str, int]:
        """The messages in each queue, which is made when it is missing."""
        declare = partial(self._connected().channel.queue_declare, auto_delete=False)
        return {queue: declare(queue, durable=True).message_count for queue in queues}

    # In the reader's thread

    def _read(self, others_end: Callable[[], None]) -> None:
        """Tell what workers say; once more after a reconnection, which does no harm."""
        told: list[bytes] = []
        waits = pauses()
        while self._stop_at == inf:
            try:
                told = self._read_more(told)
            except Exception as error:
                self._results.connection_pool.disconnect()
                if self._stop_at == inf:
                    self._say("results", error)
                    time.sleep(next(waits))
            else:
                waits = pauses()
                self._say("results")
        others_end()
        self._tell(self._ended.callback, None)

    def _read_more(self, told: list[bytes]) -> list[bytes]:
        """Remove the entries that were told, wait for others and tell them; their ids."""
        stream = in_flight.RESULTS.format(self._name)
        pipe = self._results.pipeline(transaction=False)
        if told:
            pipe.xdel(stream, *told)
        pipe.xread({stream: "0-0"}, count=_ENTRIES, block=_BLOCK_MS)
        got = [entry for _, entries in pipe.execute()[-1] for entry in entries]
        if got:
            self._tell(self._receiver.entries, [_entry(fields) for _, fields in got])
        return [key for key, _ in got]


def _entry(fields: dict[bytes, bytes] | None) -> tuple[str, bytes]:
    """The call's key and the message of an entry; empty ones of any other entry."""
    fields = fields or {}
    return fields.get(b"id", b"").decode("latin-1"), fields.get(b"message", b"")
