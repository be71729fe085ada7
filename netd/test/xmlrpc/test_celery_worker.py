"""
What a worker's processes do, with a Redis in memory and without Celery's machinery.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from typing import Any, cast

from attrs import evolve
from twisted.trial.unittest import SkipTest, SynchronousTestCase

try:
    from amqp.exceptions import AccessRefused
    from billiard import common
    from billiard.exceptions import TimeLimitExceeded, WorkerLostError
    from celery import signals
    from celery.worker import state
    from kombu.transport import virtual

    from netd.xmlrpc import celery_worker
except ImportError:
    raise SkipTest("celery is not installed") from None

from netd.queue_url import QueueURL
from netd.steps import run_now
from netd.test.xmlrpc.memory_redis import MemoryRedis
from netd.xmlrpc import codec, in_flight
from netd.xmlrpc.celery_worker import MainProcess, brief, claim, run_call, tell
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
        self.patch(celery_worker, "redis_client", lambda *_, **__: self.redis)
        self.meta: in_flight.Meta = {
            "method": "divide",
            "contract": in_flight.contract(METHOD),
            "to": "d",
            "ms": 1000,
            "keep": 90,
        }

    def entries(self) -> list[tuple[bytes, bytes]]:
        """What the daemon is told."""
        entries = [entry for _, entry in self.redis.streams.get("netd:to:d", [])]
        return [
            (name[1:].split()[0], name[:1] + rest)
            for entry in entries
            for name, rest in entry.items()
        ]

    def fault(self, message: bytes) -> Fault:
        """A message's fault."""
        fault = outcome(message[:1], message[1:])
        assert isinstance(fault, Fault)
        return fault


class RunnerTests(_Test):
    """
    A call in a process of the worker.
    """

    def run_call(self, *parameters: object, method: Procedure | None = METHOD) -> None:
        """Run a call that is wanted."""
        self.redis.values.setdefault("netd:call:k", b"1")
        body = run_now(codec.call_body("divide", parameters)).decode()
        run_call(cast(Any, self.redis), method, "k", body, meta=self.meta, worker="w")

    def test_result(self) -> None:
        """The daemon is told that the call begins, and then its result."""
        self.run_call(7, 2)
        self.assertEqual([key for key, _ in self.entries()], [b"k", b"k"])
        began, result = [message for _, message in self.entries()]
        self.assertEqual(began, b"*w")
        self.assertEqual(
            outcome(result[:1], result[1:]), Encoded(b"<value><int>3</int></value>")
        )
        self.assertEqual(self.redis.expiry["netd:to:d"], 90_000)
        self.assertEqual(self.redis.expiry["netd:claim:k"], 61_000)
        owner = self.redis.values["netd:claim:k"].decode()
        self.assertTrue(owner.startswith(f"w {os.getpid()} "))

    def test_parts(self) -> None:
        """A long result is told in parts, of which the last one has its kind."""
        size = in_flight.PART_BYTES
        for length in (size - 1, size, size + 1, 3 * size):
            tell(cast(Any, self.redis), "k", self.meta, b"+" + bytes(length))
            entries = [entry for _, entry in self.redis.streams.pop("netd:to:d")]
            parts = [
                (*name.split(), len(part)) for each in entries for name, part in each.items()
            ]
            starts = range(0, length, size)
            self.assertEqual(
                parts,
                [(b"~k", b"%d" % start, size) for start in starts[:-1]]
                + [(b"+k", b"%d" % starts[-1], length - starts[-1])],
            )

    def test_bug(self) -> None:
        """A bug is told with its trace."""
        self.run_call(7, 0)
        fault = self.fault(self.entries()[-1][1])
        self.assertEqual(fault.code, APPLICATION)
        self.assertIn("ZeroDivisionError", fault.trace)

    def test_exit(self) -> None:
        """A function that ends its process is told as that, and ends none."""
        self.run_call(7, 1)
        fault = self.fault(self.entries()[-1][1])
        self.assertEqual((fault.text, fault.trace), ("the process that ran divide died", ""))

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
        """A claim whose reply was lost is its owner's, and told once."""
        self.redis.values["netd:call:k"] = b"1"
        for owner, its in (("w 1 a", True), ("w 1 a", True), ("w 1 b", False)):
            claimed = claim(cast(Any, self.redis), "k", owner, self.meta, b"*w")
            self.assertIs(claimed, its)
        self.assertEqual(self.entries(), [(b"k", b"*w")])

    def test_otherVersion(self) -> None:
        """A method with another contract, or none, is not run; the log says so."""
        self.meta["contract"] = "0"
        for method, what in ((METHOD, "another version of"), (None, "no method")):
            text = f"the worker has {what} divide"
            with self.assertLogs("netd.xmlrpc.celery_worker", "WARNING") as logged:
                self.run_call(7, 0, method=method)
            self.assertEqual([record.getMessage() for record in logged.records], [text])
            fault = self.fault(self.entries()[-1][1])
            self.assertEqual((fault.code, fault.text, fault.trace), (INTERNAL, text, ""))
            self.redis.values.clear()
        self.assertEqual(len(self.entries()), 2)


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


