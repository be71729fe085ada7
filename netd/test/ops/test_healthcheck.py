"""
Tests for netd.ops.healthcheck.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import ResponseNeverReceived
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from netd import settings
from netd.ops import healthcheck
from netd.ops.healthcheck import SECONDS, check, default, run
from netd.test.lab.conversation import configured
from netd.test.stages import Identity, identity
from netd.values import Endpoint


class DefaultTests(SynchronousTestCase):
    """
    Where a daemon would be.
    """

    def url(self, *listen: Endpoint, watch: tuple[Endpoint, ...] = ()) -> str:
        """The URL of a daemon that listens there."""
        config = configured()
        config = evolve(config, http=evolve(config.http, listen=listen))
        return default(evolve(config, monitoring=settings.Monitoring(watch)))

    def test_first(self) -> None:
        """
        At the first listener whose port is known; where it listens on all addresses, here.
        """
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
        """
        Where the probes have a listener of their own, there.
        """
        public, own = Endpoint("tcp", "a", 1), Endpoint("tcp", "b", 2)
        self.assertEqual(self.url(public, watch=(own,)), "http://b:2/healthz")

    def test_unknown(self) -> None:
        """
        Where no port is known somebody has to say a URL.
        """
        with self.assertRaises(UsageError):
            self.url(Endpoint("tcp", "127.0.0.1", 0))


class _Pages(Resource):
    """Whether it is well; or never an answer."""

    isLeaf = True

    def render_GET(self, request: Any) -> Any:
        """The status is the path."""
        if request.path == b"/never":
            return NOT_DONE_YET
        request.setResponseCode(int(request.path[1:]))
        return b""


class CheckTests(TestCase):
    """
    Requests to a server, real ones: what they go through is Twisted's and OpenSSL's.
    """

    def setUp(self) -> None:
        self.room = Path(self.mktemp())
        self.server = identity()
        self.file, _ = self.server.write(self.room)
        self.clock: Any = reactor

    def serve(self, shown: Identity | None = None) -> str:
        """A server that answers, and its URL without the path."""
        site = Site(_Pages())
        site.displayTracebacks = False
        if shown is None:
            port = self.clock.listenTCP(0, site, interface="127.0.0.1")
        else:
            options = CertificateOptions(
                privateKey=shown.key,  # type: ignore[arg-type]  # pyOpenSSL takes both kinds
                certificate=shown.certificate,  # type: ignore[arg-type]  # the same
            )
            port = self.clock.listenSSL(0, site, options, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        scheme = "http://127.0.0.1" if shown is None else "https://localhost"
        return f"{scheme}:{port.getHost().port}"

    async def ask(self, url: str, ca: Path | None = None) -> tuple[int, str]:
        """What comes of it."""
        return await check(self.clock, url, ca)

    async def test_statuses(self) -> None:
        """
        200 is well, anything else is not.
        """
        url = self.serve()
        for code, status in ((200, 0), (204, 1), (404, 1), (503, 1)):
            self.assertEqual(await self.ask(f"{url}/{code}"), (status, f"{url}/{code}: {code}"))

    async def test_refused(self) -> None:
        """
        A port that nobody listens on, and what is no URL, are told in one line.
        """
        port = self.clock.listenTCP(0, Site(_Pages()), interface="127.0.0.1")
        closed = port.getHost().port
        await port.stopListening()
        for url, words in (
            (f"http://127.0.0.1:{closed}/", "ConnectionRefusedError"),
            ("gopher://127.0.0.1/", "SchemeNotSupported"),
            ("nonsense", ""),
            ("http://\u00e4/", "UnicodeEncodeError"),
        ):
            status, line = await self.ask(url)
            self.assertEqual(status, 1)
            self.assertIn(words, line)
            self.assertTrue(line.isprintable(), line)

    async def test_verified(self) -> None:
        """
        Over TLS the name and whoever signed it must be right.
        """
        url = self.serve(self.server)
        self.assertEqual((await self.ask(f"{url}/200", self.file))[0], 0)
        status, line = await self.ask(f"{url}/200")
        self.assertEqual(status, 1)
        self.assertIn("certificate verify failed", line)
        other = identity("other.example")
        theirs, _ = other.write(self.room, "other")
        status, line = await self.ask(f"{self.serve(other)}/200", theirs)
        self.assertEqual(status, 1)
        self.assertIn("VerificationError", line)

    async def test_roots(self) -> None:
        """
        A file of authorities that is missing or holds none is the operator's mistake.
        """
        for path in (self.room / "missing", self.room / "server.key"):
            try:
                await self.ask("https://localhost:1/", path)
            except UsageError as wrong:
                self.assertTrue(str(wrong).startswith(f"--ca {path}: "))
            else:
                self.fail("no mistake")


class _Agent:
    """An HTTP client that gives what it was told to."""

    def __init__(self, answer: Deferred[Any]) -> None:
        self.answer = answer

    def __call__(self, *_: Any, **named: Any) -> _Agent:
        """As the real one is made."""
        return self

    def request(self, *_: Any) -> Deferred[Any]:
        """The one answer."""
        return self.answer


class ReasonTests(SynchronousTestCase):
    """
    What an HTTP client may end in.
    """

    def test_timeout(self) -> None:
        """
        An answer that takes too long is none.
        """
        clock = Clock()
        self.patch(healthcheck, "Agent", _Agent(Deferred()))
        asked = Deferred.fromCoroutine(check(clock, "http://a/"))
        clock.advance(SECONDS)
        self.assertEqual(self.successResultOf(asked), (1, "http://a/: no answer within 5 s"))

    def test_inner(self) -> None:
        """
        Of several reasons the first one is told; one without words by its kind.
        """
        for wrong, words in (
            (ResponseNeverReceived([Failure(ValueError("a\nb"))]), "ValueError: a b"),
            (ResponseNeverReceived([]), "ResponseNeverReceived: []"),
            (KeyError(), "KeyError"),
            (ConnectError(string="x"), "ConnectError: An error occurred while connecting: x."),
        ):
            asked: Deferred[Any] = Deferred()
            asked.errback(wrong)
            self.patch(healthcheck, "Agent", _Agent(asked))
            done = Deferred.fromCoroutine(check(Clock(), "http://a/"))
            self.assertEqual(self.successResultOf(done), (1, f"http://a/: {words}"))


class _Running(Clock):
    """A reactor that runs until it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.when: list[Callable[[], object]] = []
        self.stopped = False

    def callWhenRunning(self, call: Callable[[], object]) -> None:
        """Do it once it runs."""
        self.when.append(call)

    def stop(self) -> None:
        """No more."""
        assert not self.stopped
        self.stopped = True

    def run(self) -> None:
        """Run."""
        for call in self.when:
            call()


