"""
Offloaded calls on real Celery workers, over a real Redis.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import socket
import threading
import urllib.request
import xmlrpc.client
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.faults import APPLICATION, BUSY, INTERNAL, TIMEOUT, TOO_LARGE
from tests.certificates import certificate
from tests.clients import reset
from tests.programs import needs
from tests.queues import (
    Calls,
    Redis,
    Worker,
    celery_needed,
    code_of,
    daemon,
    metric,
    proxy,
    serving,
)
from tests.running import (
    DEADLINE,
    MODULE,
    Daemon,
    alive,
    environment,
    eventually,
    run,
    run_netd,
    temporary_directory,
)
from tests.workers import replaced, workers


@functools.cache
def _shared(processes: int = 2) -> tuple[Redis, Worker, Daemon]:
    """Redis, a worker and a daemon, for tests that leave them as they are."""
    stack = ExitStack()
    redis = stack.enter_context(Redis())
    worker, netd = stack.enter_context(serving(redis.url, processes=processes))
    # Last, so that it is done before anything else of theirs at the exit.
    atexit.register(stack.close)
    return redis, worker, netd


def _begin(netd: Daemon, method: str, *parameters: object) -> socket.socket:
    """A connection on which the call is made."""
    values: Any = parameters
    body = xmlrpc.client.dumps(values, method, allow_none=True).encode()
    sock = socket.create_connection(netd.address())
    head = "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
    sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return sock


def _busy(netd: Daemon, count: int) -> None:
    eventually(lambda: metric(netd, "netd_rpc_workers_busy") == count or None, "busy workers")


def _says(redis: Redis, text: str, *words: str) -> None:
    """Wait until redis-cli prints `text`."""
    eventually(lambda: redis.cli(*words) == text or None, f"{text} of {words}")


def _messages(redis: Redis, count: int) -> None:
    _says(redis, str(count), "LLEN", "netd")


@celery_needed
@needs("redis-server", "redis-cli")
class CallTests(SynchronousTestCase):
    """
    Calls of a daemon, run by workers.
    """

    def share(self, processes: int = 2) -> Daemon:
        """A shared daemon, whose worker has so many processes."""
        self.redis, self.worker, netd = _shared(processes)
        return netd

    def test_outcomes(self) -> None:
        """
        Values come back the same, faults are those of the local pool, output is logged.
        """
        netd = self.share()
        server = proxy(netd)
        value: Any
        for value in (
            *(
                1,
                -(2**31),
                2**31 - 1,
                1.5,
                1e-300,
                True,
                "",
                " é\n\t&<>",
                b"\0\xff",
                None,
                [],
                {},
            ),
            {"__type__": "bytes", "__value__": "x", "a": [{"b": [b"c"]}]},
            datetime(2026, 11, 22, 14, 8, 55),
        ):
            self.assertEqual(server.same(value), value)
        self.assertIs(server.say("said to the log"), True)
        # A dateTime reaches the function with its fraction and zone; netd sends whole seconds.
        value = (
            "<value><dateTime.iso8601>2026-11-22T14:08:55.25+02:00</dateTime.iso8601></value>"
        )
        parameter = f"<params><param>{value}</param></params>"
        body = f"<methodCall><methodName>text</methodName>{parameter}</methodCall>"
        self.assertIn(b"2026-11-22 14:08:55.250000+02:00", self.post(netd, body))
        self.worker.logged("said to the log")
        code, text = code_of(server.boom)
        self.assertEqual(code, APPLICATION)
        self.assertIn("ZeroDivisionError", netd.logged(text.partition("(id ")[2].rstrip(")")))
        self.assertEqual(code_of(server.fault), (77, "on purpose"))
        self.assertEqual(code_of(server.big, 9_000_000)[0], TOO_LARGE)
        self.assertEqual(server.big(6_000_000), bytes(6_000_000))
        self.assertEqual(code_of(server.die), (INTERNAL, "the process that ran die died"))
        self.worker.logged("Task handler raised error: WorkerLostError")
        self.assertNotIn("Traceback", self.worker.log)
        self.assertEqual(server.sleep(0.0), 0.0)
        self.assertEqual(metric(netd, "netd_rpc_queue_up"), 1)
        self.assertGreater(metric(netd, "netd_rpc_queue_run_seconds_count"), 15)
        for key in self.streams():
            _says(self.redis, "0", "XLEN", key)
            self.assertGreater(int(self.redis.cli("TTL", key)), 60)
        # Logged on purpose.
        netd.check = lambda: None  # type: ignore[method-assign]

    def post(self, netd: Daemon, body: str) -> bytes:
        """The body of the response."""
        request = urllib.request.Request(
            f"{netd.url}/RPC2", body.encode(), {"Content-Type": "text/xml"}
        )
        with urllib.request.urlopen(request) as response:
            return bytes(response.read())

    def test_once(self) -> None:
        """
        A message that is in the queue three times runs once; a cancelled one never.
        """
        netd = self.share(processes=1)
        folder = self.enterContext(temporary_directory())
        once, never, end = folder / "once", folder / "never", folder / "end"
        waiting = [_begin(netd, "until", str(end))]
        _busy(netd, 1)
        waiting.append(_begin(netd, "mark", str(once), 0.0))
        _messages(self.redis, 1)
        message = self.redis.cli("LINDEX", "netd", "0")
        for _ in range(2):
            self.redis.cli("RPUSH", "netd", message)
        sock = _begin(netd, "mark", str(never), 0.0)
        _messages(self.redis, 4)
        key = json.loads(self.redis.cli("LINDEX", "netd", "0"))["headers"]["id"]
        reset(sock)
        _says(self.redis, "0", "GET", f"netd:call:{key}")
        end.touch()
        # The first call in the queue is the last to run.
        self.assertEqual(proxy(netd).sleep(0.0), 0.0)
        _messages(self.redis, 0)
        self.assertEqual(proxy(netd).sleep(0.0), 0.0)
        self.assertEqual(len(once.read_text().split()), 1)
        self.assertFalse(never.exists())
        for sock in waiting:
            reset(sock)

    def test_clientLeaves(self) -> None:
        """
        The process of a call whose client leaves is killed, and free for the next call.
        """
        netd = self.share(processes=1)
        eventually(lambda: self.worker.children() or None, "the worker's process")
        (child,) = self.worker.children()
        sock = _begin(netd, "sleep", 200.0)
        _busy(netd, 1)
        reset(sock)
        self.assertEqual(proxy(netd).sleep(0.0), 0.0)
        self.assertFalse(alive(child))
        self.assertEqual(metric(netd, "netd_rpc_workers_busy"), 0)

    def test_backlog(self) -> None:
        """
        One call more than --rpc-backlog waits for a worker: fault -32000.
        """
        self.redis = self.enterContext(Redis())
        netd = self.enterContext(daemon(self.redis.url, "--rpc-backlog", "2"))
        waiting = [_begin(netd, "sleep", 0.0) for _ in range(2)]
        queued = "netd_rpc_calls_queued"
        eventually(lambda: metric(netd, queued) == 2 or None, "two calls")
        self.assertEqual(code_of(proxy(netd).sleep, 0.0)[0], BUSY)
        for sock in waiting:
            reset(sock)

    def test_queues(self) -> None:
        """
        A method with a queue of its own waits for a worker of that queue.
        """
        netd = self.share()
        worker = self.enterContext(Worker(self.redis.url, "-Q", "netd.gpu", processes=1))
        worker.send(signal.SIGSTOP)
        fault = code_of(proxy(netd).gpu_soon)
        self.assertEqual(fault, (TIMEOUT, "gpu_soon waited 1 s for a worker"))
        worker.send(signal.SIGCONT)
        worker.ready()
        self.assertEqual(proxy(netd).gpu(), "gpu")

    def test_versions(self) -> None:
        """
        A worker does not run a method with another signature, nor one that it lacks.
        """
        self.share()
        netd = self.enterContext(daemon(self.redis.url, NETD_TEST_VERSION="2"))
        text = "the worker has another version of changed"
        self.assertEqual(code_of(proxy(netd).changed, "x"), (INTERNAL, text))
        text = "the worker has no method added"
        self.assertEqual(code_of(proxy(netd).added), (INTERNAL, text))
        # Celery's own line has the call, with its parameters.
        self.worker.logged("the worker has no method added")
        self.assertNotIn("<methodName>added", self.worker.log)

    def test_twoDaemons(self) -> None:
        """
        Two daemons on one Redis get their own results, and both processes of the worker work.
        """
        daemons = [self.share(), self.enterContext(daemon(self.redis.url))]
        results: dict[int, list[object]] = {0: [], 1: []}

        def client(number: int) -> None:
            server = proxy(daemons[number])
            results[number] = [server.same([number, count]) for count in range(40)]

        threads = [threading.Thread(target=client, args=(number,)) for number in results]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number, values in results.items():
            self.assertEqual(values, [[number, count] for count in range(40)])

    def test_workerGone(self) -> None:
        """
        A worker that is gone with its machine fails its running call only, within seconds; one
        that is stopped at once (SIGQUIT) fails it too, which is no bug of the function.
        """
        netd = self.share()
        arguments = (self.redis.url, "-Q", "netd.far")
        worker = self.enterContext(Worker(*arguments, processes=1))
        calls = Calls(netd, "far", (200.0,))
        _busy(netd, 1)
        worker.kill()
        waiting = Calls(netd, "far", (0.0,))
        other = self.enterContext(Worker(*arguments, processes=1))
        self.assertEqual(waiting.ended(), {(0, "0.0"): 1})
        self.assertEqual(calls.ended(), {(INTERNAL, "the worker died"): 1})
        calls = Calls(netd, "far", (200.0,))
        _busy(netd, 1)
        other.send(signal.SIGQUIT)
        died = {(INTERNAL, "the process that ran far died"): 1}
        self.assertEqual(calls.ended(), died)

    def test_workers(self) -> None:
        """
        With --workers each process gets the results of its own calls, one in a dead one's
        place too; the figures are those of all.
        """
        self.share()
        others = self.streams()
        netd = self.enterContext(daemon(self.redis.url, "--workers", "2", "--rpc-backlog", "2"))
        made = 0

        def streams(count: int) -> bool | None:
            nonlocal made
            made += 1
            self.assertEqual(proxy(netd).same(made), made)
            return len(self.streams() - others) == count or None

        eventually(lambda: streams(2), "calls of both processes")
        self.assertEqual(metric(netd, "netd_rpc_queue_run_seconds_count"), made)
        self.assertEqual(metric(netd, "netd_rpc_queue_up"), 1)
        eventually(lambda: metric(netd, "netd_rpc_queue_workers") or None, "a report of all")
        gone = workers(netd)[0]
        os.kill(gone, signal.SIGKILL)
        replaced(netd, gone, 2)
        eventually(lambda: streams(3), "a call of the new process")

    def streams(self) -> set[str]:
        """Where results go."""
        return set(self.redis.cli("KEYS", "netd:to:*").split())

    def test_workerStop(self) -> None:
        """
        SIGTERM lets a worker finish its call; a killed main process takes its children along.
        """
        redis = self.enterContext(Redis())
        other = self.enterContext(Worker(redis.url, "-Q", "netd.gpu"))
        worker, netd = self.enterContext(serving(redis.url, processes=1))
        end = self.enterContext(temporary_directory()) / "end"
        calls = Calls(netd, "until", (str(end),))
        _busy(netd, 1)
        worker.send(signal.SIGTERM)
        worker.logged("Warm shutdown")
        # Its heart goes on, else the daemon would count it as dead.
        beats = redis.cli("ZRANGE", "netd:workers", "0", "0", "WITHSCORES").split()
        later = str(int(beats[1]) + 2)
        eventually(
            lambda: redis.cli("ZCOUNT", "netd:workers", later, "+inf") == "2" or None, "beats"
        )
        end.touch()
        self.assertEqual(calls.ended(), {(0, "True"): 1})
        children = other.ready().children()
        self.assertEqual(len(children), 2)
        other.send(signal.SIGKILL)
        eventually(lambda: None if any(map(alive, children)) else True, "the children's end")

    def test_stop(self) -> None:
        """
        netd stops with calls waiting: they are cancelled, and both its threads end.
        """
        self.redis = self.enterContext(Redis())
        netd = self.enterContext(daemon(self.redis.url, "--grace", "200ms"))
        sock = _begin(netd, "sleep", 1.0)
        _messages(self.redis, 1)
        threads = len(os.listdir(f"/proc/{netd.pid}/task"))
        self.assertEqual(threads, 3)
        self.assertEqual(netd.stop(), -signal.SIGTERM)
        sock.close()
        (key,) = self.redis.cli("KEYS", "netd:call:*").split()
        self.assertEqual(self.redis.cli("GET", key), "0")

    def test_many(self) -> None:
        """
        A thousand waiting calls need no further thread; those of clients that stay all end.
        """
        self.redis = self.enterContext(Redis())
        worker = self.enterContext(Worker(self.redis.url))
        worker.send(signal.SIGSTOP)
        netd = self.enterContext(daemon(self.redis.url, "--rpc-backlog", "1000"))
        calls = [{"methodName": "same", "params": [number]} for number in range(100)]
        sockets = [_begin(netd, "system.multicall", calls) for _ in range(10)]
        _messages(self.redis, 1000)
        self.assertEqual(len(os.listdir(f"/proc/{netd.pid}/task")), 3)
        worker.send(signal.SIGCONT)
        for sock in sockets[3:]:
            reset(sock)
        for sock in sockets[:3]:
            with sock, sock.makefile("rb") as file:
                self.assertIn(b"200 OK", file.readline())


@celery_needed
@needs("redis-server", "redis-cli", "openssl")
class SecretTests(SynchronousTestCase):
    """
    TLS, and a password that nobody sees.
    """

    def test_secrets(self) -> None:
        """
        With TLS, an own CA and a password calls work; no output has the password.
        """
        secret = "s3cr3t-of-redis"  # noqa: S105  # for nobody else
        folder = self.enterContext(temporary_directory())
        leaf, key = certificate(folder)
        options = ("--tls-port", "PORT", "--port", "0", "--tls-auth-clients", "no")
        redis = Redis()
        words = [str(redis.port) if word == "PORT" else word for word in options]
        files = ("--tls-cert-file", str(leaf), "--tls-key-file", str(key))
        authority = ("--tls-ca-cert-file", str(leaf), "--requirepass", secret)
        redis._arguments = (*words, *files, *authority)
        self.enterContext(redis)
        good, wrong = folder / "good", folder / "wrong"
        place = f"@localhost:{redis.port}/0"
        texts = (
            f"rediss://:{secret}x{place}?ssl_ca_certs={leaf}",
            f"rediss://:{secret}{place}",
        )
        good.write_text(f"rediss://:{secret}{place}?ssl_ca_certs={leaf}\n")
        worker, netd = self.enterContext(serving(f"@{good}"))
        self.assertEqual(proxy(netd).same(3), 3)
        outputs = [netd.log, worker.log]
        for text in texts:
            wrong.write_text(text)
            other = self.enterContext(daemon(f"@{wrong}", way=MODULE))
            outputs.append(other.logged("is away"))
            outputs.append(Path(f"/proc/{other.pid}/cmdline").read_text())
            self.assertEqual(outputs[-2].count("is away"), 1)
        printed = run_netd("--print-config", environ=environment(NETD_RPC_QUEUE=text))
        self.assertIn(f"rediss://***{place}", printed.out)
        refused = run_netd("--rpc-queue", f"redis://u:{secret}@h:x")
        self.assertEqual(refused.status, 1)
        outputs += [printed.out, printed.err, refused.out, refused.err]
        for output in outputs:
            self.assertNotIn(secret, output)

    def test_refused(self) -> None:
        """
        What cannot be is one line and status 1, for the daemon and for a worker.
        """
        refused = {
            text: self.enterContext(Worker(url))
            for url, text in (
                ("", "needed by a worker"),
                ("redis://h:x", "valid host and port"),
            )
        }
        for arguments, text in (
            (("--rpc-queue", "http://h"), "not redis://"),
            (("--rpc-broker", "amqp://h"), "needs --rpc-queue"),
            (("--rpc-queue", "@/nowhere"), "No such file"),
        ):
            done = run_netd(*arguments)
            self.assertEqual((done.status, done.err.count("\n")), (1, 1), done.err)
            self.assertIn(text, done.err)
        for text, worker in refused.items():
            worker.process.wait(DEADLINE)
            self.assertIn(text, worker.log)
            self.assertNotIn("Traceback", worker.log)

    def test_withoutExtra(self) -> None:
        """
        Without Celery a daemon with --rpc-queue does not start, and says what is missing; one
        without the option imports neither Celery nor Redis.
        """
        blocked = "import sys; sys.modules['celery'] = None; sys.modules['redis'] = None; "
        start = f"{blocked}from netd.__main__ import main; main()"
        command = (MODULE[0], "-c", start)
        done = run(*command, "--rpc-queue", "redis://h", "--check-config")
        self.assertEqual(done.status, 1)
        self.assertIn("needs netd-workbench[celery]", done.err)
        self.assertEqual(done.err.count("\n"), 1)
        self.assertEqual(run(*command, "--check-config").status, 0)
