"""
Validators, freshness, and headers on demand.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import TEXT, BadCall
from netd.lab.endpoints.caching import allowed, echoed_type
from netd.test.lab.calls import content, fields, json_of, lab_state, make_call, reply_to


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
            self.assertEqual(reply_to("GET /etag/abc", f"If-Match: {value}").status, 412)
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


class ResponseHeaderTests(SynchronousTestCase):
    """
    `/response-headers`.
    """

    def test_said(self) -> None:
        """Each argument is a header and in the body, which holds its own length."""
        reply = reply_to("GET /response-headers?X-A=1&X-A=2&b=x%20y")
        self.assertEqual(reply.headers, (("X-A", "1"), ("X-A", "2"), ("b", "x y")))
        result = json_of(reply)
        self.assertEqual(result.pop("Content-Length"), str(len(content(reply))))
        self.assertEqual(
            result, {"Content-Type": "application/json", "X-A": ["1", "2"], "b": "x y"}
        )

    def test_lengths(self) -> None:
        """The length is right around every power of ten."""
        for count in range(0, 1100, 7):
            reply = reply_to(f"GET /response-headers?a={'x' * count}")
            self.assertEqual(json_of(reply)["Content-Length"], str(len(content(reply))))

    def test_type(self) -> None:
        """A passive type may be chosen, an active one only with --unsafe-responses."""
        self.assertEqual(
            reply_to("GET /response-headers?content-type=text/csv").type, "text/csv"
        )
        line = "GET /response-headers?Content-Type=text/html"
        self.assertRaises(BadCall, reply_to, line)
        self.assertEqual(
            reply_to(line, state=lab_state(unsafe_responses=True)).type, "text/html"
        )

    def test_refused(self) -> None:
        """Headers that frame, persist or weaken protection are refused, like line breaks."""
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
            for state in (lab_state(), lab_state(unsafe_responses=True)):
                self.assertRaises(
                    BadCall, reply_to, f"GET /response-headers?{name}=x", state=state
                )
        for query in (
            "a=x%0d%0aSet-Cookie:%20a=b",
            "a=x%0ay",
            "a=%00",
            "a%20b=x",
            "a%0d=x",
            "a=%E2%82%AC",
            "=x",
        ):
            self.assertRaises(BadCall, reply_to, f"GET /response-headers?{query}")


KEPT = (
    "application/json",
    "Application/JSON; charset=utf-8",
    "text/plain;charset=latin-1",
    "text/csv",
    "application/octet-stream",
    "multipart/form-data; boundary=----x",
    "image/png",
    "video/mp4",
)

DISARMED = (
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
)


def echoed(content_type: str) -> str:
    """The type with which a body of this type is sent back."""
    call = make_call("PUT /")
    call._headers = (("Content-Type", content_type),)
    return echoed_type(call)


class TypeTests(SynchronousTestCase):
    """
    The type of a body that is sent back.
    """

    def test_kept(self) -> None:
        """Types that no browser runs are kept, with their parameters."""
        for kind in KEPT:
            self.assertEqual(echoed(kind), kind)

    def test_disarmed(self) -> None:
        """Active, unknown and malformed types become plain text."""
        self.assertEqual(echoed_type(make_call("GET /")), TEXT)
        for kind in DISARMED:
            self.assertEqual(echoed(kind), TEXT, kind)

    def test_unsafe(self) -> None:
        """--unsafe-responses allows every type, but no line breaks."""
        call = make_call("GET /", state=lab_state(unsafe_responses=True))
        self.assertTrue(allowed(call, "text/html"))
        self.assertFalse(allowed(call, "text/html\r\nX: y"))

    @given(st.text())
    def test_neverActive(self, kind: str) -> None:
        """No type that a browser would run is ever sent back."""
        media = echoed(kind).partition(";")[0].lower()
        for active in ("html", "xml", "svg", "script", ","):
            self.assertNotIn(active, media)
