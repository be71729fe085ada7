"""
Delay-echo as pure functions.
"""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.script import Send, Wait
from netd.test.web.conversation import HTTP
from netd.web.exchange import ANY, TEXT, BadCall, Call, Reply, Route
from netd.web.lab.delay import GREETING, delay, echo, passive


def call(body: bytes = b"", kind: str | None = None, **parameters: str) -> Call:
    """A call of either endpoint."""
    route = Route("/", echo, "", ANY)
    return Call("POST", route, (route,), HTTP, parameters, io.BytesIO(body), len(body), kind)


def steps(reply: Reply) -> list[object]:
    """The script of a reply, performed without a clock."""
    assert not isinstance(reply.body, bytes)
    return list(reply.body)


class EchoTests(SynchronousTestCase):
    """
    What `/` says.
    """

    def test_greeting(self) -> None:
        """Without a body it waits --delay and says 58 bytes."""
        reply = echo(call())
        self.assertEqual(steps(reply), [Wait(3.0), Send(GREETING)])
        self.assertEqual((reply.length, reply.type), (58, TEXT))
        self.assertEqual(len(GREETING), 58)

    def test_body(self) -> None:
        """With a body it waits and says those bytes, of that type."""
        reply = echo(call(b"{}", "application/json"))
        self.assertEqual(steps(reply), [Wait(3.0), Send(b"{}")])
        self.assertEqual((reply.length, reply.type), (2, "application/json"))

    def test_largeBody(self) -> None:
        """A large body is said piece by piece, never read whole."""
        content = call(bytes(200_000))
        pieces = [step.data for step in steps(echo(content)) if isinstance(step, Send)]
        self.assertEqual(b"".join(pieces), bytes(200_000))
        self.assertLessEqual(max(map(len, pieces)), 65_536)

    def test_lazy(self) -> None:
        """The body is not touched before the wait is over."""
        asked = call(b"later")
        script = iter(echo(asked).body)
        self.assertEqual(next(script), Wait(3.0))
        self.assertEqual(asked.content.tell(), 0)


class DelayTests(SynchronousTestCase):
    """
    What `/delay/<duration>` says.
    """

    def test_asked(self) -> None:
        """It waits what the path says."""
        self.assertEqual(steps(delay(call(duration="250ms")))[0], Wait(0.25))
        self.assertEqual(steps(delay(call(duration="0")))[0], Wait(0.0))

    def test_clamped(self) -> None:
        """More than --max-delay is --max-delay."""
        self.assertEqual(steps(delay(call(duration="61")))[0], Wait(60.0))

    def test_bad(self) -> None:
        """What is no duration is the client's mistake."""
        for text in ("nan", "inf", "-1", "1_0", "1e3", "x", "\u0663"):
            wrong = self.assertRaises(BadCall, delay, call(duration=text))
            self.assertEqual(wrong.status, 400, text)


class PassiveTests(SynchronousTestCase):
    """
    Which types come back as they were sent.
    """

    def test_kept(self) -> None:
        """Types that no browser runs are kept, with their parameters."""
        for kind in (
            "application/json",
            "Application/JSON; charset=utf-8",
            "text/plain;charset=latin-1",
            "text/csv",
            "application/octet-stream",
            "multipart/form-data; boundary=----x",
            "image/png",
            "video/mp4",
        ):
            self.assertEqual(passive(kind), kind)

    def test_disarmed(self) -> None:
        """Active, unknown and malformed types become plain text."""
        for kind in (
            None,
            "",
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
            "application/javascript",
            "application/pdf",
            "text/plain, text/html",
            "text/plain\ntext/html",
            "image/png text/html",
            "application/jsonx",
        ):
            self.assertEqual(passive(kind), TEXT, kind)

    @given(st.text())
    def test_neverActive(self, kind: str) -> None:
        """Whatever is sent, nothing a browser would run comes back before the parameters."""
        media = passive(kind).partition(";")[0].lower()
        for active in ("html", "xml", "svg", "script", ","):
            self.assertNotIn(active, media)
