"""
--workers: TLS in every process.
"""

from __future__ import annotations

import re
import ssl
from contextlib import ExitStack
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import connect, receive
from tests.running import Daemon, eventually

_TEMPORARY = ("--https=0", "--certificate=temporary")


class TemporaryTests(SynchronousTestCase):
    """
    A certificate that is made at the start.
    """

    def test_all(self) -> None:
        """All workers have the one whose file is there as long as the daemon is."""
        with Daemon("--workers=2", *_TEMPORARY) as daemon, ExitStack() as clients:
            files = re.findall(
                r"temporary certificate: (\S+)", daemon.logged("temporary certificate: ")
            )
            self.assertEqual(len(files), 1)
            context = ssl.create_default_context(cafile=files[0])
            seen: set[bytes] = set()

            def ask() -> bool | None:
                plain = clients.enter_context(connect(daemon.address("https")))
                sock = clients.enter_context(
                    context.wrap_socket(plain, server_hostname="localhost")
                )
                sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                seen.add(sock.recv(65_536).split(b"worker ")[1][:1])
                return True if len(seen) == 2 else None

            eventually(ask, "a response of each worker")
            clients.close()
            daemon.stop()
            self.assertFalse(Path(files[0]).exists())

    def test_large(self) -> None:
        """A long response and many at once arrive whole over TLS."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with Daemon("--workers=2", *_TEMPORARY) as daemon:
            requests = 100 * b"GET /status/201 HTTP/1.1\r\nHost: a\r\n\r\n"
            last = b"GET /range/100000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            for _ in range(4):
                with (
                    connect(daemon.address("https")) as plain,
                    context.wrap_socket(plain) as sock,
                ):
                    sock.sendall(requests + last)
                    response = receive(sock)
                self.assertEqual(response.count(b"HTTP/1.1 201 "), 100)
                body = response.rpartition(b"\r\n\r\n")[2]
                self.assertEqual(len(body), 100_000)
