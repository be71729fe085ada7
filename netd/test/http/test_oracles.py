"""
The HTTP server against others: stock Twisted, httptools, and noise.

A disagreement with an oracle stands in a table here, with its reason.
"""

from __future__ import annotations

import os
import random
from typing import Any
from unittest import SkipTest

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netd.http.response_head import CONTINUE
from netd.test.http.stages import Call, ServerFixture, parse_responses
from netd.test.http.stock import stock_site

HOST = b"Host: a\r\n"


def report(request: Any) -> bytes:
    """What a Resource sees of a request, as bytes."""
    seen = [request.method, request.path, request.args, request.content.read()]
    return repr([*seen, request.getHeader(b"x-field")]).encode()


def ours(data: bytes, pieces: int = 0) -> tuple[list[tuple[int, bytes]], bool]:
    """Status and body of each response of netd, and whether it closed."""
    client = ServerFixture(Call(report)).ask(data, pieces)
    responses = client.responses("H" * data.count(b"HEAD /"))
    closed = client.closed() or client.transport.halfClosed
    return [
        (response.code, response.body if response.code == 200 else b"")
        for response in responses
    ], closed


def stock(data: bytes) -> tuple[list[tuple[int, bytes]], bool]:
    """The same of `twisted.web.server.Site`."""
    channel = stock_site(Call(report), Clock()).buildProtocol(
        IPv4Address("TCP", "127.0.0.1", 1)
    )
    transport = StringTransport()
    channel.makeConnection(transport)
    channel.dataReceived(data)
    # Its refusals have no length; its responses to HTTP/1.0 say HTTP/1.0.
    received = transport.value().replace(b"HTTP/1.0 ", b"HTTP/1.1 ")
    responses = parse_responses(received, "H" * data.count(b"HEAD /"))
    closed = transport.disconnecting
    channel.connectionLost(Failure(ConnectionDone()))
    return [
        (response.code, response.body if response.code == 200 else b"")
        for response in responses
    ], closed


def get(target: bytes = b"/", fields: bytes = HOST, version: bytes = b"1.1") -> bytes:
    """A request without a body."""
    return b"GET %b HTTP/%b\r\n%b\r\n" % (target, version, fields)


def post(framing: bytes, body: bytes) -> bytes:
    """A request with a body."""
    return b"POST / HTTP/1.1\r\n" + HOST + framing + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked\r\n"

SAME: list[bytes] = [
    get(),
    get(b"/a/b?c=d&c=e&f=%20+"),
    get(b"/%2F//x"),
    get() + get(b"/2") + get(b"/3"),
    get(fields=HOST + b"Connection: close\r\n") + get(),
    get(version=b"1.0"),
    get(fields=b"", version=b"1.0"),
    get(fields=HOST + b"X-Field: a\r\nX-Field:  b \t\r\n"),
    get(fields=HOST + b"X-Field: \xe4\r\n"),
    b"\r\n" + get(),
    get().replace(b"GET", b"HEAD"),
    get().replace(b"GET", b"BREW"),
    post(b"Content-Length: 5\r\n", b"abcde"),
    post(b"Content-Length: 0\r\n", b""),
    post(b"Content-Length: 05\r\n", b"abcde"),
    post(b"Content-Length: 5\r\n", b"abcde") + get(),
    post(CHUNKED, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n") + get(),
    post(CHUNKED, b"3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n") + get(),
    post(b"Transfer-Encoding: CHUNKED\r\n", b"0\r\n\r\n"),
    # Refused by both
    b"GET /\r\n\r\n",
    b"GET  / HTTP/1.1\r\n\r\n",
    get().replace(b"HTTP", b"HTTX"),
    get(fields=HOST + b"a b: c\r\n"),
    get(fields=HOST + b"a\r\n"),
    get(fields=HOST + b"a: \x00\r\n"),
    post(b"Content-Length: x\r\n", b""),
    post(b"Content-Length: -5\r\n", b"abcde"),
    post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"abcde"),
    post(b"Content-Length: 5\r\n" + CHUNKED, b"abcde"),
    post(CHUNKED * 2, b"0\r\n\r\n"),
    post(b"Transfer-Encoding: gzip\r\n", b""),
    post(CHUNKED, b"x\r\n"),
    post(CHUNKED, b"-1\r\n"),
    post(CHUNKED, b"0x1\r\na\r\n0\r\n\r\n"),
    post(CHUNKED, b"1\r\nab\r\n0\r\n\r\n"),
    post(CHUNKED, b"1 \r\na\r\n0\r\n\r\n"),
]
"""Requests to which both respond alike; every 4xx and 5xx counts as a refusal."""

