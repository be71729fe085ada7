"""
The end of the daemon.
"""

from __future__ import annotations

import http.client
import signal
import xmlrpc.client
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import GREETING, connect, curl, receive
from tests.programs import needs
from tests.running import DEADLINE, ROOT, Daemon, alive, children, eventually


class StopTests(SynchronousTestCase):
    """
    SIGTERM with clients connected; no stop waits longer than `Daemon.ended` does.
    """

    def settle(self, daemon: Daemon) -> None:
        """Wait until the daemon has read everything that was sent so far."""
        # One turn of the reactor reads every connection with data, so that the second
        # response follows the data that was there before the first.
        for _ in range(2):
            self.assertEqual(curl(f"{daemon.url}/healthz").status, 200)

    @needs("curl")
    def test_inFlight(self) -> None:
        """
        Fifty responses in flight are delivered whole, and the process ends right after.
        """
        daemon = self.enterContext(Daemon("--grace", "1h"))
        with ExitStack() as clients:
            sockets = [clients.enter_context(connect(daemon.address())) for _ in range(50)]
            for sock in sockets:
                sock.sendall(b"GET /echo?delay=3s HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.settle(daemon)
            daemon.signal()
            daemon.notice("STOPPING")
            for sock in sockets:
                response = receive(sock)
                self.assertTrue(response.startswith(b"HTTP/1.1 200 OK\r\n"), response)
                self.assertTrue(response.endswith(b"\r\n\r\n" + GREETING), response)
                self.assertIn(b"\r\nConnection: close\r\n", response)
        daemon.ended()
        self.assertNotIn(" 499 ", daemon.log)

    @needs("curl")
    def test_newcomers(self) -> None:
        """
        While a response is in flight no new client can connect.
        """
        daemon = self.enterContext(Daemon())
        with connect(daemon.address()) as sock:
            sock.sendall(b"GET /delay/50s HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.settle(daemon)
            daemon.signal()

            def refused() -> bool | None:
                try:
                    connect(daemon.address()).close()
                except ConnectionRefusedError:
                    return True
                return None

            eventually(refused, "a refused connection")
            sock.setblocking(False)
            self.assertRaises(BlockingIOError, sock.recv, 1)
            daemon.signal()
            daemon.ended()

    @needs("curl")
    def test_idle(self) -> None:
        """
        An idle kept connection is closed at once, not after the grace.
        """
        daemon = self.enterContext(Daemon("--grace", "1h"))
        with connect(daemon.address()) as used, connect(daemon.address()) as fresh:
            used.sendall(b"GET /healthz HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.assertTrue(used.recv(65_536).endswith(b"ok\n"))
            self.settle(daemon)
            daemon.signal()
            self.assertEqual((receive(used), receive(fresh)), (b"", b""))
            daemon.ended()

    @needs("curl")
    def test_grace(self) -> None:
        """
        Unfinished responses are cut at the end of the grace, and the log says how many.
        """
        daemon = self.enterContext(Daemon("--grace", "0.2s"))
        with connect(daemon.address()) as sock:
            sock.sendall(b"GET /delay/50s HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.settle(daemon)
            daemon.signal()
            self.assertRaises(ConnectionResetError, receive, sock)
            daemon.ended()
        self.assertIn("cut 1 connections", daemon.log)

    @needs("curl")
    def test_impatience(self) -> None:
        """
        A second SIGTERM does not wait for the grace.
        """
        daemon = self.enterContext(Daemon("--grace", "1h"))
        with connect(daemon.address()) as sock:
            sock.sendall(b"GET /delay/50s HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.settle(daemon)
            daemon.signal()
            daemon.notice("STOPPING")
            daemon.signal()
            self.assertRaises(ConnectionResetError, receive, sock)
            daemon.ended()

    @needs("curl")
    def test_drain(self) -> None:
        """
        With a drain /readyz is 503 while clients still connect, until a second SIGTERM.
        """
        daemon = self.enterContext(Daemon("--drain", "1h"))
        with connect(daemon.address()) as sock:
            sock.sendall(b"GET /echo?delay=3s HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.settle(daemon)
            daemon.signal()
            daemon.notice("STOPPING")
            self.assertEqual(curl(f"{daemon.url}/readyz").status, 503)
            self.assertEqual(curl(f"{daemon.url}/get").status, 200)
            daemon.signal()
            self.assertTrue(receive(sock).startswith(b"HTTP/1.1 200 OK\r\n"))
            self.assertEqual(daemon.ended(), -signal.SIGTERM)
        self.assertNotIn("cut", daemon.log)

    def test_status(self) -> None:
        """
        The process ends by SIGTERM, as twistd does, after STOPPING=1.
        """
        daemon = self.enterContext(Daemon())
        self.assertEqual(daemon.stop(), -signal.SIGTERM)
        self.assertEqual(daemon.notice("STOPPING"), "1")
        self.assertIn("Server Shut Down", daemon.log)

    def test_interrupt(self) -> None:
        """
        SIGINT stops the daemon too.
        """
        daemon = self.enterContext(Daemon())
        daemon.signal(signal.SIGINT)
        daemon.ended()
        self.assertEqual(daemon.notice("STOPPING"), "1")


class FunctionTests(SynchronousTestCase):
    """
    SIGTERM while published functions run that do not end.
    """

    def serve(self, grace: str, published: str) -> Daemon:
        """A daemon that publishes an object of the tests."""
        published = f"netd.test.xmlrpc.published:{published}"
        arguments = ("--grace", grace, "--rpc", published, "--rpc-http", "tcp:0")
        return self.enterContext(Daemon(*arguments, cwd=ROOT))

    def call(self, daemon: Daemon, name: str, *values: Any) -> http.client.HTTPConnection:
        """A connection on which a call waits."""
        connection = http.client.HTTPConnection(*daemon.address("rpc-http"), timeout=DEADLINE)
        self.addCleanup(connection.close)
        body = xmlrpc.client.dumps(values, name)
        connection.request("POST", "/", body, {"Content-Type": "text/xml"})
        return connection

    def parent(self, daemon: Daemon, path: Path, die: bool) -> http.client.HTTPConnection:
        """A call whose function has a child that ignores SIGTERM; its id is in `path`."""
        connection = self.call(daemon, "parent", str(path), die)
        eventually(partial(_exists, path), "a child")
        return connection

    def ends(self, daemon: Daemon) -> None:
        """Assert that it ends long before its functions do, by SIGTERM."""
        self.assertEqual(daemon.ended(), -signal.SIGTERM)

    def test_child(self) -> None:
        """
        The child of an offloaded function ends with the grace, and so does the daemon.
        """
        path = Path(self.mktemp()).absolute()
        daemon = self.serve("0.5s", "heavy")
        self.parent(daemon, path, False)
        (worker,) = children(daemon.pid)
        daemon.signal()
        self.ends(daemon)
        for pid in (worker, int(path.read_text())):
            eventually(partial(_gone, pid), "its end")

    def test_impatience(self) -> None:
        """
        A second SIGTERM ends child and daemon within the grace.
        """
        path = Path(self.mktemp()).absolute()
        daemon = self.serve("1h", "heavy")
        self.parent(daemon, path, False)
        daemon.signal()
        daemon.notice("STOPPING")
        daemon.signal()
        self.ends(daemon)
        eventually(partial(_gone, int(path.read_text())), "its end")

    def test_death(self) -> None:
        """
        A worker that dies and leaves a child is a fault at once, and the child ends.
        """
        path = Path(self.mktemp()).absolute()
        daemon = self.serve("1h", "heavy")
        response = self.parent(daemon, path, True).getresponse().read()
        fault = self.assertRaises(xmlrpc.client.Fault, xmlrpc.client.loads, response)
        self.assertEqual(fault.faultCode, -32603)
        eventually(partial(_gone, int(path.read_text())), "its end")
        daemon.signal()
        self.ends(daemon)

    def test_stuck(self) -> None:
        """
        A function that holds the reactor, or a thread for ever, holds up no stop.
        """
        for name in ("stuck.reactor", "stuck.thread"):
            daemon = self.serve("0.5s", "stuck")
            path = Path(self.mktemp()).absolute()
            self.call(daemon, name, str(path))
            eventually(partial(_exists, path), name)
            daemon.signal()
            self.ends(daemon)
            self.assertIn("ended before the stop was complete", daemon.log)


def _exists(path: Path) -> bool | None:
    return path.exists() or None


def _gone(pid: int) -> bool | None:
    return None if alive(pid) else True
