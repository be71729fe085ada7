"""
Names under which a daemon on loopback is asked: DNS rebinding.
"""

from __future__ import annotations

import signal
import socket
import ssl
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.browser import browser
from tests.certificates import certificate
from tests.clients import connect, exchange, receive
from tests.running import Daemon, temporary_directory

GUARDED = (
    ("http", "/files/hello.txt"),
    ("http", "/RPC2"),
    ("http", "/metrics"),
    ("files-http", "/hello.txt"),
    ("rpc-http", "/"),
    ("rpc-http", "/RPC2"),
)
"""A listener and a target that a page of another site must not read."""
ALONE = ("--files-http", "0", "--rpc-http", "0")
HINT = b"evil.example is not a name of this daemon; start netd with --host evil.example\n"


def head(target: str, host: str | None = "evil.example:80") -> bytes:
    """A GET, in HTTP/1.0 where there is no Host."""
    if host is None:
        return f"GET {target} HTTP/1.0\r\n\r\n".encode()
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def status(response: bytes) -> int:
    """The status code."""
    return int(response.split()[1])


class HostTests(SynchronousTestCase):
    """
    `--host`.
    """

    def ask(self, daemon: Daemon, listener: str, target: str, host: str | None) -> int:
        """The status of the response of a listener."""
        return status(exchange(daemon.address(listener), head(target, host)))

    def test_foreign(self) -> None:
        """
        Files, calls and metrics are refused to a foreign name, the lab and the probes are not.
        """
        daemon = self.enterContext(Daemon(*ALONE))
        for listener, target in GUARDED:
            response = exchange(daemon.address(listener), head(target))
            self.assertEqual(status(response), 421, target)
            self.assertTrue(response.endswith(b"\r\n\r\n" + HINT), response)
            for host in ("127.0.0.1", "[::1]:8000", "Localhost.:1", "a.localhost", "", None):
                self.assertEqual(self.ask(daemon, listener, target, host), 200, (target, host))
        for target in ("/get", "/healthz", "/readyz"):
            self.assertEqual(self.ask(daemon, "http", target, "evil.example"), 200, target)

    def test_absolute(self) -> None:
        """
        The authority of an absolute target counts, and Host does not.
        """
        daemon = self.enterContext(Daemon())
        for authority, host, expected in (
            ("evil.example", "localhost", 421),
            ("localhost:1", "evil.example", 200),
        ):
            target = f"http://{authority}/files/hello.txt"
            self.assertEqual(self.ask(daemon, "http", target, host), expected)

    def test_reload(self) -> None:
        """
        Names hold on every listener, that of the metrics too, and a reload changes them.
        """
        folder = self.enterContext(temporary_directory())
        config = folder / "netd.toml"
        config.write_text('host = ["Evil.Example", "b.example"]\n')
        more = (*ALONE, "--metrics-http", "0", "--config", config)
        daemon = self.enterContext(Daemon(*more))
        moved = [each for each in GUARDED if each[1] != "/metrics"]
        guarded = (*moved, ("metrics-http", "/metrics"))
        for number, (names, expected) in enumerate((("", 200), ('"c"', 421), ('"*"', 200))):
            if names:
                config.write_text(f"host = [{names}]\n")
                daemon.signal(signal.SIGHUP)
                daemon.notice("READY", number + 1)
            for listener, target in guarded:
                self.assertEqual(
                    self.ask(daemon, listener, target, "evil.example"), expected, target
                )

    def test_addresses(self) -> None:
        """
        Listeners on ::1 have the rule; those on every address, and UNIX sockets, have not.
        """
        folder = self.enterContext(temporary_directory())
        path = folder / "socket"
        daemon = self.enterContext(
            Daemon("--http", "tcp6:0:interface=\\:\\:1", "--http", f"unix:{path}")
        )
        self.assertEqual(self.ask(daemon, "http-2", "/files/", "evil.example"), 421)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(head("/files/"))
            self.assertEqual(status(receive(sock)), 200)
        everywhere = self.enterContext(Daemon("--bind", "*"))
        address = "127.0.0.1", everywhere.where().port
        self.assertEqual(status(exchange(address, head("/files/"))), 200)

    def test_wrapped(self) -> None:
        """
        The rule holds behind TLS, and behind the guard against forged PROXY headers.
        """
        folder = self.enterContext(temporary_directory())
        leaf, key = certificate(folder)
        daemon = self.enterContext(
            Daemon(
                *("--https", "0", "--certificate", leaf, "--private-key", key),
                *("--proxy-from", "192.0.2.1"),
            )
        )
        self.assertEqual(self.ask(daemon, "http", "/RPC2", "evil.example"), 421)
        for host, expected in (("evil.example", 421), ("localhost", 200)):
            self.assertEqual(self.secure(daemon, leaf, host), expected)

    def secure(self, daemon: Daemon, leaf: Path, host: str) -> int:
        """The status of the response to a request over TLS."""
        context = ssl.create_default_context(cafile=str(leaf))
        plain = connect(daemon.address("https"))
        with context.wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(head("/RPC2", host))
            return status(receive(sock))

    def test_proxied(self) -> None:
        """
        The rule holds behind a trusted proxy, whatever address its header names.
        """
        daemon = self.enterContext(Daemon("--proxy-from", "127.0.0.1"))
        line = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n"
        response = exchange(daemon.address(), line + head("/files/"))
        self.assertEqual(status(response), 421)


class RebindingTests(SynchronousTestCase):
    """
    A page in a browser.
    """

    def test_browser(self) -> None:
        """
        A page whose name was made to lead to 127.0.0.1 reads no file, call or metric.
        """
        daemon = self.enterContext(Daemon())
        rule = "--host-resolver-rules=MAP evil.example 127.0.0.1"
        driver = self.enterContext(browser(rule))
        script = (
            "const [path, done] = arguments;"
            "fetch(path).then(r => r.text().then(text => done([r.status, text])));"
        )
        for host, expected in (("evil.example", 421), ("localhost", 200)):
            driver.get(f"http://{host}:{daemon.where().port}/healthz")
            for path in ("/files/hello.txt", "/RPC2", "/metrics"):
                code, text = driver.execute_async_script(script, path)
                self.assertEqual(code, expected, (host, path))
                self.assertEqual(text == HINT.decode(), expected == 421)
