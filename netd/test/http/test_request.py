"""
Tests of netd.http.request: a request as a Resource sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer, ISSLTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.error import UnsupportedMethod
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import alsoProvides
from zope.interface.verify import verifyObject

from netd.http.output import Output
from netd.http.response_head import HeaderBlock
from netd.test.http.stages import GET, Call, Client, RecordingProducer, Response, ServerFixture

ASK = b"GET /held/a%20b/%2F?x=1&y=%32&x=3&z HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nx-one: 2\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"


def ask(function: Callable[[Any], Any], data: bytes = GET) -> Client:
    """A client that got the response of `function`."""
    return ServerFixture(Call(function)).ask(data)


def keep(data: bytes = GET) -> tuple[Client, Any]:
    """A client that waits, and its request."""
    fixture = ServerFixture()
    client = fixture.ask(data.replace(b" / ", b" /held "))
    return client, fixture.tree.children[b"held"].requests[0]


class ResponseTests(SynchronousTestCase):
    """
    How a Resource responds.
    """

    def response(self, function: Callable[[Any], Any], data: bytes = GET) -> Response:
        """The only response."""
        return ask(function, data).response()

    def test_consumer(self) -> None:
        """A request takes what a producer makes."""
        verifyObject(IConsumer, keep()[1])

    def test_bytes(self) -> None:
        """Bytes are the whole body; without a type they are HTML, as on stock."""
        response = self.response(lambda request: b"<p>")
        self.assertEqual((response.code, response.body), (200, b"<p>"))
        self.assertEqual(response.field(b"content-type"), b"text/html")
        self.assertEqual(response.field(b"content-length"), b"3")

    def test_shortWay(self) -> None:
        """The first response and those after it, which take a shorter way, are equal."""

        def sized(request: Any) -> bytes:
            request.setResponseCode(int(request.path[1:]))
            request.setHeader(b"Content-Type", b"a/b")
            request.setHeader(b"Content-Length", b"99")
            return b"body"

        def unsized(request: Any) -> bytes:
            request.setResponseCode(int(request.path[1:]))
            request.setHeader(b"Content-Type", b"a/b")
            return b"body"

        def prepared(request: Any) -> bytes:
            request.setResponseCode(int(request.path[1:]))
            request.setHeaders(HeaderBlock([(b"Content-Type", b"a/b")]))
            return b"body"

        for code in (200, 201, 204, 304, 404):
            ask = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % code
            received = set()
            for function in (sized, unsized, prepared):
                client = ServerFixture(Call(function)).ask(ask + ask)
                half = len(client.received()) // 2
                self.assertEqual(client.received()[:half], client.received()[half:])
                received.add(client.received())
            self.assertEqual(len(received), 1 if code != 304 else 2)

    def test_nothing(self) -> None:
        """No bytes have no type."""
        response = self.response(lambda request: b"")
        self.assertEqual(response.field(b"content-length"), b"0")
        self.assertIsNone(response.field(b"content-type"))

    def test_status(self) -> None:
        """The status is what was set, with its own phrase or another."""

        def teapot(request: Any) -> bytes:
            request.setResponseCode(418)
            return b""

        def other(request: Any) -> bytes:
            request.setResponseCode(599, b"Very\r\nOdd")
            return b""

        self.assertEqual(self.response(teapot).reason, b"I'm a Teapot")
        response = self.response(other)
        self.assertEqual((response.code, response.reason), (599, b"Very Odd"))
        self.assertEqual(response.field(b"server"), b"netd")
        self.assertIsNotNone(response.field(b"date"))

    def test_headers(self) -> None:
        """A field is set whatever its case, and sent once."""

        def both(request: Any) -> bytes:
            request.setHeader(b"x-one", b"1")
            request.setHeader("X-One", "2")
            request.setHeader(b"X-Two", b"a\r\nSet-Cookie: b\nc\rd")
            return b""

        response = self.response(both)
        self.assertEqual(response.field(b"x-one"), b"2")
        self.assertEqual(response.field(b"x-two"), b"a Set-Cookie: b c d")

    def test_lines(self) -> None:
        """A block of fields is set as its fields one by one, before and after others."""
        many = HeaderBlock([(b"X-One", b"1"), (b"X-Two", b"2")])

        def alone(request: Any) -> bytes:
            request.setHeader(b"X-One", b"0")
            request.setHeaders(many)
            request.setHeader(b"X-Two", b"3")
            return b"."

        def looked(request: Any) -> bytes:
            request.responseHeaders.addRawHeader(b"X-One", b"0")
            return alone(request)

        def first(request: Any) -> bytes:
            request.setHeaders(many)
            request.setHeader(b"X-Two", b"3")
            return b"."

        def twice(request: Any) -> bytes:
            request.setHeaders(HeaderBlock([(b"X-One", b"0")]))
            request.setHeaders(many)
            return first(request)

        def seen(request: Any) -> bytes:
            request.setHeaders(many)
            request.responseHeaders.setRawHeaders(b"X-Two", [b"3"])
            return b"."

        for function in (alone, looked, first, twice, seen, alone):
            response = self.response(function)
            self.assertEqual((response.field(b"x-one"), response.field(b"x-two")), (b"1", b"3"))

    def test_whole(self) -> None:
        """`respond` ends the request; after that, or without a client, it does nothing."""
        client, request = keep()
        request.respond(b"all")
        request.respond(b"more")
        self.assertEqual(client.response().body, b"all")
        client, request = keep()
        request.lost(Failure(ConnectionDone()))
        request.respond(b"all")
        self.assertEqual(client.received(), b"")

    def test_responseHeaders(self) -> None:
        """`responseHeaders` and `setHeader` are about the same fields."""

        def both(request: Any) -> bytes:
            request.setHeader(b"A", b"1")
            request.responseHeaders.addRawHeader(b"a", b"2")
            request.setHeader(b"B", b"3")
            request.responseHeaders.setRawHeaders(b"C", [b"4\r\n5"])
            return repr(request.responseHeaders.getRawHeaders(b"b")).encode()

        response = self.response(both)
        self.assertEqual(response.fields[b"a"], [b"1", b"2"])
        self.assertEqual((response.field(b"b"), response.field(b"c")), (b"3", b"4 5"))
        self.assertEqual(response.body, b"[b'3']")

    def test_ownFields(self) -> None:
        """A Resource may set Server, Date and Connection itself, but not the framing."""

        def own(request: Any) -> bytes:
            for name, value in (
                (b"server", b"me"),
                (b"date", b"today"),
                (b"connection", b"close"),
                (b"transfer-encoding", b"gzip"),
                (b"content-length", b"99"),
            ):
                request.setHeader(name, value)
            return b"abc"

        client = ask(own)
        response = client.response()
        self.assertEqual(
            (response.field(b"server"), response.field(b"date")), (b"me", b"today")
        )
        self.assertEqual(response.field(b"connection"), b"close")
        self.assertIsNone(response.field(b"transfer-encoding"))
        self.assertEqual(response.field(b"content-length"), b"3")
        self.assertTrue(client.closed())

    def test_redirect(self) -> None:
        """A redirection is a 302 to its URL."""

        def away(request: Any) -> bytes:
            request.redirect(b"/there")
            return b""

        response = self.response(away)
        self.assertEqual((response.code, response.field(b"location")), (302, b"/there"))

    def test_bodyless(self) -> None:
        """204, 304 and interim statuses end with their head."""
        for code, length in ((204, None), (304, b"7"), (304, None)):

            def none(request: Any, code: int = code, length: bytes | None = length) -> bytes:
                request.setResponseCode(code)
                if length:
                    request.setHeader(b"Content-Length", length)
                return b"never sent"

            first, second = ask(none, GET + GET).responses()
            self.assertEqual((first.code, first.field(b"content-length")), (code, length))
            self.assertEqual(second.code, code)

    def test_interim(self) -> None:
        """A connection ends after an interim status as the final one."""

        def switch(request: Any) -> bytes:
            request.setResponseCode(101)
            return b""

        client = ask(switch)
        self.assertTrue(client.closed())

    def test_headWithLength(self) -> None:
        """A Resource that handles HEAD may set the length that the body would have."""

        def head(request: Any) -> bytes:
            request.setHeader(b"Content-Length", b"1000")
            return b""

        (response,) = ask(head, GET.replace(b"GET", b"HEAD")).responses("H")
        self.assertEqual(response.field(b"content-length"), b"1000")

    def test_methods(self) -> None:
        """A method that a Resource lacks gets a 405 with the methods it has."""

        class Only(Resource):
            isLeaf = True

            def render_GET(self, request: Any) -> bytes:
                return b"got"

        for method in (b"POST", b"BREW"):
            response = ServerFixture(Only()).ask(GET.replace(b"GET", method)).response()
            self.assertEqual((response.code, response.field(b"allow")), (405, b"GET, HEAD"))

    def test_headByGet(self) -> None:
        """A Resource that has GET alone is rendered once as GET for HEAD."""

        def get(request: Any) -> bytes:
            if request.method != b"GET":
                raise UnsupportedMethod([b"GET"])
            return b"got"

        (response,) = ask(get, GET.replace(b"GET", b"HEAD")).responses("H")
        self.assertEqual((response.code, response.field(b"content-length")), (200, b"3"))

        def never(request: Any) -> bytes:
            raise UnsupportedMethod([b"GET"])

        (response,) = ask(never, GET.replace(b"GET", b"HEAD")).responses("H")
        self.assertEqual(response.code, 405)


class BugTests(SynchronousTestCase):
    """
    A bug of a Resource is logged, and kept from the client.
    """

    def test_raises(self) -> None:
        """An exception is one log entry and a 500 that tells nothing."""
        fixture = ServerFixture()
        client = fixture.ask(b"GET /bug HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        self.assertEqual([response.code for response in client.responses()], [500, 200])
        self.assertNotIn(b"secret", client.received())
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def returning(self, value: object) -> Callable[[Any], Any]:
        """A Resource's function that returns `value`."""
        return lambda request: value

    def test_noBytes(self) -> None:
        """A body that is not bytes is a bug."""
        for body in (None, "text", 7):
            client = ask(self.returning(body))
            self.assertEqual(client.response().code, 500)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 3)

    def test_fieldsForgotten(self) -> None:
        """The fields of a response that failed are not sent."""

        def half(request: Any) -> bytes:
            request.setHeader(b"X-Half", b"1")
            request.responseHeaders.setRawHeaders(b"Content-Encoding", [b"gzip"])
            raise ValueError

        response = ask(half).response()
        self.assertEqual(
            (response.field(b"x-half"), response.field(b"content-encoding")), (None, None)
        )
        self.flushLoggedErrors(ValueError)

    def test_begun(self) -> None:
        """A response that fails after it has begun is cut, not completed."""

        def half(request: Any) -> bytes:
            request.write(b"half")
            raise ValueError

        client = ask(half)
        self.assertTrue(client.transport.aborted)
        self.assertFalse(client.received().endswith(b"0\r\n\r\n"))
        client.settle()
        self.assertEqual(client.fixture.counters.responses, {200: 1})
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_finished(self) -> None:
        """An exception after the response is logged, and changes nothing for the client."""

        def after(request: Any) -> bytes:
            request.finish()
            raise ValueError

        self.assertEqual(ask(after).response().code, 200)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_badName(self) -> None:
        """A field name that is no token is a bug."""

        def bad(request: Any) -> bytes:
            request.setHeader(b"X: y\r\nZ", b"1")
            return b""

        self.assertEqual(ask(bad).response().code, 500)
        self.assertEqual(len(self.flushLoggedErrors()), 1)


