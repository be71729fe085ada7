"""
The UDP echo.
"""

from __future__ import annotations

import os
import random
import socket

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import curl, datagrams
from tests.programs import needs
from tests.running import Daemon, shared

_LARGEST = 65_507


def _free(number: int) -> bool:
    """Whether this port is free for TCP and for UDP."""
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        try:
            stream.bind(("127.0.0.1", number))
            datagrams.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


class EchoTests(SynchronousTestCase):
    """
    UDP on the announced port.
    """

    def test_everySize(self) -> None:
        """
        Datagrams of 0, 1, 65 507 and other numbers of bytes come back whole.
        """
        address = self.enterContext(shared()).address("udp")
        client = self.enterContext(datagrams())
        for size in (1, 0, 2, 512, 1472, 8192, 8193, 50_000, _LARGEST):
            data = os.urandom(size)
            client.sendto(data, address)
            response, source = client.recvfrom(_LARGEST + 1)
            self.assertEqual(len(response), size)
            self.assertEqual((response == data, source), (True, address))

    def test_manyClients(self) -> None:
        """
        Each of many clients gets its own datagram back.
        """
        address = self.enterContext(shared()).address("udp")
        clients = [self.enterContext(datagrams()) for _ in range(50)]
        for number, client in enumerate(clients):
            client.sendto(b"%d" % number, address)
        for number, client in enumerate(clients):
            self.assertEqual(client.recv(100), b"%d" % number)

    def test_samePort(self) -> None:
        """
        Without --udp the echo has the port number of HTTP.
        """
        # Below the range of the kernel, which thus gives the port to no other process.
        number = next(filter(_free, iter(lambda: random.randrange(20_000, 32_000), None)))
        daemon = self.enterContext(Daemon("--port", str(number)))
        self.assertEqual(daemon.address("http"), ("127.0.0.1", number))
        self.assertEqual(daemon.address("udp"), ("127.0.0.1", number))

    @needs("curl")
    def test_off(self) -> None:
        """
        `--udp 0` turns the echo off, and HTTP is served.
        """
        daemon = self.enterContext(Daemon("--udp", "0"))
        self.assertNotIn("udp=", daemon.notice("X_NETD_LISTEN"))
        self.assertEqual(curl(f"{daemon.url}/healthz").status, 200)

    @needs("curl")
    def test_flood(self) -> None:
        """
        HTTP responds while datagrams, empty ones too, arrive.
        """
        daemon = self.enterContext(shared())
        client = self.enterContext(datagrams())
        client.setblocking(False)
        for number in range(2000):
            try:
                client.sendto(b"x" * (number % 2), daemon.address("udp"))
            except BlockingIOError:
                continue
        self.assertEqual(curl(f"{daemon.url}/healthz").body, b"ok\n")
