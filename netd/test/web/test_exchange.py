"""
Calls, replies and routes as values.
"""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.web.exchange import ANY, JSON, BadCall, Call, Reply, Route


def nothing(call: Call) -> Reply:
    """An endpoint that is never asked."""
    raise AssertionError("asked")


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


class RouteTests(SynchronousTestCase):
    """
    What a line of the table takes.
    """

    def test_takes(self) -> None:
        """A route takes its methods, and HEAD where it takes GET."""
        route = Route("/", nothing, "help", ("GET", "POST"))
        taken = [each for each in ("GET", "HEAD", "POST", "PUT") if route.takes(each)]
        self.assertEqual(taken, ["GET", "HEAD", "POST"])

    def test_headNeedsGet(self) -> None:
        """HEAD is not taken where GET is not."""
        self.assertFalse(Route("/", nothing, "help", ("POST",)).takes("HEAD"))

    def test_any(self) -> None:
        """A route of any method takes all of them."""
        route = Route("/", nothing, "help", ANY)
        self.assertTrue(all(map(route.takes, ("GET", "HEAD", "OPTIONS", "BREW"))))

    def test_allow(self) -> None:
        """Allow lists the methods sorted, with HEAD where GET is and OPTIONS always."""
        self.assertEqual(Route("/", nothing, "").allow, "GET, HEAD, OPTIONS")
        self.assertEqual(Route("/", nothing, "", ("PUT", "POST")).allow, "OPTIONS, POST, PUT")

    def test_match(self) -> None:
        """Literal segments must be equal, parameters must not be empty."""
        route = Route("/a/<x>/c", nothing, "")
        self.assertEqual(route.match(["a", "b", "c"]), {"x": "b"})
        self.assertEqual(route.match(["a", "<x>", "c"]), {"x": "<x>"})
        self.assertIsNone(route.match(["a", "", "c"]))
        self.assertIsNone(route.match(["a", "b", "d"]))

    def test_root(self) -> None:
        """The root is one empty segment."""
        self.assertEqual(Route("/", nothing, "").match([""]), {})

    def test_length(self) -> None:
        """Matching is asked only of paths with as many segments."""
        self.assertRaises(ValueError, Route("/a/b", nothing, "").match, ["a"])
