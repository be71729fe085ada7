"""
Validators, freshness, and headers on demand.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.test.lab.calls import content, fields, json_of, lab_state, reply_to


class CacheTests(SynchronousTestCase):
    """
    `/cache`.
    """

    def test_validators(self) -> None:
        """The response has validators, and is a 304 when the request has a validator."""
        result = fields(reply_to("GET /cache"))
        self.assertEqual(result["last-modified"], "Tue, 14 Nov 2023 22:13:20 GMT")
        self.assertRegex(result["etag"], r'\A"[0-9a-f]{32}"\Z')
        for field in ("If-Modified-Since: x", "If-None-Match: x"):
            reply = reply_to("GET /cache", field)
            self.assertEqual((reply.status, content(reply)), (304, b""))

    def test_fresh(self) -> None:
        """/cache/n has a max-age."""
        self.assertEqual(
            fields(reply_to("GET /cache/60")), {"cache-control": "public, max-age=60"}
        )
        self.assertRaises(BadCall, reply_to, "GET /cache/x")


class TagTests(SynchronousTestCase):
    """
    `/etag/<etag>`.
    """

    def test_quoted(self) -> None:
        """The tag is quoted, whether or not the path quotes it."""
        for path in ("abc", "%22abc%22", "W%2F%22abc%22"):
            self.assertEqual(fields(reply_to(f"GET /etag/{path}")), {"etag": '"abc"'})

    def test_noneMatch(self) -> None:
        """If-None-Match with the tag, bare, quoted, weak, in a list or as a star, is a 304."""
        for value in ("abc", '"abc"', 'W/"abc"', '"x", "abc"', "*"):
            reply = reply_to("GET /etag/abc", f"If-None-Match: {value}")
            self.assertEqual((reply.status, fields(reply)), (304, {"etag": '"abc"'}))
        for value in ("abcd", '"x,abc"', '"abc', '"ABC"', '"x" "abc"'):
            self.assertEqual(reply_to("GET /etag/abc", f"If-None-Match: {value}").status, 200)

    def test_match(self) -> None:
        """If-Match without the tag is a 412."""
        for value in ('"x"', 'W/"abc"', "W/abc", '"x,abc"'):
            reply = reply_to("GET /etag/abc", f"If-Match: {value}")
            self.assertEqual((reply.status, fields(reply)), (412, {}))
        for value in ("abc", '"abc"', "*"):
            self.assertEqual(reply_to("GET /etag/abc", f"If-Match: {value}").status, 200)

    def test_order(self) -> None:
        """If-Match comes first (RFC 9110 13.2.2), and dates mean nothing without one."""
        reply = reply_to("GET /etag/abc", 'If-Match: "z"', 'If-None-Match: "abc"')
        self.assertEqual(reply.status, 412)
        for name in ("If-Modified-Since", "If-Unmodified-Since"):
            reply = reply_to("GET /etag/abc", f"{name}: Tue, 14 Nov 2023 22:13:20 GMT")
            self.assertEqual(reply.status, 200)

    def test_bad(self) -> None:
        """A tag with a quote, a space or a control character is a 400."""
        for path in ("a%22b", "a%20b", "a%0Ab"):
            self.assertRaises(BadCall, reply_to, f"GET /etag/{path}")

    def test_exact(self) -> None:
        """With --httpbin-exact the ETag is as in the path, and so are preconditions."""
        state = lab_state(httpbin_exact=True)
        reply = reply_to("GET /etag/abc", state=state)
        self.assertEqual(fields(reply)["etag"], "abc")
        for tag in ("abc", '"abc"'):
            again = reply_to("GET /etag/abc", f"If-None-Match: {tag}", state=state)
            self.assertEqual(again.status, 304)
        self.assertRegex(fields(reply_to("GET /cache", state=state))["etag"], r"\A[0-9a-f]+\Z")


class ResponseHeaderTests(SynchronousTestCase):
    """
    `/response-headers`.
    """

    def test_said(self) -> None:
        """Each argument is a header and in the body, which holds its own length."""
        reply = reply_to("GET /response-headers?X-A=1&X-A=2&Via=x%20y")
        self.assertEqual(reply.headers, (("X-A", "1"), ("X-A", "2"), ("Via", "x y")))
        result = json_of(reply)
        self.assertEqual(result.pop("Content-Length"), str(len(content(reply))))
        self.assertEqual(
            result, {"Content-Type": "application/json", "X-A": ["1", "2"], "Via": "x y"}
        )

    def test_lengths(self) -> None:
        """The length is right around every power of ten."""
        for count in range(0, 1100, 7):
            reply = reply_to(f"GET /response-headers?X-A={'x' * count}")
            self.assertEqual(json_of(reply)["Content-Length"], str(len(content(reply))))

    def test_type(self) -> None:
        """The last Content-Type is that of the response, and stands once in the body."""
        reply = reply_to("GET /response-headers?content-type=text/plain&Content-Type=text/csv")
        self.assertEqual((reply.type, reply.headers), ("text/csv", ()))
        self.assertEqual(json_of(reply)["Content-Type"], "text/csv")

    def test_refused(self) -> None:
        """Each field must be one that clients may set."""
        for query in ("Set-Cookie=a=b", "X-A=1&Link=x", "Content-Type=text/html"):
            self.assertRaises(BadCall, reply_to, f"GET /response-headers?{query}")
