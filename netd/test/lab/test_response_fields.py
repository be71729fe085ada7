"""
The fields of an answer.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import SANDBOX
from netd.lab.routes import ANY, Route
from netd.test.lab.client import request
from netd.test.lab.sites import BOTH, fixed, netd_client, response_of


class FieldTests(SynchronousTestCase):
    """
    Fields that an endpoint sets.
    """

    def test_repeated(self) -> None:
        """A field that comes twice has two lines."""
        route = Route("/", fixed(headers=(("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))), "")
        for start in BOTH:
            said = start(route).send(request("GET /"))
            self.assertEqual(said.count(b"Set-Cookie: "), 2)
            self.assertLess(said.index(b"a=1"), said.index(b"b=2"))


class SharingTests(SynchronousTestCase):
    """
    Scripts of other origins (Fetch, CORS).
    """

    def test_any(self) -> None:
        """Any origin may read an answer, with credentials, errors too."""
        for client in (each(Route("/a", fixed(), "help")) for each in BOTH):
            for line in ("GET /a", "GET /b", "POST /a"):
                answer = client.request(line)
                self.assertEqual(answer.headers["access-control-allow-origin"], "*")
                self.assertEqual(answer.headers["access-control-allow-credentials"], "true")
                named = client.request(line, "Origin: http://x")
                self.assertEqual(named.headers["access-control-allow-origin"], "http://x")

    def test_preflight(self) -> None:
        """OPTIONS says what may be asked, as httpbin does, whatever the route's methods."""
        for methods in (("GET",), ANY):
            client = netd_client(Route("/a", fixed(status=500), "help", methods))
            asked = ("Origin: http://x", "Access-Control-Request-Method: PUT")
            answer = client.request("OPTIONS /a", *asked, "Access-Control-Request-Headers: X-A")
            self.assertEqual((answer.status, answer.body), (200, b""))
            self.assertEqual(
                answer.headers["access-control-allow-methods"],
                "GET, POST, PUT, DELETE, PATCH, OPTIONS",
            )
            self.assertEqual(answer.headers["access-control-allow-headers"], "X-A")
            self.assertEqual(answer.headers["access-control-max-age"], "3600")

    def test_none(self) -> None:
        """A route that is not shared says none of it."""
        answer = response_of(
            Route("/a", fixed(), "help", cors=False), "GET /a", "Origin: http://x"
        )
        self.assertNotIn("access-control-allow-origin", answer.headers)


class LockTests(SynchronousTestCase):
    """
    What keeps a client's bytes from being run.
    """

    def test_locked(self) -> None:
        """Every answer has nosniff and a sandbox, unless it is ours from end to end."""
        for start in BOTH:
            client = start(Route("/a", fixed(), ""), Route("/b", fixed(sandbox=False), ""))
            for line in ("GET /a", "GET /none", "POST /a"):
                answer = client.request(line)
                self.assertEqual(answer.headers["content-security-policy"], SANDBOX)
                self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
            ours = client.request("GET /b")
            self.assertNotIn("content-security-policy", ours.headers)
            self.assertEqual(ours.headers["x-content-type-options"], "nosniff")
