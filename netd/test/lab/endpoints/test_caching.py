"""
Validators, freshness, and headers on demand.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.test.lab.calling import ask, bench, fields, said, shown


class CacheTests(SynchronousTestCase):
    """
    `/cache`.
    """

    def test_validators(self) -> None:
        """It has validators, and is not modified for whoever has some."""
        found = fields(ask("GET /cache"))
        self.assertEqual(found["last-modified"], "Tue, 14 Nov 2023 22:13:20 GMT")
        self.assertRegex(found["etag"], r'\A"[0-9a-f]{32}"\Z')
        for field in ("If-Modified-Since: x", "If-None-Match: x"):
            reply = ask("GET /cache", field)
            self.assertEqual((reply.status, said(reply)), (304, b""))

    def test_fresh(self) -> None:
        """/cache/n says for how long."""
        self.assertEqual(fields(ask("GET /cache/60")), {"cache-control": "public, max-age=60"})
        self.assertRaises(BadCall, ask, "GET /cache/x")


class TagTests(SynchronousTestCase):
    """
    `/etag/<etag>`.
    """

    def test_quoted(self) -> None:
        """The tag is quoted, however it was asked for."""
        for path in ("abc", "%22abc%22", "W%2F%22abc%22"):
            self.assertEqual(fields(ask(f"GET /etag/{path}")), {"etag": '"abc"'})

    def test_noneMatch(self) -> None:
        """304 when the client has it, bare, quoted, weak, in a list or by a star."""
        for value in ("abc", '"abc"', 'W/"abc"', '"x", "abc"', "*"):
            reply = ask("GET /etag/abc", f"If-None-Match: {value}")
            self.assertEqual((reply.status, fields(reply)), (304, {"etag": '"abc"'}))
        self.assertEqual(ask("GET /etag/abc", "If-None-Match: abcd").status, 200)

    def test_match(self) -> None:
        """412 when the client wants another one."""
        self.assertEqual(ask("GET /etag/abc", 'If-Match: "x"').status, 412)
        for value in ("abc", '"abc"', "*"):
            self.assertEqual(ask("GET /etag/abc", f"If-Match: {value}").status, 200)

    def test_bad(self) -> None:
        """A tag with a quote, a space or a control character inside is a 400."""
        for path in ("a%22b", "a%20b", "a%0Ab"):
            self.assertRaises(BadCall, ask, f"GET /etag/{path}")


class ResponseHeaderTests(SynchronousTestCase):
    """
    `/response-headers`.
    """

    def test_said(self) -> None:
        """Each argument is a header and in the body, which knows its own length."""
        reply = ask("GET /response-headers?X-A=1&X-A=2&b=x%20y")
        self.assertEqual(reply.headers, (("X-A", "1"), ("X-A", "2"), ("b", "x y")))
        found = shown(reply)
        self.assertEqual(found.pop("Content-Length"), str(len(said(reply))))
        self.assertEqual(
            found, {"Content-Type": "application/json", "X-A": ["1", "2"], "b": "x y"}
        )

    def test_lengths(self) -> None:
        """The length is right around every power of ten."""
        for count in range(0, 1100, 7):
            reply = ask(f"GET /response-headers?a={'x' * count}")
            self.assertEqual(shown(reply)["Content-Length"], str(len(said(reply))))

    def test_type(self) -> None:
        """A passive type may be chosen, an active one only with --unsafe-responses."""
        self.assertEqual(ask("GET /response-headers?content-type=text/csv").type, "text/csv")
        line = "GET /response-headers?Content-Type=text/html"
        self.assertRaises(BadCall, ask, line)
        self.assertEqual(ask(line, on=bench(unsafe_responses=True)).type, "text/html")

    def test_refused(self) -> None:
        """Nothing that frames, lasts, or makes client bytes harmful; no CR, no LF."""
        for name in (
            "Set-Cookie",
            "set-cookie",
            "Connection",
            "Keep-Alive",
            "Transfer-Encoding",
            "Content-Length",
            "TE",
            "Trailer",
            "Upgrade",
            "Refresh",
            "Content-Security-Policy",
            "X-Content-Type-Options",
            "Clear-Site-Data",
            "Access-Control-Allow-Origin",
        ):
            for on in (bench(), bench(unsafe_responses=True)):
                self.assertRaises(BadCall, ask, f"GET /response-headers?{name}=x", on=on)
        for query in (
            "a=x%0d%0aSet-Cookie:%20a=b",
            "a=x%0ay",
            "a=%00",
            "a%20b=x",
            "a%0d=x",
            "a=%E2%82%AC",
            "=x",
        ):
            self.assertRaises(BadCall, ask, f"GET /response-headers?{query}")
