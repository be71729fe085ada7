"""The head parser, rule by rule and cut by cut; fuzzing is in `test_oracles.py`."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.http.errors import RequestError
from netd.http.request_head import END, Head, examine, parse
from netd.test.bounded import bounded
from netd.test.chance import by_chance

MOST, MOST_TARGET, MOST_FIELDS = 16 * 1024, 8 * 1024, 100
ONE = b"Host: a\r\n"


def feed(data: bytes, *pieces: int) -> Head | str:
    """The head in `data`, or the key of its error; `pieces` are where it is cut."""
    seen = b""
    stops = [*pieces, len(data)]
    for start, stop in zip([0, *pieces], stops, strict=True):
        seen += data[start:stop]
        end = seen.find(END) + 4
        try:
            if 4 <= end <= MOST:
                return parse(seen[:end], MOST_TARGET, MOST_FIELDS)
            examine(seen, MOST, MOST_TARGET)
        except RequestError as refused:
            return refused.key
    return "more"


def same(first: Head | str, second: Head | str) -> bool:
    """Whether two results are the same."""
    if isinstance(first, str) or isinstance(second, str):
        return first == second
    return first.raw == second.raw and first.uri == second.uri and first.keep == second.keep


# Refused heads: the rule, the key of the error, and the bytes.
REFUSED: list[tuple[str, str, bytes]] = [
    ("RFC 9112 3: method is a token", "line", b"G(T / HTTP/1.1\r\n" + ONE),
    ("RFC 9112 3: method is not empty", "line", b" / HTTP/1.1\r\n" + ONE),
    ("RFC 9112 3: one space before the target", "line", b"GET  / HTTP/1.1\r\n" + ONE),
    ("RFC 9112 3: one space after the target", "line", b"GET /  HTTP/1.1\r\n" + ONE),
    ("RFC 9112 3: no tab", "line", b"GET\t/ HTTP/1.1\r\n" + ONE),
    ("RFC 9112 3: nothing after the version", "line", b"GET / HTTP/1.1 \r\n" + ONE),
    ("RFC 9112 2.3: the name is HTTP", "line", b"GET / HTTX/1.1\r\n" + ONE),
    ("RFC 9112 2.3: the name is upper case", "line", b"GET / http/1.1\r\n" + ONE),
    ("RFC 9112 2.3: one digit each", "line", b"GET / HTTP/1.10\r\n" + ONE),
    ("RFC 9112 2.3: a digit each", "line", b"GET / HTTP/1.x\r\n" + ONE),
    ("netd: no HTTP/2", "version", b"PRI * HTTP/2.0\r\n"),
    ("netd: no HTTP/1.2", "version", b"GET / HTTP/1.2\r\n" + ONE),
    ("netd: no HTTP/0.9", "version", b"GET /\r\n"),
    ("RFC 9112 3.2: no control character", "target-byte", b"GET /\x01 HTTP/1.1\r\n" + ONE),
    ("RFC 9112 3.2: no NUL", "target-byte", b"GET /\x00 HTTP/1.1\r\n" + ONE),
    ("RFC 9112 3.2: no DEL", "target-byte", b"GET /\x7f HTTP/1.1\r\n" + ONE),
    ("RFC 9112 3.2: no 8-bit byte", "target-byte", b"GET /\xe4 HTTP/1.1\r\n" + ONE),
    ("RFC 9112 3.2: no fragment", "target-byte", b"GET /#a HTTP/1.1\r\n" + ONE),
    ("RFC 9112 3.2.1: origin-form is absolute", "target", b"GET a HTTP/1.1\r\n" + ONE),
    ("RFC 9112 3.2.2: http or https", "target", b"GET ftp://a/ HTTP/1.1\r\n" + ONE),
    ("RFC 9112 3.2.2: a host", "target", b"GET http:///a HTTP/1.1\r\n" + ONE),
    ("RFC 9110 4.2.4: no userinfo", "target", b"GET http://u@a/ HTTP/1.1\r\n" + ONE),
    ("RFC 9112 3.2.4: * is for OPTIONS", "target", b"GET * HTTP/1.1\r\n" + ONE),
    ("netd: no CONNECT of any kind", "connect", b"CONNECT / HTTP/1.1\r\n" + ONE),
    ("RFC 9112 2.2: no bare CR before CR LF", "line-end", b"GET / HTTP/1.1\r\r\n" + ONE),
    ("RFC 9112 3: the first fault counts", "line", b"G\xe4T /\xe4\n\r\n" + ONE),
    ("netd: no CONNECT", "connect", b"CONNECT a:443 HTTP/1.1\r\n" + ONE),
    ("RFC 9112 2.2: no bare LF after the line", "line-end", b"GET / HTTP/1.1\n" + ONE),
    ("RFC 9112 2.2: no bare CR in the line", "line-end", b"GET / HTTP/1.1\rX\r\n" + ONE),
    (
        "RFC 9112 2.2: no bare LF in a field",
        "bare",
        b"GET / HTTP/1.1\r\n" + ONE + b"a: b\nc: d\r\n",
    ),
    (
        "RFC 9112 2.2: no bare CR in a field",
        "bare",
        b"GET / HTTP/1.1\r\n" + ONE + b"a: b\rc\r\n",
    ),
    ("RFC 9112 5.2: no folding", "field", b"GET / HTTP/1.1\r\n" + ONE + b"a: b\r\n c\r\n"),
    ("RFC 9112 5.2: no folding first", "field", b"GET / HTTP/1.1\r\n a: b\r\n" + ONE),
    ("RFC 9112 5.1: no space before the colon", "field", b"GET / HTTP/1.1\r\nHost : a\r\n"),
    ("RFC 9110 5.1: a name", "field", b"GET / HTTP/1.1\r\n" + ONE + b": b\r\n"),
    ("RFC 9110 5.1: a name is a token", "field", b"GET / HTTP/1.1\r\n" + ONE + b"a(: b\r\n"),
    ("RFC 9112 5: a colon", "field", b"GET / HTTP/1.1\r\n" + ONE + b"a\r\n"),
    ("RFC 9110 5.5: no NUL", "field", b"GET / HTTP/1.1\r\n" + ONE + b"a: \x00\r\n"),
    (
        "RFC 9110 5.5: no control character",
        "field",
        b"GET / HTTP/1.1\r\n" + ONE + b"a: \x0b\r\n",
    ),
    ("RFC 9110 5.5: no DEL", "field", b"GET / HTTP/1.1\r\n" + ONE + b"a: \x7f\r\n"),
    ("RFC 9112 3.2: a Host", "host", b"GET / HTTP/1.1\r\n"),
    ("RFC 9112 3.2: one Host", "host", b"GET / HTTP/1.1\r\n" + ONE + ONE),
    ("RFC 9112 3.2: one Host in any version", "host", b"GET / HTTP/1.0\r\n" + ONE + ONE),
    ("RFC 9112 3.2: a valid Host", "host", b"GET / HTTP/1.1\r\nHost: a/b\r\n"),
    ("RFC 9112 3.2: no list of Hosts", "host", b"GET / HTTP/1.1\r\nHost: a, b\r\n"),
    ("RFC 9112 3.2: no userinfo in Host", "host", b"GET / HTTP/1.1\r\nHost: u@a\r\n"),
    ("RFC 3986 3.2.3: a port is digits", "host", b"GET / HTTP/1.1\r\nHost: a:b\r\n"),
    ("RFC 3986 3.2.2: a bracket is closed", "host", b"GET / HTTP/1.1\r\nHost: [::1\r\n"),
    (
        "RFC 9112 6.3: one length",
        "length",
        b"GET / HTTP/1.1\r\n" + ONE + b"Content-Length: 1\r\n" * 2,
    ),
    ("RFC 9110 8.6: digits", "length", b"GET / HTTP/1.1\r\n" + ONE + b"Content-Length: -1\r\n"),
    (
        "RFC 9110 8.6: at least one",
        "length",
        b"GET / HTTP/1.1\r\n" + ONE + b"Content-Length:\r\n",
    ),
    (
        "RFC 9110 8.6: no list",
        "length",
        b"GET / HTTP/1.1\r\n" + ONE + b"Content-Length: 1,1\r\n",
    ),
    (
        "netd: 18 digits",
        "length",
        b"GET / HTTP/1.1\r\n" + ONE + b"Content-Length: %b\r\n" % (b"0" * 19),
    ),
    (
        "RFC 9112 6.1: not both",
        "framing",
        b"GET / HTTP/1.1\r\n" + ONE + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "RFC 9112 6.1: not in HTTP/1.0",
        "framing",
        b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "RFC 9112 6.1: once",
        "framing",
        b"GET / HTTP/1.1\r\n" + ONE + b"Transfer-Encoding: chunked\r\n" * 2,
    ),
    (
        "RFC 9112 7: not twice",
        "framing",
        b"GET / HTTP/1.1\r\n" + ONE + b"Transfer-Encoding: chunked, chunked\r\n",
    ),
    (
        "RFC 9112 6.1: something",
        "framing",
        b"GET / HTTP/1.1\r\n" + ONE + b"Transfer-Encoding:\r\n",
    ),
    (
        "RFC 9112 6.1: 501",
        "coding",
        b"GET / HTTP/1.1\r\n" + ONE + b"Transfer-Encoding: gzip\r\n",
    ),
    ("RFC 9110 10.1.1: 417", "expectation", b"GET / HTTP/1.1\r\n" + ONE + b"Expect: a\r\n"),
    (
        "RFC 9110 10.1.1: once",
        "expectation",
        b"GET / HTTP/1.1\r\n" + ONE + b"Expect: 100-continue\r\n" * 2,
    ),
    ("netd: fields", "fields", b"GET / HTTP/1.1\r\n" + ONE + b"a: b\r\n" * 100),
    ("netd: target", "long-target", b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\n" + ONE),
    ("netd: head", "large-head", b"GET / HTTP/1.1\r\n" + ONE + b"a: " + b"b" * 16384 + b"\r\n"),
    ("netd: head, bytes first", "long-target", b"GET /" + b"a" * 16384 + b" HTTP/1.1\r\n"),
    ("netd: method, bytes first", "large-head", b"A" * 16400 + b" / HTTP/1.1\r\n"),
    ("netd: line, bytes first", "large-head", b"GET / " + b"A" * 16400),
]

# Valid heads that some servers refuse, and the attributes that matter.
ACCEPTED: list[tuple[str, bytes, dict[str, Any]]] = [
    ("any token is a method", b"!#$%&'*+-.^_`|~09aZ / HTTP/1.1\r\n" + ONE, {"uri": b"/"}),
    (
        "origin-form",
        b"GET /a%20b/c?d=e HTTP/1.1\r\n" + ONE,
        {"postpath": [b"a b", b"c"], "query": b"d=e"},
    ),
    ("two slashes", b"GET //a HTTP/1.1\r\n" + ONE, {"postpath": [b"", b"a"]}),
    (
        "absolute-form",
        b"GET http://b/c?d HTTP/1.1\r\n" + ONE,
        {"uri": b"/c?d", "authority": b"b"},
    ),
    ("absolute-form without path", b"GET HTTP://b HTTP/1.1\r\n" + ONE, {"uri": b"/"}),
    (
        "absolute-form with only a query",
        b"GET https://b:1?c HTTP/1.1\r\n" + ONE,
        {"uri": b"/?c"},
    ),
    ("asterisk-form", b"OPTIONS * HTTP/1.1\r\n" + ONE, {"uri": b"*"}),
    ("HTTP/1.0 without Host", b"GET / HTTP/1.0\r\n", {"keep": False, "minor": False}),
    ("an empty Host", b"GET / HTTP/1.1\r\nHost:\r\n", {"keep": True}),
    ("an IPv6 Host", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n", {"keep": True}),
    ("an escaped Host", b"GET / HTTP/1.1\r\nHost: a%41\r\n", {"keep": True}),
    ("any case", b"GET / HTTP/1.1\r\nhOST: a\r\ncONTENT-lENGTH: 3\r\n", {"length": 3}),
    (
        "no space, many spaces",
        b"GET / HTTP/1.1\r\nHost:a\r\nContent-Length: \t 3 \t\r\n",
        {"length": 3},
    ),
    (
        "18 digits",
        b"GET / HTTP/1.1\r\n" + ONE + b"Content-Length: %018d\r\n" % 3,
        {"length": 3},
    ),
    (
        "chunked",
        b"GET / HTTP/1.1\r\n" + ONE + b"Transfer-Encoding: Chunked\r\n",
        {"length": None},
    ),
    (
        "100-continue",
        b"GET / HTTP/1.1\r\n" + ONE + b"Expect: 100-Continue\r\n",
        {"continues": True},
    ),
    ("no expectation in 1.0", b"GET / HTTP/1.0\r\nExpect: a\r\n", {"continues": False}),
    ("close", b"GET / HTTP/1.1\r\n" + ONE + b"Connection: close\r\n", {"keep": False}),
    (
        "close in a list",
        b"GET / HTTP/1.1\r\n" + ONE + b"Connection: a , CLOSE\r\n",
        {"keep": False},
    ),
    (
        "not quite close",
        b"GET / HTTP/1.1\r\n" + ONE + b"Connection: enclose\r\n",
        {"keep": True},
    ),
    ("keep-alive in 1.0", b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n", {"keep": True}),
    (
        "8-bit bytes in a value",
        b"GET / HTTP/1.1\r\n" + ONE + b"a: \xe4\xff\r\n",
        {"keep": True},
    ),
    (
        "an empty value",
        b"GET / HTTP/1.1\r\n" + ONE + b"a:\r\n",
        {"fields": {b"host": (b"a",), b"a": (b"",)}},
    ),
    (
        "repeated fields",
        b"GET / HTTP/1.1\r\n" + ONE + b"B: 1\r\na: x\r\nb: 2\r\n",
        {"fields": {b"host": (b"a",), b"b": (b"1", b"2"), b"a": (b"x",)}},
    ),
    (
        "the target's host counts",
        b"GET http://b/ HTTP/1.1\r\n" + ONE,
        {"fields": {b"host": (b"b",)}},
    ),
    ("an empty line before", b"\r\nGET / HTTP/1.1\r\n" + ONE, {"line": b"GET / HTTP/1.1"}),
    ("no field at all", b"GET / HTTP/1.0\r\n", {"fields": {}}),
    ("100 fields", b"GET / HTTP/1.1\r\n" + ONE + b"a: b\r\n" * 99, {"keep": True}),
    ("8192 bytes of target", b"GET /" + b"a" * 8191 + b" HTTP/1.1\r\n" + ONE, {"keep": True}),
    (
        "fields of any case",
        b"GET / HTTP/1.1\r\n" + ONE + b"user-agent: me \r\nReferer: http://b\r\n",
        {
            "fields": {
                b"host": (b"a",),
                b"user-agent": (b"me",),
                b"referer": (b"http://b",),
            }
        },
    ),
]


class RuleTests(SynchronousTestCase):
    """Every rule of the RFCs has a row."""

    def test_refused(self) -> None:
        """A head that breaks a rule is refused with that rule's key."""
        for rule, key, data in REFUSED:
            self.assertEqual(feed(data + b"\r\n"), key, rule)

    def test_known(self) -> None:
        """A head whose lines came before has the same result as for the first time."""
        for rule, begun in [(row[0], row[-1]) for row in REFUSED] + [
            row[:2] for row in ACCEPTED
        ]:
            data = begun + b"\r\n"
            self.assertTrue(same(feed(data), feed(data)), rule)
        for version, keep in ((b"1.1", True), (b"1.0", False), (b"1.1", True)):
            head = feed(b"GET / HTTP/%b\r\nHost: a\r\n\r\n" % version)
            assert isinstance(head, Head)
            self.assertIs(head.keep, keep)

    def test_longLines(self) -> None:
        """A target may be as long as a line that is kept, and the limit on targets holds."""
        for length in (9, 300):
            data = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * length)
            self.assertEqual(parse(data, length + 1, 100).path, b"/" + b"a" * length)
            caught = self.assertRaises(RequestError, parse, data, length, 100)
            self.assertEqual(caught.key, "long-target")

    def test_accepted(self) -> None:
        """A head that breaks no rule has the right parts."""
        for rule, data, parts in ACCEPTED:
            head = feed(data + b"\r\n")
            self.assertIsInstance(head, Head, f"{rule}: {head}")
            for name, value in parts.items():
                self.assertEqual(getattr(head, name), value, rule)

    def test_cuts(self) -> None:
        """A head cut anywhere, or everywhere, is parsed like the whole."""
        for rule, begun in [(row[0], row[-1]) for row in REFUSED] + [
            row[:2] for row in ACCEPTED
        ]:
            data = begun + b"\r\n"
            whole = feed(data)
            long = len(data) > 500
            for at in range(1, len(data), 499 if long else 1):
                self.assertTrue(same(whole, feed(data, at)), f"{rule} cut at {at}")
            if not long:
                self.assertTrue(same(whole, feed(data, *range(1, len(data)))), rule)

    def test_limits(self) -> None:
        """Each limit is exact."""
        for size, verdict in ((100, Head), (99, str)):
            data = b"GET / HTTP/1.1\r\nHost: a\r\nx: %b\r\n\r\n" % (b"y" * 68)
            self.assertEqual(len(data), 100)
            self.patch_most(size)
            self.assertIsInstance(feed(data), verdict)

    def patch_most(self, size: int) -> None:
        """Set the limit on the size of a head."""
        import sys

        self.patch(sys.modules[__name__], "MOST", size)

    def test_linear(self) -> None:
        """The time for the worst heads is linear: the patterns do not backtrack."""
        for unit in (
            b"a",
            b"a:",
            b": ",
            b"\t",
            b"a: b\r\n",
            b"\r\n ",
            b"http://",
            b"%41",
            b",",
        ):
            for frame in (
                b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET / HTTP/1.1\r\n%b\r\n\r\n",
            ):
                data = frame % (unit * (1_000_000 // len(unit)))
                with bounded(unit), contextlib.suppress(RequestError):
                    parse(data, 10**9, 10**9)


TCHAR = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
token = st.text(TCHAR, min_size=1, max_size=12).map(str.encode)
vchar = st.text([chr(code) for code in range(0x21, 0x7F) if code != 0x23], max_size=20).map(
    str.encode
)
text = st.binary(max_size=20).map(
    lambda data: bytes(byte for byte in data if byte == 9 or (byte >= 32 and byte != 127))
)
RESERVED = {b"host", b"connection", b"content-length", b"transfer-encoding", b"expect"}
field = st.tuples(token.filter(lambda name: name.lower() not in RESERVED), text)


class GrammarTests(SynchronousTestCase):
    """Heads generated from the grammar, and heads with noise."""

    @by_chance
    @given(token.filter(lambda name: name != b"CONNECT"), vchar, st.lists(field, max_size=8))
    def test_valid(self, method: bytes, path: bytes, fields: list[tuple[bytes, bytes]]) -> None:
        """A generated head is parsed into the parts that it was generated from."""
        lines = b"".join(b"%b: %b\r\n" % field for field in fields)
        head = feed(b"%b /%b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (method, path, lines))
        self.assertIsInstance(head, Head)
        assert isinstance(head, Head)
        self.assertEqual((head.method, head.uri), (method, b"/" + path))
        expected: dict[bytes, tuple[bytes, ...]] = {b"host": (b"a",)}
        for name, value in fields:
            key = name.lower()
            expected[key] = (*expected.get(key, ()), value.strip(b" \t"))
        self.assertEqual(head.fields, expected)

    @by_chance
    @given(st.binary(max_size=60), st.integers(0, 40), st.lists(st.integers(1, 90), max_size=4))
    def test_anyBytes(self, noise: bytes, at: int, cuts: list[int]) -> None:
        """Cutting a head with any noise in it does not change the result."""
        data = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
        data = data[:at] + noise + data[at:]
        pieces = sorted({cut for cut in cuts if cut < len(data)})
        self.assertTrue(
            same(feed(data), feed(data, *pieces)), (feed(data), feed(data, *pieces))
        )