class StreamTests(SynchronousTestCase):
    """
    Responses in pieces.
    """

    def test_chunks(self) -> None:
        """Without a length the body comes in chunks."""
        client, request = keep()
        for piece in (b"a", b"", b"bc"):
            request.write(piece)
        self.assertEqual(request.sentLength, 3)
        request.finish()
        self.assertTrue(client.received().endswith(b"\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"))
        self.assertEqual(client.response().body, b"abc")
        self.assertFalse(client.closed())

    def test_trailers(self) -> None:
        """Fields may follow a body in chunks."""
        client, request = keep()
        request.write(b"a")
        request.addTrailer(b"x-sum", b"1\r\n2")
        request.finish()
        self.assertEqual(client.response().trailers, b"X-Sum: 1 2\r\n")

    def test_length(self) -> None:
        """With a length there are no chunks, and never a byte more."""
        client, request = keep()
        request.setHeader(b"Content-Length", b"4")
        request.write(b"abc")
        request.write(b"def")
        request.finish()
        self.assertEqual(client.response().body, b"abcd")
        self.assertEqual(request.sentLength, 4)
        self.assertFalse(client.closed())

    def test_short(self) -> None:
        """Less than was promised ends the connection, so that nobody waits for the rest."""
        for pieces in ((b"abc",), ()):
            client, request = keep()
            request.setHeader(b"Content-Length", b"4")
            for piece in pieces:
                request.write(piece)
            request.finish()
            self.assertTrue(client.closed())
            self.assertTrue(client.received().endswith(b"\r\n\r\n" + b"".join(pieces)))

    def test_oldVersion(self) -> None:
        """HTTP/1.0 has no chunks: the end of the connection is the end of the body."""
        client, request = keep(OLD)
        request.write(b"a")
        request.write(b"b")
        request.finish()
        response = client.response()
        self.assertEqual((response.body, response.field(b"connection")), (b"ab", b"close"))
        self.assertTrue(client.closed())

    def test_head(self) -> None:
        """A streamed response to HEAD is its header alone."""
        client, request = keep(GET.replace(b"GET", b"HEAD"))
        request.write(b"a")
        request.finish()
        (response,) = client.responses("H")
        self.assertIsNone(response.field(b"transfer-encoding"))
        self.assertEqual(request.sentLength, 0)
        self.assertTrue(client.received().endswith(b"\r\n\r\n"))

    def test_emptyFinish(self) -> None:
        """A response that ends before it begins is empty."""
        client, request = keep()
        request.finish()
        self.assertEqual(client.response().field(b"content-length"), b"0")

    def test_bytesAfterWrite(self) -> None:
        """Bytes that are rendered after some were written are the last ones."""

        def both(request: Any) -> bytes:
            request.write(b"a")
            return b"b"

        self.assertEqual(ask(both).response().body, b"ab")

    def test_badLength(self) -> None:
        """A length that is no number is ignored."""
        client, request = keep()
        request.setHeader(b"Content-Length", b"many")
        request.write(b"a")
        request.finish()
        self.assertEqual(client.response().body, b"a")

    def test_twice(self) -> None:
        """Finishing twice is harmless, writing after it is a bug, as on stock."""
        client, request = keep()
        request.finish()
        request.finish()
        self.assertEqual(len(client.responses()), 1)
        self.assertRaises(RuntimeError, request.write, b"a")

    def test_notify(self) -> None:
        """Every `notifyFinish` fires when the response is complete."""
        _, request = keep()
        first, second = request.notifyFinish(), request.notifyFinish()
        self.assertNoResult(first)
        request.finish()
        self.assertIsNone(self.successResultOf(first))
        self.assertIsNone(self.successResultOf(second))

    def test_transport(self) -> None:
        """A Resource gets the transport with everything that was written on it."""

        def cut(request: Any) -> int:
            request.write(b"part")
            request.transport.loseConnection()
            return NOT_DONE_YET

        client = ask(cut)
        self.assertIn(b"part", client.received())
        self.assertTrue(client.closed())

    def test_loseConnection(self) -> None:
        """A Resource may end the connection in the middle."""
        client, request = keep()
        request.write(b"part")
        request.loseConnection()
        self.assertTrue(client.closed())

    def test_sentOutside(self) -> None:
        """Bytes that went to the socket directly count, as part of the promised length."""
        client, request = keep()
        request.setHeader(b"Content-Length", b"4")
        request.write(b"a")
        request.flush()
        request.sentOutside(2)
        request.write(b"bcd")
        request.finish()
        self.assertEqual(client.received()[-6:], b"\r\n\r\nab")
        self.assertEqual(request.sentLength, 4)
        self.assertFalse(client.closed())

    def test_begin(self) -> None:
        """The header of a body that follows is the same as of one that is there."""

        def render(request: Any) -> int:
            request.setHeaders(HeaderBlock([(b"Content-Type", b"a/b")]))
            request.begin(4)
            request.flush()
            request.sentOutside(3)
            request.write(b"def")
            request.finish()
            return NOT_DONE_YET

        # Only the first of a second has to make its beginning.
        client = ask(
            render, GET + GET + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        whole = ask(lambda request: request.setHeader(b"Content-Type", b"a/b") or b"abcd")
        kept = whole.received()[:-4] + b"d"
        closing = kept.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        self.assertEqual(client.received(), kept + kept + closing)
        self.assertTrue(client.closed())

    def test_beginLost(self) -> None:
        """After the client left, a header goes nowhere."""
        client, request = keep()
        client.lose(ConnectionDone())
        request.begin(4)
        self.assertEqual(client.received(), b"")

    def test_abortBefore(self) -> None:
        """A connection that a Resource cuts before its response is counted as 444."""
        client, request = keep()
        request.transport.abortConnection()
        client.settle()
        self.assertEqual(client.fixture.counters.responses, {444: 1})


class ProducerTests(SynchronousTestCase):
    """
    Bodies leave at the pace of the client.
    """

    def test_push(self) -> None:
        """A push producer is paused and resumed as the client reads."""
        client, request = keep()
        source = RecordingProducer()
        request.registerProducer(source, True)
        client.connection.pauseProducing()
        client.connection.resumeProducing()
        request.unregisterProducer()
        client.connection.pauseProducing()
        self.assertEqual(source.calls, ["pause", "resume"])

    def test_pausedFromTheStart(self) -> None:
        """A push producer for a client that is behind begins paused."""
        client, request = keep()
        client.connection.pauseProducing()
        source = RecordingProducer()
        request.registerProducer(source, True)
        self.assertEqual(source.calls, ["pause"])

    def test_pull(self) -> None:
        """A pull producer is pulled once a turn, but not while the client is behind."""
        client, request = keep()
        source = RecordingProducer()

        def pull() -> None:
            source.calls.append("resume")
            if len(source.calls) % 3 == 0:
                client.connection.pauseProducing()

        self.patch(source, "resumeProducing", pull)
        request.registerProducer(source, False)
        clock = client.fixture.clock
        self.assertEqual(source.calls, [])
        clock.advance(0)
        clock.advance(0)
        self.assertEqual(source.calls, ["resume"] * 3)
        client.connection.resumeProducing()
        clock.advance(0)
        self.assertEqual(source.calls, ["resume"] * 6)
        client.connection.resumeProducing()
        request.unregisterProducer()
        clock.advance(0)
        self.assertEqual(source.calls, ["resume"] * 6)

    def test_pullFails(self) -> None:
        """A pull producer that raises is a bug like any other."""
        client, request = keep()

        class Broken(RecordingProducer):
            def resumeProducing(self) -> None:
                raise ValueError

        request.registerProducer(Broken(), False)
        client.fixture.clock.advance(0)
        self.assertEqual(client.response().code, 500)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_refused(self) -> None:
        """Without room for its first piece a response is a 503, and its producer is stopped."""
        producer = RecordingProducer()

        def write(request: Any) -> int:
            request.registerProducer(producer, True)
            for _ in range(2):
                request.write(bytes(100_000))
            request.finish()
            return NOT_DONE_YET

        fixture = ServerFixture(Call(write), unsent=250_000)
        fixture.server.context.unsent.hold(fixture.ask(GET).connection.output, 200_000)
        client = fixture.ask(GET)
        (response,) = client.responses()
        self.assertEqual((response.code, response.field(b"Retry-After")), (503, b"1"))
        self.assertFalse(client.closed())
        self.assertEqual(producer.calls[-1:], ["stop"])

    def test_one(self) -> None:
        """There is one producer at a time."""
        _, request = keep()
        request.registerProducer(RecordingProducer(), True)
        self.assertRaises(RuntimeError, request.registerProducer, RecordingProducer(), True)

    def test_left(self) -> None:
        """A producer is stopped once when the client leaves; a later one at once."""
        for streaming in (True, False):
            client, request = keep()
            first, second = RecordingProducer(), RecordingProducer()
            request.registerProducer(first, streaming)
            client.reset()
            request.registerProducer(second, streaming)
            client.fixture.clock.advance(0)
            self.assertEqual((first.calls, second.calls), (["stop"], ["stop"]))

    def test_finish(self) -> None:
        """`finish` unregisters a producer that is still registered."""
        client, request = keep()
        source = RecordingProducer()
        request.registerProducer(source, True)
        request.finish()
        client.connection.pauseProducing()
        self.assertEqual(source.calls, [])


class RequestedTests(SynchronousTestCase):
    """
    What a Resource learns of the request.
    """

    def setUp(self) -> None:
        self.fixture = ServerFixture(body_memory=4)

    def ask(self, data: bytes = ASK) -> Any:
        """The request that `data` is."""
        self.client = self.fixture.ask(data, host="192.0.2.7")
        return self.fixture.tree.children[b"held"].requests[-1]

    def test_line(self) -> None:
        """The request line is parsed, and the path is walked."""
        request = self.ask()
        self.assertEqual(request.method, b"GET")
        self.assertEqual(request.uri, b"/held/a%20b/%2F?x=1&y=%32&x=3&z")
        self.assertEqual(request.path, b"/held/a%20b/%2F")
        self.assertEqual((request.prepath, request.postpath), ([b"held"], [b"a b", b"/"]))
        self.assertEqual(request.clientproto, b"HTTP/1.1")
        self.assertEqual(self.ask(b"GET /held HTTP/1.0\r\n\r\n").clientproto, b"HTTP/1.0")

    def test_args(self) -> None:
        """The query is parsed as on stock; without a query there are no arguments."""
        request = self.ask()
        self.assertEqual(request.args, {b"x": [b"1", b"3"], b"y": [b"2"]})
        self.assertIs(request.args, request.args)
        self.assertEqual(self.ask(b"GET /held HTTP/1.0\r\n\r\n").args, {})

    def test_headers(self) -> None:
        """A field is found in any case; the last of several counts."""
        request = self.ask()
        for _ in range(2):
            self.assertEqual(request.getHeader(b"X-ONE"), b"2")
            self.assertEqual(request.getHeader("x-one"), "2")
            self.assertIsNone(request.getHeader(b"x-two"))
            self.assertIsNone(request.getHeader("x-two"))
            self.assertEqual(request.requestHeaders.getRawHeaders(b"X-One"), [b"1", b"2"])
        request.requestHeaders.setRawHeaders(b"X-Two", [b"set"])
        self.assertEqual(request.getHeader(b"x-two"), b"set")

    def test_raw(self) -> None:
        """The head is there as it came over the wire."""
        self.assertEqual(self.ask().head.raw, ASK)

    def test_content(self) -> None:
        """The body is a file at its start, in memory or on disk, and closed in time."""
        for body in (b"", b"abc", b"abcdefgh"):
            request = self.ask(
                b"POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            self.assertIs(request.content, request.content)
            self.assertEqual(request.content.read(), body)
            self.assertEqual(request.content.seek(0), 0)
            self.assertEqual(request.content.read(2), body[:2])
            request.finish()
            self.assertTrue(request.content.closed)
        self.assertEqual(self.fixture.server.context.body_buffers.held, 0)

    def test_contentOfTheLost(self) -> None:
        """The body of a client that left is given back."""
        request = self.ask(b"POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        self.client.reset()
        self.assertEqual(self.fixture.server.context.body_buffers.held, 0)
        self.assertTrue(request.content.closed)

    def test_who(self) -> None:
        """The client's address is that of the transport."""
        self.assertEqual(self.ask().getClientAddress(), IPv4Address("TCP", "192.0.2.7", 40000))

    def test_secure(self) -> None:
        """Over TLS the request is secure."""
        request = self.ask()
        self.assertFalse(request.isSecure())
        alsoProvides(self.client.transport, ISSLTransport)
        request.channel.output = Output(self.client.transport, request.channel.context.unsent)
        self.assertTrue(request.isSecure())
