"""
What a worker's processes do, with a Redis in memory and without Celery's machinery.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any, cast

from attrs import evolve
from twisted.trial.unittest import SkipTest, SynchronousTestCase

try:
    from billiard import common
    from billiard.exceptions import TimeLimitExceeded, WorkerLostError
    from celery import signals

    from netd.xmlrpc import celery_worker
except ImportError:
    raise SkipTest("celery is not installed") from None

from netd.queue_url import QueueURL
from netd.steps import run_now
from netd.test.xmlrpc.memory_redis import MemoryRedis
from netd.xmlrpc import codec, in_flight
from netd.xmlrpc.celery_worker import MainProcess, repeat, run_call
from netd.xmlrpc.faults import APPLICATION, INTERNAL, Fault
from netd.xmlrpc.registry import Procedure, procedure, rpc
from netd.xmlrpc.worker import outcome
from netd.xmlrpc.writer import Encoded

URL = QueueURL.parse("redis://h")


@rpc(offload=True)
def divide(one: int, other: int) -> int:
    """The quotient, or a bug."""
    if other == 1:
        raise SystemExit(3)
    return one // other


METHOD = evolve(procedure(divide), source=("module", "divide"))


class _Test(SynchronousTestCase):
    """A test with a Redis in memory."""

    def setUp(self) -> None:
        self.redis = MemoryRedis()
        self.patch(celery_worker, "redis_client", lambda _: self.redis)
        self.pauses: list[float] = []
        self.patch(time, "sleep", self.pauses.append)
        self.patch(os, "environ", {**os.environ, "_NETD_WORKER": "w"})
        self.meta: in_flight.Meta = {
            "to": "d",
            "ms": 1000,
            "keep": 90,
            "contract": in_flight.contract(METHOD),
        }

    def entries(self) -> list[tuple[bytes, bytes]]:
        """What the daemon is told."""
        return [
            (fields[b"id"], fields[b"message"])
            for _, fields in self.redis.streams.get("netd:to:d", [])
        ]

    def fault(self, message: bytes) -> Fault:
        """A message's fault."""
        fault = outcome(message)
        assert isinstance(fault, Fault)
        return fault


class RunnerTests(_Test):
    """
    A call in a process of the worker.
    """

    def run_call(self, *parameters: object, method: Procedure = METHOD) -> None:
        """Run a call that is wanted."""
        self.redis.values.setdefault("netd:call:k", b"1")
        body = run_now(codec.call_body(method.name, parameters)).decode()
        run_call(cast(Any, self.redis), method, "k", body, self.meta)

    def test_result(self) -> None:
        """The daemon is told that the call begins, and then its result."""
        self.run_call(7, 2)
        self.assertEqual([key for key, _ in self.entries()], [b"k", b"k"])
        began, result = [message for _, message in self.entries()]
        self.assertEqual(began, b"*w")
        self.assertEqual(outcome(result), Encoded(b"<value><int>3</int></value>"))
        self.assertEqual(self.redis.expiry["netd:to:d"], 90_000)
        self.assertEqual(self.redis.expiry["netd:claim:k"], 61_000)
        owner = self.redis.values["netd:claim:k"].decode()
        self.assertTrue(owner.startswith(f"w {os.getpid()} "))

    def test_bug(self) -> None:
        """A bug, SystemExit too, is told with its trace."""
        for divisor, name in ((0, "ZeroDivisionError"), (1, "SystemExit")):
            self.redis.values.clear()
            self.run_call(7, divisor)
            fault = self.fault(self.entries()[-1][1])
            self.assertEqual(fault.code, APPLICATION)
            self.assertIn(name, fault.trace)

    def test_stopped(self) -> None:
        """A worker that is stopped at once is no bug of the function that runs."""

        # Its types lack half of it.
        billiard: Any = common

        def stopped() -> None:
            signal.signal(signal.SIGTERM, billiard._shutdown_cleanup)
            os.kill(os.getpid(), signal.SIGTERM)

        before = signal.getsignal(signal.SIGTERM)
        self.addCleanup(signal.signal, signal.SIGTERM, before)
        self.addCleanup(billiard.clear_terminate_handler_fired)
        self.run_call(method=evolve(METHOD, function=stopped))
        fault = self.fault(self.entries()[-1][1])
        self.assertEqual((fault.text, fault.trace), ("the process that ran divide died", ""))

    def test_once(self) -> None:
        """A call that was claimed, cancelled or forgotten does not run."""
        self.run_call(7, 2)
        self.run_call(7, 2)
        self.assertEqual(len(self.entries()), 2)
        for state in (b"0", b""):
            self.redis.values = {"netd:call:k": state}
            self.run_call(7, 2)
        self.assertEqual(len(self.entries()), 2)

    def test_replyLost(self) -> None:
        """A claim whose reply is lost is the process's own."""
        original = self.redis.eval
        replies: list[Exception] = [ConnectionError("reply lost")]

        def claim(*arguments: Any) -> object:
            result = original(*arguments)
            if replies:
                raise replies.pop()
            return result

        self.patch(self.redis, "eval", claim)
        self.run_call(7, 2)
        self.assertEqual(len(self.entries()), 2)
        self.assertEqual(self.pauses, [0.05])

    def test_version(self) -> None:
        """A method with another contract is not run."""
        self.meta["contract"] = "0"
        self.run_call(7, 0)
        ((_, message),) = self.entries()
        fault = self.fault(message)
        self.assertEqual(
            (fault.code, fault.text, fault.trace),
            (INTERNAL, "the worker has another version of divide", ""),
        )

    def test_repeat(self) -> None:
        """What fails is repeated after longer and longer pauses, until its time is over."""
        now = [0.0]
        self.patch(time, "monotonic", lambda: now[0])

        def sleep(seconds: float) -> None:
            now[0] += seconds
            self.pauses.append(seconds)

        def action() -> None:
            raise ConnectionError

        self.patch(time, "sleep", sleep)
        self.assertRaises(ConnectionError, repeat, action, 4.0)
        self.assertEqual(self.pauses, [0.05, 0.1, 0.2, 0.4, 0.8, 1, 1])


