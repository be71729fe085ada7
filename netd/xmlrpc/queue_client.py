"""
What reaches the queue for a daemon: two threads, however many calls there are.

Rules: Celery, kombu and Redis block, so they are used in the threads only; the reactor's
thread hands orders to a queue, and is told by `callFromThread`.  An order that fails is
tried again on a new connection until its time is over.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import ceil, inf
from queue import SimpleQueue
from typing import Any, Final

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads

from netd.queue_url import QueueURL
from netd.xmlrpc import in_flight
from netd.xmlrpc.celery_app import CONNECT_SECONDS, make_app, pauses, redis_client
from netd.xmlrpc.in_flight import Call, Look, Receiver, Report

FLUSH_SECONDS: Final = 1.0
"""How long a stop goes on with orders."""
_TOGETHER: Final = 16
"""Calls that are sent at a time."""
_BLOCK_MS: Final = 1000
"""How long one request waits for entries."""
_ENTRIES: Final = 8
"""Entries of one reply, each of 8 MiB at most."""
_TIME_LIMIT_SECONDS: Final = 5
"""How much longer than the call its process may live."""
_MOST_WAIT: Final = 32.0
"""The longest pause of a Celery worker between two attempts to reach its broker."""


@frozen
class _Order:
    """What the publisher has to do, as long as it is due."""

    perform: Callable[[], None]
    due: Callable[[], object] = lambda: True


class QueueClient:
    """The client of the daemon `name`; it tells `receiver` on the reactor's thread."""

    def __init__(
        self,
        reactor: IReactorFromThreads,
        receiver: Receiver,
        name: str,
        queue: QueueURL,
        broker: QueueURL | None = None,
    ) -> None:
        self._reactor = reactor
        self._receiver = receiver
        self._stream = in_flight.RESULTS.format(name)
        self._secrets = [
            secret for url in (queue, broker) if url is not None for secret in url.secrets
        ]
        self._app = make_app(queue, broker)
        # kombu's types lack half of what is used.
        self._producer: Any = None
        self._redis = redis_client(queue)
        self._results = redis_client(queue)
        self._orders = SimpleQueue[_Order | None]()
        self._unsent = deque[Call]()
        self._batch: list[Call] = []
        self._sent = 0
        self._troubles: dict[str, str] = {}
        self._stop_at = inf
        self._ended: Deferred[None] = Deferred()
        self._failed_since: float | None = None
        self._steady_since = time.monotonic()
        self._publisher = threading.Thread(
            target=self._publish, name="rpc-publisher", daemon=True
        )
        self._reader = threading.Thread(target=self._read, name="rpc-results", daemon=True)

    # On the reactor's thread

    def start(self) -> None:
        """Start both threads."""
        self._publisher.start()
        self._reader.start()

    def send(self, call: Call) -> None:
        """Send the message of a call until its time is over."""
        self._unsent.append(call)
        self._orders.put(_Order(self._send, self._next))

    def cancel(self, key: str) -> None:
        """Keep a call from beginning, or have the worker end it."""
        until = time.monotonic() + in_flight.CANCELLED_MS / 1000
        self._orders.put(_Order(lambda: self._cancel(key), lambda: time.monotonic() < until))

    def look(self, look: Look) -> None:
        """Make a report, once Redis and the broker can be reached."""
        self._orders.put(_Order(lambda: self._tell(self._receiver.report, self._report(look))))

    def stop(self) -> Deferred[None]:
        """Flush what has to be sent, for a second at most; fires when both threads end."""
        self._stop_at = time.monotonic() + FLUSH_SECONDS
        self._orders.put(None)
        return self._ended

    # In both threads

    def _tell(self, function: Callable[..., None], *arguments: object) -> None:
        self._reactor.callFromThread(function, *arguments)

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
        """Perform orders, one after the other, until there is a None."""
        while (order := self._orders.get()) is not None:
            self._perform(order)
        self._drop_connections()
        # Wakes the reader.
        self._results.connection_pool.disconnect()

    def _perform(self, order: _Order) -> None:
        waits = pauses()
        while order.due() and time.monotonic() < self._stop_at:
            try:
                order.perform()
            # Three libraries' errors; a bug is not repeated for longer than an outage.
            except Exception as error:
                self._failed(error)
                time.sleep(next(waits if self._stop_at == inf else pauses()))
            else:
                self._worked()
                return

    def _failed(self, error: Exception) -> None:
        self._drop_connections()
        if self._failed_since is None:
            self._failed_since = time.monotonic()
        self._say("publisher", error)

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

    def _next(self) -> list[Call]:
        """The calls to be sent together next; those that nobody waits for are dropped."""
        now, calls = time.monotonic(), self._unsent
        while calls and not (calls[0].wanted and calls[0].until > now):
            calls.popleft()
        # The reactor's thread may append meanwhile.
        self._batch = [calls[number] for number in range(min(len(calls), _TOGETHER))]
        return self._batch

    def _send(self) -> None:
        """Mark the next calls as wanted, then send their messages."""
        pipe, now = self._redis.pipeline(transaction=False), time.monotonic()
        for call in self._batch:
            # Not twice: a key that is gone may have taken the claim with it.
            if not call.marked:
                left = max(1, int(1000 * (call.until - now)))
                pipe.set(in_flight.CALL.format(call.key), in_flight.WANTED, px=left)
        pipe.execute()
        for call in self._batch:
            call.marked = True
        producer = self._connected()
        with producer.batch():
            for call in self._batch:
                self._app.send_task(
                    in_flight.TASK.format(call.name),
                    [call.body, call.meta],
                    task_id=call.key,
                    producer=producer,
                    queue=call.queue,
                    ignore_result=True,
                    time_limit=ceil(call.seconds) + _TIME_LIMIT_SECONDS,
                    retry=False,
                    # Otherwise they hold the parameters.
                    argsrepr="...",
                    kwargsrepr="",
                )
        for call in self._batch:
            self._unsent.popleft()
            self._sent += 1
            call.sent, call.order = time.monotonic(), self._sent

    def _cancel(self, key: str) -> None:
        name = in_flight.CALL.format(key)
        self._redis.set(name, in_flight.CANCELLED, px=in_flight.CANCELLED_MS)

    def _report(self, look: Look) -> Report:
        found: Any = self._redis.smembers(in_flight.WORKERS)
        known = {host.decode("utf-8", "replace") for host in found}
        hosts = sorted(known.union(look.workers))
        names = [in_flight.CALL.format(key) for key in look.calls]
        names += [in_flight.WORKER.format(host) for host in hosts]
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            pipe.exists(name)
        there = dict(zip(names, pipe.execute(), strict=True))
        dead = {host for host in hosts if not there[in_flight.WORKER.format(host)]}
        if dead & known:
            self._redis.srem(in_flight.WORKERS, *(dead & known))
        return Report(
            frozenset(key for key in look.calls if not there[in_flight.CALL.format(key)]),
            frozenset(dead),
            {queue: self._depth(queue) for queue in look.queues},
            len(known - dead),
            # During an outage this is the first command that works.
            0.0 if self._failed_since else time.monotonic() - self._steady_since,
        )

    def _depth(self, queue: str) -> int:
        """The messages in a queue, which is made when it is missing."""
        declared = self._connected().channel.queue_declare(
            queue=queue, durable=True, auto_delete=False
        )
        return int(declared.message_count)

    # In the reader's thread

    def _read(self) -> None:
        """Tell what workers say, from the beginning after each reconnection."""
        last, waits = b"0-0", pauses()
        while self._stop_at == inf:
            try:
                last = self._read_after(last)
            except Exception as error:
                self._results.connection_pool.disconnect()
                if self._stop_at == inf:
                    self._say("results", error)
                    # Entries that were told already are dropped; a new Redis counts anew.
                    last = b"0-0"
                    time.sleep(next(waits))
            else:
                waits = pauses()
                self._say("results")
        self._publisher.join()
        self._tell(self._ended.callback, None)

    def _read_after(self, last: bytes) -> bytes:
        """Remove the entries up to `last`, wait for more and tell them; the last one's id."""
        milliseconds, _, number = last.decode().partition("-")
        following = f"{milliseconds}-{int(number) + 1}"
        pipe = self._results.pipeline(transaction=False)
        pipe.xtrim(self._stream, minid=following, approximate=False)
        pipe.xread({self._stream: last}, count=_ENTRIES, block=_BLOCK_MS)
        _, got = pipe.execute()
        for _, entries in got:
            self._tell(self._receiver.entries, [_entry(fields) for _, fields in entries])
            last = entries[-1][0]
        return last


def _entry(fields: dict[bytes, bytes] | None) -> tuple[str, bytes]:
    """The call's key and the message of an entry; empty ones of any other entry."""
    fields = fields or {}
    return fields.get(b"id", b"").decode("latin-1"), fields.get(b"message", b"")
