"""
Distributed calls when Redis, RabbitMQ, workers and connections fail.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import random
import shutil
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.faults import INTERNAL
from tests.programs import needs
from tests.queues import (
    Calls,
    RabbitMQ,
    Redis,
    Worker,
    celery_needed,
    code_of,
    daemon,
    metric,
    proxy,
    serving,
)
from tests.running import DEADLINE, Daemon, eventually, temporary_directory


def _state(netd: Daemon, busy: int, waiting: int) -> None:
    def there() -> bool | None:
        both = [metric(netd, f"netd_rpc_{name}") for name in ("workers_busy", "calls_queued")]
        return both == [busy, waiting] or None

    eventually(there, f"{busy} running and {waiting} waiting calls")


@functools.cache
def _shared() -> tuple[Redis, Worker, Daemon]:
    """Redis with AOF, a worker and a daemon, whose outages end well."""
    stack = ExitStack()
    redis = stack.enter_context(Redis("--appendonly", "yes", "--appendfsync", "always"))
    worker, netd = stack.enter_context(serving(redis.url))
    # Last, so that it is done before anything else of theirs at the exit.
    atexit.register(stack.close)
    return redis, worker, netd


@celery_needed
@needs("redis-server", "redis-cli")
class OutageTests(SynchronousTestCase):
    """
    Redis goes away, and comes back.
    """

    def outage(self, stop: Callable[[Redis], None], start: Callable[[Redis], None]) -> Calls:
        """Two calls run and three wait during the outage, another one is made in it."""
        redis, worker, netd = _shared()
        release = self.enterContext(temporary_directory()) / "release"
        away = netd.log.count("is away, calls wait")
        calls = Calls(netd, "until", *[(str(release),)] * 5)
        _state(netd, 2, 3)
        stop(redis)

        def count(text: str) -> bool | None:
            return netd.log.count(text) == away + 1 or None

        eventually(lambda: count("is away, calls wait"), "the outage")
        self.assertEqual(metric(netd, "netd_rpc_queue_up"), 0)
        later = Calls(netd, "same", (1,))
        release.touch()
        start(redis)
        eventually(lambda: count(" is back"), "the end of the outage")
        self.assertEqual(later.ended(), {(0, "1"): 1})
        self.assertEqual(netd.log.count("is away"), away + 1)
        self.assertIsNone(worker.process.poll())
        self.assertNotIn("DUMP STATE TO FILE", worker.log)
        return calls

    def test_persistent(self) -> None:
        """
        With AOF no call is lost when Redis is killed and started again.
        """
        calls = self.outage(lambda redis: redis.end(signal.SIGKILL), Redis.start)
        self.assertEqual(calls.ended(), {(0, "True"): 5})

    def test_forgetful(self) -> None:
        """
        Without persistence the calls that wait are faults, the running one ends well.
        """

        def start(redis: Redis) -> None:
            shutil.rmtree(redis.folder / "appendonlydir")
            redis.start()

        before = metric(_shared()[2], self.lost)
        calls = self.outage(lambda redis: redis.end(signal.SIGKILL), start)
        lost = (INTERNAL, "the queue lost this call")
        self.assertEqual(calls.ended(), {(0, "True"): 2, lost: 3})
        self.assertEqual(metric(_shared()[2], self.lost), before + 3)

    lost = 'netd_rpc_queue_lost_total{why="queue"}'

    def test_frozen(self) -> None:
        """
        All calls end well when Redis stands still for longer than a socket may wait.
        """
        calls = self.outage(
            lambda redis: redis.send(signal.SIGSTOP), lambda redis: redis.send(signal.SIGCONT)
        )
        self.assertEqual(calls.ended(), {(0, "True"): 5})

    def test_awayAtStart(self) -> None:
        """
        A Redis that is away stops no start; the calls wait for it.
        """
        redis = Redis()
        worker = self.enterContext(Worker(redis.url))
        netd = self.enterContext(daemon(redis.url))
        calls = Calls(netd, "same", ("early",))
        netd.logged("is away")
        self.enterContext(redis)
        worker.ready()
        self.assertEqual(calls.ended(), {(0, "'early'"): 1})

    def test_killedDaemon(self) -> None:
        """
        The stream of a killed daemon expires; its running call ends without a trace of it.
        """
        redis, _, _ = _shared()
        others = set(redis.cli("KEYS", "netd:to:*").split())
        netd = self.enterContext(daemon(redis.url))
        end = self.enterContext(temporary_directory()) / "end"
        Calls(netd, "until", (str(end),))
        _state(netd, 1, 0)
        netd.signal(signal.SIGKILL)
        netd.ended()
        end.touch()
        (key,) = set(redis.cli("KEYS", "netd:to:*").split()) - others
        eventually(lambda: redis.cli("XLEN", key) != "0" or None, "the result")
        self.assertLess(0, int(redis.cli("TTL", key)))


@celery_needed
@needs("redis-server", "redis-cli", "rabbitmq-server", "epmd")
class RabbitMQTests(SynchronousTestCase):
    """
    Messages go through RabbitMQ.
    """

    def test_killed(self) -> None:
        """
        Calls end well although RabbitMQ is killed and started again with calls in it; a worker
        with a wrong password ends with a line that says so.
        """
        rabbit = self.enterContext(RabbitMQ())
        redis = self.enterContext(Redis())
        options = ("--rpc-broker", rabbit.url)
        wrong = rabbit.url.replace(":guest@", ":wrong@")
        stranger = self.enterContext(Worker(redis.url, NETD_RPC_BROKER=wrong))
        worker, netd = self.enterContext(
            serving(redis.url, *options, processes=1, NETD_RPC_BROKER=rabbit.url)
        )
        self.assertEqual(proxy(netd).same([1]), [1])
        self.assertNotIn("guest:guest", netd.log + worker.log)
        end = self.enterContext(temporary_directory()) / "end"
        calls = Calls(netd, "until", *[(str(end),)] * 3)
        _state(netd, 1, 2)
        self.assertEqual(redis.cli("LLEN", "netd"), "0")
        stranger.process.wait(DEADLINE)
        self.assertIn("Unrecoverable error: AccessRefused(403", stranger.log)
        self.assertNotIn("Traceback", stranger.log)
        rabbit.kill()
        end.touch()
        netd.logged("is away")
        rabbit.start()
        self.assertEqual(calls.ended(), {(0, "True"): 3})


class Cutter:
    """A TCP proxy whose connections can be cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                front, _ = self._listener.accept()
                try:
                    back = socket.create_connection(("127.0.0.1", self._target), 2)
                except OSError:
                    front.close()
                    continue
                back.settimeout(None)
                self._pairs.append((front, back))
                for one, other in ((front, back), (back, front)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for sock in (one, other):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def cut(self, chance: random.Random) -> int:
        """Cut some of the connections; how many."""
        cut = [pair for pair in self._pairs if chance.random() < 0.5]
        for pair in cut:
            self._pairs.remove(pair)
            for sock in pair:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()
        return len(cut)

    def close(self) -> None:
        """Accept no more, and close all."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        while self._pairs:
            for sock in self._pairs.pop():
                sock.close()


@celery_needed
@needs("redis-server", "redis-cli")
class ChaosTests(SynchronousTestCase):
    """
    Everything fails at the same time.
    """

    seconds = float(os.environ.get("NETD_TEST_CHAOS", "5"))

    def test_chaos(self) -> None:
        """
        With connections cut, Redis frozen and processes killed no call runs twice or hangs.
        """
        chance = random.Random(20)
        folder = self.enterContext(temporary_directory())
        redis = self.enterContext(Redis())
        cutter = Cutter(redis.port)
        self.addCleanup(cutter.close)
        url = f"redis://127.0.0.1:{cutter.port}/0"
        workers = [self.enterContext(Worker(url)) for _ in range(2)]
        netd = self.enterContext(daemon(url))
        for worker in workers:
            worker.ready()
        outcomes: list[tuple[int, str]] = []
        slowest = [0.0]
        end = time.monotonic() + self.seconds

        def client(number: int) -> None:
            server, count = proxy(netd), 0
            while time.monotonic() < end:
                count += 1
                began = time.monotonic()
                outcomes.append(code_of(server.mark, str(folder / f"{number}-{count}"), 0.01))
                slowest[0] = max(slowest[0], time.monotonic() - began)

        threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        events: Counter[str] = Counter()
        while time.monotonic() < end:
            time.sleep(0.5)
            events["cut"] += cutter.cut(chance)
            dice = chance.random()
            if dice < 0.15:
                if children := workers[0].children():
                    events["child"] += 1
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(chance.choice(children), signal.SIGKILL)
            elif dice < 0.22:
                events["freeze"] += 1
                redis.send(signal.SIGSTOP)
                time.sleep(0.6)
                redis.send(signal.SIGCONT)
        for thread in threads:
            thread.join(DEADLINE)
            self.assertFalse(thread.is_alive(), "a call hangs")
        died = {"the process that ran mark died", "the worker died"}
        codes = Counter(code if text not in died else "died" for code, text in outcomes)
        summary = f"{codes} {events} slowest {slowest[0]:.1f} s"
        runs = Counter(len(path.read_text().split()) for path in folder.iterdir())
        self.assertEqual(set(runs), {1}, f"{runs}: a call ran twice; {summary}")
        self.assertEqual(set(codes) - {0, "died"}, set(), f"{Counter(outcomes)} {summary}")
        self.assertGreater(codes[0], 0)
        self.assertLessEqual(codes["died"], events["child"])
        Path(self.mktemp()).write_text(summary)
