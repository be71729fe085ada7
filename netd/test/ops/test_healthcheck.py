"""
Tests of netd.ops.healthcheck.
"""

from __future__ import annotations

import io
import socket
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Thread

from attrs import evolve
from cryptography import x509
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.ops import healthcheck
from netd.ops.healthcheck import default, run
from netd.test.lab.client import configured
from netd.test.stages import identity
from netd.values import Endpoint


class DefaultTests(SynchronousTestCase):
    """
    The URL of a daemon with given settings.
    """

    def url(self, *listen: Endpoint, watch: tuple[Endpoint, ...] = ()) -> str:
        """The URL of a daemon that listens on `listen`, and on `watch` for probes."""
        config = configured()
        config = evolve(config, http=evolve(config.http, listen=listen))
        return default(evolve(config, monitoring=settings.Monitoring(watch)))

    def test_first(self) -> None:
        """The first listener with a known port is used, on loopback for a wildcard address."""
        for listen, url in (
            ((Endpoint("tcp", "127.0.0.1", 8000),), "http://127.0.0.1:8000/healthz"),
            (
                (Endpoint("tcp", "0.0.0.0", 1), Endpoint("tcp", "x", 2)),
                "http://127.0.0.1:1/healthz",
            ),
            ((Endpoint("tcp", "*", 8000),), "http://127.0.0.1:8000/healthz"),
            ((Endpoint("tcp6", "::", 8000),), "http://[::1]:8000/healthz"),
            ((Endpoint("tcp", "a.example", 0), Endpoint("tcp", "b", 2)), "http://b:2/healthz"),
            ((Endpoint("unix", "/a", 0), Endpoint("tcp", "b", 2)), "http://b:2/healthz"),
        ):
            self.assertEqual(self.url(*listen), url)

    def test_moved(self) -> None:
        """The listener of the probes is used where there is one."""
        public, own = Endpoint("tcp", "a", 1), Endpoint("tcp", "b", 2)
        self.assertEqual(self.url(public, watch=(own,)), "http://b:2/healthz")

    def test_unknown(self) -> None:
        """No known port is a UsageError."""
        with self.assertRaises(UsageError):
            self.url(Endpoint("tcp", "127.0.0.1", 0))


class _Server(BaseHTTPRequestHandler):
    """The path of a request is the status of its response; /never has none."""

    def do_GET(self) -> None:
        """Respond."""
        if self.path == "/never":
            self.server.stopping.wait()  # type: ignore[attr-defined]  # `serve` adds it
        else:
            self.send_response(int(self.path.partition("?")[0][1:]))
            self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        """Write nothing."""


