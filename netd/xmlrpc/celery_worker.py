"""
A Celery worker of netd's calls: what its processes do with one, and its main process for all.

Rules: no Twisted.  The main process has no thread, because its children are forked from it.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, TypeVar

import redis
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import Celery, bootsteps, signals
from celery.utils.log import get_logger
from celery.worker import state

from netd.queue_url import QueueURL
from netd.steps import run_now
from netd.xmlrpc import codec, faults, in_flight
from netd.xmlrpc.celery_app import make_app, pauses, redis_client
from netd.xmlrpc.faults import Why
from netd.xmlrpc.in_flight import Meta
from netd.xmlrpc.registry import Procedure
from netd.xmlrpc.worker import raised, returned

T = TypeVar("T")

BEAT_SECONDS: Final = 0.5
"""Time between two heartbeats, and the longest that a cancellation waits."""
_VARIABLE: Final = "_NETD_WORKER"
"""Where the processes of a worker have its name from, however they are started."""
_STOPPED: Final = signal.SIGTERM - 256
"""The status of a process whose worker is stopped at once, inside a call too (billiard)."""

_log = get_logger(__name__)


def worker_name() -> str:
    """The name of this worker, which no other one has or had."""
    return os.environ.setdefault(_VARIABLE, f"{socket.gethostname()}-{secrets.token_hex(4)}")


def repeat(action: Callable[[], T], until: float) -> T:
    """What `action` returns once Redis can be reached; its error when the time is over."""
    waits = pauses()
    while True:
        try:
            return action()
        except (redis.RedisError, OSError):
            pause = next(waits)
            if time.monotonic() + pause > until:
                raise
        time.sleep(pause)


# One round trip, after which either the call is claimed and the daemon told, or nothing was
# done; a claim whose reply was lost is told once.
_CLAIM: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if not redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then
    return redis.call('GET', KEYS[2]) == ARGV[2] and 1 or 0
end
redis.call('XADD', KEYS[3], '*', 'id', ARGV[4], 'message', ARGV[5])
redis.call('EXPIRE', KEYS[3], ARGV[6])
return 1
"""


def claim(client: redis.Redis, key: str, owner: str, meta: Meta, message: bytes) -> bool:
    """
    Whether the call is wanted and `owner`, and nobody else, may run it.

    If so the daemon that made the call has `message`.
    """
    call, name = in_flight.CALL.format(key), in_flight.CLAIM.format(key)
    stream = in_flight.RESULTS.format(meta["to"])
    milliseconds = int(meta["ms"]) + in_flight.CLAIM_MS
    values = (in_flight.WANTED, owner, milliseconds, key, message, int(meta["keep"]))
    return bool(client.eval(_CLAIM, 3, call, name, stream, *values))


def tell(client: redis.Redis, key: str, meta: Meta, message: bytes) -> None:
    """Add to the stream of the daemon that made the call."""
    stream = in_flight.RESULTS.format(meta["to"])
    pipe = client.pipeline(transaction=False)
    pipe.xadd(stream, {"id": key, "message": message})
    pipe.expire(stream, int(meta["keep"]))
    pipe.execute()


def run_call(client: redis.Redis, method: Procedure, key: str, body: str, meta: Meta) -> None:
    """Run a call unless somebody else does, and tell the daemon its outcome."""
    worker = worker_name()
    until = time.monotonic() + int(meta["ms"]) / 1000
    # With a number of its own, so that a reply that was lost leaves no doubt.
    owner = f"{worker} {os.getpid()} {secrets.token_hex(8)}"
    fits = meta["contract"] == in_flight.contract(method)
    first = in_flight.BEGAN + worker.encode()
    if not fits:
        first = raised(faults.lost("version", method.name))
    if repeat(lambda: claim(client, key, owner, meta, first), until) and fits:
        message = call_function(method, body)
        repeat(lambda: tell(client, key, meta, message), until)


def call_function(method: Procedure, body: str) -> bytes:
    """The message about the outcome of a call."""
    try:
        _, parameters = run_now(codec.call(body.encode()))
        return returned(method.function(*parameters))
    # The operator's function may raise anything; the daemon logs the trace.
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code == _STOPPED:
            return raised(faults.lost("process", method.name))
        return raised(error)


