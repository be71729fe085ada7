"""
The whole web site, without a socket and without waiting.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import getChildForRequest
from twisted.web.test.requesthelper import DummyRequest

from netd.counters import Counters
from netd.http.context import AccessRecord
from netd.lab.endpoints.echo import GREETING
from netd.lab.router import Router
from netd.site import factory, files_only, tree
from netd.test.http.stock import stock_site
from netd.test.lab.client import (
    Client,
    configured,
    limited,
    parse,
    request,
)
from netd.xmlrpc import service
from netd.xmlrpc.content_coding import LARGEST
from netd.xmlrpc.resource import RPCRoot


class TreeTests(SynchronousTestCase):
    """
    Who answers which path.
    """

    def child(self, *path: bytes) -> str:
        """The class of the resource at `path`."""
        asked = DummyRequest(list(path))
        root = tree(configured(), Client().clock)
        return type(getChildForRequest(root, asked)).__name__

    def test_rooms(self) -> None:
        """Files and XML-RPC have their names, the router has every other."""
        self.assertEqual(self.child(b"files", b"hello.txt"), "Files")
        self.assertEqual(self.child(b"RPC2"), "RPC")
        for path in ((b"",), (b"delay", b"3"), (b"rpc2",), (b"Files",)):
            self.assertEqual(self.child(*path), Router.__name__, path)


class BodiesTests(SynchronousTestCase):
    """
    Bodies that are too large for where they go.
    """

    def test_early(self) -> None:
        """A call that says it is larger than 1 MiB is refused before its body comes."""
        alone = RPCRoot(service.build(Clock()).resource)
        config = configured(limited(max_body=10 << 20))
        for root, target, refused in (
            (None, "/RPC2", True),
            (None, "/RPC2?x", True),
            (None, "/post", False),
            (alone, "/", True),
            (alone, "/RPC2", True),
        ):
            clock, counters = Clock(), Counters()
            made = factory(config, clock, counters, root)
            talk = Client(config, clock, counters, made)
            said = talk.send(request(f"POST {target}", f"Content-Length: {LARGEST + 1}"))
            self.assertEqual(said.startswith(b"HTTP/1.1 413 "), refused, target)

    def test_chunked(self) -> None:
        """One that does not say it is refused as soon as it is too large."""
        talk = Client(configured(limited(max_body=10 << 20)))
        asked = request("POST /RPC2", "Transfer-Encoding: chunked")
        self.assertEqual(talk.send(asked + b"%x\r\n%b\r\n" % (LARGEST, bytes(LARGEST))), b"")
        self.assertTrue(talk.send(b"1\r\n").startswith(b"HTTP/1.1 413 "))

    def test_smaller(self) -> None:
        """A smaller limit for all holds for calls too, also a new one."""
        talk = Client(configured(limited(max_body=10 << 20)))
        talk.site.change(limited(max_body=10).limits)
        said = talk.send(request("POST /RPC2", "Content-Length: 11"))
        self.assertTrue(said.startswith(b"HTTP/1.1 413 "))


class DelayEchoTests(SynchronousTestCase):
    """
    Delay-echo at the root.
    """

    def test_waits(self) -> None:
        """The answer leaves after the delay, not before, and is 58 bytes."""
        talk = Client()
        self.assertEqual(talk.send(request("GET /")), b"")
        self.assertEqual(talk.advance(2.999), b"")
        answer = parse(talk.advance(0.001))
        self.assertEqual((answer.status, len(answer.body)), (200, 58))
        self.assertEqual(answer.headers["content-length"], "58")
        self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")

    def test_cutAnywhere(self) -> None:
        """Wherever the request is cut in two, the answer is the same."""
        asked = request("POST /", "Content-Type: text/plain", body=b"hello")
        for cut in range(1, len(asked)):
            talk = Client()
            talk.send(asked[:cut])
            talk.send(asked[cut:])
            self.assertEqual(parse(talk.advance(3)).body, b"hello", cut)

    def test_byteByByte(self) -> None:
        """A request that comes in single bytes is answered as a whole one."""
        talk = Client()
        for byte in request("GET /"):
            talk.send(bytes([byte]))
        self.assertEqual(parse(talk.advance(3)).body, GREETING)

    def test_manyAtOnce(self) -> None:
        """Clients that came together are answered together: nobody waits for another."""
        first = Client()
        others = [
            Client(first.settings, first.clock, first.counters, first.site) for _ in range(99)
        ]
        for talk in (first, *others):
            talk.send(request("GET /"))
        first.clock.advance(3)
        bodies = {parse(talk.received()).body for talk in (first, *others)}
        self.assertEqual(bodies, {GREETING})
        self.assertEqual(first.counters.responses, {200: 100})

    def test_oldProtocol(self) -> None:
        """HTTP/1.0 without Host is answered, and the connection closed."""
        talk = Client()
        talk.send(b"GET / HTTP/1.0\r\n\r\n")
        answer = parse(talk.advance(3))
        self.assertEqual((answer.status, answer.body), (200, GREETING))
        self.assertTrue(talk.transport.disconnecting)

    def test_keepAlive(self) -> None:
        """HTTP/1.1 connections stay for the next request."""
        talk = Client()
        for _ in range(3):
            talk.send(request("GET /"))
            self.assertEqual(parse(talk.advance(3)).body, GREETING)
        self.assertFalse(talk.transport.disconnecting)


class EngineTests(SynchronousTestCase):
    """
    What the site takes from its settings.
    """

    def test_limits(self) -> None:
        """The limits of the settings are those of the connection."""
        talk = Client(configured(limited(max_body=10)))
        answer = talk.request("POST /", body=b"0123456789a")
        self.assertEqual(answer.status, 413)
        self.assertEqual(talk.counters.refusals, {"large-body": 1})

    def test_halfClosed(self) -> None:
        """A client that closes its side with the request gets its answer, then the close."""
        talk = Client()
        talk.send(request("GET /"))
        talk.channel.readConnectionLost()
        self.assertEqual(parse(talk.advance(3)).body, GREETING)
        self.assertTrue(talk.transport.disconnecting)

    def test_drained(self) -> None:
        """An answer in flight is delivered, says that it is the last, and then all is done."""
        talk = Client()
        talk.send(request("GET /"))
        done = talk.site.drain()
        self.assertNoResult(done)
        answer = parse(talk.advance(3))
        self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
        talk.disconnect()
        self.successResultOf(done)

    def test_left(self) -> None:
        """A reset while waiting is counted as 499 and leaves no timer."""
        talk = Client()
        talk.send(request("GET /"))
        talk.disconnect(ConnectionLost)
        self.assertEqual(talk.counters.responses, {499: 1})
        self.assertEqual(talk.clock.getDelayedCalls(), [])

    def test_log(self) -> None:
        """Each answer is recorded in the log that was handed in."""
        lines = []

        class Log:
            """Keeps what is recorded."""

            def record(self, entry: AccessRecord) -> None:
                """Keep the entry."""
                lines.append(entry)

        talk = Client()
        talk.site = factory(configured(), talk.clock, talk.counters, log=Log())
        again = Client(talk.settings, talk.clock, talk.counters, talk.site)
        again.request("GET /healthz", "User-Agent: me")
        self.assertEqual(
            lines, [(b"127.0.0.1", b"GET /healthz HTTP/1.1", 200, 3, b"-", b"me", b"-")]
        )

    def test_alone(self) -> None:
        """A site of one resource serves that one only."""
        talk = Client()
        alone = factory(
            configured(), talk.clock, talk.counters, files_only(configured(), talk.clock)
        )
        again = Client(talk.settings, talk.clock, talk.counters, alone)
        self.assertEqual(again.request("GET /hello.txt").body, b"Hello from netd.\n")


class StockTests(SynchronousTestCase):
    """
    The same tree under Twisted's own engine, which is the oracle.
    """

    def test_same(self) -> None:
        """Status, body and type of what is answered at once are the same."""
        clock = Clock()
        stock = stock_site(tree(configured(), clock), clock)
        for line in ("GET /healthz", "HEAD /healthz", "GET /nope", "POST /help", "GET /RPC2"):
            mine = Client().request(line)
            theirs = Client(clock=clock, site=stock).request(line)
            self.assertEqual((mine.status, mine.body), (theirs.status, theirs.body), line)
            for name in ("content-type", "allow", "content-length"):
                self.assertEqual(mine.headers.get(name), theirs.headers.get(name), line)