class _Checks(SynchronousTestCase):
    """
    Real servers in threads of their own, as the check blocks.
    """

    def setUp(self) -> None:
        self.room = Path(self.mktemp())
        self.out, self.err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)

    def serve(self, shown: tuple[Path, Path] | None = None) -> str:
        """The URL, without a path, of a server with the certificate and key `shown`."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
        server.stopping = Event()  # type: ignore[attr-defined]  # read by `_Server`
        if shown is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*shown)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            self.patch(server, "handle_error", lambda *_: None)
        thread = Thread(target=lambda: server.serve_forever(0.01))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.addCleanup(server.stopping.set)  # type: ignore[attr-defined]  # as above
        host = "http://127.0.0.1" if shown is None else "https://localhost"
        return f"{host}:{server.server_port}"

    def failure(self, url: str, ca: Path | None = None) -> str:
        """The one line on standard error of a check that fails."""
        self.err.truncate(self.err.seek(0))
        self.assertEqual(run(url, ca), 1)
        line = self.err.getvalue()
        self.assertTrue(line.startswith(f"netd: {url}: ") and line.endswith("\n"), line)
        self.assertTrue(line[:-1].isprintable(), line)
        return line


class CheckTests(_Checks):
    """
    Responses and failures.
    """

    def test_healthy(self) -> None:
        """A response of 200 is status 0 and one line on standard output."""
        url = f"{self.serve()}/200?query"
        self.assertEqual(run(url), 0)
        self.assertEqual(
            (self.out.getvalue(), self.err.getvalue()), (f"netd: {url}: 200\n", "")
        )

    def test_unhealthy(self) -> None:
        """A response of another status is status 1 and one line on standard error."""
        url = self.serve()
        for code in (204, 404, 503):
            line = self.failure(f"{url}/{code}")
            self.assertEqual(line, f"netd: {url}/{code}: {code}\n")
        self.assertEqual(self.out.getvalue(), "")

    def test_error(self) -> None:
        """A closed port and a bad URL are reported by the exception's name and message."""
        # Nobody listens on it, and nobody else can.
        sock = socket.socket()
        self.addCleanup(sock.close)
        sock.bind(("127.0.0.1", 0))
        for url, words in (
            (f"http://127.0.0.1:{sock.getsockname()[1]}/", "ConnectionRefusedError: [Errno"),
            ("gopher://127.0.0.1/", "ValueError: not an http or https URL"),
            ("nonsense", "ValueError: not an http or https URL"),
            ("http://[::1/", "ValueError: Invalid IPv6 URL"),
            ("http://127.0.0.1/\u00e4", "UnicodeEncodeError: "),
        ):
            self.assertIn(words, self.failure(url))

    def test_message(self) -> None:
        """The message is put in one line, and left out when there is none."""
        for error, words in ((ValueError("a\nb"), "ValueError: a b"), (KeyError(), "KeyError")):

            def fail(*_: object, error: Exception = error) -> None:
                raise error

            self.patch(healthcheck, "HTTPConnection", fail)
            self.assertEqual(self.failure("http://a/"), f"netd: http://a/: {words}\n")

    def test_timeout(self) -> None:
        """A response that does not come in time is status 1."""
        self.patch(healthcheck, "SECONDS", 0.1)
        self.assertIn(": no response within 0.1 s\n", self.failure(f"{self.serve()}/never"))

    def results(self, *results: tuple[int, str]) -> list[float]:
        """Let checks give these results, the last one from then on; the limit of each."""
        now, limits = [0.0], list[float]()

        def check(seconds: float, *_: object) -> tuple[int, str]:
            limits.append(seconds)
            return results[min(len(limits), len(results)) - 1]

        self.patch(healthcheck, "_check_within", check)
        self.patch(time, "monotonic", lambda: now[0])
        self.patch(time, "sleep", lambda by: now.append(now.pop() + by))
        return limits

    def test_wait(self) -> None:
        """With `wait` a failed check is repeated until one succeeds, which alone is printed."""
        limits = self.results((1, "one"), (1, "two"), (0, "three"))
        self.assertEqual(run("http://a/", None, 10.0), 0)
        self.assertEqual(len(limits), 3)
        self.assertEqual((self.out.getvalue(), self.err.getvalue()), ("netd: three\n", ""))

    def test_waitOver(self) -> None:
        """After the time the last failure is printed; no check is longer than is left."""
        limits = self.results((1, "one"), (1, "two"), (1, "last"))
        self.assertEqual(run("http://a/", None, 1.05), 1)
        self.assertEqual(self.err.getvalue(), "netd: last\n")
        self.assertEqual(len(limits), 11)
        self.assertEqual([round(each, 2) for each in (limits[0], limits[-1])], [1.05, 0.15])

    def test_interrupted(self) -> None:
        """An interrupt is status 1."""

        class Interrupted(Thread):
            """A thread that is interrupted while it is waited for."""

            def join(self, timeout: float | None = None) -> None:
                """Be interrupted."""
                raise KeyboardInterrupt

        self.patch(healthcheck, "Thread", Interrupted)
        self.assertIn(": interrupted\n", self.failure(f"{self.serve()}/never"))


class VerificationTests(_Checks):
    """
    TLS.
    """

    def test_chain(self) -> None:
        """A certificate is trusted when `ca` or the system trusts its issuer."""
        shown = identity().write(self.room)
        url = f"{self.serve(shown)}/200"
        self.assertEqual(run(url, shown[0]), 0)
        self.assertIn("certificate verify failed", self.failure(url))

    def test_name(self) -> None:
        """A certificate for another name is refused, and the common name is no name."""
        address = x509.IPAddress(ip_address("192.0.2.1"))
        for other in (identity("other.example"), identity(sans=(address,))):
            shown = other.write(self.room)
            self.assertIn(
                "certificate verify failed", self.failure(self.serve(shown), shown[0])
            )

    def test_authorities(self) -> None:
        """A file of authorities that is missing or holds none is a UsageError."""
        _, key = identity().write(self.room)
        for path, reason in (
            (self.room / "missing", "No such file or directory"),
            (key, "not a certificate in PEM"),
        ):
            caught = self.assertRaises(UsageError, run, "https://localhost:1/", path)
            self.assertEqual(str(caught), f"--ca {path}: {reason}")
