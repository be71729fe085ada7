"""Stock and third-party Resources that need the whole of stock's Request."""

from __future__ import annotations

import json
import warnings
import xmlrpc.client
from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import EncodingResourceWrapper, Resource
from twisted.web.server import NOT_DONE_YET, GzipEncoderFactory

from netd.http.foreign import Foreign
from netd.test.http.stages import GET, Call, Client, Stage

with warnings.catch_warnings():
    # Twisted's own: static makes use of what resource deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    from twisted.web.static import File
    from twisted.web.test.requesthelper import DummyChannel, DummyRequest
    from twisted.web.wsgi import WSGIResource
    from twisted.web.xmlrpc import XMLRPC


class ForeignCase(SynchronousTestCase):
    """Mounts a Resource at `/at`."""

    def mount(self, resource: Any) -> Stage:
        """A stage with `resource` on it."""
        stage = Stage()
        stage.tree.putChild(b"at", Foreign(resource, stage.clock))
        return stage

    def ask(self, resource: Any, path: bytes = b"/at", more: bytes = b"") -> Client:
        """A client that has asked `resource`."""
        return self.mount(resource).ask(b"GET %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (path, more))


class FileTests(ForeignCase):
    """`twisted.web.static.File`, whole and in parts."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp())
        self.root.mkdir()
        (self.root / "a.txt").write_bytes(b"abcdefgh" * 10_000)

    def drive(self, client: Client) -> Client:
        """Let the producer work."""
        for _ in range(5):
            client.stage.clock.advance(0)
        return client

    def test_whole(self) -> None:
        """A file is sent whole, with its length and type, and the connection lives on."""
        client = self.drive(self.ask(File(str(self.root)), b"/at/a.txt"))
        answer = client.answer()
        self.assertEqual((answer.code, len(answer.body)), (200, 80_000))
        self.assertEqual(answer.field(b"content-type"), b"text/plain")
        self.assertEqual(answer.field(b"server"), b"netd")
        self.assertFalse(client.over())

    def test_range(self) -> None:
        """A part of a file is sent."""
        client = self.drive(
            self.ask(File(str(self.root)), b"/at/a.txt", b"Range: bytes=1-3\r\n")
        )
        self.assertEqual((client.answer().code, client.answer().body), (206, b"bcd"))

    def test_head(self) -> None:
        """HEAD has the length without the body."""
        stage = self.mount(File(str(self.root)))
        client = self.drive(stage.ask(b"HEAD /at/a.txt HTTP/1.1\r\nHost: a\r\n\r\n"))
        (answer,) = client.answers("H")
        self.assertEqual(answer.field(b"content-length"), b"80000")

    def test_unchanged(self) -> None:
        """A file that did not change is 304."""
        first = self.drive(self.ask(File(str(self.root)), b"/at/a.txt")).answer()
        since = b"If-Modified-Since: %b\r\n" % first.fields[b"last-modified"][0]
        self.assertEqual(self.ask(File(str(self.root)), b"/at/a.txt", since).answer().code, 304)

    def test_missing(self) -> None:
        """What is not there is 404; the directory itself is listed."""
        self.assertEqual(self.ask(File(str(self.root)), b"/at/b").answer().code, 404)
        self.assertIn(b"a.txt", self.ask(File(str(self.root)), b"/at/").answer().body)


class Arithmetic(XMLRPC):
    """A stock XML-RPC resource."""

    def xmlrpc_add(self, one: int, two: int) -> int:
        """One and two."""
        return one + two


class XMLRPCTests(ForeignCase):
    """`twisted.web.xmlrpc.XMLRPC`."""

    def test_call(self) -> None:
        """A call is answered, however its body arrives."""
        call = xmlrpc.client.dumps((2, 3), "add").encode()
        head = b"POST /at HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\n"
        for data in (
            head + b"Content-Length: %d\r\n\r\n%b" % (len(call), call),
            head
            + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(call), call),
        ):
            stage = self.mount(Arithmetic())
            answer = stage.ask(data, 50).answer()
            self.assertEqual(xmlrpc.client.loads(answer.body), ((5,), None))
            self.assertEqual(stage.site.spools.held, 0)


def keep(kept: list[Any]) -> Any:
    """A Resource's function that puts requests into `kept`."""

    def later(request: Any) -> int:
        kept.append(request)
        return NOT_DONE_YET

    return later


class StockTests(ForeignCase):
    """What stock's Request can and ours cannot."""

    def test_session(self) -> None:
        """A session is kept by a cookie, and timed by the engine's clock."""

        def count(request: Any) -> bytes:
            session = request.getSession()
            session.count = getattr(session, "count", 0) + 1
            return b"%d" % session.count

        stage = self.mount(Call(count))
        first = stage.ask(GET.replace(b" / ", b" /at "))
        cookie = first.answer().fields[b"set-cookie"][0].split(b";")[0]
        ask = b"GET /at HTTP/1.1\r\nHost: a\r\nCookie: %b\r\n\r\n" % cookie
        self.assertEqual(stage.ask(ask).answer().body, b"2")
        stage.clock.advance(10_000)
        self.assertEqual(stage.ask(ask).answer().body, b"1")
        stage.clock.advance(10_000)

    def test_forms(self) -> None:
        """Forms of both kinds are arguments."""
        said = Call(lambda request: repr(sorted(request.args.items())).encode())
        multipart = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
        for kind, body in (
            (b"application/x-www-form-urlencoded", b"a=1"),
            (b"multipart/form-data; boundary=x", multipart),
        ):
            client = self.mount(said).ask(
                b"POST /at?b=2 HTTP/1.1\r\nHost: a\r\nContent-Type: %b\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (kind, len(body), body)
            )
            self.assertEqual(client.answer().body, b"[(b'a', [b'1']), (b'b', [b'2'])]")

    def test_badForm(self) -> None:
        """A form that cannot be read is 400 and the end."""
        client = self.mount(Call(lambda request: b"")).ask(
            b"POST /at HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data\r\n"
            b"Content-Length: 1\r\n\r\nx"
        )
        self.assertEqual(client.answer().code, 400)
        self.assertTrue(client.over())

    def test_encoder(self) -> None:
        """A content encoder encodes."""
        import gzip

        resource = EncodingResourceWrapper(
            Call(lambda request: b"a" * 1000), [GzipEncoderFactory()]
        )
        answer = self.ask(resource, b"/at", b"Accept-Encoding: gzip\r\n").answer()
        self.assertEqual(gzip.decompress(answer.body), b"a" * 1000)

    def test_whereItIs(self) -> None:
        """The mounted Resource knows where it is, who asks and how."""

        def where(request: Any) -> bytes:
            facts = [request.prepath, request.postpath, request.getClientAddress().host]
            return repr([*facts, request.isSecure(), request.clientproto]).encode()

        resource = Resource()
        resource.putChild(b"x", Call(where))
        answer = self.ask(resource, b"/at/x/y%20z").answer()
        self.assertEqual(
            answer.body, b"[[b'at', b'x'], [b'y z'], '127.0.0.1', False, b'HTTP/1.1']"
        )

    def test_stream(self) -> None:
        """What is written in pieces is framed by the engine, in every version."""

        def pieces(request: Any) -> int:
            for each in (b"a", b"bc"):
                request.write(each)
            request.finish()
            return NOT_DONE_YET

        for ask in (GET, b"GET / HTTP/1.0\r\n\r\n"):
            client = self.mount(Call(pieces)).ask(ask.replace(b" / ", b" /at "))
            self.assertEqual(client.answer().body, b"abc")

    def test_bug(self) -> None:
        """A bug is a 500 without a traceback, and logged."""

        def bug(request: Any) -> bytes:
            raise ValueError("a secret")

        answer = self.ask(Call(bug)).answer()
        self.assertEqual(answer.code, 500)
        self.assertNotIn(b"secret", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_left(self) -> None:
        """When the client leaves, the stock request learns of it."""
        kept: list[Any] = []
        client = self.ask(Call(keep(kept)))
        told = kept[0].notifyFinish()
        client.reset()
        self.failureResultOf(told)

    def test_producer(self) -> None:
        """A producer of the foreign Resource is paced as any other."""
        kept: list[Any] = []
        client = self.ask(Call(keep(kept)))
        told: list[str] = []

        class Source:
            def pauseProducing(self) -> None:
                told.append("pause")

            def resumeProducing(self) -> None:
                told.append("resume")

            def stopProducing(self) -> None:
                told.append("stop")

        kept[0].registerProducer(Source(), True)
        client.channel.pauseProducing()
        client.channel.resumeProducing()
        kept[0].unregisterProducer()
        kept[0].loseConnection()
        self.assertEqual(told, ["pause", "resume"])
        self.assertTrue(client.over())

    def test_onStock(self) -> None:
        """On the stock Site there is nothing to adapt."""
        from twisted.web.server import Site

        tree = Resource()
        tree.putChild(b"at", Foreign(Call(lambda request: b"stock"), reactor))
        channel = DummyChannel()
        channel.site = Site(tree)
        request = channel.site.requestFactory(channel, False)
        request.gotLength(0)
        request.requestReceived(b"GET", b"/at", b"HTTP/1.1")
        self.assertIn(b"stock", channel.transport.written.getvalue())

    def test_leaf(self) -> None:
        """It is a leaf: nobody else's children are below it."""
        foreign = Foreign(Resource(), Stage().clock)
        self.assertTrue(foreign.isLeaf)
        self.assertRaises(
            NotImplementedError, foreign.getChildWithDefault, b"", DummyRequest([b""])
        )
        self.assertRaises(NotImplementedError, foreign.putChild, b"", Resource())


class WSGITests(TestCase):
    """`twisted.web.wsgi.WSGIResource`, which works in threads."""

    timeout = 30

    @inlineCallbacks
    def test_application(self) -> Any:
        """A WSGI application gets the request and its body, and answers."""
        pool = ThreadPool(0, 1)
        pool.start()
        self.addCleanup(pool.stop)

        def application(environ: Any, start: Any) -> list[bytes]:
            start("201 Created", [("X-Path", environ["SCRIPT_NAME"] + environ["PATH_INFO"])])
            return [environ["REQUEST_METHOD"].encode(), b" ", environ["wsgi.input"].read()]

        stage = Stage()
        resource = WSGIResource(reactor, pool, application)
        stage.tree.putChild(b"at", Foreign(resource, stage.clock))
        client = stage.ask(b"POST /at/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        while stage.site.in_flight:
            yield deferLater(reactor, 0.001, lambda: None)
        answer = client.answer()
        self.assertEqual((answer.code, answer.body), (201, b"POST body"))
        self.assertEqual(answer.field(b"x-path"), b"/at/x")
        self.assertEqual(stage.site.spools.held, 0)


class KleinTests(ForeignCase):
    """An application of `klein`, from PyPI."""

    def setUp(self) -> None:
        try:
            from klein import Klein
        except ImportError as error:
            raise SkipTest("klein is not installed") from error
        self.app = Klein()

    def test_routes(self) -> None:
        """Routes, their parameters, Deferreds and missing pages work."""
        later: Deferred[str] = Deferred()

        @self.app.route("/hello/<name>")
        def hello(request: Any, name: str) -> str:
            request.setHeader("content-type", "application/json")
            return json.dumps({"hello": name})

        @self.app.route("/later")
        def wait(request: Any) -> Deferred[str]:
            return later

        resource = self.app.resource()
        answer = self.ask(resource, b"/at/hello/you").answer()
        self.assertEqual(json.loads(answer.body), {"hello": "you"})
        self.assertEqual(answer.field(b"content-type"), b"application/json")
        client = self.ask(resource, b"/at/later")
        self.assertEqual(client.said(), b"")
        later.callback("now")
        self.assertEqual(client.answer().body, b"now")
        self.assertEqual(self.ask(resource, b"/at/nowhere").answer().code, 404)