DIFFERENT: list[tuple[str, bytes, list[int], list[int]]] = [
    ("RFC 9112 3.2: HTTP/1.1 without Host MUST be refused",
     get(fields=b""), [400], [200]),
    ("RFC 9112 3.2: two Hosts MUST be refused", get(fields=HOST * 2), [400], [200]),
    ("RFC 9112 3.2: an invalid Host MUST be refused",
     get(fields=b"Host: a b\r\n"), [400], [200]),
    ("RFC 9112 5.2: folding may be refused, and hides fields",
     get(fields=HOST + b"a: b\r\n c\r\n"), [400], [200]),
    ("RFC 9110 5.5: a control character is no part of a value",
     get(fields=HOST + b"a: \x0b\r\n"), [400], [200]),
    ("RFC 9110 5.5: nor is a bare LF", get(fields=HOST + b"a: b\nc: d\r\n"), [400], [400]),
    ("RFC 9112 3.2: a target in none of the four forms", get(b"a"), [400], [200]),
    ("RFC 9112 3.2: a fragment is not sent", get(b"/#a"), [400], [200]),
    ("RFC 9112 3.2.3: netd is no proxy",
     b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n", [501], [200]),
    ("RFC 9112 6.1: chunks in HTTP/1.0 are faulty framing",
     get(fields=CHUNKED, version=b"1.0") + b"0\r\n\r\n", [400], [200]),
    ("RFC 9110 15.6.6: an unknown version has its own status",
     get(version=b"2.0"), [505], [400]),
    ("RFC 9110 10.1.1: an unknown expectation has its own status",
     get(fields=HOST + b"Expect: x\r\n"), [417], [200]),
    ("RFC 9112 6.1: `identity` is no coding any more",
     post(b"Transfer-Encoding: identity\r\nContent-Length: 1\r\n", b"a"), [400], [200]),
    ("netd: 18 digits are enough for a length",
     post(b"Content-Length: 0000000000000000001\r\n", b"a"), [400], [200]),
    ("netd: extensions say nothing, so 256 bytes of them are enough",
     post(CHUNKED, b"1;%b\r\na\r\n0\r\n\r\n" % (b"x" * 300)), [400], [200]),
    ("RFC 9112 7.1.1: a chunk extension has a grammar",
     post(CHUNKED, b'1;a="b\r\na\r\n0\r\n\r\n'), [400], [200]),
    ("RFC 9112 7.1.2: a trailer section has a grammar",
     post(CHUNKED, b"0\r\na b\r\n\r\n"), [400], [200]),
    ("netd: 100 fields", get(fields=HOST + b"a: b\r\n" * 100), [431], [200]),
    ("RFC 9110 10.1.1: no 100 (Continue) once the body is there",
     post(b"Expect: 100-continue\r\nContent-Length: 1\r\n", b"a"), [200], [100, 200]),
]  # fmt: skip
"""The reason, the requests, our statuses, those of stock."""


class StockTests(SynchronousTestCase):
    """
    The stock server of `twisted.web`.
    """

    def test_same(self) -> None:
        """Both respond alike where the RFCs leave no choice, however the requests are cut."""
        for data in SAME:
            results, closed = ours(data)
            expected, stock_closed = stock(data)
            # Its 4xx are all 400, ours say more.
            results = [(400 if 400 <= code < 600 else code, body) for code, body in results]
            self.assertEqual(results, expected, data)
            self.assertEqual(closed, stock_closed, data)
            self.assertEqual(ours(data, 1), ours(data), data)

    def test_different(self) -> None:
        """Each known difference is as the table says."""
        for why, data, expected, stock_expected in DIFFERENT:
            self.assertEqual([code for code, _ in ours(data)[0]], expected, why)
            self.assertEqual([code for code, _ in stock(data)[0]], stock_expected, why)

    def test_oldKeepAlive(self) -> None:
        """HTTP/1.0 connections that ask for it are kept; stock keeps none."""
        data = get(fields=b"Connection: keep-alive\r\n", version=b"1.0")
        self.assertEqual((ours(data)[1], stock(data)[1]), (False, True))

    def test_absolute(self) -> None:
        """An absolute target reaches its Resource; stock takes `http:` for a segment."""
        data = get(b"http://a/x")
        self.assertIn(b"b'/x'", ours(data)[0][0][1])
        self.assertIn(b"b'http://a/x'", stock(data)[0][0][1])


HTTPTOOLS: list[tuple[str, bytes, bool, bool]] = [
    ("llhttp leaves Host to the server", get(fields=b""), False, True),
    ("llhttp leaves Host to the server", get(fields=HOST * 2), False, True),
    ("llhttp knows a list of methods", get().replace(b"GET", b"BREW"), True, False),
    ("RFC 9112 2.3: nobody speaks HTTP/0.9", b"GET /\r\n\r\n", False, True),
    ("RFC 9112 3: one space; llhttp forgives more",
     get().replace(b" /", b"  /"), False, True),
    ("RFC 9112 3: one space; llhttp forgives more", b"GET  / HTTP/1.1\r\n\r\n", False, True),
    ("llhttp leaves the target's form to the server", get(b"/#a"), False, True),
    ("llhttp takes any coding that ends in chunked",
     post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), False, True),
    ("llhttp leaves Expect to the server", get(fields=HOST + b"Expect: x\r\n"), False, True),
    ("llhttp takes leading zeros of a length",
     post(b"Content-Length: 0000000000000000001\r\n", b"a"), False, True),
    ("netd: extensions say nothing, so 256 bytes of them are enough",
     post(CHUNKED, b"1;%b\r\na\r\n0\r\n\r\n" % (b"x" * 300)), False, True),
]  # fmt: skip
"""The reason, the request, whether netd accepts it, whether httptools does."""


