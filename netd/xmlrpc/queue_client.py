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
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import count
from math import ceil, inf
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads

from netd.queue_url import QueueURL
from netd.xmlrpc import in_flight
from netd.xmlrpc.celery_app import CONNECT_SECONDS, PAUSE_SECONDS, make_app, redis_client
from netd.xmlrpc.in_flight import Call, Receiver, Report

FLUSH_SECONDS: Final = 1.0
"""How long a stop goes on with what is to be done."""
_TOGETHER: Final = 16
"""Calls that are sent at a time."""
_BLOCK_MS: Final = 1000
"""How long one request waits for entries."""
_ENTRIES: Final = 8
"""Entries of one reply, each of `PART_BYTES` at most."""
_TIME_LIMIT_SECONDS: Final = 5
"""How much longer than the call its process may live."""
_KEEP_SECONDS: Final = 60
"""How much longer than its longest call the daemon's results are kept."""

_ALIVE: Final = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, redis.call('TIME')[1] - ARGV[1])
return redis.call('ZRANGE', KEYS[1], 0, -1)
"""


class QueueClient:
    """The client of one daemon, under a name that no other one has or had; no method waits."""

    def __init__(
        self, reactor: IReactorFromThreads, queue: QueueURL, broker: QueueURL | None = None
    ) -> None:
        self._tell = reactor.callFromThread
        self._secrets = queue.secrets + (broker.secrets if broker is not None else ())
        self._app = make_app(queue, broker)
        # kombu's types lack half of what is used.
        self._producer: Any = None
        self._redis, self._results = redis_client(queue), redis_client(queue)
        # What is to be done.
        self._wake = threading.Event()
        self._unsent: dict[str, Call] = {}
        self._cancelled: list[str] = []
        self._look_at, self._stop_at = 0.0, inf
        self._ended: Deferred[None] = Deferred()
        # What was done.
        self._told: list[bytes] = []
        self._orders = count(1)
        self._longest = self._steady_since = 0.0

    # On the reactor's thread

    def start(self, receiver: Receiver, calls: Mapping[str, Call]) -> None:
        """Start both threads, which look at `calls` and tell `receiver` what happens."""
        self._receiver, self._calls = receiver, calls
        # Not before, as netd's processes are copies of one.
        self._name = secrets.token_hex(8)
        reader = threading.Thread(target=self._read, name="rpc-results", daemon=True)
        reader.start()
        threading.Thread(
            target=self._publish, args=(reader,), name="rpc-publisher", daemon=True
        ).start()

    def send(self, call: Call) -> None:
        """Send the message of a call as soon as possible, as long as it has a body."""
        self._unsent[call.key] = call
        self._wake.set()

    def cancel(self, call: Call) -> None:
        """Keep a call from beginning, or have the worker end it; it has no body any more."""
        self._unsent.pop(call.key, None)
        # Otherwise there is no message, and the publisher sends none.
        if call.order:
            self._cancelled.append(call.key)
            self._wake.set()

    def stop(self) -> Deferred[None]:
        """Flush what has to be sent, for a second at most; fires when both threads end."""
        self._stop_at = time.monotonic() + FLUSH_SECONDS
        self._wake.set()
        return self._ended

    # In both threads

    def _repeat(
        self, part: str, work: Callable[[], None], reconnect: Callable[[], None]
    ) -> None:
        """Work until a stop, on new connections after a failure; tell about both."""
        away: bool | None = None
        while time.monotonic() < self._stop_at:
            trouble = ""
            try:
                work()
            # Three libraries' errors; a bug is repeated in the same way.
            except Exception as error:
                trouble = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                for secret in self._secrets:
                    trouble = trouble.replace(secret, "***")
                reconnect()
            if away != bool(trouble) and self._stop_at == inf:
                away = bool(trouble)
                self._tell(self._receiver.state, part, trouble)
            if trouble:
                time.sleep(PAUSE_SECONDS)

    # In the publisher's thread

    def _publish(self, reader: threading.Thread) -> None:
        """Do what is to be done, until a stop; then end the reader too."""
        self._repeat("publisher", self._work, self._reconnect)
        self._stop_at = 0.0
        self._reconnect()
        # Wakes it.
        self._results.connection_pool.disconnect()
        reader.join()
        self._tell(self._ended.callback, None)

    def _reconnect(self) -> None:
        """Use new connections, and show soon that they work."""
        self._redis.connection_pool.disconnect()
        producer, self._producer = self._producer, None
        # It may be broken in any way; an attempt to take leave fails.
        with suppress(Exception):
            producer.connection.release()
        self._look_at, self._steady_since = 0.0, time.monotonic()

    def _work(self) -> None:
        """Cancel and send what is to be, then report if it is time."""
        self._wake.wait(self._look_at - time.monotonic())
        self._wake.clear()
        now, cancelled = time.monotonic(), self._cancelled[:]
        calls = list(self._unsent.values())[:_TOGETHER]
        pipe = self._redis.pipeline(transaction=False)
        for key in cancelled:
            name = in_flight.CALL.format(key)
            pipe.set(name, in_flight.CANCELLED, px=in_flight.CANCELLED_MS)
        for call in calls:
            # Not twice: a key that is gone may have taken the claim with it.
            if not call.order:
                left = max(1, int(1000 * (call.until - now)))
                pipe.set(in_flight.CALL.format(call.key), in_flight.WANTED, px=left)
        pipe.execute()
        del self._cancelled[: len(cancelled)]
        if calls:
            self._send(calls)
        if now >= self._look_at:
            self._tell(self._receiver.report, self._report())
            self._look_at = now + in_flight.LOOK_SECONDS
        if self._unsent:
            self._wake.set()
        elif self._stop_at < inf and not self._cancelled:
            self._stop_at = 0.0

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
                # In this order: who gives the call up either sees the one or is seen here.
                call.order = next(self._orders)
                if body := call.body:
                    self._send_task(producer, call, body)
        for call in calls:
            self._unsent.pop(call.key, None)
            call.sent = time.monotonic()

    def _send_task(self, producer: Any, call: Call, body: str) -> None:
        seconds = call.method.seconds
        self._longest = max(self._longest, seconds)
        meta: in_flight.Meta = {
            "method": call.method.name,
            "contract": in_flight.contract(call.method),
            "to": self._name,
            "ms": int(1000 * seconds),
            "keep": int(self._longest) + _KEEP_SECONDS,
        }
        self._app.send_task(
            in_flight.TASK.format("call"),
            [body, meta],
            task_id=call.key,
            producer=producer,
            queue=call.queue,
            time_limit=ceil(seconds) + _TIME_LIMIT_SECONDS,
            retry=False,
            shadow=in_flight.TASK.format(call.method.name),
            # Otherwise it holds the parameters.
            argsrepr="...",
        )

    def _report(self) -> Report:
        # A list, because the reactor's thread makes and ends calls meanwhile.
        calls = list(self._calls.values())
        sent = [call.key for call in calls if call.host is None and call.sent is not None]
        values: Any = sent and self._redis.mget([in_flight.CALL.format(key) for key in sent])
        alive: Any = self._redis.eval(_ALIVE, 1, in_flight.WORKERS, in_flight.WORKER_SECONDS)
        # Makes a queue that is missing.
        declare = partial(self._connected().channel.queue_declare, auto_delete=False)
        queues = {in_flight.QUEUE, *(call.queue for call in calls)}
        return Report(
            frozenset(key for key, value in zip(sent, values, strict=True) if value is None),
            frozenset(host.decode("utf-8", "replace") for host in alive),
            {queue: declare(queue, durable=True).message_count for queue in queues},
            time.monotonic() - self._steady_since,
        )

    # In the reader's thread

    def _read(self) -> None:
        """Tell what workers say; once more after a reconnection, which does no harm."""
        self._repeat("results", self._read_more, self._results.connection_pool.disconnect)

    def _read_more(self) -> None:
        """Remove the entries that were told, wait for others and tell them."""
        stream = in_flight.RESULTS.format(self._name)
        pipe = self._results.pipeline(transaction=False)
        if self._told:
            pipe.xdel(stream, *self._told)
        pipe.xread({stream: "0-0"}, count=_ENTRIES, block=_BLOCK_MS)
        got = [entry for _, entries in pipe.execute()[-1] for entry in entries]
        self._told = [key for key, _ in got]
        if got:
            entries = [entry for _, fields in got for entry in fields.items()]
            self._tell(self._receiver.entries, entries)
