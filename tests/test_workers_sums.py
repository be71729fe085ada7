"""
--workers: what is counted, limited and logged over all processes together.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import threading
from contextlib import ExitStack, closing
from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import connect, receive, threads
from tests.running import DEADLINE, Daemon, eventually, shared, temporary_directory
from tests.workers import descriptors, get, metrics, replaced, signal_all, who, workers

_REQUESTS = "netd_http_requests_total"


def _counted(daemon: Daemon, number: int, name: str = "http") -> dict[tuple[str, ...], float]:
    """Wait until so many responses 299 are counted; all samples."""

    def counted() -> dict[tuple[str, ...], float] | None:
        found = metrics(daemon, name)
        return found if found.get((_REQUESTS, "299")) == number else None

    return eventually(counted, f"{number} responses in the metrics")


class MetricsTests(SynchronousTestCase):
    """
    /metrics.
    """

    def test_sum(self) -> None:
        """Metrics of any worker, and of --metrics-http, are those of all together."""
        with Daemon("--workers=2", "--metrics-http=0", "--access-log=off") as daemon:
            with threads(8) as pool:
                statuses = set(pool.map(lambda _: get(daemon, "/status/299")[0], range(100)))
            self.assertEqual(statuses, {299})
            found = _counted(daemon, 100, "metrics-http")
            self.assertEqual(found["netd_http_connections_total",], 100)
            self.assertEqual(found["netd_workers",], 2)
            for number in "12":
                self.assertEqual(found["netd_worker_up", number], 1)
                self.assertGreater(found["netd_worker_resident_memory_bytes", number], 1e6)
                self.assertGreaterEqual(found["netd_worker_cpu_seconds_total", number], 0)
            self.assertGreater(found["process_resident_memory_bytes",], 3e6)

    def test_everyWorker(self) -> None:
        """Each worker gives the same sums."""
        with Daemon("--workers=2", "--access-log=off") as daemon, ExitStack() as clients:
            get(daemon, "/status/299")
            asked: set[bytes] = set()
            number = 1

            def sums(sock: socket.socket) -> bool | None:
                sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
                text = b""
                while b"netd_worker_resident" not in text:
                    text += sock.recv(65_536)
                expected = (
                    b'netd_http_requests_total{code="299"} 1.0\n',
                    b"netd_http_connections_total %d.0\n" % number,
                )
                return True if all(each in text for each in expected) else None

            while asked != {b"1", b"2"} and number < 200:
                sock = clients.enter_context(connect(daemon.address()))
                sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                asked.add(sock.recv(65_536).split(b"worker ")[1][:1])
                number += 1
                # A busy machine may have a worker's counts a second late.
                eventually(partial(sums, sock), "the sums of all")
            self.assertEqual(asked, {b"1", b"2"})

    def test_neverFalls(self) -> None:
        """No counter falls over six kills."""
        with Daemon("--workers=2", "--access-log=off") as daemon:
            before: dict[tuple[str, ...], float] = {}
            for number in range(1, 7):
                for _ in range(20):
                    get(daemon, "/status/299")
                now = _counted(daemon, 20 * number)
                for name, value in before.items():
                    if name[0].endswith(("_total", "_count", "_bucket")):
                        self.assertGreaterEqual(now.get(name, 0), value, name)
                before = now
                gone = workers(daemon)[0]
                os.kill(gone, signal.SIGKILL)
                replaced(daemon, gone, 2)
            now = _counted(daemon, 120)
            restarts = [v for k, v in now.items() if k[0] == "netd_worker_restarts_total"]
            self.assertEqual(sum(restarts), 6)

    def test_busy(self) -> None:
        """A worker that stands still is represented by what is known of it."""
        with Daemon("--workers=2", "--worker-timeout=0", "--metrics-http=0") as daemon:
            get(daemon, "/status/299")
            _counted(daemon, 1, "metrics-http")
            both = workers(daemon)
            signal_all(both, signal.SIGSTOP)
            self.assertEqual(metrics(daemon, "metrics-http")[_REQUESTS, "299"], 1)
            signal_all(both, signal.SIGCONT)


class KeyTests(SynchronousTestCase):
    """
    What clients share by a key.
    """

    def test_retry(self) -> None:
        """/retry and fail_first fail as often as they say, over all workers."""
        with shared("--workers=3") as daemon:
            for path in ("/retry/3/a", "/echo?fail_first=3&key=b&delay=0", "/retry/3/c"):
                statuses = [get(daemon, path)[0] for _ in range(8)]
                self.assertEqual(statuses, 2 * [503, 503, 503, 200], path)

    def test_forgotten(self) -> None:
        """DELETE forgets a key in all workers."""
        with shared("--workers=3") as daemon:
            for _ in range(4):
                self.assertEqual([get(daemon, "/retry/2/f")[0] for _ in range(2)], [503, 503])
                connection = http.client.HTTPConnection(*daemon.address(), timeout=DEADLINE)
                with closing(connection):
                    connection.request("DELETE", "/retry/2/f")
                    forgotten = json.load(connection.getresponse())
                self.assertEqual(forgotten, {"forgotten": 2, "key": "f"})

    def test_replaced(self) -> None:
        """The counts survive a worker."""
        with Daemon("--workers=2") as daemon:
            self.assertEqual(get(daemon, "/retry/2/a")[0], 503)
            for gone in workers(daemon):
                os.kill(gone, signal.SIGKILL)
                replaced(daemon, gone, 2)
            self.assertEqual([get(daemon, "/retry/2/a")[0] for _ in range(2)], [503, 200])


class LimitTests(SynchronousTestCase):
    """
    Limits that hold for all workers together.
    """

    def test_connections(self) -> None:
        """--connections limits the sum of all workers."""
        options = ("--workers=2", "--connections=20", "--metrics-http=0", "--access-log=off")
        head = b"POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
        with Daemon(*options) as daemon, ExitStack() as clients:
            # A request whose body is missing keeps its connection from being closed as idle.
            for number in range(1, 41):
                sock = clients.enter_context(connect(daemon.address()))
                sock.sendall(head)
                _accepted(daemon, number)
            # Each worker learns of a connection that the other accepts at the same time late.
            eventually(partial(_refused, daemon, "connections", 40 - 20), "the limit")

    def test_waiting(self) -> None:
        """--waiting limits the responses that wait in all workers together."""
        options = ("--workers=2", "--waiting=10", "--metrics-http=0", "--max-delay=1h")
        with Daemon(*options) as daemon, ExitStack() as clients:
            for number in range(1, 21):
                sock = clients.enter_context(connect(daemon.address()))
                sock.sendall(b"GET /delay/1h HTTP/1.1\r\nHost: a\r\n\r\n")
                _accepted(daemon, number)
            eventually(partial(_refused, daemon, "waiting", 20 - 10), "the limit")


def _accepted(daemon: Daemon, number: int) -> None:
    """Wait until so many connections have been accepted."""

    def accepted() -> bool | None:
        count = metrics(daemon, "metrics-http")["netd_http_connections_total",]
        return True if count >= number else None

    eventually(accepted, f"connection {number}")


def _refused(daemon: Daemon, reason: str, number: int) -> bool | None:
    """True when so many were refused for a reason, or one less."""
    refusals = metrics(daemon, "metrics-http").get(("netd_refusals_total", reason), 0.0)
    return True if number - refusals in (0, 1) else None


class BalanceTests(SynchronousTestCase):
    """
    How connections spread.
    """

    def test_kept(self) -> None:
        """Kept connections, opened one after the other or at once, spread over all workers."""
        with Daemon("--workers=4", "--access-log=off") as daemon, ExitStack() as clients:

            def uneven(opened: int) -> bool:
                for _ in range(200):
                    sock = clients.enter_context(connect(daemon.address()))
                    sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                    sock.recv(65_536)

                def complete() -> list[int] | None:
                    counts = _connections(daemon)
                    # The one that asks, too; those that asked before may be open still.
                    return counts if sum(counts) > opened + 200 else None

                counts = sorted(eventually(complete, "the connections of all"))
                return not counts[0] or sum(counts[2:]) > 0.95 * sum(counts)

            # Without balance one or two have nearly all.  A worker for which a busy machine
            # has no time takes fewer, and more of later ones.
            self.assertFalse(all(uneven(200 * turn) for turn in range(5)))


def _connections(daemon: Daemon) -> list[int]:
    """The open connections of each worker."""
    found = metrics(daemon)
    return [int(v) for k, v in found.items() if k[0] == "netd_worker_connections_open"]


class LogTests(SynchronousTestCase):
    """
    The log of all processes.
    """

    _LINE = re.compile(
        r'127\.0\.0\.1 - - \[[^]]+\] "GET /status/299\?\d+ HTTP/1\.1" 299 0 "-" "-"'
    )

    def requests(self, daemon: Daemon, number: int = 400) -> None:
        """So many requests, over all workers."""

        def some(start: int) -> None:
            for each in range(start, number, 8):
                get(daemon, f"/status/299?{each}")

        with threads(8) as pool:
            list(pool.map(some, range(8)))

    def whole(self, lines: list[str]) -> list[str]:
        """The lines of responses, each of which is whole."""
        found = [line for line in lines if "/status/299" in line]
        torn = [line for line in found if self._LINE.fullmatch(line) is None]
        self.assertEqual(torn, [])
        return found

    def test_file(self) -> None:
        """Each response is one whole line of the file, over a rotation and a kill, too."""
        with temporary_directory() as folder:
            log, old = folder / "access", folder / "access.1"
            with Daemon("--workers=4", f"--access-log={log}") as daemon:
                self.requests(daemon)
                log.rename(old)
                daemon.signal(signal.SIGUSR1)
                eventually(lambda: True if log.exists() else None, "a new file")
                self.requests(daemon)

                def reopened() -> bool | None:
                    links = [
                        link for pid in workers(daemon) for link in descriptors(pid).values()
                    ]
                    return True if str(old) not in links else None

                eventually(reopened, "the new file in all workers")
                daemon.stop()
            lines = log.read_text().splitlines() + old.read_text().splitlines()
            self.assertEqual(len(self.whole(lines)), 800)

    def test_pipe(self) -> None:
        """Each response is one whole line of a pipe, and a line that is too long is cut."""
        with temporary_directory() as folder:
            fifo = folder / "fifo"
            os.mkfifo(fifo)
            received: list[bytes] = []

            def read() -> None:
                with open(fifo, "rb") as file:
                    received.extend(file)

            reader = threading.Thread(target=read)
            reader.start()
            with Daemon("--workers=4", f"--access-log={fifo}") as daemon:
                self.requests(daemon)
                get(daemon, f"/get?{6000 * 'a'}")
                daemon.stop()
            reader.join(DEADLINE)
            self.assertEqual(
                len(self.whole([line.decode().rstrip("\n") for line in received])), 400
            )
            (long,) = [line for line in received if b"aaaa" in line]
            self.assertEqual(len(long), 4096)

    def test_refusals(self) -> None:
        """The line of a refusal has its fields, and the number of the worker that refuses."""
        options = ("--workers=2", "--log=json", "--proxy-from=192.0.2.1")
        with Daemon(*options) as daemon:
            with connect(daemon.address()) as sock, contextlib.suppress(ConnectionResetError):
                sock.sendall(b"PROXY TCP4 192.0.2.9 192.0.2.2 4711 80\r\n")
                receive(sock)
            daemon.logged("proxy-forged")
            daemon.stop()
            records = [json.loads(line) for line in daemon.log.splitlines()]
        (event,) = (each for each in records if each.get("refusal") == "proxy-forged")
        self.assertEqual((event["peer"], event["listener"]), ("127.0.0.1", "http"))
        self.assertIn(event["worker"], (1, 2))

    def test_events(self) -> None:
        """Lines of a worker say whose they are; SIGUSR2 shows the status of each."""
        with Daemon("--workers=2", "--log=json") as daemon:
            _, pid = who(daemon)
            get(daemon, "/status/299?1")
            daemon.signal(signal.SIGUSR2)
            for number in (1, 2):
                log = daemon.logged(f"state: worker {number}: counters")
            daemon.stop()
            records = [json.loads(line) for line in daemon.log.splitlines() if line[0] == "{"]
            responses = [each for each in records if each["event"] == "access"]
            self.assertLessEqual({each["worker"] for each in responses}, {1, 2})
            self.assertIn("state: worker 1: services: http=", log)
            self.assertRegex(log, r"state: processes: worker 1=\d+ worker 2=\d+")
            self.assertIn(str(pid), log)
