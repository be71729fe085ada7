"""
A Celery worker of netd's calls: what its processes do with one, and its main process for all.

Rules: no Twisted reactor.  The main process has no thread, because its children are forked
from it.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Final

import redis
from amqp.exceptions import AMQPError
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import Celery, signals
from celery.utils.log import get_logger
from celery.worker import state
from kombu.transport import virtual

from netd.queue_url import QueueURL
from netd.steps import run_now
from netd.xmlrpc import codec, faults, in_flight
from netd.xmlrpc.celery_app import make_app, redis_client
from netd.xmlrpc.in_flight import Meta
from netd.xmlrpc.registry import Procedure
from netd.xmlrpc.worker import raised, returned

BEAT_SECONDS: Final = 0.5
"""Time between two heartbeats, and the longest that a cancellation waits."""

_log = get_logger(__name__)


# One round trip, after which either the call is claimed and the daemon told, or nothing was
# done; a claim whose reply was lost is told once.
_CLAIM: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if not redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then
    return redis.call('GET', KEYS[2]) == ARGV[2] and 1 or 0
end
redis.call('XADD', KEYS[3], '*', ARGV[4], ARGV[5])
redis.call('EXPIRE', KEYS[3], ARGV[6])
return 1
"""
_BEAT: Final = "redis.call('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1])"


def claim(client: redis.Redis, key: str, owner: str, meta: Meta, message: bytes) -> bool:
    """
    Whether the call is wanted and `owner`, and nobody else, may run it.

    If so the daemon that made the call has `message`.
    """
    call, name = in_flight.CALL.format(key), in_flight.CLAIM.format(key)
    stream = in_flight.RESULTS.format(meta["to"])
    milliseconds = int(meta["ms"]) + in_flight.CLAIM_MS
    entry = in_flight.entry_name(message[:1], key), message[1:]
    values = (in_flight.WANTED, owner, milliseconds, *entry, int(meta["keep"]))
    return bool(client.eval(_CLAIM, 3, call, name, stream, *values))


def tell(client: redis.Redis, key: str, meta: Meta, message: bytes) -> None:
    """Add to the stream of the daemon that made the call."""
    stream = in_flight.RESULTS.format(meta["to"])
    pipe = client.pipeline(transaction=False)
    for start in range(1, len(message), in_flight.PART_BYTES):
        part = message[start : start + in_flight.PART_BYTES]
        kind = message[:1] if start + len(part) == len(message) else in_flight.PART
        pipe.xadd(stream, {in_flight.entry_name(kind, key, start - 1): part})
    pipe.expire(stream, int(meta["keep"]))
    pipe.execute()


def run_call(
    client: redis.Redis,
    method: Procedure | None,
    key: str,
    body: str,
    *,
    meta: Meta,
    worker: str,
) -> None:
    """Run a call unless somebody else does, and tell the daemon its outcome."""
    # With a number of its own, so that a reply that was lost leaves no doubt.
    owner = f"{worker} {os.getpid()} {secrets.token_hex(8)}"
    if method is None or meta["contract"] != in_flight.contract(method):
        fault = faults.lost("version" if method else "method", str(meta["method"]))
        _log.warning("%s", fault.text)
        claim(client, key, owner, meta, raised(fault))
    elif claim(client, key, owner, meta, in_flight.BEGAN + worker.encode()):
        tell(client, key, meta, call_function(method, body))


def call_function(method: Procedure, body: str) -> bytes:
    """The message about the outcome of a call."""
    try:
        _, parameters = run_now(codec.call(body.encode()))
        return returned(method.function(*parameters))
    # The function's, or Celery's when the worker is stopped at once.
    except SystemExit:
        return raised(faults.lost("process", method.name))
    # The operator's function may raise anything; the daemon logs the trace.
    except Exception as error:
        return raised(error)


class MainProcess:
    """What the main process of a worker does twice a second."""

    def __init__(self, client: redis.Redis, worker: str) -> None:
        self._client = client
        self._worker = worker
        self._dead: list[tuple[str, Any]] = []
        """Calls whose process died, each with its Meta."""

    def failed(self, task_id: str, exception: object, args: object, **_: object) -> None:
        """Note a call whose process died; other failures end with a message of the process."""
        died = isinstance(exception, (WorkerLostError, TimeLimitExceeded))
        match args:
            case [_, {"method": str(), "to": str(), "keep": int()} as meta] if died:
                self._dead.append((task_id, meta))

    def beat(self, pool: Any) -> None:
        """Renew the heartbeat, kill what was cancelled, tell what died."""
        # Celery itself looks for dead processes every five seconds.
        pool.maintain_pool()
        running: list[Any] = list(state.active_requests)
        try:
            pipe = self._client.pipeline(transaction=False)
            pipe.eval(_BEAT, 1, in_flight.WORKERS, self._worker)
            for request in running:
                pipe.get(in_flight.CALL.format(request.id))
            for request, value in zip(running, pipe.execute()[1:], strict=True):
                # Fair scheduling: the process has this call and no other.
                if value == in_flight.CANCELLED and request.worker_pid:
                    pool.terminate_job(request.worker_pid, signal.SIGKILL)
            while self._dead:
                self._tell_death(*self._dead[0])
                del self._dead[0]
        except (redis.RedisError, OSError) as error:
            _log.warning("Redis: %s", type(error).__name__)

    def _tell_death(self, key: str, meta: Meta) -> None:
        holder: Any = self._client.get(in_flight.CLAIM.format(key)) or b""
        # Else it is another one's call, of which this worker had a copy.
        if holder.startswith(f"{self._worker} ".encode()):
            tell(self._client, key, meta, raised(faults.lost("process", str(meta["method"]))))


def brief(record: logging.LogRecord) -> bool:
    """True: a filter by which a death and a broker's refusal are logged without a traceback."""
    kind = record.exc_info[0] if record.exc_info else None
    if kind is not None and issubclass(kind, (AMQPError, WorkerLostError)):
        record.exc_info = None
    return True


def build(queue: QueueURL, broker: QueueURL | None, methods: Iterable[Procedure]) -> Celery:
    """The application of a worker that runs the offloaded ones of these methods."""
    app = make_app(queue, broker)
    offloaded: Mapping[object, Procedure] = {
        method.name: method for method in methods if method.offload
    }
    # No other worker has or had this name.
    worker = f"{socket.gethostname()}-{secrets.token_hex(4)}"
    # Each process that is forked makes a connection of its own: redis-py compares process
    # ids.  It tries until its time limit kills it; the main process must go on.
    client, main = redis_client(queue, attempts=0), MainProcess(redis_client(queue), worker)

    def call(self: Any, body: str, meta: Meta) -> None:
        method = offloaded.get(meta["method"])
        run_call(client, method, self.request.id, body, meta=meta, worker=worker)

    def ready(sender: Any, **_: object) -> None:
        # The timer goes on through lost connections, and while a stop waits for calls.
        sender.timer.call_repeatedly(BEAT_SECONDS, main.beat, (sender.pool,))
        main.beat(sender.pool)

    app.task(name=in_flight.TASK.format("call"), bind=True, shared=False)(call)
    signals.worker_ready.connect(ready, weak=False)
    signals.task_failure.connect(main.failed, weak=False)
    for name in ("celery.worker", "celery.worker.request"):
        logging.getLogger(name).addFilter(brief)
    # netd sends again what a cut loses; kombu would write what it cannot put back, parameters
    # too, to a file in /tmp.
    virtual.QoS.restore_at_shutdown = False
    return app