class RunTests(SynchronousTestCase):
    """
    `netd --healthcheck` from beginning to end.
    """

    def end(self, code: int | None) -> tuple[int, str, str]:
        """Exit status, stdout and stderr where the answer has this status, or is none."""
        out, err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", out)
        self.patch(sys, "stderr", err)

        class Answer:
            """A response."""

        answer: Any = Answer()
        answer.code = code
        asked: Deferred[Any] = Deferred()
        if code is not None:
            asked.callback(answer)
        self.patch(healthcheck, "Agent", _Agent(asked))
        clock = _Running()
        status = run(clock, "http://a/")
        self.assertEqual(clock.stopped, code is not None)
        return status, out.getvalue(), err.getvalue()

    def test_well(self) -> None:
        """
        It is well: 0, and one line on standard output.
        """
        self.assertEqual(self.end(200), (0, "netd: http://a/: 200\n", ""))

    def test_unwell(self) -> None:
        """
        It is not: 1, and one line on standard error; so too when somebody interrupts.
        """
        self.assertEqual(self.end(500), (1, "", "netd: http://a/: 500\n"))
        self.assertEqual(self.end(None), (1, "", "netd: http://a/: interrupted\n"))

    def test_mistake(self) -> None:
        """
        What the operator got wrong is told and ends it too.
        """
        err = io.StringIO()
        self.patch(sys, "stderr", err)
        clock = _Running()
        self.assertEqual(run(clock, "http://a/", Path("/nonexistent")), 1)
        self.assertTrue(clock.stopped)
        self.assertIn("--ca /nonexistent: No such file", err.getvalue())
