"""
Tests of netd.http.server: connections come, are drained, or are refused.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IProtocolFactory, ISSLTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web import pages
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import alsoProvides
from zope.interface.verify import verifyObject

from netd.counters import Counters
from netd.http.server import DENIED_CONNECTIONS, PROBES, DeniedServer, LocalServer
from netd.settings import Limits
from netd.test.http.stages import (
    DATE,
    GET,
    NOW,
    Call,
    MemoryTransport,
    ServerFixture,
    seeing,
)
from netd.transport.drain import IDrainable

WAIT = b"GET /wait/3 HTTP/1.1\r\nHost: a\r\n\r\n"


class ServerTests(SynchronousTestCase):
    """
    The factory of connections.
    """

    def test_interfaces(self) -> None:
        """A server is a factory that can be drained."""
        server = ServerFixture().server
        verifyObject(IProtocolFactory, server)
        verifyObject(IDrainable, server)


class DrainTests(SynchronousTestCase):
    """
    A drain loses no response.
    """

    def test_nothing(self) -> None:
        """Without connections the drain is over at once."""
        self.successResultOf(ServerFixture().server.drain())

    def test_dismiss(self) -> None:
        """A dismissed connection gets its next response and is closed; so is a new one."""
        fixture = ServerFixture()
        idle = fixture.ask(GET)
        fixture.server.dismiss()
        self.assertFalse(idle.settle().closed())
        self.assertIsNone(idle.response().field(b"connection"))
        idle.send(GET)
        for client in (idle, fixture.ask(GET)):
            self.assertEqual(client.responses()[-1].field(b"connection"), b"close")
            self.assertTrue(client.settle().closed())

    def test_thousand(self) -> None:
        """A thousand responses in flight are all delivered."""
        fixture = ServerFixture()
        clients = [fixture.ask(WAIT) for _ in range(1000)]
        idle = fixture.ask(GET)
        gone = fixture.server.drain()
        self.assertTrue(idle.settle().closed())
        fixture.clock.advance(3)
        for client in clients:
            response = client.settle().response()
            self.assertEqual(
                (response.body, response.field(b"connection")), (b"late\n", b"close")
            )
        self.successResultOf(gone)
        self.assertEqual(fixture.counters.responses, {200: 1001})

    def test_begun(self) -> None:
        """A response whose header was there before the drain ends its connection, too."""
        begun: list[Any] = []

        def begin(request: Any) -> int:
            request.write(b"a")
            begun.append(request)
            return NOT_DONE_YET

        fixture = ServerFixture(Call(begin))
        client = fixture.ask(GET)
        gone = fixture.server.drain()
        begun[0].finish()
        self.assertTrue(client.settle().closed())
        self.assertEqual(client.response().body, b"a")
        self.assertIsNone(client.response().field(b"connection"))
        self.successResultOf(gone)

    def test_halfReceived(self) -> None:
        """Requests of which a part has arrived are read and get their responses."""
        fixture = ServerFixture()
        post = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
        clients = [(fixture.ask(data[:-2]), data[-2:]) for data in (GET, post)]
        gone = fixture.server.drain()
        for client, rest in clients:
            client.send(rest)
            self.assertEqual(client.settle().response().field(b"connection"), b"close")
        self.successResultOf(gone)

    def test_fresh(self) -> None:
        """A new connection has a second for a request that is on the way."""
        fixture = ServerFixture()
        quick, slow = fixture.connect(), fixture.connect()
        gone = fixture.server.drain()
        self.assertFalse(quick.closed() or slow.closed())
        quick.send(GET)
        self.assertEqual(quick.settle().response().code, 200)
        fixture.pass_seconds(2)
        self.assertTrue(slow.settle().closed())
        self.successResultOf(gone)

    def test_pipelined(self) -> None:
        """Of requests that were sent ahead only the one in flight gets its response."""
        fixture = ServerFixture()
        client = fixture.ask(WAIT + GET)
        fixture.server.drain()
        fixture.clock.advance(3)
        self.assertEqual(len(client.responses()), 1)
        self.assertTrue(client.transport.halfClosed)

    def test_abort(self) -> None:
        """Connections that are left are cut and counted."""
        fixture = ServerFixture()
        clients = [fixture.ask(WAIT) for _ in range(3)]
        gone = fixture.server.drain()
        self.assertEqual(fixture.server.abort(), 3)
        self.assertNoResult(gone)
        for client in clients:
            client.settle()
        self.successResultOf(gone)
        self.assertEqual(fixture.counters.responses, {444: 3})

    def test_twice(self) -> None:
        """A second drain ends with the first."""
        fixture = ServerFixture()
        client = fixture.ask(WAIT)
        first, second = fixture.server.drain(), fixture.server.drain()
        client.reset()
        self.successResultOf(first)
        self.successResultOf(second)


class LocalServerTests(SynchronousTestCase):
    """
    Peers on loopback that the access lists leave out get the probes and nothing else.
    """

    def setUp(self) -> None:
        counters = self.counters = Counters()

        class Leaf(Resource):
            """Responds to everything."""

            isLeaf = True

            def render(self, request: Any) -> bytes:
                """The path."""
                path: bytes = request.path
                return path

        self.fixture = ServerFixture(
            server=lambda clock: LocalServer(Leaf(), clock, Limits(), counters, now=lambda: NOW)
        )

    def tearDown(self) -> None:
        for connection in self.fixture.server.connections:
            connection.abort()
        self.fixture.pass_seconds(5)

    def test_probes(self) -> None:
        """Each probe is served, several on one connection too."""
        paths = sorted(PROBES)
        self.assertEqual(paths, [b"/healthz", b"/metrics", b"/readyz"])
        request = b"GET %s?a=b HTTP/1.1\r\nHost: a\r\n\r\n"
        client = self.fixture.ask(b"".join(request % path for path in paths))
        bodies = [response.body for response in client.responses("GGG")]
        self.assertEqual(bodies, paths)
        self.assertEqual((self.counters.refusals, self.counters.responses), ({}, {200: 3}))

    def test_refused(self) -> None:
        """Any other request gets the 403 of a denied network, before its body is read."""
        for data in (
            GET,
            b"GET /healthz/ HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /%68ealthz HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST /RPC2 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
            b"POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        ):
            response = self.fixture.ask(data).response()
            self.assertEqual(response.code, 403, data)
            self.assertEqual(response.body, b"connections from your network are refused here\n")
        self.assertEqual(self.counters.refusals, {"network": 5})

    def test_few(self) -> None:
        """They have as many connections as denied networks, whatever the limits say."""
        server = self.fixture.server
        self.assertEqual(server.context.limits.connections, DENIED_CONNECTIONS)
        server.change(Limits(idle=7.0))
        limits = server.context.limits
        self.assertEqual((limits.connections, limits.idle), (DENIED_CONNECTIONS, 7.0))


class DeniedServerTests(SynchronousTestCase):
    """
    Clients of denied networks are told so, and hold nothing.
    """

    def setUp(self) -> None:
        self.fixture = ServerFixture(server=lambda clock: DeniedServer(clock, lambda: NOW))

    def tearDown(self) -> None:
        for connection in self.fixture.server.connections:
            connection.abort()
        self.fixture.pass_seconds(5)

    def assertHeld(self, count: int) -> None:
        """So many connections are open, and without any there is no timer."""
        self.assertEqual(len(self.fixture.server.connections), count)
        self.assertEqual(len(self.fixture.clock.getDelayedCalls()), min(count, 1))

    def test_interface(self) -> None:
        """The server can be drained as every other."""
        verifyObject(IDrainable, self.fixture.server)

    def test_refused(self) -> None:
        """The first bytes, and not the connection alone, get a whole 403."""
        client = self.fixture.connect()
        self.assertEqual(client.received(), b"")
        client.send(GET)
        client.send(GET)
        response = client.response()
        self.assertEqual(response.code, 403)
        self.assertEqual(response.body, b"connections from your network are refused here\n")
        self.assertEqual(response.field(b"connection"), b"close")
        self.assertEqual(response.field(b"date"), DATE)
        self.assertTrue(client.transport.halfClosed)

    def test_any(self) -> None:
        """Bytes that are no request get the same response; HEAD gets no body."""
        for data in (b"\x16\x03\x01", b"G", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"):
            self.assertEqual(self.fixture.ask(data).response().code, 403)
        client = self.fixture.ask(b"HEAD / HTTP/1.1\r\n")
        (response,) = client.responses("H")
        self.assertEqual((response.code, response.body), (403, b""))

    def test_silent(self) -> None:
        """A client that sends nothing is closed soon, without a response."""
        client = self.fixture.connect()
        self.fixture.pass_seconds(3)
        self.assertEqual((client.received(), client.closed()), (b"", True))
        client.settle()
        self.assertHeld(0)

    def test_lingers(self) -> None:
        """A client that stays after the response is cut soon."""
        client = self.fixture.ask(GET)
        self.assertFalse(client.closed())
        self.fixture.pass_seconds(3)
        self.assertTrue(client.transport.aborted)
        client.settle()
        self.assertHeld(0)

    def test_halfClosed(self) -> None:
        """A client that half-closes gets its response, or without a request the end."""
        client = self.fixture.ask(GET)
        client.fin()
        self.assertEqual(client.response().code, 403)
        self.assertTrue(client.closed())
        self.assertFalse(client.transport.aborted)
        client = self.fixture.connect()
        client.fin()
        self.assertEqual((client.received(), client.closed()), (b"", True))

    def test_muchInput(self) -> None:
        """A client that goes on sending is cut after 1 MiB."""
        client = self.fixture.ask(GET)
        client.send(bytes(1024 * 1024 - 1), 65536)
        self.assertFalse(client.closed())
        client.send(b"x")
        self.assertTrue(client.transport.aborted)

    def test_crowd(self) -> None:
        """At most 64 clients are connected; one that leaves makes room, none is evicted."""
        clients = [self.fixture.connect(f"192.0.2.{number}") for number in range(64)]
        self.assertIsNone(self.fixture.server.buildProtocol(None))
        self.assertFalse(any(client.closed() for client in clients))
        clients[0].reset()
        self.assertEqual(self.fixture.ask(GET).response().code, 403)

    def test_drain(self) -> None:
        """A stop waits for no such client, and does not count those that it cuts."""
        client = self.fixture.connect()
        self.assertIsNone(self.successResultOf(self.fixture.server.drain()))
        self.assertTrue(client.transport.aborted)
        self.assertEqual(self.fixture.server.abort(), 0)

    def test_secure(self) -> None:
        """Over TLS the refusal waits for the handshake, which must be quick."""
        transports = [MemoryTransport(), MemoryTransport()]
        for transport in transports:
            alsoProvides(transport, ISSLTransport)
        slow, quick = (self.fixture.connect(transport=transport) for transport in transports)
        quick.connection.handshakeCompleted()
        quick.send(GET)
        self.assertEqual(quick.response().code, 403)
        self.fixture.pass_seconds(2)
        self.assertEqual((slow.received(), slow.closed()), (b"", True))


class OrderTests(SynchronousTestCase):
    """
    A tree of Resources is walked as stock walks it.
    """

    def test_segments(self) -> None:
        """Segments are decoded once client, and the rest is left to the leaf."""
        seen: list[Any] = []
        fixture = ServerFixture()
        fixture.tree.putChild(b"a b", seeing(seen))
        fixture.ask(b"GET /a%20b/c%2Fd/ HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual((seen[0].prepath, seen[0].postpath), ([b"a b"], [b"c/d", b""]))

    def test_missing(self) -> None:
        """A Resource of Twisted works on this server."""
        fixture = ServerFixture()
        fixture.tree.putChild(b"nowhere", pages.notFound())
        self.assertEqual(fixture.ask(GET.replace(b" / ", b" /nowhere ")).response().code, 404)
