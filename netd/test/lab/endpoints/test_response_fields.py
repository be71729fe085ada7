"""
What clients may choose of a response's header.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import TEXT, BadCall
from netd.lab.endpoints.response_fields import allowed_type, echoed_type, response_field
from netd.test.chance import by_chance
from netd.test.lab.calls import fields, lab_state, make_call, reply_to

CLIENTS_NEED = (
    *("Content-Language", "Content-Disposition", "ETag", "Last-Modified", "Cache-Control"),
    *("Expires", "Vary", "Age", "Retry-After", "Allow", "Warning", "Accept-Ranges", "X-A"),
    *("x-request-id", "Content-Encoding", "Content-Range", "freeform", "X-RateLimit-Limit"),
)

ACTED_UPON = (
    *("Set-Cookie", "set-cookie", "Set-Cookie2", "Refresh", "Clear-Site-Data", "Link", "NEL"),
    *("Report-To", "Reporting-Endpoints", "Accept-CH", "SourceMap", "X-SourceMap", "Expect-CT"),
    *("WWW-Authenticate", "Authentication-Info", "Strict-Transport-Security", "Alt-Svc"),
    *("Service-Worker-Allowed", "Access-Control-Allow-Origin", "Timing-Allow-Origin"),
    *("Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "No-Vary-Search"),
    *("Content-Security-Policy", "Content-Security-Policy-Report-Only", "Permissions-Policy"),
    *(
        "X-Content-Type-Options",
        "x-content-security-policy",
        "X-Frame-Options",
        "Server-Timing",
    ),
    *("Cross-Origin-Resource-Policy", "Origin-Trial", "Referrer-Policy", "Speculation-Rules"),
    # nginx, lighttpd and Apache would send a file of theirs.
    *("X-Accel-Redirect", "X-Sendfile", "X-LIGHTTPD-send-file", "x-robots-tag"),
    # What some browser may act on in the future.
    *("New-Policy", "anything"),
)

OF_SERVER = (
    *("Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "TE", "Trailer"),
    *("Upgrade", "Date", "Server", "Proxy-Authenticate", "Proxy-Connection"),
)

TWO_WAYS = ("/response-headers?{0}=x", "/echo?header={0}:%20x")
THREE_WAYS = (*TWO_WAYS, "/?delay=0&header={0}:x")


class FieldTests(SynchronousTestCase):
    """
    Fields that a client chooses.
    """

    def test_allowed(self) -> None:
        """What clients are tested with may be set everywhere."""
        for name in CLIENTS_NEED:
            for target in THREE_WAYS:
                reply = reply_to(f"GET {target.format(name)}")
                self.assertEqual(fields(reply)[name.lower()], "x")
            self.assertEqual(response_field(make_call("GET /"), name, "x"), (name, "x"))

    def test_actedUpon(self) -> None:
        """What browsers or proxies act on needs --unsafe-responses, as the 400 says."""
        unsafe = lab_state(unsafe_responses=True)
        for name in ACTED_UPON:
            for target in (*THREE_WAYS, "/trailers?{0}=x"):
                line = f"GET {target.format(name)}"
                error = self.assertRaises(BadCall, reply_to, line)
                self.assertEqual(error.status, 400)
                if not target.startswith("/trailers"):
                    self.assertIn("--unsafe-responses yes", error.detail)
                    self.assertIn(name.lower(), fields(reply_to(line, state=unsafe)))

    def test_header(self) -> None:
        """X-Netd-Header obeys the same rule."""
        self.assertRaises(BadCall, reply_to, "GET /echo", "X-Netd-Header: NEL: x")

    def test_exact(self) -> None:
        """--httpbin-exact allows cookies and all other fields, and no active type."""
        state = lab_state(httpbin_exact=True)
        for name in ACTED_UPON:
            reply = reply_to(f"GET /response-headers?{name}=x", state=state)
            self.assertEqual(reply.headers, ((name, "x"),))
        line = "GET /response-headers?Content-Type=text/html"
        self.assertRaises(BadCall, reply_to, line, state=state)

    def test_ofServer(self) -> None:
        """Fields of the connection and of the server are always refused."""
        unsafe, exact = lab_state(unsafe_responses=True), lab_state(httpbin_exact=True)
        for state in (lab_state(), unsafe, exact):
            for name in OF_SERVER:
                for target in (*TWO_WAYS, "/trailers?{0}=x"):
                    line = f"GET {target.format(name)}"
                    self.assertRaises(BadCall, reply_to, line, state=state)

    def test_malformed(self) -> None:
        """Names that are no token, and values that no field may have, are refused."""
        state = lab_state(unsafe_responses=True)
        for query in (
            "X-A=x%0d%0aSet-Cookie:%20a=b",
            "X-A=x%0ay",
            "X-A=%00",
            "X-A%20b=x",
            "X-A%0d=x",
            "X-A=%E2%82%AC",
            "=x",
        ):
            self.assertRaises(BadCall, reply_to, f"GET /response-headers?{query}", state=state)

    def test_location(self) -> None:
        """Location leads where /redirect-to may lead, and nowhere else."""
        allowed = lab_state(redirect_allow=("good.example",), unsafe_responses=True)
        exact = lab_state(httpbin_exact=True)
        for target in (
            "/response-headers?Location={0}",
            "/echo?status=302&header=Location:{0}",
            "/echo?status=201&header=location:%20{0}",
            "/?delay=0&status=302&header=LOCATION:{0}",
        ):
            for url in ("/get", "http://netd/x", "http://good.example/"):
                reply = reply_to(f"GET {target.format(url)}", state=allowed)
                self.assertEqual(fields(reply)["location"], url)
            for url in ("//evil.example", "https://evil.example/", "javascript:alert(1)"):
                line = f"GET {target.format(url)}"
                error = self.assertRaises(BadCall, reply_to, line, state=allowed)
                self.assertRegex(error.detail, "(?i)^location: (leads|neither)")
                if not target.startswith("/?"):
                    reply = reply_to(line, state=exact)
                    self.assertEqual(fields(reply)["location"], url)

    def test_type(self) -> None:
        """A passive type may be chosen, an active one only with --unsafe-responses."""
        self.assertEqual(
            reply_to("GET /response-headers?content-type=text/csv").type, "text/csv"
        )
        unsafe = lab_state(unsafe_responses=True)
        for line in (
            "GET /response-headers?Content-Type=text/html",
            "GET /response-headers?Content-Type=text/plain;x,text/html",
            "GET /echo?type=text/plain;x,text/html",
            "GET /echo?header=Content-Type:text/html",
        ):
            error = self.assertRaises(BadCall, reply_to, line)
            self.assertIn("--unsafe-responses", error.detail)
            self.assertEqual(reply_to(line, state=unsafe).status, 200)


KEPT = (
    "application/json",
    "Application/JSON; charset=utf-8",
    "text/plain;charset=latin-1",
    "text/csv",
    "application/octet-stream",
    "multipart/form-data; boundary=----x",
    "image/png",
    "video/mp4",
    "text/plain;",
    "text/plain ; ; charset = x".replace(" = ", "="),
    'text/plain; a="; b\\" c"; charset=utf-8',
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
    # Everything after the semicolon must be parameters (RFC 9110 5.6.6).
    "text/plain;x,text/html",
    "text/plain;x",
    "text/plain; a=b, text/html",
    "text/plain;,text/html",
    'text/plain; a="b,text/html"',
    'text/plain; a="b\\,text/html"',
    'text/plain; a="b',
    'text/plain; a="b\\"',
    'text/plain; a="b"c',
    "text/plain; a=",
    "text/plain; =b",
    "text/plain; a = b",
    "text/plain charset=x",
    "text /plain",
    "text/plain/html",
    "text/",
    "/plain",
)


media_types = st.lists(
    st.sampled_from(
        ["text/plain", "Image/PNG", "text/html", ";", ";", ",", " ", "a", "=", '"', "\\", "/"]
    )
).map("".join)


def echoed(content_type: str) -> str:
    """The type with which a body of this type is sent back."""
    call = make_call("PUT /")
    # Some are no values that a head may have.
    call.head.fields = {b"content-type": (content_type.encode("latin-1"),)}
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
        self.assertTrue(allowed_type(call, "text/html"))
        self.assertFalse(allowed_type(call, "text/html\r\nX: y"))

    @by_chance
    @given(media_types)
    def test_parameters(self, kind: str) -> None:
        """A type is kept as a whole, or not at all."""
        self.assertIn(echoed(kind), (kind, TEXT))
        if echoed(kind) == kind:
            self.assertRegex(kind, r"(?i)\A(?:text/plain|image/png)[ \t]*(?:;|\Z)")
            self.assertNotIn(",", kind)

    @by_chance
    @given(st.text(st.characters(max_codepoint=255)) | media_types)
    def test_neverActive(self, kind: str) -> None:
        """No type that a browser would run is ever sent back."""
        media = echoed(kind).partition(";")[0].lower()
        for active in ("html", "xml", "svg", "script", ","):
            self.assertNotIn(active, media)
