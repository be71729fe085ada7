"""
Calls and replies as values.
"""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import JSON, MOST_KEYS, BadCall, pairs
from netd.test.lab.calling import bench, call


class BadCallTests(SynchronousTestCase):
    """
    What a client's mistake turns into.
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
        """Headers of the mistake are headers of the reply."""
        reply = BadCall("x", 405, (("Allow", "GET"),)).reply()
        self.assertEqual(reply.headers, (("Allow", "GET"),))

    @given(st.text())
    def test_anyDetail(self, detail: str) -> None:
        """Whatever the detail holds, the body is JSON that holds it."""
        body = BadCall(detail).reply().body
        assert isinstance(body, bytes)
        self.assertEqual(json.loads(body)["detail"], detail)


class WorkbenchTests(SynchronousTestCase):
    """
    What calls share.
    """

    def test_turns(self) -> None:
        """It knows how often a key came before."""
        on = bench()
        self.assertEqual([on.turn("a"), on.turn("a"), on.turn("b"), on.turn("a")], [0, 1, 0, 2])

    def test_bounded(self) -> None:
        """It remembers so many keys, and forgets those that were not asked for longest."""
        on = bench()
        on.turn("kept")
        on.turn("lost")
        for number in range(MOST_KEYS - 1):
            on.turn("kept")
            on.turn(str(number))
        self.assertEqual(on.turn("kept"), MOST_KEYS)
        self.assertEqual(on.turn("lost"), 0)
        self.assertLessEqual(len(on._seen), MOST_KEYS)


class CallTests(SynchronousTestCase):
    """
    What an endpoint may ask of a call.
    """

    def test_headers(self) -> None:
        """Fields are in order and as they came; one by its name is joined by commas."""
        asked = call("GET /get", "b: 2", "A:1", "b: 3 ")
        self.assertEqual(asked.headers, (("Host", "netd"), ("b", "2"), ("A", "1"), ("b", "3")))
        self.assertEqual(asked.header("B"), "2,3")
        self.assertIsNone(asked.header("c"))

    def test_emptyLine(self) -> None:
        """A line break before the request line is no field."""
        asked = call("GET /get")
        asked.raw = b"\r\n" + asked.raw
        self.assertEqual(asked.headers, (("Host", "netd"),))

    def test_root(self) -> None:
        """Without a Host it is localhost."""
        asked = call("GET /get")
        asked.raw = b"GET /get HTTP/1.0\r\n\r\n"
        self.assertEqual(asked.root, "http://localhost")

    def test_behalf(self) -> None:
        """A trusted proxy says on whose behalf it asks, and how; others are not heard."""
        fields = ("X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https")
        for client, trusted in (("127.0.0.1", True), ("192.0.2.1", False), ("?", False)):
            asked = call("GET /get", *fields, client=client)
            self.assertEqual(asked.origin, "9.9.9.9" if trusted else client)
            self.assertEqual(asked.root, "https://netd" if trusted else "http://netd")
        self.assertEqual(call("GET /get", "X-Forwarded-Ssl: on").root, "https://netd")
        self.assertEqual(call("GET /get", "X-Forwarded-Proto: ftp").root, "http://netd")
        self.assertEqual(call("GET /get").origin, "127.0.0.1")

    def test_all(self) -> None:
        """A parameter that repeats is said in the query and in X-Netd- headers."""
        asked = call("GET /echo?header=a&Header=b", "X-Netd-Header: c", "X-Netd-Header: d")
        self.assertEqual(asked.all_said("header"), ["a", "b", "c", "d"])

    def test_longest(self) -> None:
        """A duration beyond --max-delay is refused, or clamped where the parameter clamps."""
        self.assertRaises(BadCall, call("GET /echo?ttfb=61s").value, "ttfb")
        self.assertEqual(call("GET /drip?delay=61s").value("delay"), 60.0)

    def test_said(self) -> None:
        """The path beats the query, that beats X-Netd- headers, which only some routes take."""
        self.assertEqual(call("GET /delay/1?duration=2").said("duration"), "1")
        asked = call("GET /echo?Delay=1", "X-Netd-Delay: 2", "X-Netd-Fault-Rate: 0.5")
        self.assertEqual((asked.said("delay"), asked.said("fault_rate")), ("1", "0.5"))
        self.assertIsNone(call("GET /drip", "X-Netd-Delay: 2").said("delay"))
        self.assertEqual(call("GET /drip?header=a").all_said("header"), ["a"])

    def test_value(self) -> None:
        """A value is the default when nothing is said, and a BadCall when nonsense is."""
        self.assertEqual(call("GET /drip").value("numbytes"), 10)
        self.assertIsNone(call("GET /echo").value("body"))
        wrong = self.assertRaises(BadCall, call("GET /drip?numbytes=x").value, "numbytes")
        self.assertEqual(wrong.detail, "numbytes: not a whole number")
        self.assertRaises(BadCall, call("GET /redirect-to").value, "url")

    def test_chance(self) -> None:
        """Chance is the bench's, or that of the seed, one for the whole call."""
        on = bench()
        self.assertIs(call("GET /unstable", on=on).chance(), on.random)
        asked = call("GET /unstable?seed=1", on=on)
        self.assertIs(asked.chance(), asked.chance())
        self.assertIsNot(asked.chance(), on.random)


class PairTests(SynchronousTestCase):
    """
    Queries and forms.
    """

    def test_percent(self) -> None:
        """What is no UTF-8 stays percent-encoded."""
        found = pairs("a=%ff%C3%A9&b=+&c")
        self.assertEqual(found, [("a", "%FFé"), ("b", " "), ("c", "")])

    def test_most(self) -> None:
        """More than the limit is refused."""
        self.assertRaises(ValueError, pairs, "a&b&c", 2)