class _Pool:
    """Celery's pool."""

    def __init__(self) -> None:
        self.maintained = 0
        self.killed: list[tuple[int, int]] = []

    def maintain_pool(self) -> None:
        """Note it."""
        self.maintained += 1

    def terminate_job(self, pid: int, number: int) -> None:
        """Note it."""
        self.killed.append((pid, number))


class _Request:
    """Celery's request."""

    def __init__(self, key: str, pid: int | None) -> None:
        self.id, self.worker_pid = key, pid


class _Message:
    """Celery's message."""

    def __init__(self, name: str, key: str, arguments: list[object]) -> None:
        self.payload = [arguments, {}, {}]
        self.headers = {"task": name, "id": key}
        self.rejected: tuple[object, ...] = ()

    def reject_log_error(self, logger: object, errors: tuple[object, ...]) -> None:
        """Note it."""
        self.rejected = errors


class MainProcessTests(_Test):
    """
    The main process.
    """

    def setUp(self) -> None:
        super().setUp()
        self.main, self.pool = MainProcess(cast(Any, self.redis), "w"), _Pool()

    def beat(self, *running: _Request) -> None:
        """Do it."""
        self.main.beat(self.pool, running)

    def fail_call(self, key: str, error: Exception, arguments: object = None) -> None:
        """Have a task fail."""
        task = type("Task", (), {"name": "netd.m"})
        arguments = ["", self.meta] if arguments is None else arguments
        self.main.failed(task, key, error, arguments)

    def test_alive(self) -> None:
        """Its heartbeat lasts for seconds, and dead processes are looked for."""
        self.beat()
        self.assertEqual(self.redis.values, {"netd:worker:w": b"1"})
        self.assertEqual(self.redis.expiry["netd:worker:w"], 6000)
        self.assertEqual(self.redis.members, {b"w"})
        self.assertEqual(self.pool.maintained, 1)

    def test_cancelled(self) -> None:
        """Processes of cancelled calls are killed, and no other ones."""
        self.redis.values = {"netd:call:a": b"0", "netd:call:b": b"1", "netd:call:d": b"0"}
        self.beat(_Request("a", 1), _Request("b", 2), _Request("c", 3), _Request("d", None))
        self.assertEqual(self.pool.killed, [(1, signal.SIGKILL)])

    def test_died(self) -> None:
        """The daemon is told of a death within a call that this worker claimed."""
        self.redis.values = {"netd:claim:k": b"w 7 x", "netd:claim:j": b"ww 7 x"}
        for key in ("k", "j", "i"):
            self.fail_call(key, WorkerLostError())
        self.beat()
        ((told, message),) = self.entries()
        self.assertEqual(told, b"k")
        self.assertEqual(self.fault(message).text, "the process that ran m died")
        self.beat()
        self.assertEqual(len(self.entries()), 1)

    def test_otherFailures(self) -> None:
        """Of other failures the daemon was told, and other tasks are nobody's."""
        self.redis.values = {"netd:claim:k": b"w 7 x"}
        self.fail_call("k", ValueError())
        self.fail_call("k", WorkerLostError(), [])
        self.beat()
        self.assertEqual(self.entries(), [])
        self.fail_call("k", TimeLimitExceeded())
        self.beat()
        self.assertEqual(len(self.entries()), 1)

    def test_unknown(self) -> None:
        """The daemon is told of a method that is missing here, if its call is still wanted."""
        self.redis.values = {"netd:call:k": b"1"}
        for key in ("k", "j"):
            self.main.unknown(_Message("netd.m", key, ["", self.meta]))
        self.beat()
        ((_, message),) = self.entries()
        self.assertEqual(self.fault(message).text, "the worker has no method m")

    def test_unknownStranger(self) -> None:
        """A message that is none of netd's has no consequences."""
        parts: tuple[list[object], ...] = ([], ["", {"to": 1}])
        for arguments in parts:
            message = _Message("celery.ping", "k", arguments)
            message.payload = message.payload[: len(arguments)]
            self.main.unknown(message)
        self.beat()
        self.assertEqual(self.entries(), [])

    def test_redisAway(self) -> None:
        """What could not be told is told later, unless its time is over."""
        now = [0.0]
        self.patch(time, "monotonic", lambda: now[0])
        self.redis.values = {"netd:claim:k": b"w 7 x"}
        self.fail_call("k", WorkerLostError())
        self.redis.fails = 1
        self.beat()
        self.assertEqual(self.entries(), [])
        self.beat()
        self.assertEqual(len(self.entries()), 1)
        self.fail_call("k", WorkerLostError())
        now[0] = 2.0
        self.beat()
        self.assertEqual(len(self.entries()), 1)


