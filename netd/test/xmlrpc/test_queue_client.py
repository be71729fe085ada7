"""
The daemon's threads, with a Redis and a broker in memory.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Callable
from math import inf
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SkipTest, SynchronousTestCase

try:
    from celery import Celery

    from netd.xmlrpc import queue_client
    from netd.xmlrpc.celery_app import PAUSE_SECONDS
except ImportError:
    raise SkipTest("celery is not installed") from None

from netd.queue_url import QueueURL
from netd.test.xmlrpc.memory_redis import MemoryRedis
from netd.xmlrpc.in_flight import Call, Report, contract
from netd.xmlrpc.queue_client import QueueClient
from netd.xmlrpc.registry import procedure, rpc


class _Receiver:
    """Notes what it is told, by name."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.told.append((name, *arguments))

    def of(self, name: str) -> list[Any]:
        """What was told by this name."""
        return [
            each[1] if len(each) == 2 else each[1:] for each in self.told if each[0] == name
        ]


class _Reactor:
    """Calls at once."""

    def callFromThread(self, function: Callable[..., None], *arguments: object) -> None:
        """Call it."""
        function(*arguments)


class ClientTests(SynchronousTestCase):
    """
    What is done by threads, done by the test.
    """

    def setUp(self) -> None:
        self.redis, self.receiver = MemoryRedis(), _Receiver()
        self.queue = f"netd-{uuid.uuid4()}"
        app = Celery("test", broker="memory://", set_as_current=False)
        app.conf.update(task_default_queue=self.queue, result_backend=None)
        self.app = app
        self.patch(queue_client, "make_app", lambda *_: app)
        self.patch(queue_client, "redis_client", lambda _: self.redis)
        self.pauses: list[float] = []
        self.patch(time, "sleep", self.pauses.append)
        url = QueueURL.parse("redis://:secret@h")
        self.client = QueueClient(_Reactor(), url)  # type: ignore[arg-type]
        # Without threads.
        self.client._receiver, self.client._name = self.receiver, "d"
        self.calls: dict[str, Call] = {}
        self.client._calls = self.calls
        # The reports are tests of their own.
        self.client._look_at = time.monotonic() + 3600

    def call(self, key: str = "k", left: float = 60.0) -> Call:
        """A call."""
        method = procedure(rpc("m", offload=True, timeout=60.5)(lambda: 1))
        call = Call(key, method, time.monotonic() + left - 60.5, "<xml/>")
        self.calls[key] = call
        self.patch(Call, "queue", self.queue)
        return call

    def publish(self) -> None:
        """Do what was ordered, as the publisher does."""
        self.client._stop_at = inf
        self.client._wake.set()
        worked = False

        def work() -> None:
            nonlocal worked
            if worked and not (self.client._unsent or self.client._cancelled):
                self.client._stop_at = 0.0
                return
            self.client._work()
            worked = True

        self.client._repeat("publisher", work, self.client._reconnect)

    def messages(self) -> list[tuple[dict[str, Any], Any]]:
        """Headers and arguments of what the broker has."""
        found = []
        with self.app.connection_for_read() as connection:
            channel: Any = connection.channel()
            while (message := channel.basic_get(self.queue, no_ack=True)) is not None:
                body = message.body
                if isinstance(body, str) and message.properties["body_encoding"] == "base64":
                    body = base64.b64decode(body)
                found.append((message.headers, json.loads(body)[0]))
        return found

    def test_send(self) -> None:
        """A message marks its call as wanted for what is left of its time, then it is sent."""
        call = self.call()
        self.client.send(call)
        self.publish()
        self.assertEqual(self.redis.values, {"netd:call:k": b"1"})
        self.assertLessEqual(self.redis.expiry["netd:call:k"], 60_000)
        ((headers, arguments),) = self.messages()
        meta = {
            "method": "m",
            "contract": contract(call.method),
            "to": "d",
            "ms": 60_500,
            "keep": 120,
        }
        self.assertEqual(arguments, ["<xml/>", meta])
        self.assertEqual((headers["id"], headers["task"]), ("k", "netd.call"))
        self.assertEqual(headers["shadow"], "netd.m", "what people see")
        self.assertEqual(headers["timelimit"], [66, None])
        self.assertNotIn("xml", headers["argsrepr"])
        self.assertEqual((call.order, call.sent is None), (1, False))
        self.assertEqual(self.receiver.of("state"), [("publisher", "")])

    def test_again(self) -> None:
        """An order that fails is tried again after a pause, on a new connection."""
        self.redis.fails = 7
        self.client.send(self.call())
        self.publish()
        self.assertEqual(len(self.messages()), 1)
        self.assertEqual(self.pauses, [PAUSE_SECONDS] * 7)
        self.assertEqual(self.redis.disconnected, 7)
        states = [("publisher", "ConnectionError: cut"), ("publisher", "")]
        self.assertEqual(self.receiver.of("state"), states)

    def test_brokerAway(self) -> None:
        """A broker that fails gets a new connection; the call's key is not set again."""
        original, failures = self.app.send_task, [OSError("a :secret@ b"), OSError("c")]

        def send(*arguments: Any, **named: Any) -> object:
            if failures:
                raise failures.pop(0)
            return original(*arguments, **named)

        self.patch(self.app, "send_task", send)
        call = self.call()
        self.client.send(call)
        self.publish()
        self.assertEqual(call.order, 3)
        self.assertEqual(len(self.messages()), 1)
        self.assertEqual(self.receiver.of("state")[0], ("publisher", "OSError: a :***@ b"))

    def test_together(self) -> None:
        """Calls that wait are sent together, some at a time, in their order."""
        keys = [str(number) for number in range(20)]
        calls = [self.call(key) for key in keys]
        for call in calls:
            self.client.send(call)
        self.publish()
        self.assertEqual([headers["id"] for headers, _ in self.messages()], keys)
        self.assertEqual([call.order for call in calls], list(range(1, 21)))

    def test_gone(self) -> None:
        """A call's key is set once, so that nobody runs a call whose claim may be gone."""
        call = self.call()
        for _ in range(2):
            self.client.send(call)
            self.publish()
            self.redis.values.clear()
        self.assertEqual(len(self.messages()), 2)
        self.client.send(call)
        self.publish()
        self.assertEqual(self.redis.values, {})

    def test_unwanted(self) -> None:
        """A call that is given up is not sent, and nothing is kept of it in an outage."""
        for key in ("early", "late"):
            call = self.call(key)
            self.client.send(call)
            call.body = ""
            if key == "early":
                self.client.cancel(call)
                self.assertEqual(self.client._unsent, {})
        self.assertEqual(self.client._cancelled, [])
        self.publish()
        self.assertEqual(self.messages(), [])
        self.assertEqual(self.client._unsent, {})

    def test_cancel(self) -> None:
        """A cancelled call has a key that says so, for longer than its worker may need."""
        call = self.call()
        self.client.send(call)
        self.publish()
        self.client.cancel(call)
        self.redis.fails = 2
        self.publish()
        self.assertEqual(self.redis.values, {"netd:call:k": b"0"})
        self.assertEqual(self.redis.expiry["netd:call:k"], 120_000)
        self.assertEqual(self.client._cancelled, [])

    def test_givenUpMeanwhile(self) -> None:
        """A call that is given up while its key is set is not sent."""
        call = self.call()
        original = self.redis.execute

        def execute() -> list[object]:
            call.body = ""
            self.client.cancel(call)
            return original()

        self.redis.execute = execute  # type: ignore[method-assign]
        self.client.send(call)
        self.publish()
        self.assertEqual(self.messages(), [])

    def test_keep(self) -> None:
        """Results are kept for as long as those of the longest call, and a minute more."""
        for key in ("a", "b"):
            call = self.call(key)
            call.method = evolve(call.method, timeout=90.0 if key == "a" else 1.0)
            self.client.send(call)
            self.publish()
        keeps = [arguments[1]["keep"] for _, arguments in self.messages()]
        self.assertEqual(keeps, [150, 150])

    def test_report(self) -> None:
        """A report has the calls that were sent and are gone, who is alive, and the depths."""
        there, gone, running = self.call("there"), self.call("gone"), self.call("running")
        self.call("unsent")
        gone.sent = running.sent = 1.0
        running.host = "alive"
        self.redis.members = {b"alive"}
        self.client.send(there)
        self.client._look_at = 0.0
        self.publish()
        (report,) = self.receiver.of("report")
        self.assertIsInstance(report, Report)
        self.assertEqual((report.gone, report.workers), ({"gone"}, {"alive"}))
        self.assertEqual(report.depths, {self.queue: 1, "netd": 0})
        self.publish()
        self.assertEqual(len(self.receiver.of("report")), 1, "it is not time")

    def test_reportFails(self) -> None:
        """After a failure a report is made at once, and has only the time since then."""
        self.redis.fails = 2
        self.client._look_at = 0.0
        self.publish()
        (report,) = self.receiver.of("report")
        self.assertLess(report.steady, 45)
        self.assertEqual(self.pauses, [PAUSE_SECONDS] * 2)

    def test_back(self) -> None:
        """The queue is back when a command has worked, not when nothing is left to be done."""
        call = self.call()
        self.client.send(call)
        self.redis.fails = 3

        def sleep(seconds: float) -> None:
            self.pauses.append(seconds)
            call.body = ""
            self.client.cancel(call)

        self.patch(time, "sleep", sleep)
        self.publish()
        self.assertEqual(len(self.pauses), 3)
        states = [("publisher", "ConnectionError: cut"), ("publisher", "")]
        self.assertEqual(self.receiver.of("state"), states)

    def test_steady(self) -> None:
        """What can be reached is steady from its last failure on; at first it always was."""
        now = [1000.0]
        self.patch(time, "monotonic", lambda: now[0])
        self.client._look_at = 0.0
        self.publish()
        self.client._reconnect()
        now[0] += 3
        self.publish()
        steady = [report.steady for report in self.receiver.of("report")]
        self.assertEqual(steady, [1000, 3])

    def test_flushed(self) -> None:
        """A stop ends when nothing is left to be done."""
        call = self.call()
        call.order = 1
        self.client.cancel(call)
        ended = self.client.stop()
        self.end_publisher()
        self.successResultOf(ended)
        self.assertEqual(self.redis.values, {"netd:call:k": b"0"})
        self.assertEqual(self.pauses, [])
        self.assertEqual(self.receiver.of("state"), [])

    def end_publisher(self) -> None:
        """Do what the publisher's thread does, which ends the reader's."""
        reader = threading.Thread(target=int)
        reader.start()
        self.client._publish(reader)

    def test_flush(self) -> None:
        """A stop flushes for a second, then orders are dropped."""
        now = [1000.0]
        self.patch(time, "monotonic", lambda: now[0])

        def sleep(seconds: float) -> None:
            now[0] += seconds

        self.patch(time, "sleep", sleep)
        self.redis.fails = 1000
        call = self.call()
        call.order = 1
        self.client.cancel(call)
        self.client.stop()
        self.end_publisher()
        self.assertLess(now[0], 1002)
        self.assertEqual(self.redis.values, {})

    def read(self, stop_after: int) -> None:
        """Read until the receiver was told so often."""

        def tell(function: Callable[..., None], *arguments: object) -> None:
            function(*arguments)
            if len(self.receiver.told) >= stop_after:
                self.client._stop_at = 0

        self.patch(self.client, "_tell", tell)
        self.client._read()

    def test_entries(self) -> None:
        """Entries are told in order, those of strangers too, and then removed."""
        self.redis.xadd("netd:to:d", {b"*k": b"h"})
        self.redis.xadd("netd:to:d", {b"+k": b"x"})
        self.redis.xadd("netd:to:d", {b"other": b"x", b"more": b""})
        self.read(2)
        expected = [[(b"*k", b"h"), (b"+k", b"x"), (b"other", b"x"), (b"more", b"")]]
        self.assertEqual(self.receiver.of("entries"), expected)
        self.client._read_more()
        self.assertEqual(self.redis.streams, {"netd:to:d": []})

    def test_readerReconnects(self) -> None:
        """After a failure the reader connects again and begins at the beginning."""
        self.redis.fails = 2
        self.read(2)
        states = [("results", "ConnectionError: cut"), ("results", "")]
        self.assertEqual(self.receiver.of("state"), states)
        self.assertEqual(self.pauses, [PAUSE_SECONDS] * 2)
        self.assertEqual(self.redis.disconnected, 2)

    def test_readerStops(self) -> None:
        """A failure during a stop ends the reader without a word."""

        def xread(*_: object, **__: object) -> None:
            self.client._stop_at = 0
            raise OSError("closed")

        self.redis.xread = xread  # type: ignore[method-assign]
        self.client._read()
        self.assertEqual(self.receiver.told, [])

    def test_threads(self) -> None:
        """Both threads start, and end by a stop, which fires last."""
        calls: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        there = threading.Event()

        def later(function: Callable[..., None], *arguments: object) -> None:
            calls.append((function, arguments))
            if function == self.client._ended.callback:
                there.set()

        self.patch(self.client, "_tell", later)
        self.client._results = MemoryRedis()  # type: ignore[assignment]
        self.client.start(self.receiver, self.calls)
        ended = self.client.stop()
        self.assertTrue(there.wait(60))
        for function, arguments in calls:
            self.assertNoResult(ended)
            function(*arguments)
        self.successResultOf(ended)
        names = {thread.name for thread in threading.enumerate()}
        self.assertNotIn("rpc-publisher", names)
        self.assertRegex(self.client._name, "^[0-9a-f]{16}$")
