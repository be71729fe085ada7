"""
The daemon's side of distributed calls, with a client that only takes notes.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import provider

from netd.counters import Counters
from netd.queue_url import AMQP, QueueURL
from netd.steps import run_now
from netd.xmlrpc import codec, distributed
from netd.xmlrpc.distributed import STOP_SECONDS, DistributedPool
from netd.xmlrpc.faults import BUSY, INTERNAL, Fault
from netd.xmlrpc.in_flight import Call, Receiver, Report, entry_name
from netd.xmlrpc.registry import procedure, rpc
from netd.xmlrpc.writer import LARGEST, Encoded


@rpc(offload=True, queue="gpu", timeout=7)
def square(value: int) -> int:
    """The square."""
    return value * value


METHOD = procedure(square)


class _Client:
    """A client without a queue."""

    def __init__(self) -> None:
        self.started: list[tuple[Receiver, Mapping[str, Call]]] = []
        self.calls: list[Call] = []
        self.stopped: Deferred[None] | None = None
        self.cancelled: list[Call] = []

    def start(self, receiver: Receiver, calls: Mapping[str, Call]) -> None:
        """Note it."""
        self.started.append((receiver, calls))

    def send(self, call: Call) -> None:
        """Note it."""
        self.calls.append(call)

    def cancel(self, call: Call) -> None:
        """Note it."""
        assert not call.body
        self.cancelled.append(call)

    def stop(self) -> Deferred[None]:
        """Note it."""
        assert self.stopped is None
        self.stopped = Deferred()
        return self.stopped


class PoolTests(SynchronousTestCase):
    """
    A pool of two waiting calls at most.
    """

    def setUp(self) -> None:
        self.clock, self.counters = Clock(), Counters()
        self.client = _Client()
        self.pool = DistributedPool(
            self.clock, cast(Any, self.client), "redis://h", 2, self.counters
        )
        self.pool.startService()
        self.lines: list[str] = []

        @provider(ILogObserver)
        def observe(event: Any) -> None:
            if event.get("log_namespace") == "netd.xmlrpc.distributed":
                self.lines.append(event["log_format"].format(**event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def call(self, *parameters: object) -> Deferred[Encoded]:
        """Make a call; its first step is taken at once."""
        return self.pool.run(METHOD, parameters or (3,))

    def key(self, number: int = -1) -> str:
        """The key of a call."""
        return self.client.calls[number].key

    def sent(self, call: Call) -> None:
        """Have the message of a call with the broker."""
        call.sent, call.order = self.clock.seconds(), 1

    def say(self, message: bytes, number: int = -1) -> None:
        """Receive an entry about a call."""
        self.pool.entries([(entry_name(message[:1], self.key(number)), message[1:])])

    def test_message(self) -> None:
        """A call becomes a message with its parameters as XML, its method and its time."""
        self.clock.advance(5)
        self.call("é", [1, None])
        (call,) = self.client.calls
        self.assertEqual(run_now(codec.call(call.body.encode())), ("square", ["é", [1, None]]))
        self.assertEqual((call.method, call.queue, call.until), (METHOD, "netd.gpu", 12))
        self.assertEqual(self.client.started, [(self.pool, {call.key: call})])

    def test_result(self) -> None:
        """A call waits, is run, and ends with the worker's XML; wait and run are measured."""
        done: Any = self.call()
        self.assertEqual((self.pool.waiting(), self.pool.busy()), (1, 0))
        self.assertTrue(self.pool.waits(done))
        self.sent(self.client.calls[-1])
        self.clock.advance(1)
        self.say(b"*host")
        self.assertEqual((self.pool.waiting(), self.pool.busy()), (0, 1))
        self.assertFalse(self.pool.waits(done))
        self.assertEqual(self.client.calls[0].body, "", "is sent no more")
        self.clock.advance(2)
        self.say(b"+<value/>")
        self.assertEqual(self.successResultOf(done), Encoded(b"<value/>"))
        self.assertEqual(self.pool.busy(), 0)
        self.assertEqual(self.counters.queue_waits.seconds, 1)
        self.assertEqual(self.counters.queue_runs.seconds, 2)

    def test_fault(self) -> None:
        """A worker's fault ends the call, with its trace for the log."""
        done = self.call()
        self.say(b"-" + json.dumps([7, "text", "trace"]).encode())
        fault = self.failureResultOf(done, Fault).value
        self.assertEqual((fault.code, fault.text, fault.trace), (7, "text", "trace"))

    def test_dropped(self) -> None:
        """Entries that are no result of a call are dropped and counted."""
        done = self.call()
        for message in (b"?", b"-{}", b"-[1, 2, 3]", b"-["):
            self.say(message)
        self.say(b"+" + bytes(LARGEST + 1))
        self.pool.entries([(b"+unknown", b"x"), (b"*unknown", b"h"), (b"\xff", b"")])
        self.assertNoResult(done)
        drops = {"unreadable": 4, "too large": 1, "late": 3}
        self.assertEqual(self.counters.queue_drops, drops)

    def test_parts(self) -> None:
        """An outcome comes in parts; what is told again counts once, what is missing never."""
        done = self.call()
        self.say(b"*host")
        key = self.key()

        def part(kind: bytes, start: int, content: bytes) -> None:
            self.pool.entries([(entry_name(kind, key, start), content)])

        part(b"~", 0, b"lost")
        part(b"~", 0, b"<va")
        part(b"~", 3, b"lue")
        part(b"~", 3, b"lue")
        part(b"+", 8, b"/>")
        self.assertNoResult(done)
        part(b"+", 6, b"/>")
        self.assertEqual(self.successResultOf(done), Encoded(b"<value/>"))
        self.assertEqual(self.counters.queue_drops, {"unreadable": 2})

    def test_partsTooLarge(self) -> None:
        """No more is kept of an outcome than it may have."""
        done = self.call()
        key = self.key()
        for start, kind in ((0, b"~"), (LARGEST, b"+")):
            self.pool.entries([(entry_name(kind, key, start), bytes(LARGEST - start or 1))])
        self.assertNoResult(done)
        self.assertEqual(self.counters.queue_drops, {"too large": 1})

    def test_backlog(self) -> None:
        """A call is refused when too many wait, and none when a worker has begun them."""
        self.call()
        self.call()
        self.assertEqual(self.assertRaises(Fault, self.call).code, BUSY)
        self.say(b"*host")
        self.say(b"*host")
        self.assertEqual(self.counters.queue_waits.counts, {0.01: 1}, "a worker begins once")
        self.call()

    def test_cancelled(self) -> None:
        """A call that is given up is cancelled in the queue, where its result comes late."""
        done = self.call()
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual(self.client.cancelled, self.client.calls)
        self.assertEqual(self.client.calls[0].body, "", "nothing keeps its parameters")
        self.say(b"+x")
        self.assertEqual(self.counters.queue_drops, {"late": 1})
        self.assertEqual(self.pool.waiting(), 0)

    def test_cancelledEarly(self) -> None:
        """A call that is given up while its parameters are written is never sent."""
        done = self.call(["x"] * 5000)
        self.assertEqual(self.client.calls, [])
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.clock.pump([0] * 10)
        self.assertEqual(self.client.calls, [])

    def test_unwritable(self) -> None:
        """Parameters that XML cannot carry fail the call."""
        self.failureResultOf(self.call(object()), Fault)
        done = self.call(*[["x"] * 2000, object()])
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.clock.pump([0] * 10)
        self.assertEqual(self.pool.waiting(), 0)

    def test_look(self) -> None:
        """The figures are those of the latest report."""
        self.assertEqual((self.pool.depths(), self.pool.workers()), ({}, 0))
        self.pool.report(Report(frozenset(), frozenset("ab"), {"netd": 7}))
        self.assertEqual((self.pool.depths(), self.pool.workers()), ({"netd": 7}, 2))

    def test_resent(self) -> None:
        """The message of a call that nobody begins is sent again, as it was."""
        self.call()
        self.sent(self.client.calls[-1])
        self.clock.advance(2)
        self.pool.report(Report(depths={"netd.gpu": 0}))
        first, second = self.client.calls
        self.assertIs(first, second)
        self.assertEqual(self.counters.queue_resent, 1)

    def test_lost(self) -> None:
        """A call that the queue or its worker lost is a fault, and counted."""
        waiting, running = self.call(), self.call()
        gone = self.key(0)
        self.sent(self.client.calls[0])
        self.say(b"*host", 1)
        self.pool.report(Report(frozenset({gone}), frozenset({"other"})))
        texts = [self.failureResultOf(each, Fault).value for each in (waiting, running)]
        self.assertEqual([each.code for each in texts], [INTERNAL] * 2)
        self.assertEqual(self.counters.queue_lost, {"queue": 1, "worker": 1})

    def test_lostTogether(self) -> None:
        """A lost call whose end is the end of another lost one is the only one counted."""
        one, other = self.call(), self.call()
        keys = frozenset(call.key for call in self.client.calls)
        one.addErrback(lambda _: other.cancel())
        self.pool.report(Report(keys))
        self.failureResultOf(other, CancelledError)
        self.assertEqual(self.counters.queue_lost, {"queue": 1})

    def test_state(self) -> None:
        """The log says once that the queue is away, and once that it is back."""
        self.assertEqual(self.pool.up(), 0)
        self.pool.state("results", "")
        self.assertEqual(self.pool.up(), 1)
        self.pool.state("publisher", "ConnectionError: no")
        self.pool.state("results", "TimeoutError: no")
        self.assertEqual(self.pool.up(), 0)
        self.pool.state("publisher", "")
        self.assertEqual(self.pool.up(), 0)
        self.pool.state("results", "")
        self.assertEqual(self.pool.up(), 1)
        away = "the queue redis://h is away, calls wait: ConnectionError: no"
        self.assertEqual(self.lines, [away, "the queue redis://h is back"])

    def test_stop(self) -> None:
        """A stop waits for the last call, then for the client."""
        done = self.call()
        stopped = self.pool.stopService()
        self.assertIsNone(self.client.stopped)
        done.addErrback(lambda _: None)
        done.cancel()
        self.assertEqual(self.client.cancelled, self.client.calls)
        assert self.client.stopped is not None
        self.assertNoResult(stopped)
        self.client.stopped.callback(None)
        self.successResultOf(stopped)
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopHangs(self) -> None:
        """A stop does not wait for a client that hangs."""
        stopped = self.pool.stopService()
        self.clock.advance(STOP_SECONDS)
        self.successResultOf(stopped)
        assert self.client.stopped is not None
        self.client.stopped.callback(None)

    def test_neverStarted(self) -> None:
        """A pool that was not started has no client, stops at once, and is not away."""
        pool = DistributedPool(
            self.clock, cast(Any, self.client), "redis://h", 2, self.counters
        )
        self.assertIsNone(pool.up())
        self.successResultOf(pool.stopService())


