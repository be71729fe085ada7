"""What is said on one connection: order, framing, pressure, refusals."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import NOT_DONE_YET

from netd.test.http.stages import (
    DATE,
    GET,
    Call,
    Client,
    Stage,
    answers,
    chunked,
    post,
    seeing,
)


class AnswerTests(SynchronousTestCase):
    """Requests come in, answers go out."""

    def test_plain(self) -> None:
        """A whole answer is one write, with all its fields and no other."""
        client = Stage().ask(GET)
        self.assertEqual(
            client.said(),
            b"HTTP/1.1 200 OK\r\nServer: netd\r\nDate: " + DATE + b"\r\n"
            b"Content-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n",
        )
        self.assertFalse(client.over())

    def test_cutEverywhere(self) -> None:
        """A conversation cut at any byte, or at every byte, is answered alike."""
        said = GET + post(b"body") + chunked(b"a", b"bc", trailers=b"x: y\r\n") + GET
        whole = Stage().ask(said).said()
        self.assertEqual(
            [each.body for each in answers(whole)], [b"hello\n", b"body", b"abc", b"hello\n"]
        )
        self.assertEqual(Stage().ask(said, 1).said(), whole)
        for at in range(1, len(said)):
            client = Stage().ask(said[:at])
            client.send(said[at:])
            self.assertEqual(client.said(), whole, at)

    def test_tenThousandPipelined(self) -> None:
        """Ten thousand requests sent ahead are answered in order."""
        order = Call(lambda request: request.path)
        client = Stage(order).ask(
            b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % each for each in range(10_000)),
            60_000,
        )
        self.assertEqual(
            [each.body for each in client.answers()], [b"/%d" % each for each in range(10_000)]
        )

    def test_pipelinedWaits(self) -> None:
        """Answers that have to be waited for keep their order and their turn."""
        stage = Stage()
        client = stage.ask(
            b"".join(b"GET /wait/%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in (3, 1)) + GET
        )
        self.assertEqual(stage.site.in_flight, 1)
        stage.clock.advance(3)
        self.assertEqual([each.body for each in client.answers()], [b"late\n"])
        stage.clock.advance(1)
        self.assertEqual(
            [each.body for each in client.answers()], [b"late\n", b"late\n", b"hello\n"]
        )
        self.assertEqual(stage.site.in_flight, 0)

    def test_oneWrite(self) -> None:
        """All answers to what one read brought leave in one write."""
        stage = Stage()
        client = stage.connect()
        written: list[bytes] = []
        self.patch(client.transport, "write", written.append)
        client.send(GET * 10)
        self.assertEqual(len(written), 1)
        self.assertEqual(len(answers(written[0])), 10)

    def test_emptyLineBefore(self) -> None:
        """An empty line before a request is forgiven once (RFC 9112 2.2)."""
        self.assertEqual(Stage().ask(b"\r\n" + GET + b"\r\n" + GET).answers()[1].code, 200)
        self.assertEqual(Stage().ask(b"\r\n\r\n" + GET).answer().code, 400)

    def test_absoluteForm(self) -> None:
        """A target in absolute-form is the same Resource, and overrules Host."""
        seen: list[Any] = []
        stage = Stage(seeing(seen))
        stage.ask(b"GET http://b:80/x?y=z HTTP/1.1\r\nHost: a\r\n\r\n")
        (request,) = seen
        self.assertEqual((request.uri, request.path), (b"/x?y=z", b"/x"))
        self.assertEqual(request.getHeader(b"host"), b"b:80")
        self.assertEqual(request.args, {b"y": [b"z"]})

    def test_asterisk(self) -> None:
        """`OPTIONS *` is answered for the server as a whole."""
        answer = Stage().ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").answer()
        self.assertEqual((answer.code, answer.body), (200, b""))


class PersistenceTests(SynchronousTestCase):
    """Which connections outlive an answer (RFC 9112 9.3)."""

    def test_table(self) -> None:
        """Version and Connection decide, and the answer says so where it must."""
        for version, option, keeps, says in (
            (b"1.1", b"", True, None),
            (b"1.1", b"keep-alive", True, None),
            (b"1.1", b"close", False, b"close"),
            (b"1.1", b"Close", False, b"close"),
            (b"1.1", b"upgrade, close", False, b"close"),
            (b"1.1", b"keep-alive\r\nConnection: close", False, b"close"),
            (b"1.1", b"closed", True, None),
            (b"1.0", b"", False, b"close"),
            (b"1.0", b"Keep-Alive", True, b"keep-alive"),
            (b"1.0", b"te, keep-alive", True, b"keep-alive"),
            (b"1.0", b"keep-alive, close", False, b"close"),
        ):
            field = b"Connection: %b\r\n" % option if option else b""
            client = Stage().ask(b"GET / HTTP/%b\r\nHost: a\r\n%b\r\n" % (version, field))
            self.assertEqual(client.answer().field(b"connection"), says, option)
            self.assertEqual(client.over(), not keeps, option)

    def test_afterClose(self) -> None:
        """Nothing after a request that closes is answered."""
        client = Stage().ask(GET.replace(b"Host", b"Connection: close\r\nHost") + GET)
        self.assertEqual(len(client.answers()), 1)

    def test_head(self) -> None:
        """HEAD is answered as GET is, without the body."""
        client = Stage().ask(GET.replace(b"GET", b"HEAD") + GET)
        head, get = client.answers("HG")
        self.assertEqual(head.fields, get.fields)
        self.assertEqual((head.body, get.body), (b"", b"hello\n"))

    def test_requestsPerConnection(self) -> None:
        """The last request that a connection may carry closes it, but not on loopback."""
        for host, served in (
            ("192.0.2.1", 3),
            ("127.0.0.1", 5),
            ("::1", 5),
            ("2001:db8::1", 3),
        ):
            client = Stage(max_requests=3).ask(GET * 5, host=host)
            found = client.answers()
            self.assertEqual(len(found), served, host)
            if served == 3:
                self.assertEqual(found[-1].field(b"connection"), b"close")
                # What it sent beyond must not reset the answers away.
                self.assertTrue(client.transport.halfClosed)


class BodyTests(SynchronousTestCase):
    """Bodies, spooled before a Resource sees them."""

    def test_memoryAndFile(self) -> None:
        """A body of any size is read back whole, and given back."""
        for size in (0, 1, 63, 64, 65, 1000, 100_000):
            stage = Stage(body_memory=64)
            data = bytes(range(256)) * (size // 256) + bytes(size % 256)
            self.assertEqual(stage.ask(post(data), 1000).answer().body, data)
            self.assertEqual(
                stage.ask(chunked(data) if data else chunked()).answer().body, data
            )
            self.assertEqual(stage.site.spools.held, 0)

    def test_continue(self) -> None:
        """A client that waits to send its body is told to, once."""
        client = Stage().ask(post(b"body", b"Expect: 100-continue\r\n")[:-4])
        self.assertEqual(client.said(), b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(b"body")
        self.assertEqual([each.code for each in client.answers()], [100, 200])

    def test_continueNeedless(self) -> None:
        """A client that has begun to send is not told to (RFC 9110 10.1.1)."""
        client = Stage().ask(post(b"body", b"Expect: 100-continue\r\n"))
        self.assertEqual(client.answer().body, b"body")

    def test_continueRefused(self) -> None:
        """A body that is not acceptable is refused before it is asked for."""
        client = Stage(max_body=3).ask(post(b"body", b"Expect: 100-continue\r\n")[:-4])
        self.assertEqual(client.answer().code, 413)

    def test_continueInOldVersion(self) -> None:
        """HTTP/1.0 cannot expect anything."""
        data = post(b"body", b"Expect: miracles\r\n").replace(b"1.1", b"1.0")
        self.assertEqual(Stage().ask(data).answer().body, b"body")

    def test_trailers(self) -> None:
        """Trailer fields are apart from the header fields."""
        seen: list[Any] = []
        stage = Stage(seeing(seen))
        stage.ask(chunked(b"a", trailers=b"Host: evil\r\nX-Sum: 1\r\n"))
        (request,) = seen
        self.assertEqual(request.trailers, {b"host": (b"evil",), b"x-sum": (b"1",)})
        self.assertEqual(request.getHeader(b"host"), b"a")

    def test_hugeLength(self) -> None:
        """Ten gigabytes are refused before a byte of them is kept."""
        stage = Stage()
        client = stage.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000000\r\n\r\n")
        self.assertEqual(client.answer().code, 413)
        self.assertEqual(stage.site.spools.held, 0)

    def test_lostBody(self) -> None:
        """A connection lost while its body arrives gives the room back."""
        stage = Stage()
        client = stage.ask(post(b"body")[:-1])
        self.assertEqual(stage.site.spools.held, 3)
        client.reset()
        self.assertEqual(stage.site.spools.held, 0)


class RefusalTests(SynchronousTestCase):
    """Every refusal is a full answer, counted, logged, and the last."""

    def test_table(self) -> None:
        """Each limit of a single request has its status and its key."""
        small: Any = {"max_head": 200, "max_target": 50, "max_fields": 3}
        get = b"GET / HTTP/1.1\r\nHost: a\r\n"
        for key, code, data in (
            ("line", 400, b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("target", 400, b"GET x HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("bare", 400, get + b"a: b\nc: d\r\n\r\n"),
            ("field", 400, get + b"a b: c\r\n\r\n"),
            ("host", 400, b"GET / HTTP/1.1\r\n\r\n"),
            ("version", 505, b"GET / HTTP/2.0\r\n\r\n"),
            ("connect", 501, b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("expectation", 417, get + b"Expect: more\r\n\r\n"),
            ("length", 400, get + b"Content-Length: x\r\n\r\n"),
            ("framing", 400, get + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("coding", 501, get + b"Transfer-Encoding: gzip\r\n\r\n"),
            ("chunk", 400, get + b"Transfer-Encoding: chunked\r\n\r\nx\r\n"),
            ("trailer", 400, get + b"Transfer-Encoding: chunked\r\n\r\n0\r\na b: c\r\n\r\n"),
            ("long-target", 414, b"GET /" + b"x" * 50 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("long-target", 414, b"GET /" + b"x" * 200),
            ("large-head", 431, get + b"x: " + b"y" * 200),
            ("large-head", 431, get + b"x: " + b"y" * 200 + b"\r\n\r\n"),
            ("fields", 431, get + b"x: y\r\n" * 3 + b"\r\n"),
            ("large-body", 413, post(bytes(11))),
            ("large-body", 413, chunked(bytes(10), bytes(1))),
        ):
            for pieces in (0, 1):
                stage = Stage(max_body=10, **small)
                client = stage.ask(data, pieces)
                answer = client.answer()
                self.assertEqual((answer.code, dict(stage.counters.refusals)), (code, {key: 1}))
                self.assertEqual(stage.counters.answers, {code: 1})
                self.assertEqual([each[2] for each in stage.log.entries], [code])
                self.assertFull(answer)
                self.assertTrue(client.transport.halfClosed)

    def assertFull(self, answer: Any) -> None:
        """All that a refusal carries."""
        for name, value in (
            (b"date", DATE),
            (b"server", b"netd"),
            (b"connection", b"close"),
            (b"content-length", b"%d" % len(answer.body)),
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"x-content-type-options", b"nosniff"),
        ):
            self.assertEqual(answer.field(name), value)
        self.assertEqual(answer.body.count(b"\n"), 1)

    def test_afterAnswers(self) -> None:
        """Answers before a refusal are delivered before it."""
        client = Stage().ask(GET + GET + b"nonsense\r\n\r\n" + GET)
        self.assertEqual([each.code for each in client.answers()], [200, 200, 400])

    def test_head(self) -> None:
        """A refused HEAD request has no body to be mistaken for an answer."""
        client = Stage(max_body=1).ask(post(b"body").replace(b"POST", b"HEAD"))
        (answer,) = client.answers("H")
        self.assertEqual((answer.code, answer.body), (413, b""))

    def test_smuggling(self) -> None:
        """No request hides in the body of another."""
        hidden = b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n"
        for fields in (
            b"Content-Length: 4\r\nContent-Length: 5\r\n",
            b"Content-Length: 4\r\nContent-Length: 4\r\n",
            b"Content-Length: 4, 4\r\n",
            b"Content-Length: +4\r\n",
            b"Content-Length: 0x4\r\n",
            b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: chunked, identity\r\n",
            b"Transfer-Encoding: xchunked\r\n",
            b"Transfer-Encoding:\x0bchunked\r\n",
            b"Transfer-Encoding : chunked\r\n",
            b"Transfer-Encoding:\r\n chunked\r\n",
            b"Content-Length : 4\r\n",
            b"X: y\nContent-Length: 4\r\n",
            b"X: y\rContent-Length: 4\r\n",
        ):
            client = Stage().ask(
                b"POST /echo HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n" + hidden
            )
            (answer,) = client.answers()
            self.assertIn(answer.code, (400, 501), fields)

    def test_unspoken(self) -> None:
        """TLS, HTTP/0.9 and noise are answered without waiting for more."""
        for data in (b"\x16\x03\x01", b"GET /\r\n", b"\x00", b"{", b"GET / HTTP/1.1\r\nbad\n"):
            self.assertIn(Stage().ask(data).answer().code, (400, 505), data)


class HeldTests(SynchronousTestCase):
    """What a Resource does with a request that it keeps."""

    def test_secondConversation(self) -> None:
        """A client may ask again while it waits; the answers keep their order."""
        stage = Stage()
        client = stage.ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        client.send(GET)
        self.assertEqual(client.said(), b"")
        stage.tree.children[b"held"].requests[0].finish()
        self.assertEqual([each.body for each in client.answers()], [b"", b"hello\n"])

    def test_finishInside(self) -> None:
        """A request may be finished while it is being rendered."""

        def both(request: Any) -> int:
            request.write(b"a")
            request.finish()
            return NOT_DONE_YET

        stage = Stage(Call(both))
        self.assertEqual([each.body for each in stage.ask(GET * 3).answers()], [b"a"] * 3)
        self.assertEqual(stage.site.in_flight, 0)

    def test_abandoned(self) -> None:
        """A request whose client left is 499, one that we cut is what was said of it."""
        for begin, lose, code in (
            (False, Client.reset, 499),
            (True, Client.reset, 499),
            (False, Client.settle, 444),
            (True, Client.settle, 200),
        ):
            stage = Stage()
            client = stage.ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
            (request,) = stage.tree.children[b"held"].requests
            if begin:
                request.write(b"begun")
            if lose is Client.settle:
                request.loseConnection()
            lose(client)
            self.assertEqual(stage.counters.answers, {code: 1})
            self.assertEqual(stage.site.in_flight, 0)

    def test_closedHalf(self) -> None:
        """What a half-closed client left unfinished is refused, or else the end."""
        for data, codes in ((GET, [200]), (GET + GET[:-1], [200, 400])):
            client = Stage().ask(data)
            client.fin()
            self.assertEqual([each.code for each in client.answers()], codes)
            self.assertTrue(client.over())

    def test_behind(self) -> None:
        """For a client that does not read nothing more is answered, until it does."""
        client = Stage().connect()
        write = client.transport.write

        def full(data: bytes) -> None:
            write(data)
            client.channel.pauseProducing()

        self.patch(client.transport, "write", full)
        client.send(GET + GET)
        client.send(GET)
        self.assertEqual(len(client.answers()), 2)
        self.patch(client.transport, "write", write)
        client.channel.resumeProducing()
        self.assertEqual(len(client.answers()), 3)

    def test_large(self) -> None:
        """Answers that are large do not wait for each other."""
        client = Stage(Call(lambda request: bytes(50_000))).connect()
        written: list[int] = []
        self.patch(client.transport, "write", lambda data: written.append(len(data)))
        client.send(GET * 10)
        self.assertLess(max(written), 200_000)
        self.assertEqual(len(written), 5)

    def test_lingering(self) -> None:
        """What a refused client goes on saying is not kept, and not heard for ever."""
        client = Stage().ask(b"nonsense\r\n\r\n")
        for _ in range(5):
            self.assertFalse(client.transport.aborted)
            client.send(bytes(60_000))
        self.assertTrue(client.transport.aborted)
        self.assertEqual(client.channel._buffer, b"")

    def test_farAhead(self) -> None:
        """A client that sends too far ahead is not read further."""
        client = Stage().ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        client.send(bytes(65_000))
        self.assertEqual(client.transport.producerState, "producing")
        client.send(bytes(1_000))
        self.assertEqual(client.transport.producerState, "paused")
