"""
Tests of netd.http.response_head.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers, InvalidHeaderName

from netd.http import response_head
from netd.http.request_head import Head, parse
from netd.http.response_head import Framing
from netd.test.http.stages import DATE


def head(method: bytes = b"GET", version: bytes = b"1.1") -> Head:
    """The head of a request."""
    return parse(b"%b / HTTP/%b\r\nHost: a\r\n\r\n" % (method, version), 100, 10)


class TextTests(SynchronousTestCase):
    """
    Dates, names, values and lines.
    """

    def test_name(self) -> None:
        """Names are canonical, as Twisted writes them, and so many of them are kept."""
        for raw, name in (
            (b"x-a", b"X-A"),
            ("etag", b"ETag"),
            (b"WWW-authenticate", b"WWW-Authenticate"),
        ):
            self.assertEqual(response_head.canonical(raw), name)
        for number in range(2000):
            response_head.canonical(b"x-%d" % number)
        self.assertLessEqual(len(response_head.known_names), 1000)
        self.assertEqual(response_head.canonical(b"x-1999"), b"X-1999")
        for bad in (b"", b"a b", b"a:", b"a\r\n", "ä"):
            self.assertRaises(InvalidHeaderName, response_head.canonical, bad)

    def test_value(self) -> None:
        """No value holds a line break."""
        for raw, value in (
            (b"a", b"a"),
            ("ä", b"\xc3\xa4"),
            (b"a\r\nb", b"a b"),
            (b"a\nb\rc", b"a b c"),
            (b"\r\n", b""),
        ):
            self.assertEqual(response_head.one_line(raw), value)

    def test_statusLine(self) -> None:
        """The reason phrase is the registered one, or the one that was given."""
        for code, message, line in (
            (200, None, b"200 OK"),
            (431, None, b"431 Request Header Fields Too Large"),
            (299, None, b"299 Unknown Status"),
            (200, b"Fine\r\nX: y", b"200 Fine X: y"),
        ):
            self.assertEqual(
                response_head.status_line(code, message), b"HTTP/1.1 " + line + b"\r\n"
            )

    def test_opening(self) -> None:
        """Every response starts with status line, Server and Date."""
        self.assertEqual(
            response_head.response_start(200, DATE),
            b"HTTP/1.1 200 OK\r\nServer: netd\r\nDate: " + DATE + b"\r\n",
        )

    def test_lines(self) -> None:
        """Headers become lines, and lines become pairs again."""
        headers = Headers({b"A": [b"1", b"2"], b"B": [b""]})
        fields = response_head.from_headers(headers)
        self.assertEqual(fields, {b"A": b"A: 1\r\nA: 2\r\n", b"B": b"B: \r\n"})
        self.assertEqual(
            list(response_head.pairs(fields)), [(b"A", b"1"), (b"A", b"2"), (b"B", b"")]
        )
        self.assertEqual(list(response_head.pairs({})), [])

    def test_ours(self) -> None:
        """Fields that the server would set itself are recognised."""
        self.assertFalse(response_head.overrides({b"Allow": b""}))
        for name in (b"Connection", b"Transfer-Encoding", b"Server", b"Date"):
            self.assertTrue(response_head.overrides({name: b""}))

    def test_joined(self) -> None:
        """Fields with a type and nothing of the server's are joined."""
        kind = {b"Content-Type": b"Content-Type: a/b\r\n"}
        self.assertEqual(response_head.joined(kind), b"Content-Type: a/b\r\n")
        both = {**kind, b"Allow": b"Allow: GET\r\n"}
        self.assertEqual(response_head.joined(both), b"Content-Type: a/b\r\nAllow: GET\r\n")
        self.assertEqual(response_head.joined({}), b"")
        self.assertEqual(response_head.joined({**kind, b"Date": b"Date: x\r\n"}), b"")
        self.assertEqual(
            response_head.joined({**kind, b"Content-Length": b"Content-Length: 1\r\n"}), b""
        )

    def test_prepared(self) -> None:
        """A block has the lines of its fields by name, and joined where that is possible."""
        lines = response_head.HeaderBlock([(b"content-type", b"a/b"), (b"x-a", b"1\n2")])
        self.assertEqual(
            lines.by_name,
            {b"Content-Type": b"Content-Type: a/b\r\n", b"X-A": b"X-A: 1 2\r\n"},
        )
        self.assertEqual(lines.joined, b"Content-Type: a/b\r\nX-A: 1 2\r\n")
        self.assertEqual(response_head.HeaderBlock([(b"X-A", b"1")]).joined, b"")

    def test_refusal(self) -> None:
        """Only a 503 has Retry-After."""
        top, body = response_head.refusal(400, "no", DATE)
        self.assertEqual(body, b"no\n")
        self.assertNotIn(b"Retry-After", top)
        self.assertIn(b"\r\nRetry-After: 1\r\n\r\n", response_head.refusal(503, "no", DATE)[0])


class FramingTests(SynchronousTestCase):
    """
    Where a body ends (RFC 9112 6.3).
    """

    def test_table(self) -> None:
        """Method, version, status and length decide."""
        length = {b"Content-Length": b"Content-Length: 7\r\n"}
        for method, version, code, own, size, framing, framed in (
            (b"GET", b"1.1", 200, {}, 5, Framing(False), b"5"),
            (b"GET", b"1.1", 200, length, 5, Framing(False), b"5"),
            (b"HEAD", b"1.1", 200, {}, 5, Framing(True), b"5"),
            (b"HEAD", b"1.1", 200, length, 0, Framing(True), b"7"),
            (b"GET", b"1.1", 200, {}, None, Framing(False, chunked=True), None),
            (b"GET", b"1.0", 200, {}, None, Framing(False, keep=False), None),
            (b"HEAD", b"1.1", 200, {}, None, Framing(True), None),
            (b"HEAD", b"1.0", 200, {}, None, Framing(True), None),
            (b"GET", b"1.1", 200, length, None, Framing(False, length=7), b"7"),
            (b"GET", b"1.0", 200, length, None, Framing(False, length=7), b"7"),
            (b"GET", b"1.1", 204, length, 5, Framing(True), None),
            (b"GET", b"1.1", 304, length, 5, Framing(True), b"7"),
            (b"GET", b"1.1", 304, {}, None, Framing(True), None),
            (b"GET", b"1.1", 101, {}, 0, Framing(True, keep=False), None),
        ):
            fields = dict(own)
            row = (method, version, code, own, size)
            self.assertEqual(
                response_head.choose_framing(fields, code, size, head(method, version)),
                framing,
                row,
            )
            line = fields.get(b"Content-Length")
            self.assertEqual(line and line[16:-2], framed, row)
            self.assertEqual(b"Transfer-Encoding" in fields, framing.chunked, row)