class Parsed:
    """What httptools found in a request."""

    def __init__(self) -> None:
        self.url = self.body = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = 0

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


class HttptoolsTests(SynchronousTestCase):
    """
    `httptools`, which is llhttp of Node.js.
    """

    def parse(self, data: bytes) -> Parsed | None:
        """What httptools finds in one request; None when it refuses."""
        try:
            import httptools
        except ImportError as error:
            raise SkipTest("httptools is not installed") from error
        parsed = Parsed()
        try:
            parser = httptools.HttpRequestParser(parsed)
            parser.feed_data(data)
        except httptools.HttpParserError:
            return None
        return parsed

    def test_same(self) -> None:
        """Every single request of the table above is accepted, or refused, by both."""
        for data in SAME:
            if data in [row[1] for row in HTTPTOOLS] or data.count(b"HTTP/1.") > 1:
                continue
            parsed = self.parse(data)
            codes = [code for code, _ in ours(data)[0]]
            self.assertEqual(parsed is not None and parsed.complete == 1, codes == [200], data)

    def test_different(self) -> None:
        """Each known difference is as the table says."""
        for why, data, taken, theirs in HTTPTOOLS:
            self.assertEqual(ours(data)[0][0][0] == 200, taken, why)
            parsed = self.parse(data)
            self.assertEqual(parsed is not None and parsed.complete == 1, theirs, why)

    def test_fields(self) -> None:
        """Requests that both accept have the same target, fields and body for both."""
        dice = random.Random(9112)
        compared = 0
        for _ in range(3000):
            data = mutate(dice, dice.choice(SEEDS))
            seen: list[Any] = []

            def keep(request: Any, seen: list[Any] = seen) -> bytes:
                seen.append((request.head, request.content.read()))
                return b""

            client = ServerFixture(Call(keep)).ask(data)
            parsed = self.parse(data)
            if len(seen) != 1 or len(client.fixture.log.entries) != 1:
                continue
            if parsed is None or parsed.complete != 1:
                continue
            head, body = seen[0]
            compared += 1
            self.assertEqual(body, parsed.body, data)
            if head.authority is None:
                self.assertEqual(head.uri, parsed.url, data)
                pairs = [
                    (name, value) for name, values in head.fields.items() for value in values
                ]
                # llhttp says the trailers are headers, too: those come last.
                self.assertEqual(sorted(pairs), sorted(parsed.headers[: len(pairs)]), data)
        self.assertGreater(compared, 300)