class _Timer:
    """Celery's timer."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[..., None], tuple[object, ...]]] = []

    def call_repeatedly(
        self, seconds: float, function: Callable[..., None], arguments: tuple[object, ...]
    ) -> _Timer:
        """Note it."""
        self.calls.append((seconds, function, arguments))
        return self

    def cancel(self) -> None:
        """Forget it."""
        self.calls.clear()


class _Consumer:
    """Celery's consumer of Redis; its own task consumer, channel and QoS."""

    restore_at_shutdown = True
    connection_errors = (OSError,)

    def __init__(self, timer: _Timer, pool: _Pool) -> None:
        self.timer, self.pool = timer, pool
        self.task_consumer = self.channel = self.qos = self


class BuildTests(_Test):
    """
    The application of a worker.
    """

    def setUp(self) -> None:
        super().setUp()
        self.patch(os, "environ", dict(os.environ))
        receivers = list(signals.task_failure.receivers or [])
        self.patch(signals.task_failure, "receivers", receivers)
        local = procedure(lambda: None, "local")
        self.app = celery_worker.build(URL, None, [METHOD, local])

    def test_tasks(self) -> None:
        """Offloaded methods are tasks, and run by their names."""
        names = [name for name in self.app.tasks if not name.startswith("celery.")]
        self.assertEqual(names, ["netd.divide"])
        self.redis.values["netd:call:k"] = b"1"
        body = run_now(codec.call_body("divide", [9, 3])).decode()
        self.app.tasks["netd.divide"].apply(args=(body, self.meta), task_id="k")
        self.assertEqual(len(self.entries()), 2)

    def test_name(self) -> None:
        """All processes of a worker have the same name, which is new each time."""
        name = celery_worker.worker_name()
        self.assertEqual(celery_worker.worker_name(), name)
        del os.environ["_NETD_WORKER"]
        self.assertNotEqual(celery_worker.worker_name(), name)

    def test_step(self) -> None:
        """The heart beats at once and then twice a second, from start to stop."""
        (step,) = self.app.steps["consumer"]
        timer, pool = _Timer(), _Pool()
        consumer = _Consumer(timer, pool)
        heartbeat = step(consumer)
        heartbeat.start(consumer)
        self.assertEqual(pool.maintained, 1)
        self.assertFalse(consumer.restore_at_shutdown)
        ((seconds, function, arguments),) = timer.calls
        self.assertEqual(seconds, 0.5)
        function(*arguments)
        self.assertEqual(pool.maintained, 2)
        heartbeat.stop(consumer)
        self.assertEqual(timer.calls, [])

    def test_signals(self) -> None:
        """The daemon is told of deaths and unknown tasks that Celery meets."""
        self.redis.values = {"netd:call:j": b"1", "netd:claim:k": b""}
        name = celery_worker.worker_name()
        self.redis.values["netd:claim:k"] = f"{name} 1 x".encode()
        signals.task_failure.send(
            sender=self.app.tasks["netd.divide"],
            task_id="k",
            exception=WorkerLostError(),
            args=["", self.meta],
        )
        (step,) = self.app.steps["consumer"]
        consumer: Any = _Consumer(_Timer(), _Pool())
        step(consumer).start(consumer)
        message = _Message("netd.x", "j", ["", self.meta])
        consumer.on_unknown_task(None, message, KeyError("netd.x"))
        self.assertEqual(message.rejected, (OSError,))
        step(consumer).start(consumer)
        texts = [json.loads(message[1:])[1] for _, message in self.entries()]
        self.assertEqual(
            texts, ["the process that ran divide died", "the worker has no method x"]
        )
