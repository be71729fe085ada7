"""
The fields of an answer.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import SANDBOX
from netd.lab.routes import ANY, Route
from netd.test.lab.conversation import request
from netd.test.lab.routing import EITHER, answered, conversation, fixed


class FieldTests(SynchronousTestCase):
    """
    Fields that an endpoint sets.
    """

    def test_repeated(self) -> None:
        """A field that comes twice has two lines."""
        route = Route("/", fixed(headers=(("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))), "")
        for start in EITHER:
            said = start(route).ask(request("GET /"))
            self.assertEqual(said.count(b"Set-Cookie: "), 2)
            self.assertLess(said.index(b"a=1"), said.index(b"b=2"))


class SharingTests(SynchronousTestCase):
    """
    Scripts of other origins (Fetch, CORS).
    """

    def test_any(self) -> None:
        """Any origin may read an answer, with credentials, errors too."""
        for talk in (each(Route("/a", fixed(), "help")) for each in EITHER):
            for line in ("GET /a", "GET /b", "POST /a"):
                answer = talk.request(line)
                self.assertEqual(answer.headers["access-control-allow-origin"], "*")
                self.assertEqual(answer.headers["access-control-allow-credentials"], "true")
                named = talk.request(line, "Origin: http://x")
                self.assertEqual(named.headers["access-control-allow-origin"], "http://x")

    def test_preflight(self) -> None:
        """OPTIONS says what may be asked, as httpbin does, whatever the route's methods."""
        for methods in (("GET",), ANY):
            talk = conversation(Route("/a", fixed(status=500), "help", methods))
            asked = ("Origin: http://x", "Access-Control-Request-Method: PUT")
            answer = talk.request("OPTIONS /a", *asked, "Access-Control-Request-Headers: X-A")
            self.assertEqual((answer.status, answer.body), (200, b""))
            self.assertEqual(
                answer.headers["access-control-allow-methods"],
                "GET, POST, PUT, DELETE, PATCH, OPTIONS",
            )
            self.assertEqual(answer.headers["access-control-allow-headers"], "X-A")
            self.assertEqual(answer.headers["access-control-max-age"], "3600")

    def test_none(self) -> None:
        """A route that is not shared says none of it."""
        answer = answered(
            Route("/a", fixed(), "help", cors=False), "GET /a", "Origin: http://x"
        )
        self.assertNotIn("access-control-allow-origin", answer.headers)


class LockTests(SynchronousTestCase):
    """
    What keeps a client's bytes from being run.
    """

    def test_locked(self) -> None:
        """Every answer has nosniff and a sandbox, unless it is ours from end to end."""
        for start in EITHER:
            talk = start(Route("/a", fixed(), ""), Route("/b", fixed(ours=True), ""))
            for line in ("GET /a", "GET /none", "POST /a"):
                answer = talk.request(line)
                self.assertEqual(answer.headers["content-security-policy"], SANDBOX)
                self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
            ours = talk.request("GET /b")
            self.assertNotIn("content-security-policy", ours.headers)
            self.assertEqual(ours.headers["x-content-type-options"], "nosniff")