class MainProcessTests(_Test):
    """
    The main process.
    """

    def setUp(self) -> None:
        super().setUp()
        self.main, self.pool = MainProcess(cast(Any, self.redis), "w"), _Pool()

    def beat(self, *running: _Request) -> None:
        """Do it."""
        self.patch(state, "active_requests", running)
        self.main.beat(self.pool)

    def fail_call(self, key: str, error: Exception, arguments: object = None) -> None:
        """Have a task fail."""
        arguments = ["", self.meta] if arguments is None else arguments
        self.main.failed(task_id=key, exception=error, args=arguments, kwargs={})

    def test_alive(self) -> None:
        """Its heart beats, and dead processes are looked for."""
        self.beat()
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
        self.assertEqual(self.fault(message).text, "the process that ran divide died")
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

    def test_redisAway(self) -> None:
        """What could not be told is told later."""
        self.redis.values = {"netd:claim:k": b"w 7 x"}
        self.fail_call("k", WorkerLostError())
        self.redis.fails = 1
        self.beat()
        self.assertEqual(self.entries(), [])
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


class _Consumer:
    """Celery's consumer."""

    def __init__(self) -> None:
        self.timer, self.pool = _Timer(), _Pool()


class BuildTests(_Test):
    """
    The application of a worker.
    """

    def setUp(self) -> None:
        super().setUp()
        for each in (signals.task_failure, signals.worker_ready):
            self.patch(each, "receivers", list(each.receivers or []))
        self.loggers = [logging.getLogger(f"celery.worker{more}") for more in ("", ".request")]
        for logger in self.loggers:
            self.patch(logger, "filters", list(logger.filters))
        self.patch(virtual.QoS, "restore_at_shutdown", True)
        local = procedure(lambda: None, "local")
        self.app = celery_worker.build(URL, None, [METHOD, local])

    def test_task(self) -> None:
        """One task runs the offloaded methods by their names."""
        names = [name for name in self.app.tasks if not name.startswith("celery.")]
        self.assertEqual(names, ["netd.call"])
        self.redis.values = {"netd:call:k": b"1", "netd:call:j": b"1"}
        body = run_now(codec.call_body("divide", [9, 3])).decode()
        task = self.app.tasks["netd.call"]
        task.apply(args=(body, self.meta), task_id="k")
        self.assertEqual([key for key, _ in self.entries()], [b"k", b"k"])
        task.apply(args=(body, {**self.meta, "method": "local"}), task_id="j")
        self.assertEqual(
            self.fault(self.entries()[-1][1]).text, "the worker has no method local"
        )

    def test_ready(self) -> None:
        """The heart beats at once and then twice a second, for as long as the worker lives."""
        consumer = _Consumer()
        signals.worker_ready.send(sender=consumer)
        self.assertEqual(consumer.pool.maintained, 1)
        ((seconds, function, arguments),) = consumer.timer.calls
        self.assertEqual(seconds, 0.5)
        function(*arguments)
        self.assertEqual(consumer.pool.maintained, 2)
        (name,) = self.redis.members
        self.assertRegex(name.decode(), r"-[0-9a-f]{8}\Z")

    def test_deaths(self) -> None:
        """The daemon is told of deaths that Celery meets."""
        consumer = _Consumer()
        signals.worker_ready.send(sender=consumer)
        (name,) = self.redis.members
        self.redis.values["netd:claim:k"] = name + b" 1 x"
        task = self.app.tasks["netd.call"]
        signals.task_failure.send(
            sender=task, task_id="k", exception=WorkerLostError(), args=["", self.meta]
        )
        ((_, function, arguments),) = consumer.timer.calls
        function(*arguments)
        ((_, message),) = self.entries()
        self.assertEqual(self.fault(message).text, "the process that ran divide died")

    def test_restored(self) -> None:
        """No message of a call is written to a file by kombu."""
        self.assertFalse(virtual.QoS.restore_at_shutdown)

    def test_brief(self) -> None:
        """A refusal and a death are one line in the log, a bug has its traceback."""
        for error, traced in (
            (AccessRefused("no"), False),
            (WorkerLostError(), False),
            (ValueError(), True),
            (None, False),
        ):
            info = (type(error), error, None) if error else None
            record = logging.LogRecord("x", logging.ERROR, "", 0, "%r", (error,), info)
            self.assertTrue(brief(record))
            self.assertEqual(record.exc_info is not None, traced)
        for logger in self.loggers:
            self.assertIn(brief, logger.filters)