class _Reactor(Clock):
    """A clock that threads may have call."""

    def callFromThread(self, function: Callable[[], object]) -> None:
        """Never needed here."""
        raise NotImplementedError


class BuildTests(SynchronousTestCase):
    """
    The pool behind URLs.
    """

    def test_withoutExtra(self) -> None:
        """Without Celery a ValueError says what to install."""
        original = builtins.__import__

        def without(name: str, *rest: Any) -> Any:
            if name == "netd.xmlrpc.queue_client":
                raise ImportError("No module named 'celery'")
            return original(name, *rest)

        self.patch(builtins, "__import__", without)
        url = QueueURL.parse("redis://h")
        wrong = self.assertRaises(
            ValueError, distributed.build, Clock(), url, None, 1, Counters()
        )
        self.assertIn("netd-workbench[celery]", str(wrong))

    def test_connected(self) -> None:
        """With it the pool is made, and nothing is connected."""
        url, broker = QueueURL.parse("redis://h"), QueueURL.parse("amqp://h", AMQP)
        for each in (None, broker):
            pool = distributed.build(_Reactor(), url, each, 1, Counters())
            self.assertIsInstance(pool, DistributedPool)
            self.assertIsNone(pool.up())


try:
    import celery  # noqa: F401
except ImportError:
    BuildTests.test_connected.skip = "celery is not installed"  # type: ignore[attr-defined]
