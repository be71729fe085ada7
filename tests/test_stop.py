"""
The end of the daemon.
"""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import GREETING, connect, curl, receive
from tests.programs import needs
from tests.running import Daemon, eventually

_SOON: Final = 5.0
"""Far below the default grace of 10 s and far above what an idle machine needs."""


class StopTests(SynchronousTestCase):
    """
    SIGTERM with clients connected.
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
        daemon = self.enterContext(Daemon())
        with ExitStack() as clients:
            sockets = [clients.enter_context(connect(daemon.address())) for _ in range(50)]
            for sock in sockets:
                sock.sendall(b"GET /echo?delay=1s HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.settle(daemon)
            daemon.signal()
            daemon.notice("STOPPING")
            for sock in sockets:
                response = receive(sock)
                self.assertTrue(response.startswith(b"HTTP/1.1 200 OK\r\n"), response)
                self.assertTrue(response.endswith(b"\r\n\r\n" + GREETING), response)
                self.assertIn(b"\r\nConnection: close\r\n", response)
        started = time.monotonic()
        daemon.ended()
        self.assertLess(time.monotonic() - started, _SOON)
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

            eventually(refused, "a refused connection", _SOON)
            sock.setblocking(False)
            self.assertRaises(BlockingIOError, sock.recv, 1)
            daemon.signal()
            daemon.ended()

    @needs("curl")
    def test_idle(self) -> None:
        """
        An idle kept connection is closed at once, not after the grace.
        """
        daemon = self.enterContext(Daemon())
        with connect(daemon.address()) as used, connect(daemon.address()) as fresh:
            used.sendall(b"GET /healthz HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.assertTrue(used.recv(65_536).endswith(b"ok\n"))
            self.settle(daemon)
            started = time.monotonic()
            daemon.signal()
            self.assertEqual((receive(used), receive(fresh)), (b"", b""))
            daemon.ended()
            self.assertLess(time.monotonic() - started, _SOON)

    @needs("curl")
    def test_grace(self) -> None:
        """
        Unfinished responses are cut at the end of the grace, and the log says how many.
        """
        daemon = self.enterContext(Daemon("--grace", "0.2s"))
        with connect(daemon.address()) as sock:
            sock.sendall(b"GET /delay/50s HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.settle(daemon)
            started = time.monotonic()
            daemon.signal()
            self.assertRaises(ConnectionResetError, receive, sock)
            daemon.ended()
            seconds = time.monotonic() - started
        self.assertGreaterEqual(seconds, 0.2)
        self.assertLess(seconds, _SOON)
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
            started = time.monotonic()
            daemon.signal()
            self.assertRaises(ConnectionResetError, receive, sock)
            daemon.ended()
            self.assertLess(time.monotonic() - started, _SOON)

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
