"""
The conformance checks, run against netd and against httpbin itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import curl, listening
from tests.programs import needs
from tests.running import (
    DEADLINE,
    Daemon,
    environment,
    eventually,
    free_port,
    run,
    shared,
    tool_environment,
)

_GUNICORN = (sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", "4")
_CHECKS = (sys.executable, "-m", "netd.test.conformance")


class ConformanceTests(SynchronousTestCase):
    """
    `python -m netd.test.conformance`.
    """

    def test_netd(self) -> None:
        """
        netd passes every check, of httpbin's endpoints and of its own.
        """
        url = self.enterContext(shared()).url.replace("localhost", "127.0.0.1")
        done = run(*_CHECKS, "--beyond", url, environ=environment(no_proxy="*"))
        self.assertEqual(done.status, 0, done.out + done.err)

    def test_httpbin(self) -> None:
        """
        httpbin under gunicorn passes every check of its own endpoints.
        """
        url = self.enterContext(Httpbin()).url
        done = run(*_CHECKS, url, environ=environment(no_proxy="*"))
        self.assertEqual(done.status, 0, done.out + done.err)

    def test_differences(self) -> None:
        """
        httpbin fails every check that netd adds, except those listed.
        """
        url = self.enterContext(Httpbin()).url
        done = run(*_CHECKS, "--beyond", url, environ=environment(no_proxy="*"))
        self.assertEqual(done.status, 1)
        held = {line.split()[1] for line in done.out.splitlines() if line.startswith("ok ")}
        beyond = run(
            *(sys.executable, "-c"),
            "from netd.test.conformance import beyond; print(*beyond.SUITE.checks)",
        ).out.split()
        self.assertEqual(held & set(beyond), set())

    def test_usage(self) -> None:
        """
        Without a single URL the command exits with 2.
        """
        for words in ((), ("--other", "http://x"), ("http://x", "http://y")):
            self.assertEqual(run(*_CHECKS, *words).status, 2)


@needs("curl")
class OptionTests(SynchronousTestCase):
    """
    The options of the lab, in a daemon.
    """

    def test_all(self) -> None:
        """
        Each option of the lab has its effect.
        """
        daemon = self.enterContext(
            Daemon(
                *("--delay", "uniform:200ms-400ms", "--seed", "1"),
                *("--reveal", "version", "--reveal", "hostname"),
                *("--redirect-allow", "*.example.org", "--exclude-header", "x-secret*"),
                *("--unsafe-responses", "yes", "--trust-forwarded", "192.0.2.0/24"),
                environ=environment(NETD_ENV_COLOUR="blue"),
            )
        )
        url = daemon.url
        self.assertGreaterEqual(curl(f"{url}/").seconds, 0.2)
        for path in ("version", "hostname"):
            self.assertEqual(curl(f"{url}/{path}").status, 200)
        away = curl(f"{url}/redirect-to?url=http://a.example.org/")
        self.assertEqual(away.headers["location"], "http://a.example.org/")
        headers = curl(
            f"{url}/headers", "-H", "X-Secret-A: hush", "-H", "X-Forwarded-For: 9.9.9.9"
        )
        self.assertNotIn("hush", headers.text)
        self.assertNotIn("9.9.9.9", curl(f"{url}/ip", "-H", "X-Forwarded-For: 9.9.9.9").text)
        page = curl(f"{url}/echo?type=text/html&body=x")
        self.assertEqual(page.headers["content-type"], "text/html")
        self.assertIn('"NETD_ENV_COLOUR": "blue"', curl(f"{url}/env").text)

    def test_seed(self) -> None:
        """
        Two daemons with the same seed make the same random choices.
        """
        bodies = set()
        for _ in range(2):
            url = self.enterContext(Daemon("--seed", "7")).url
            bodies.add(tuple(curl(f"{url}/bytes/8").body for _ in range(3)))
        self.assertEqual(len(bodies), 1)


class Httpbin:
    """psf/httpbin under gunicorn, in a process of its own."""

    def __enter__(self) -> Httpbin:
        self._folder = tempfile.TemporaryDirectory(prefix="httpbin-")
        address = ("127.0.0.1", free_port())
        self.url = f"http://127.0.0.1:{address[1]}"
        log = Path(self._folder.name) / "log"
        listen = ("-b", f"127.0.0.1:{address[1]}", "--log-file", str(log))
        self._process = subprocess.Popen(
            [*_GUNICORN, *listen, "httpbin:app"],
            env=tool_environment(),
            cwd=self._folder.name,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

        def accepts() -> bool | None:
            if self._process.poll() is not None:
                raise AssertionError(f"gunicorn ended: {log.read_text()}")
            return listening(address)

        eventually(accepts, "gunicorn listening")
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(DEADLINE)
        self._folder.cleanup()
