"""
A Celery worker of netd's calls: what its processes do with one, and its main process for all.

Rules: no Twisted.  The main process has no thread, because its children are forked from it.
A Redis client belongs to one process and is never dropped.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import redis
from attrs import Factory, define
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import Celery, bootsteps, signals
from celery.utils.log import get_logger
from celery.worker import state

from netd.queue_url import QueueURL
from netd.steps import run_now
from netd.xmlrpc import codec, in_flight
from netd.xmlrpc.celery_app import make_app, redis_client
from netd.xmlrpc.in_flight import Meta
from netd.xmlrpc.registry import Procedure
from netd.xmlrpc.worker import raised, returned

T = TypeVar("T")

BEAT_SECONDS: Final = 0.5
"""Time between two heartbeats, and the longest that a cancellation waits."""
_VARIABLE: Final = "_NETD_WORKER"
"""Where the processes of a worker have its name from, however they are started."""
_PAUSES: Final = (0.05, 1.0)
"""The shortest and the longest time between two attempts to reach Redis."""

_log = get_logger(__name__)


@define
class Clients:
    """The Redis client of each process."""

    url: QueueURL
    _by_process: dict[int, redis.Redis] = Factory(dict)

    def own(self) -> redis.Redis:
        """The client of this process."""
        # A parent's client that its child drops would shut the parent's connection.
        return self._by_process.setdefault(os.getpid(), redis_client(self.url))


def worker_name() -> str:
    """The name of this worker, which no other one has or had."""
    return os.environ.setdefault(_VARIABLE, f"{socket.gethostname()}-{secrets.token_hex(4)}")


def repeat(action: Callable[[], T], until: float) -> T:
    """What `action` returns once Redis can be reached; its error when the time is over."""
    pause, longest = _PAUSES
    while True:
        try:
            return action()
        except (redis.RedisError, OSError):
            if time.monotonic() + pause > until:
                raise
        time.sleep(pause)
        pause = min(2 * pause, longest)


def claim(client: redis.Redis, key: str, owner: str, meta: Meta) -> bool:
    """Whether the call is wanted and `owner`, and nobody else, may run it."""
    call, name = in_flight.CALL.format(key), in_flight.CLAIM.format(key)
    pipe = client.pipeline()
    pipe.get(call)
    pipe.set(name, owner, nx=True, px=int(meta["ms"]) + in_flight.CLAIM_MS)
    pipe.get(name)
    wanted, _, holder = pipe.execute()
    return bool(wanted == in_flight.WANTED and holder == owner.encode())


def tell(client: redis.Redis, key: str, meta: Meta, message: bytes) -> None:
    """Add to the stream of the daemon that made the call."""
    stream = in_flight.RESULTS.format(meta["to"])
    pipe = client.pipeline()
    pipe.xadd(stream, {"id": key, "message": message})
    pipe.expire(stream, int(meta["keep"]))
    pipe.execute()


@define
class Runner:
    """Runs calls in a process of the worker."""

    _clients: Clients
    _worker: str

    def run(self, key: str, method: Procedure, body: str, meta: Meta) -> None:
        """Run a call unless somebody else does, and tell the daemon its outcome."""
        client, until = self._clients.own(), time.monotonic() + int(meta["ms"]) / 1000
        # With a number of its own, so that a reply that was lost leaves no doubt.
        owner = f"{self._worker} {os.getpid()} {secrets.token_hex(8)}"
        if not repeat(lambda: claim(client, key, owner, meta), until):
            return
        if meta["contract"] != in_flight.contract(method):
            message = raised(in_flight.other_version(method.name))
        else:
            began = in_flight.BEGAN + self._worker.encode()
            repeat(lambda: tell(client, key, meta, began), until)
            message = call_function(method, body)
        repeat(lambda: tell(client, key, meta, message), until)


def call_function(method: Procedure, body: str) -> bytes:
    """The message about the outcome of a call."""
    try:
        _, parameters = run_now(codec.call(body.encode()))
        return returned(method.function(*parameters))
    # The operator's function may raise anything; the daemon logs the trace.
    except (Exception, SystemExit) as error:
        return raised(error)


@define
class _Ended:
    """A call that no process will end."""

    key: str
    meta: Meta
    message: bytes
    until: float
    claimed: bool
    """Whether a process of this worker has to have claimed it; it is claimed here otherwise."""


class MainProcess:
    """What the main process of a worker does twice a second."""

    def __init__(self, clients: Clients, worker: str) -> None:
        self._clients = clients
        self._worker = worker
        self._outbox: list[_Ended] = []

    def failed(self, key: str, name: str, arguments: object, error: object) -> None:
        """Note a call whose process died; other failures end with a message of the process."""
        if isinstance(error, (WorkerLostError, TimeLimitExceeded)):
            self._note(key, arguments, raised(in_flight.died(name)), claimed=True)

    def unknown(self, key: str, name: str, arguments: object) -> None:
        """Note a call of a method that this worker does not have."""
        name = name.removeprefix(in_flight.TASK.format(""))
        message = raised(in_flight.unknown_method(name))
        self._note(key, arguments, message, claimed=False)

    def _note(self, key: str, arguments: object, message: bytes, claimed: bool) -> None:
        match arguments:
            case [_, {"to": str(to), "ms": int(ms), "keep": int(keep)}]:
                meta: Meta = {"to": to, "ms": ms, "keep": keep}
                until = time.monotonic() + ms / 1000
                self._outbox.append(_Ended(key, meta, message, until, claimed))

    def beat(self, pool: Any, running: Iterable[Any]) -> None:
        """Renew the heartbeat, kill what was cancelled, tell what died."""
        # Celery itself looks for dead processes every five seconds.
        pool.maintain_pool()
        client = self._clients.own()
        calls = {request.id: request for request in running}
        try:
            pipe = client.pipeline(transaction=False)
            pipe.set(in_flight.WORKER.format(self._worker), 1, px=in_flight.WORKER_MS)
            pipe.sadd(in_flight.WORKERS, self._worker)
            for key in calls:
                pipe.get(in_flight.CALL.format(key))
            states = pipe.execute()[2:]
            for request, value in zip(calls.values(), states, strict=True):
                # Fair scheduling: the process has this call and no other.
                if value == in_flight.CANCELLED and request.worker_pid:
                    pool.terminate_job(request.worker_pid, signal.SIGKILL)
            while self._outbox:
                if time.monotonic() < self._outbox[0].until:
                    self._tell(client, self._outbox[0])
                del self._outbox[0]
        except (redis.RedisError, OSError) as error:
            _log.warning("Redis: %s", type(error).__name__)

    def _tell(self, client: redis.Redis, ended: _Ended) -> None:
        if ended.claimed:
            holder: Any = client.get(in_flight.CLAIM.format(ended.key)) or b""
            # Else it is another one's call, of which this worker had a copy.
            ours = bool(holder.startswith(f"{self._worker} ".encode()))
        else:
            ours = claim(client, ended.key, f"{self._worker} main", ended.meta)
        if ours:
            tell(client, ended.key, ended.meta, ended.message)


def build(queue: QueueURL, broker: QueueURL | None, methods: Iterable[Procedure]) -> Celery:
    """The application of a worker that runs the offloaded ones of these methods."""
    app = make_app(queue, broker)
    clients, worker = Clients(queue), worker_name()
    for method in methods:
        if method.offload:
            _add(app, method, Runner(clients, worker))
    main = MainProcess(clients, worker)

    class Heartbeat(bootsteps.StartStopStep):
        """Calls `beat` as long as the worker has its broker."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            """Begin, with each connection anew."""
            self.timer = consumer.timer.call_repeatedly(
                BEAT_SECONDS, main.beat, (consumer.pool, state.active_requests)
            )
            main.beat(consumer.pool, state.active_requests)

        def stop(self, consumer: Any) -> None:
            """End."""
            self.timer.cancel()

    app.steps["consumer"].add(Heartbeat)

    def failed(sender: Any, task_id: str, exception: object, args: object, **_: object) -> None:
        main.failed(task_id, sender.name.removeprefix("netd."), args, exception)

    def unknown(name: str, id: str, message: Any, **_: object) -> None:  # noqa: A002
        arguments: Mapping[str, object] | Any = message.payload[0]
        main.unknown(id, name, arguments)

    signals.task_failure.connect(failed, weak=False)
    signals.task_unknown.connect(unknown, weak=False)
    return app


def _add(app: Celery, method: Procedure, runner: Runner) -> None:
    def task(self: Any, body: str, meta: Meta) -> None:
        runner.run(self.request.id, method, body, meta)

    app.task(name=in_flight.TASK.format(method.name), bind=True, shared=False)(task)
