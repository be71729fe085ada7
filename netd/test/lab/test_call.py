"""
Calls and replies as values.
"""

from __future__ import annotations

import json
from math import inf

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.http.request_head import parse
from netd.http.response_head import NO_BODY
from netd.lab.call import JSON, NO_CONTENT, BadCall, Reply, parse_query
from netd.script import Send, Wait
from netd.test.chance import by_chance
from netd.test.lab.calls import lab_state, make_call, steps
from netd.test.lab.client import limited
from netd.values import Distribution


class BadCallTests(SynchronousTestCase):
    """
    The reply to a client's mistake.
    """

    def test_shape(self) -> None:
        """The reply is indented JSON with sorted keys and a newline at its end."""
        reply = BadCall("no such thing", 404).reply()
        self.assertEqual((reply.status, reply.type), (404, JSON))
        self.assertEqual(
            reply.body,
            b'{\n  "detail": "no such thing",\n  "error": "Not Found",\n'
            b'  "status_code": 404\n}\n',
        )

    def test_headers(self) -> None:
        """The headers of a BadCall are headers of its reply."""
        reply = BadCall("x", 405, (("Allow", "GET"),)).reply()
        self.assertEqual(reply.headers, (("Allow", "GET"),))

    @by_chance
    @given(st.text())
    def test_anyDetail(self, detail: str) -> None:
        """The body is JSON that holds any detail unchanged."""
        body = BadCall(detail).reply().body
        assert isinstance(body, bytes)
        self.assertEqual(json.loads(body)["detail"], detail)


class ReplyTests(SynchronousTestCase):
    """
    Replies.
    """

    def test_later(self) -> None:
        """A reply of any kind can be sent later."""
        for body in (b"x", lambda: b"x", (Wait(1.0), Send(b"x"))):
            reply = Reply(body, delay=0.0 if isinstance(body, tuple) else 1.0).later(2.0)
            done = steps(reply)
            self.assertEqual(sum(each.seconds for each in done if isinstance(each, Wait)), 3.0)
            self.assertEqual(done[-1], Send(b"x"))


class CallTests(SynchronousTestCase):
    """
    The facts of a request.
    """

    def test_headers(self) -> None:
        """Fields keep their order and case; repeated values are joined by commas."""
        call = make_call("GET /get", "b: 2", "A:1", "b: 3 ")
        self.assertEqual(call.headers, (("Host", "netd"), ("b", "2"), ("A", "1"), ("b", "3")))
        self.assertEqual(call.header("B"), "2,3")
        self.assertIsNone(call.header("c"))

    def test_emptyLine(self) -> None:
        """An empty line before the request line is ignored."""
        call = make_call("GET /get")
        call.head = parse(b"\r\n" + call.head.raw, 100, 100)
        self.assertEqual(call.headers, (("Host", "netd"),))

    def test_root(self) -> None:
        """Without a Host the root is localhost."""
        call = make_call("GET /get")
        call.head = parse(b"GET /get HTTP/1.0\r\n\r\n", 100, 100)
        self.assertEqual(call.root, "http://localhost")

    def test_forwarded(self) -> None:
        """X-Forwarded-* counts from a trusted proxy, and from no other client."""
        fields = ("X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https")
        for client, trusted in (("127.0.0.1", True), ("192.0.2.1", False), ("?", False)):
            call = make_call("GET /get", *fields, address=client)
            self.assertEqual(call.origin, "9.9.9.9" if trusted else client)
            self.assertEqual(call.root, "https://netd" if trusted else "http://netd")
        for field in ("X-Forwarded-Ssl: On", "X-Forwarded-Proto: HTTPS"):
            self.assertEqual(make_call("GET /get", field).root, "https://netd")
        self.assertEqual(make_call("GET /get", "X-Forwarded-Proto: ftp").root, "http://netd")
        self.assertEqual(make_call("GET /get").origin, "127.0.0.1")

    def test_texts(self) -> None:
        """A parameter that repeats comes from the query and from X-Netd- headers."""
        call = make_call("GET /echo?header=a&Header=b", "X-Netd-Header: c", "X-Netd-Header: d")
        self.assertEqual(call.texts("header"), ["a", "b", "c", "d"])

    def test_longest(self) -> None:
        """A duration above --max-delay is refused, or clamped where the parameter clamps."""
        self.assertRaises(BadCall, make_call("GET /echo?body_delay=61s").value, "body_delay")
        self.assertRaises(BadCall, make_call("GET /drip?delay=61s").value, "delay")
        call = make_call("GET /delay/61s")
        self.assertEqual(call.value("duration"), 60.0)
        self.assertEqual(call.clamped, (("X-Netd-Clamped", "duration=60s"),))

    def test_clamped(self) -> None:
        """Each value that is clamped is named with the limit, others are not."""
        call = make_call("GET /stream-bytes/102401?chunk_size=0")
        self.assertEqual(call.clamped, ())
        for name in ("n", "chunk_size", "seed"):
            call.value(name)
        self.assertEqual(call.clamped, (("X-Netd-Clamped", "n=102400, chunk_size=1"),))
        call = make_call("GET /stream-bytes/102400")
        call.value("n")
        self.assertEqual(call.clamped, ())

    def test_delay(self) -> None:
        """X-Netd-Delay is a duration or a distribution, at most --max-delay."""
        self.assertEqual(make_call("GET /get?delay=1").delay, 0.0)
        self.assertEqual(make_call("GET /get", "X-NETD-delay: 250ms").delay, 0.25)
        drawn = make_call("GET /get", "X-Netd-Delay: uniform:1s-2s").delay
        self.assertTrue(1 <= drawn <= 2)
        for text in ("x", "61s", "", "-1"):
            call = make_call("GET /get", f"X-Netd-Delay: {text}")
            with self.assertRaises(BadCall) as caught:
                _ = call.delay
            self.assertIn("X-Netd-Delay", caught.exception.detail)

    def test_text(self) -> None:
        """The path wins over the query, and the query over X-Netd- headers where they count."""
        self.assertEqual(make_call("GET /delay/1?duration=2").text("duration"), "1")
        call = make_call("GET /echo?Delay=1", "X-Netd-Delay: 2", "X-Netd-Fault-Rate: 0.5")
        self.assertEqual((call.text("delay"), call.text("fault_rate")), ("1", "0.5"))
        self.assertIsNone(make_call("GET /drip", "X-Netd-Delay: 2").text("delay"))
        self.assertEqual(make_call("GET /drip?header=a").texts("header"), ["a"])

    def test_given(self) -> None:
        """What no query and no header has is known by one look at all of them."""
        call = make_call("GET /echo?Delay=1&x=", "X-Netd-Fault-Rate: 1", "X-Other: 1")
        for name in ("delay", "x", "fault_rate"):
            self.assertIn(name, call.given)
        for name in ("status", "other", "fault"):
            self.assertNotIn(name, call.given)
            self.assertEqual((call.text(name), call.texts(name)), (None, []))
        self.assertEqual(make_call("GET /drip", "X-Netd-Delay: 2").given, frozenset())

    def test_value(self) -> None:
        """A missing parameter has its default; an invalid one is a BadCall."""
        self.assertEqual(make_call("GET /drip").value("numbytes"), 10)
        self.assertIsNone(make_call("GET /echo").value("body"))
        error = self.assertRaises(BadCall, make_call("GET /drip?numbytes=x").value, "numbytes")
        self.assertTrue(error.detail.startswith("numbytes: not a whole number from 0 to "))
        self.assertRaises(BadCall, make_call("GET /redirect-to").value, "url")

    def test_choices(self) -> None:
        """A word of the query or of a field is in any case; the path is as it is."""
        for call in (
            make_call("GET /echo?Encoding=GZip"),
            make_call("GET /echo", "X-Netd-Encoding: GZIP"),
        ):
            self.assertEqual(call.value("encoding"), "gzip")
        self.assertRaises(BadCall, make_call("GET /image/PNG").value, "kind")

    def test_random(self) -> None:
        """Random numbers come from the shared state, or from the seed of the call."""
        state = lab_state()
        self.assertIs(make_call("GET /unstable", state=state).random(), state.random)
        call = make_call("GET /unstable?seed=1", state=state)
        self.assertIs(call.random(), call.random())
        self.assertIsNot(call.random(), state.random)


