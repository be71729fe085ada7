"""
HAProxy in front of two daemons.
"""

from __future__ import annotations

import subprocess
from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import curl, listening
from tests.programs import need, needs
from tests.running import DEADLINE, Daemon, eventually, free_port, temporary_directory

_CONFIG = """\
defaults
    mode {mode}
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen front
    bind 127.0.0.1:{port}
    balance roundrobin
    server one 127.0.0.1:{one} {send} check
    server two 127.0.0.1:{two} {send} check
"""


@needs("curl", "haproxy")
class HAProxyTests(SynchronousTestCase):
    """
    Balancing, with PROXY headers.
    """

    def front(self, mode: str, send: str, one: Daemon, two: Daemon) -> int:
        """The port of an HAProxy in front of both daemons."""
        program = need("haproxy")
        port = free_port()
        folder = self.enterContext(temporary_directory())
        config = folder / "haproxy.cfg"
        ports = {"one": one.where().port, "two": two.where().port}
        config.write_text(_CONFIG.format(mode=mode, port=port, send=send, **ports))
        process = subprocess.Popen(
            [program, "-db", "-f", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(process.wait, DEADLINE)
        self.addCleanup(process.terminate)
        eventually(lambda: listening(("127.0.0.1", port)), "HAProxy's listening")
        return port

    def test_denied(self) -> None:
        """
        A denied client gets the 403, and HAProxy keeps the server in use.
        """
        daemons = [
            self.enterContext(Daemon("--proxy-from", "127.0.0.1", "--deny", "127.0.0.2"))
            for _ in range(2)
        ]
        port = self.front("http", "send-proxy-v2", *daemons)
        for host, status in (("127.0.0.2", 403), ("127.0.0.1", 200)) * 3:
            url = f"http://127.0.0.1:{port}/healthz"
            self.assertEqual(curl(url, "--interface", host).status, status)

    def test_balance(self) -> None:
        """
        Through TCP and HTTP, with either version of the header, each daemon gets half.
        """
        for mode, send in (
            ("tcp", "send-proxy-v2"),
            ("http", "send-proxy-v2"),
            ("http", "send-proxy"),
        ):
            daemons = [
                self.enterContext(Daemon("--proxy-from", "127.0.0.1", "--delay", delay))
                for delay in ("0s", "1ms")
            ]
            port = self.front(mode, send, *daemons)
            for _ in range(10):
                response = curl(f"http://127.0.0.1:{port}/", "-A", "through-haproxy")
                self.assertEqual(response.status, 200)
            share = Counter[int]()
            for number, daemon in enumerate(daemons):
                share[number] = daemon.logged("through-haproxy").count("through-haproxy")
            self.assertEqual(share, {0: 5, 1: 5}, (mode, send))