class MainProcess:
    """What the main process of a worker does twice a second."""

    def __init__(self, client: redis.Redis, worker: str) -> None:
        self._client = client
        self._worker = worker
        self._outbox: list[tuple[float, Callable[[], object]]] = []
        """What has to be told, each until a time."""

    def failed(
        self, sender: Any, task_id: str, exception: object, args: object, **_: object
    ) -> None:
        """Note a call whose process died; other failures end with a message of the process."""
        if isinstance(exception, (WorkerLostError, TimeLimitExceeded)):
            self._note(self._tell_death, task_id, args, "process", sender.name)

    def unknown(self, message: Any) -> None:
        """Note a call of a method that this worker does not have."""
        task = message.headers["task"]
        _log.warning("there is no task %s", task)
        try:
            key, arguments = message.headers["id"], message.payload[0]
        # It is not netd's; it may be anything.
        except Exception:
            return
        tell_unknown = partial(claim, self._client, owner=f"{self._worker} main")
        self._note(tell_unknown, key, arguments, "method", task)

    def _note(
        self, tell: Callable[..., object], key: str, arguments: object, why: Why, task: str
    ) -> None:
        """Have `tell` tell the daemon that made the call."""
        match arguments:
            case [_, {"to": str(to), "ms": int(ms), "keep": int(keep)}]:
                meta: Meta = {"to": to, "ms": ms, "keep": keep}
                name = task.removeprefix(in_flight.TASK.format(""))
                message = raised(faults.lost(why, name))
                until = time.monotonic() + ms / 1000
                act = partial(tell, key=key, meta=meta, message=message)
                self._outbox.append((until, act))

    def _tell_death(self, key: str, meta: Meta, message: bytes) -> None:
        holder: Any = self._client.get(in_flight.CLAIM.format(key)) or b""
        # Else it is another one's call, of which this worker had a copy.
        if holder.startswith(f"{self._worker} ".encode()):
            tell(self._client, key, meta, message)

    def beat(self, pool: Any, running: Iterable[Any]) -> None:
        """Renew the heartbeat, kill what was cancelled, tell what died."""
        # Celery itself looks for dead processes every five seconds.
        pool.maintain_pool()
        calls = list(running)
        try:
            pipe = self._client.pipeline(transaction=False)
            pipe.set(in_flight.WORKER.format(self._worker), 1, px=in_flight.WORKER_MS)
            pipe.sadd(in_flight.WORKERS, self._worker)
            for request in calls:
                pipe.get(in_flight.CALL.format(request.id))
            for request, value in zip(calls, pipe.execute()[2:], strict=True):
                # Fair scheduling: the process has this call and no other.
                if value == in_flight.CANCELLED and request.worker_pid:
                    pool.terminate_job(request.worker_pid, signal.SIGKILL)
            while self._outbox:
                until, act = self._outbox[0]
                if time.monotonic() < until:
                    act()
                del self._outbox[0]
        except (redis.RedisError, OSError) as error:
            _log.warning("Redis: %s", type(error).__name__)


def build(queue: QueueURL, broker: QueueURL | None, methods: Iterable[Procedure]) -> Celery:
    """The application of a worker that runs the offloaded ones of these methods."""
    app = make_app(queue, broker)
    # Each process that is forked makes a connection of its own: redis-py compares process ids.
    client = redis_client(queue)
    for method in methods:
        if method.offload:
            _add(app, client, method)
    main = MainProcess(client, worker_name())

    class Heartbeat(bootsteps.StartStopStep):
        """Calls `beat` as long as the worker has its broker."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            """Begin, with each connection anew."""
            if broker is None:
                # netd sends again what a cut loses; kombu would write what it cannot put
                # back, parameters too, to a file in /tmp.
                consumer.task_consumer.channel.qos.restore_at_shutdown = False

            def unknown(_: object, message: Any, __: KeyError) -> None:
                # Celery's own would write parameters to the log.
                message.reject_log_error(_log, consumer.connection_errors)
                main.unknown(message)

            consumer.on_unknown_task = unknown
            arguments = (consumer.pool, state.active_requests)
            self.timer = consumer.timer.call_repeatedly(BEAT_SECONDS, main.beat, arguments)
            main.beat(*arguments)

        def stop(self, consumer: object) -> None:
            """End."""
            self.timer.cancel()

    app.steps["consumer"].add(Heartbeat)
    signals.task_failure.connect(main.failed, weak=False)
    return app


def _add(app: Celery, client: redis.Redis, method: Procedure) -> None:
    def task(self: Any, body: str, meta: Meta) -> None:
        run_call(client, method, self.request.id, body, meta)

    app.task(name=in_flight.TASK.format(method.name), bind=True, shared=False)(task)
