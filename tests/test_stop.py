"""
How the daemon ends.
"""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import GREETING, connect, curl, receive
from tests.running import Daemon, eventually

_SOON: Final = 5.0
"""Far below the default grace of 10 s and far above what an idle machine needs."""


class StopTests(SynchronousTestCase):
    """
    SIGTERM while clients are there.
    """

    def heard(self, daemon: Daemon) -> None:
        """Return when all that was sent so far has reached the daemon."""
        # One turn of its reactor reads every connection that has something, so the
        # second answer comes after what was there before the first.
        for _ in range(2):
            self.assertEqual(curl(f"{daemon.url}/healthz").status, 200)

    def test_inFlight(self) -> None:
        """
        Fifty answers in flight are all delivered whole, and the process ends right after.
        """
        daemon = self.enterContext(Daemon())
        with ExitStack() as clients:
            sockets = [clients.enter_context(connect(daemon.address())) for _ in range(50)]
            for sock in sockets:
                sock.sendall(b"GET /echo?delay=1s HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.heard(daemon)
            daemon.signal()
            daemon.notice("STOPPING")
            for sock in sockets:
                answer = receive(sock)
                self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer)
                self.assertTrue(answer.endswith(b"\r\n\r\n" + GREETING), answer)
                self.assertIn(b"\r\nConnection: close\r\n", answer)
        started = time.monotonic()
        daemon.ended()
        self.assertLess(time.monotonic() - started, _SOON)
        self.assertNotIn(" 499 ", daemon.log)

    def test_newcomers(self) -> None:
        """
        While an answer is in flight nobody new is let in.
        """
        daemon = self.enterContext(Daemon())
        with connect(daemon.address()) as sock:
            sock.sendall(b"GET /delay/50s HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.heard(daemon)
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

    def test_idle(self) -> None:
        """
        A kept connection that waits for nothing is closed at once, not after the grace.
        """
        daemon = self.enterContext(Daemon())
        with connect(daemon.address()) as used, connect(daemon.address()) as fresh:
            used.sendall(b"GET /healthz HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.assertTrue(used.recv(65_536).endswith(b"ok\n"))
            self.heard(daemon)
            started = time.monotonic()
            daemon.signal()
            self.assertEqual((receive(used), receive(fresh)), (b"", b""))
            daemon.ended()
            self.assertLess(time.monotonic() - started, _SOON)

    def test_grace(self) -> None:
        """
        What is not finished when the grace is over is cut, and the log says how many.
        """
        daemon = self.enterContext(Daemon("--grace", "0.2s"))
        with connect(daemon.address()) as sock:
            sock.sendall(b"GET /delay/50s HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.heard(daemon)
            started = time.monotonic()
            daemon.signal()
            self.assertRaises(ConnectionResetError, receive, sock)
            daemon.ended()
            seconds = time.monotonic() - started
        self.assertGreaterEqual(seconds, 0.2)
        self.assertLess(seconds, _SOON)
        self.assertIn("cut 1 connections", daemon.log)

    def test_impatience(self) -> None:
        """
        A second SIGTERM does not wait for the grace.
        """
        daemon = self.enterContext(Daemon("--grace", "1h"))
        with connect(daemon.address()) as sock:
            sock.sendall(b"GET /delay/50s HTTP/1.1\r\nHost: netd\r\n\r\n")
            self.heard(daemon)
            daemon.signal()
            daemon.notice("STOPPING")
            started = time.monotonic()
            daemon.signal()
            self.assertRaises(ConnectionResetError, receive, sock)
            daemon.ended()
            self.assertLess(time.monotonic() - started, _SOON)

    def test_status(self) -> None:
        """
        The process ends by the SIGTERM it got, as twistd does, having said STOPPING=1.
        """
        daemon = self.enterContext(Daemon())
        self.assertEqual(daemon.stop(), -signal.SIGTERM)
        self.assertEqual(daemon.notice("STOPPING"), "1")
        self.assertIn("Server Shut Down", daemon.log)

    def test_interrupt(self) -> None:
        """
        Control-C stops it as well.
        """
        daemon = self.enterContext(Daemon())
        daemon.signal(signal.SIGINT)
        daemon.ended()
        self.assertEqual(daemon.notice("STOPPING"), "1")
