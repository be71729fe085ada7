"""
The header fields of responses.
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
            data = start(route).send(request("GET /"))
            self.assertEqual(data.count(b"Set-Cookie: "), 2)
            self.assertLess(data.index(b"a=1"), data.index(b"b=2"))


class SharingTests(SynchronousTestCase):
    """
    Scripts of other origins (Fetch, CORS).
    """

    def test_any(self) -> None:
        """Scripts of any origin may read responses with credentials, errors included."""
        for client in (each(Route("/a", fixed(), "help")) for each in BOTH):
            for line in ("GET /a", "GET /b", "POST /a"):
                response = client.request(line)
                self.assertEqual(response.headers["access-control-allow-origin"], "*")
                self.assertEqual(response.headers["access-control-allow-credentials"], "true")
                named = client.request(line, "Origin: http://x")
                self.assertEqual(named.headers["access-control-allow-origin"], "http://x")

    def test_preflight(self) -> None:
        """A preflight allows the methods that httpbin allows, whatever the route takes."""
        for methods in (("GET",), ANY):
            client = netd_client(Route("/a", fixed(status=500), "help", methods))
            preflight = ("Origin: http://x", "Access-Control-Request-Method: PUT")
            response = client.request(
                "OPTIONS /a", *preflight, "Access-Control-Request-Headers: X-A"
            )
            self.assertEqual((response.status, response.body), (200, b""))
            self.assertEqual(
                response.headers["access-control-allow-methods"],
                "GET, POST, PUT, DELETE, PATCH, OPTIONS",
            )
            self.assertEqual(response.headers["access-control-allow-headers"], "X-A")
            self.assertEqual(response.headers["access-control-max-age"], "3600")

    def test_none(self) -> None:
        """A route without CORS has none of these fields."""
        response = response_of(
            Route("/a", fixed(), "help", cors=False), "GET /a", "Origin: http://x"
        )
        self.assertNotIn("access-control-allow-origin", response.headers)


class SandboxTests(SynchronousTestCase):
    """
    The fields that keep browsers from running a client's bytes.
    """

    def test_locked(self) -> None:
        """Every response has nosniff; those with bytes of the client have a sandbox."""
        for start in BOTH:
            client = start(Route("/a", fixed(), ""), Route("/b", fixed(sandbox=False), ""))
            for line in ("GET /a", "GET /none", "POST /a"):
                response = client.request(line)
                self.assertEqual(response.headers["content-security-policy"], SANDBOX)
                self.assertEqual(response.headers["x-content-type-options"], "nosniff")
            ours = client.request("GET /b")
            self.assertNotIn("content-security-policy", ours.headers)
            self.assertEqual(ours.headers["x-content-type-options"], "nosniff")
