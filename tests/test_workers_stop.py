"""
--workers: the end of all processes.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import ExitStack
from functools import partial
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import GREETING, connect, receive
from tests.pass_sockets import way
from tests.running import MODULE, Daemon, alive, eventually, temporary_directory
from tests.workers import get, group, metrics, signal_all, workers

_OVERTIME: Final = "ended before the stop was complete"


class StopTests(SynchronousTestCase):
    """
    Stop signals with clients connected.
    """

    def setUp(self) -> None:
        self.clients = self.enterContext(ExitStack())

    def ask(
        self, daemon: Daemon, number: int, path: bytes, monitoring: str = "http"
    ) -> list[socket.socket]:
        """Connections of which each has sent a request that a worker has read."""
        sockets = [self.clients.enter_context(connect(daemon.address())) for _ in range(number)]
        for sock in sockets:
            sock.sendall(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)

        def waiting() -> bool | None:
            count = metrics(daemon, monitoring)["netd_http_responses_waiting", "http"]
            # On the web site the response with the metrics waits, too.
            return True if count >= number + (monitoring == "http") else None

        eventually(waiting, f"{number} responses that wait")
        return sockets

    def refused(self, daemon: Daemon) -> None:
        """Wait until newcomers are refused."""

        def refusal() -> bool | None:
            try:
                connect(daemon.address()).close()
            except ConnectionRefusedError:
                return True
            return None

        eventually(refusal, "a refused connection")

    def over(self, daemon: Daemon, processes: list[int]) -> None:
        """The daemon ends by its signal, with all its processes."""
        self.assertEqual(daemon.ended(), -signal.SIGTERM)
        self.assertFalse([pid for pid in processes if alive(pid)])
        self.assertNotIn(_OVERTIME, daemon.log)

    def test_inFlight(self) -> None:
        """Fifty responses in flight over four workers are delivered; newcomers are refused."""
        with Daemon("--workers=4") as daemon:
            processes = group(daemon)
            sockets = self.ask(daemon, 50, b"/echo?delay=3s")
            daemon.signal()
            daemon.notice("STOPPING")
            self.refused(daemon)
            for sock in sockets:
                response = receive(sock)
                self.assertTrue(response.startswith(b"HTTP/1.1 200 OK\r\n"), response)
                self.assertTrue(response.endswith(b"\r\n\r\n" + GREETING), response)
            self.over(daemon, processes)
            self.assertEqual(daemon.log.count('"GET /echo?delay=3s HTTP/1.1" 200 58'), 50)

    def test_everybody(self) -> None:
        """A stop signal at every process, as systemd and a terminal send it, stops once."""
        for number in (signal.SIGTERM, signal.SIGINT):
            with Daemon("--workers=2") as daemon:
                processes = group(daemon)
                (sock,) = self.ask(daemon, 1, b"/echo?delay=3s")
                signal_all(processes, number)
                self.assertTrue(receive(sock).endswith(GREETING))
                self.assertEqual(daemon.ended(), -number)
                self.assertFalse([pid for pid in processes if alive(pid)])
                self.assertNotIn(_OVERTIME, daemon.log)

    def test_hurry(self) -> None:
        """A second signal cuts what is in flight, long before the grace is over."""
        with Daemon("--workers=2", "--grace=1h", "--max-delay=1h") as daemon:
            processes = group(daemon)
            sockets = self.ask(daemon, 4, b"/delay/1h")
            daemon.signal()
            daemon.notice("STOPPING")
            daemon.signal()
            for sock in sockets:
                try:
                    self.assertEqual(sock.recv(100), b"")
                except ConnectionResetError:
                    continue
            self.over(daemon, processes)

    def test_grace(self) -> None:
        """What is in flight is cut at the end of the grace."""
        with Daemon("--workers=2", "--grace=1s") as daemon:
            processes = group(daemon)
            self.ask(daemon, 2, b"/delay/50s")
            daemon.signal()
            self.over(daemon, processes)
            # One of each worker, or both of one.
            self.assertRegex(daemon.log, "cut [12] connections that had not finished")

    def test_stopped(self) -> None:
        """A worker that stands still leaves no newcomer without a refusal, and is killed."""
        with Daemon("--workers=2", "--grace=1h", "--worker-timeout=0") as daemon:
            processes = group(daemon)
            os.kill(workers(daemon)[0], signal.SIGSTOP)
            daemon.signal()
            daemon.notice("STOPPING")
            # Long before the grace is over and the worker is killed.
            self.refused(daemon)
            daemon.signal()
            self.over(daemon, processes)

    def test_readiness(self) -> None:
        """While a stop waits, --metrics-http says 503 and still has the metrics of all."""
        with Daemon("--workers=2", "--metrics-http=0") as daemon:
            self.assertEqual(get(daemon, "/readyz", "metrics-http"), (200, "ready 2 of 2\n"))
            text = f"ok supervisor of 2 workers pid {daemon.pid}\n"
            self.assertEqual(get(daemon, "/healthz", "metrics-http"), (200, text))
            sockets = self.ask(daemon, 2, b"/echo?delay=3s", "metrics-http")
            daemon.signal()
            daemon.notice("STOPPING")
            self.assertEqual(get(daemon, "/readyz", "metrics-http"), (503, "draining\n"))
            self.assertIn("netd_worker_up", get(daemon, "/metrics", "metrics-http")[1])
            for sock in sockets:
                self.assertTrue(receive(sock).endswith(GREETING))
            daemon.ended()

    def test_drain(self) -> None:
        """
        With a drain all workers serve newcomers while /readyz is 503, until a second signal.
        """
        with Daemon("--workers=2", "--drain=1h", "--metrics-http=0") as daemon:
            processes = group(daemon)
            daemon.signal()
            daemon.notice("STOPPING")
            self.assertEqual(get(daemon, "/readyz", "metrics-http"), (503, "draining\n"))
            for _ in range(10):
                self.assertEqual(get(daemon, "/status/201")[0], 201)
            self.assertEqual([pid for pid in processes if not alive(pid)], [])
            (sock,) = self.ask(daemon, 1, b"/echo?delay=3s", "metrics-http")
            daemon.signal()
            self.refused(daemon)
            self.assertTrue(receive(sock).endswith(GREETING))
            self.over(daemon, processes)

    def test_drainEverybody(self) -> None:
        """With a drain, too, a stop signal at every process stops once."""
        with Daemon("--workers=2", "--drain=1h") as daemon:
            processes = group(daemon)
            signal_all(processes, signal.SIGTERM)
            daemon.notice("STOPPING")

            def draining() -> bool | None:
                return True if get(daemon, "/readyz") == (503, "draining\n") else None

            eventually(draining, "a worker that is about to stop")
            daemon.signal()
            self.over(daemon, processes)

    def test_duringReplacement(self) -> None:
        """A stop while a worker waits for its replacement does not wait for the grace."""
        with Daemon("--workers=2", "--grace=1h") as daemon:
            processes = group(daemon)
            signal_all(workers(daemon), signal.SIGKILL)
            daemon.logged("ended by SIGKILL")
            daemon.signal()
            self.over(daemon, processes)


class SocketTests(SynchronousTestCase):
    """
    Sockets that are not the daemon's alone.
    """

    def test_inherited(self) -> None:
        """A socket of the service manager accepts after the stop, even of a stopped worker."""
        with socket.create_server(("127.0.0.1", 0)) as sock:
            arguments = ("--workers=2", "--grace=2s", "--worker-timeout=0", "--udp=0")
            command = (*way(None, [sock]), *MODULE)
            with Daemon(*arguments, way=command, inherit=[sock.fileno()]) as daemon:
                self.assertEqual(get(daemon, "/readyz"), (200, "ready 2 of 2\n"))
                os.kill(workers(daemon)[0], signal.SIGSTOP)
                daemon.signal()
                daemon.ended()
            with connect(sock.getsockname()):
                accepted, _ = sock.accept()
                accepted.close()

    def test_unix(self) -> None:
        """The file of a UNIX socket survives workers, and goes with the daemon."""
        with temporary_directory() as folder:
            path = folder / "s"
            with Daemon("--workers=2", f"--http=unix:{path}") as daemon:
                for _ in range(2):
                    with socket.socket(socket.AF_UNIX) as sock:
                        sock.connect(str(path))
                        sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                        pid = int(receive(sock).split()[-1])
                    os.kill(pid, signal.SIGKILL)
                    eventually(partial(_gone, pid), "the end of a worker")
                    self.assertTrue(path.exists())
                daemon.stop()
            self.assertFalse(path.exists())


def _gone(pid: int) -> bool | None:
    """True when a process has ended."""
    return None if alive(pid) else True
