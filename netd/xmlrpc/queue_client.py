"""
What reaches the queue for a daemon: two threads, however many calls there are.

Rules: Celery, kombu and Redis block, so they are used in the threads only; the reactor's
thread hands orders to a queue, and is told by `callFromThread`.  An order that fails is
tried again on a new connection until its time is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from math import ceil
from queue import SimpleQueue
from typing import Any, Final

from attrs import frozen
from kombu import Producer
from twisted.internet.interfaces import IReactorFromThreads

from netd.queue_url import QueueURL
from netd.xmlrpc import in_flight
from netd.xmlrpc.celery_app import CONNECT_SECONDS, make_app, redis_client
from netd.xmlrpc.in_flight import Look, Message, Receiver, Report

FLUSH_SECONDS: Final = 1.0
"""How long a stop goes on with orders."""
_SHORTEST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
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
    """What the publisher has to do."""

    perform: Callable[[], None]
    until: float
    wanted: Callable[[], bool] = lambda: True
    given_up: Callable[[], None] = lambda: None


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
        self._broker: Any = None
        self._producer: Producer | None = None
        self._redis = redis_client(queue)
        self._results = redis_client(queue)
        self._orders = SimpleQueue[_Order | None]()
        self._troubles: dict[str, str | None] = {}
        self._stop_at: float | None = None
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

    def send(self, message: Message) -> None:
        """Send the message of a call until its time is over."""
        self._orders.put(
            _Order(lambda: self._send(message), message.until, lambda: message.wanted)
        )

    def cancel(self, key: str) -> None:
        """Keep a call from beginning, or have the worker end it."""
        until = time.monotonic() + in_flight.CANCELLED_MS / 1000
        self._orders.put(_Order(lambda: self._cancel(key), until))

    def look(self, look: Look) -> None:
        """Make a report; None when Redis cannot be reached at once."""
        given_up = self._receiver.report
        self._orders.put(
            _Order(lambda: self._look(look), 0.0, given_up=lambda: self._tell(given_up, None))
        )

    def stop(self) -> None:
        """Flush what has to be sent, for a second at most, and end both threads."""
        self._stop_at = time.monotonic() + FLUSH_SECONDS
        self._orders.put(None)

    def _joined(self) -> None:
        """Both threads have nothing more to do."""
        self._publisher.join()
        self._reader.join()
        self._receiver.stopped()

    # In both threads

    def _tell(self, function: Callable[..., None], *arguments: object) -> None:
        self._reactor.callFromThread(function, *arguments)

    def _say(self, part: str, error: Exception | None) -> None:
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

    def _stopping(self) -> bool:
        return self._stop_at is not None

    def _late(self) -> bool:
        """Whether a stop has taken its time."""
        return self._stop_at is not None and time.monotonic() > self._stop_at

    # In the publisher's thread

    def _publish(self) -> None:
        """Perform orders, one after the other, until there is a None."""
        while (order := self._orders.get()) is not None:
            self._perform(order)
        self._drop_connections()
        # Wakes the reader.
        self._results.connection_pool.disconnect()

    def _perform(self, order: _Order) -> None:
        pause = _SHORTEST_PAUSE
        while order.wanted() and not self._late():
            try:
                order.perform()
            # Three libraries' errors; a bug is not repeated for longer than an outage.
            except Exception as error:
                self._failed(error)
                if time.monotonic() + pause > order.until:
                    break
                time.sleep(pause if self._stop_at is None else _SHORTEST_PAUSE)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._worked()
                return
        order.given_up()

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
        self._say("publisher", None)

    def _drop_connections(self) -> None:
        self._redis.connection_pool.disconnect()
        broker, self._broker, self._producer = self._broker, None, None
        if broker is not None:
            # It may be broken in any way; an attempt to take leave fails.
            with suppress(Exception):
                broker.release()

    def _connected(self) -> Producer:
        """The producer, on a connection that has worked until now."""
        if self._producer is None or self._broker is None:
            self._broker = self._app.connection_for_write(heartbeat=0)
            self._broker.ensure_connection(
                max_retries=1, interval_start=0, interval_step=0, timeout=CONNECT_SECONDS
            )
            self._producer = self._app.amqp.Producer(self._broker.channel(), auto_declare=False)
        return self._producer

    def _send(self, message: Message) -> None:
        key = in_flight.CALL.format(message.key)
        left = max(1, int(1000 * (message.until - time.monotonic())))
        if not message.marked:
            self._redis.set(key, in_flight.WANTED, px=left)
            message.marked = True
        elif not self._redis.exists(key):
            # The claim may be gone as well, and the call may have run.
            self._tell(self._receiver.gone, message.key)
            return
        self._app.send_task(
            message.name,
            [message.body, message.meta],
            task_id=message.key,
            producer=self._connected(),
            queue=message.queue,
            ignore_result=True,
            time_limit=ceil(message.seconds) + _TIME_LIMIT_SECONDS,
            retry=False,
            # Otherwise they hold the parameters.
            argsrepr="...",
            kwargsrepr="",
        )
        self._tell(self._receiver.sent, message.key)

    def _cancel(self, key: str) -> None:
        name = in_flight.CALL.format(key)
        self._redis.set(name, in_flight.CANCELLED, px=in_flight.CANCELLED_MS)

    def _look(self, look: Look) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for key in look.calls:
            pipe.exists(in_flight.CALL.format(key))
        for host in look.workers:
            pipe.exists(in_flight.WORKER.format(host))
        pipe.smembers(in_flight.WORKERS)
        *found, known = pipe.execute()
        gone = [key for key, there in zip(look.calls, found, strict=False) if not there]
        states = zip(look.workers, found[len(look.calls) :], strict=True)
        report = Report(
            frozenset(gone),
            frozenset(host for host, there in states if not there),
            {queue: self._depth(queue) for queue in look.queues},
            self._alive(known),
            # During an outage this is the first command that works.
            0.0 if self._failed_since else time.monotonic() - self._steady_since,
        )
        self._tell(self._receiver.report, report)

    def _alive(self, known: set[bytes]) -> int:
        """How many of the known workers have a heartbeat; the others are forgotten."""
        hosts = sorted(known)
        pipe = self._redis.pipeline(transaction=False)
        for host in hosts:
            pipe.exists(in_flight.WORKER.format(host.decode("latin-1")))
        dead = [host for host, there in zip(hosts, pipe.execute(), strict=True) if not there]
        if dead:
            self._redis.srem(in_flight.WORKERS, *dead)
        return len(hosts) - len(dead)

    def _depth(self, queue: str) -> int:
        """The messages in a queue, which is made when it is missing."""
        channel: Any = self._connected().channel
        declared = channel.queue_declare(queue=queue, durable=True, auto_delete=False)
        return int(declared.message_count)

    # In the reader's thread

    def _read(self) -> None:
        """Tell what workers say, from the beginning after each reconnection."""
        last, pause = b"0-0", _SHORTEST_PAUSE
        while not self._stopping():
            try:
                got: Any = self._results.xread(
                    {self._stream: last}, count=_ENTRIES, block=_BLOCK_MS
                )
                for _, entries in got:
                    self._tell(
                        self._receiver.entries, [_entry(fields) for _, fields in entries]
                    )
                    last = entries[-1][0]
                    milliseconds, _, number = last.decode().partition("-")
                    following = f"{milliseconds}-{int(number) + 1}"
                    self._results.xtrim(self._stream, minid=following, approximate=False)
            except Exception as error:
                self._results.connection_pool.disconnect()
                if self._stopping():
                    break
                # Entries that were told already are dropped; a new Redis counts anew.
                last = b"0-0"
                self._say("results", error)
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _SHORTEST_PAUSE
                self._say("results", None)
        self._tell(self._joined)


def _entry(fields: dict[bytes, bytes] | None) -> tuple[str, bytes]:
    """The call's key and the message of an entry; empty ones of any other entry."""
    fields = fields or {}
    return fields.get(b"id", b"").decode("latin-1"), fields.get(b"message", b"")