SEEDS = [
    get(b"/a/b?c=d", HOST + b"X-Field: e\r\nAccept: */*\r\n"),
    get(version=b"1.0"),
    get(b"http://b/x"),
    get(fields=HOST + b"Connection: close\r\n"),
    get() + get(),
    get().replace(b"GET", b"HEAD"),
    post(b"Content-Length: 5\r\n", b"abcde"),
    post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"abcde"),
    post(CHUNKED, b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n"),
    post(CHUNKED, b"a\r\n0123456789\r\n0\r\n\r\n") + get(),
]
SPICE = [
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\x00", b" ", b"\t", b":", b";", b",", b"0", b"\xff",
    b"HTTP/1.1", b"Host: b\r\n", b"Content-Length: 3\r\n", CHUNKED, b"Connection: close\r\n",
    b"Transfer-Encoding: x, chunked\r\n", b"0\r\n\r\n", b"GET / ", b"HEAD / ", b"*", b"http://",
    b'"',    b"99999999999999999999", b"ffffffffffffffff\r\n", b"\x0b",
    b"Expect: 100-continue\r\n",
]  # fmt: skip


def mutate(dice: random.Random, data: bytes) -> bytes:
    """`data`, a little different."""
    for _ in range(dice.randint(0, 4)):
        at, to = sorted((dice.randint(0, len(data)), dice.randint(0, len(data))))
        match dice.randrange(6):
            case 0:
                data = data[:at] + dice.choice(SPICE) + data[at:]
            case 1:
                data = data[:at] + data[min(to, at + 4) :]
            case 2:
                data = data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
            case 3:
                data = data[:to] + data[at:to][:200] + data[to:]
            case 4:
                data = data[:at] + dice.choice(SEEDS)
            case _:
                data = data[:at] + data[at : at + 1].swapcase() + data[at + 1 :]
    return data


class FuzzTests(SynchronousTestCase):
    """
    Noise that looks like HTTP.
    """

    timeout = 3600

    def test_mutations(self) -> None:
        """
        No input causes an exception, and cutting it changes no response.

        5 000 mutated inputs, or as many as NETD_TEST_FUZZ says.
        """
        count = int(os.environ.get("NETD_TEST_FUZZ", "5000"))
        dice = random.Random(9110)
        codes: dict[int, int] = {}
        for _ in range(count):
            data = mutate(dice, dice.choice(SEEDS))
            fixture = ServerFixture(Call(report))
            whole, cut = fixture.connect(), fixture.connect()
            whole.send(data)
            cut.send(data, dice.randint(1, 30))
            for client in (whole, cut):
                if not client.closed():
                    client.fin()
            # An interim 100 is sent only to who has not begun to send the body.
            received = [client.received().replace(CONTINUE, b"") for client in (whole, cut)]
            self.assertEqual(received[0], received[1], data)
            for entry in fixture.log.entries:
                codes[entry[2]] = codes.get(entry[2], 0) + 1
            self.assertEqual(fixture.server.context.body_buffers.held, 0, data)
            whole.settle()
            cut.settle()
            self.assertEqual(fixture.server.in_flight, 0)
        self.assertEqual(set(codes) - {200, 400, 408, 413, 414, 417, 431, 501, 505}, set())
        self.assertGreater(codes[200], count // 10)
        self.assertGreater(codes[400], count // 10)
        self.assertEqual(self.flushLoggedErrors(), [])