class DelayTests(SynchronousTestCase):
    """
    Durations and distributions.
    """

    def test_missing(self) -> None:
        """Without the parameter the wait is zero."""
        self.assertEqual(make_call("GET /echo").wait("delay"), 0.0)

    def test_duration(self) -> None:
        """A duration above --max-delay is refused, or clamped where the parameter clamps."""
        self.assertEqual(make_call("GET /echo?delay=59s").wait("delay"), 59.0)
        self.assertRaises(BadCall, make_call("GET /echo?delay=61s").wait, "delay")
        self.assertEqual(make_call("GET /delay/61").wait("duration"), 60.0)

    def test_distribution(self) -> None:
        """A distribution is drawn from, and the result is at most --max-delay."""
        self.assertEqual(make_call("GET /echo?delay=normal:70s,0s").wait("delay"), 60.0)
        self.assertEqual(make_call("GET /echo?delay=normal:7s,0s").wait("delay"), 7.0)

    def test_unlimited(self) -> None:
        """Without --max-delay a draw is at most a year."""
        state = lab_state()
        state.config = limited(max_delay=inf)
        long = Distribution.parse("uniform:365d-365d")
        self.assertEqual(make_call("GET /", state=state).draw(long), 31_536_000.0)


class StatusTests(SynchronousTestCase):
    """
    Statuses without content.
    """

    def test_noBody(self) -> None:
        """These are the statuses that the server sends without a body, and 205."""
        self.assertEqual(NO_CONTENT, NO_BODY | {205})


class QueryTests(SynchronousTestCase):
    """
    Queries and forms.
    """

    def test_percent(self) -> None:
        """Bytes that are not UTF-8 stay percent-encoded."""
        result = parse_query(b"a=%ff%C3%A9&b=+&c&&=%4&%f0\x9f%98%80==%2B&\xe2\x82%c3")
        expected = [("a", "%FFé"), ("b", " "), ("c", ""), ("", "%4"), ("😀", "=+")]
        self.assertEqual(result, [*expected, ("%E2%82%C3", "")])

    def test_most(self) -> None:
        """More fields than the limit are refused."""
        self.assertRaises(ValueError, parse_query, b"a&b&c", 2)
