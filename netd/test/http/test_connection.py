"""
Tests of netd.http.connection: requests in order, framing, pressure, refusals, ends.
"""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Any
from weakref import ref

from twisted.internet import ssl
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.test.iosim import FakeTransport, connect
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import NOT_DONE_YET
from zope.interface import alsoProvides

from netd import settings
from netd.http.connection_state import ConnectionState
from netd.test.http.stages import (
    DATE,
    GET,
    Call,
    Client,
    MemoryTransport,
    ServerFixture,
    chunked,
    parse_responses,
    post,
    seeing,
)
from netd.test.stages import identity
from netd.transport import tls


class SameHeadTests(SynchronousTestCase):
    """
    Requests whose heads are equal, byte for byte.
    """

    def setUp(self) -> None:
        self.seen: list[Any] = []
        self.fixture = ServerFixture(Call(self.spoil))

    def spoil(self, request: Any) -> bytes:
        """Keep `request`, and change all of it that may be changed."""
        self.seen.append(request)
        request.postpath.clear()
        request.requestHeaders.removeHeader(b"host")
        request.args.clear()
        request.method = request.uri = request.path = b""
        return b"x"

    def test_shared(self) -> None:
        """They share what was parsed, over all connections; a Resource cannot change that."""
        self.fixture.ask(GET + GET)
        self.fixture.ask(GET)
        first, *others = [request.head for request in self.seen]
        self.assertEqual([head is first for head in others], [True, True])
        self.assertEqual((first.method, first.uri, first.postpath), (b"GET", b"/", [b""]))
        self.assertEqual(self.seen[0].getHeader(b"host"), None)
        self.assertEqual(first.fields[b"host"], (b"a",))

    def test_other(self) -> None:
        """One byte makes another head."""
        targets = [b"/a?b=1", b"/a?b=2", b"/a?b=1"]
        self.fixture.ask(b"".join(GET.replace(b"/", target, 1) for target in targets))
        self.assertEqual([request.head.uri for request in self.seen], targets)

    def test_bodies(self) -> None:
        """Each has its own body."""
        fixture = ServerFixture(Call(lambda request: request.content.read()))
        client = fixture.ask(post(b"one") + post(b"two") + post(b"six"))
        bodies = [response.body for response in client.responses()]
        self.assertEqual(bodies, [b"one", b"two", b"six"])

    def test_refused(self) -> None:
        """A head that is refused is refused again."""
        bad = GET.replace(b"Host", b"Host : b\r\nHost")
        self.assertEqual([self.fixture.ask(bad).response().code for _ in range(2)], [400, 400])

    def test_forgotten(self) -> None:
        """What may hold credentials is kept for a second at most."""
        for _ in range(2):
            self.fixture.ask(GET)
            self.fixture.clock.advance(1)
        self.assertIsNone(self.fixture.server.context.latest_head)
        first, second = self.seen
        self.assertIsNot(first.head, second.head)


class HalfCloseTests(SynchronousTestCase):
    """
    Which FIN is a half-close, and which means that the client left.
    """

    def setUp(self) -> None:
        self.fixture = ServerFixture()
        self.get = b"GET /wait/3 HTTP/1.1\r\nHost: a\r\n\r\n"

    def waiting(self) -> Client:
        """A client that waits for its response."""
        return self.fixture.ask(self.get)

    def test_together(self) -> None:
        """A FIN with the request is a half-close: the response comes, then the end."""
        client = self.waiting()
        client.fin()
        self.fixture.clock.advance(3)
        self.assertEqual(client.response().body, b"late\n")
        self.assertTrue(client.closed())

    def test_pipelined(self) -> None:
        """A client that half-closed gets all its responses."""
        client = self.fixture.ask(self.get + self.get)
        client.fin()
        self.fixture.clock.advance(3)
        self.fixture.clock.advance(3)
        self.assertEqual(
            [response.body for response in client.responses()], [b"late\n", b"late\n"]
        )
        self.assertTrue(client.closed())

    def test_later(self) -> None:
        """A FIN while the client waits means that it left."""
        client = self.waiting()
        self.fixture.clock.advance(0.2)
        client.fin()
        self.assertTrue(client.closed())
        self.assertEqual(client.received(), b"")
        self.assertEqual(self.fixture.counters.responses, {499: 1})
        self.assertEqual([entry.status for entry in self.fixture.log.entries], [499])
        self.assertEqual(self.fixture.server.in_flight, 0)
        client.settle()
        self.assertEqual(self.fixture.counters.responses, {499: 1})

    def test_begun(self) -> None:
        """A FIN after the response has begun is a half-close."""
        client = self.fixture.ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        (request,) = self.fixture.tree.children[b"held"].requests
        request.write(b"a")
        self.fixture.clock.advance(1)
        client.fin()
        request.write(b"b")
        request.finish()
        self.assertEqual(client.response().body, b"ab")
        self.assertTrue(client.closed())

    def test_reset(self) -> None:
        """A reset always means that the client left, and its timer is cancelled."""
        client = self.waiting()
        client.reset()
        self.assertEqual(self.fixture.counters.responses, {499: 1})
        waiting = self.fixture.tree.children[b"wait"]
        self.assertTrue(waiting.left[0].check(ConnectionLost))

    def test_afterTheLast(self) -> None:
        """After the last response a FIN ends the connection once everything is read."""
        client = self.fixture.ask(GET)
        client.connection.pauseProducing()
        client.fin()
        self.assertFalse(client.closed())
        client.connection.writeConnectionLost()
        client.connection.resumeProducing()
        self.assertTrue(client.closed())

    def test_lostBody(self) -> None:
        """A connection lost while a body arrives gives the room back."""
        client = self.fixture.ask(post(b"body")[:-1])
        self.assertEqual(self.fixture.server.context.body_buffers.held, 3)
        client.reset()
        self.assertEqual(self.fixture.server.context.body_buffers.held, 0)

    def test_idle(self) -> None:
        """A FIN between requests ends the connection."""
        client = self.fixture.ask(GET)
        client.fin()
        self.assertTrue(client.closed())
        self.assertEqual(len(client.responses()), 1)

    def test_incomplete(self) -> None:
        """A FIN inside a request gets a 400."""
        for part in (GET[:-1], post(b"body")[:-1]):
            client = self.fixture.ask(part)
            client.fin()
            self.assertEqual(client.response().code, 400)
            self.assertTrue(client.closed())
        self.assertEqual(self.fixture.counters.refusals, {"incomplete": 2})

    def test_failureTells(self) -> None:
        """`notifyFinish` fails with the reason for which the client left."""
        for lose, kind in ((Client.fin, ConnectionDone), (Client.reset, ConnectionLost)):
            client = self.fixture.ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
            request = self.fixture.tree.children[b"held"].requests[-1]
            finished = request.notifyFinish()
            self.fixture.clock.advance(1)
            lose(client)
            self.failureResultOf(finished, kind)
            request.write(b"into the void")
            request.finish()


class _Producer:
    """A producer that refers to its request."""

    def __init__(self, request: Any) -> None:
        self.request = request

    def stopProducing(self) -> None:
        """Do nothing."""


class LossTests(SynchronousTestCase):
    """
    A lost connection leaves nothing behind.
    """

    def test_producer(self) -> None:
        """A lost connection forgets its producer, so that no collector is needed."""
        fixture = ServerFixture()
        client = fixture.ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        request = fixture.tree.children[b"held"].requests.pop()
        producer = _Producer(request)
        request.registerProducer(producer, True)
        left = ref(producer)
        del request, producer
        self.assertIsNotNone(left())
        client.reset()
        self.assertIsNone(left())


class DeadlineTests(SynchronousTestCase):
    """
    How long a client may take; the sweep comes once a second.
    """

    def test_idle(self) -> None:
        """A connection that is idle for too long is closed without a response."""
        fixture = ServerFixture(idle=5.0)
        fresh, used = fixture.connect(), fixture.ask(GET)
        fixture.pass_seconds(5)
        self.assertFalse(fresh.closed() or used.closed())
        fixture.pass_seconds(2)
        self.assertTrue(fresh.closed() and used.closed())
        self.assertEqual(fresh.received(), b"")

    def test_head(self) -> None:
        """The time for a head is counted from its first byte, even when bytes keep arriving."""
        fixture = ServerFixture(head_time=3.0)
        client = fixture.connect()
        fixture.pass_seconds(2)
        for data in (b"G", b"E", b"T"):
            client.send(data)
            fixture.pass_seconds(1)
        self.assertEqual(client.response().code, 408)
        self.assertEqual(fixture.counters.refusals, {"slow-head": 1})

    def test_body(self) -> None:
        """The time for a body grows with the bytes that arrived, up to a limit."""
        fixture = ServerFixture(
            body_time=2.0,
            body_rate=10,
            body_time_most=5.0,
        )
        client = fixture.ask(post(bytes(1000))[:-1000])
        fixture.pass_seconds(1)
        client.send(bytes(20))
        fixture.pass_seconds(2)
        self.assertEqual(client.received(), b"")
        client.send(bytes(500))
        fixture.pass_seconds(2)
        self.assertEqual(client.response().code, 408)
        self.assertEqual(fixture.counters.refusals, {"slow-body": 1})

    def test_off(self) -> None:
        """A limit that is infinite never ends a connection."""
        fixture = ServerFixture(idle=inf, head_time=inf, stall=inf)
        idle, head = fixture.connect(), fixture.ask(b"GET")
        fixture.pass_seconds(500)
        self.assertFalse(idle.closed() or head.closed())

    def test_waiting(self) -> None:
        """A client that waits for its response is not idle."""
        fixture = ServerFixture(idle=2.0)
        client = fixture.ask(b"GET /wait/50 HTTP/1.1\r\nHost: a\r\n\r\n")
        fixture.pass_seconds(50)
        self.assertEqual(client.response().body, b"late\n")

    def test_stalled(self) -> None:
        """A client that takes nothing of its response is cut."""
        fixture = ServerFixture(stall=4.0)
        client = fixture.ask(GET)
        client.connection.pauseProducing()
        client.send(GET)
        client.connection.output.written = 1
        fixture.pass_seconds(4)
        self.assertFalse(client.closed())
        fixture.pass_seconds(2)
        self.assertTrue(client.transport.aborted)
        self.assertEqual(fixture.counters.stalled, 1)

    def test_linger(self) -> None:
        """A refused client that goes on sending is cut after a while."""
        fixture = ServerFixture()
        client = fixture.ask(b"GET nowhere HTTP/1.1\r\n\r\n")
        self.assertTrue(client.transport.halfClosed)
        client.send(b"more" * 1000)
        self.assertFalse(client.closed())
        fixture.pass_seconds(3)
        self.assertTrue(client.transport.aborted)
        self.assertEqual(client.response().code, 400)

    def test_lingerBytes(self) -> None:
        """A refused client that sends very much more is cut at once."""
        client = ServerFixture().ask(b"GET nowhere HTTP/1.1\r\n\r\n")
        for _ in range(5):
            client.send(bytes(64 * 1024))
        self.assertTrue(client.transport.aborted)

    def test_lingerEnds(self) -> None:
        """A refused client that closes is closed without a reset."""
        client = ServerFixture().ask(b"GET nowhere HTTP/1.1\r\n\r\n")
        client.fin()
        self.assertTrue(client.closed())
        self.assertFalse(client.transport.aborted)


class PressureTests(SynchronousTestCase):
    """
    Neither side can make the other hold more than it wants to.
    """

    def test_ahead(self) -> None:
        """A client that sends far ahead is not read for a while, and served in the end."""
        fixture = ServerFixture()
        client = fixture.ask(b"GET /wait/3 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.send(GET * 3000, 10_000)
        self.assertEqual(client.transport.producerState, "paused")
        fixture.clock.advance(3)
        self.assertEqual(client.transport.producerState, "producing")
        self.assertEqual(len(client.responses()), 3001)

    def test_unread(self) -> None:
        """A client that does not read is not served further until it does."""
        fixture = ServerFixture(Call(lambda request: bytes(10_000)))
        client = fixture.connect()
        write = client.transport.write

        def full(data: bytes) -> None:
            write(data)
            client.connection.pauseProducing()

        self.patch(client.transport, "write", full)
        client.send(GET * 100)
        self.assertLess(len(client.responses()), 10)
        self.assertEqual(client.transport.producerState, "paused")
        self.patch(client.transport, "write", write)
        client.connection.resumeProducing()
        fixture.clock.advance(0)
        self.assertEqual(len(client.responses()), 100)
        self.assertEqual(client.transport.producerState, "producing")
        self.assertIs(client.connection.state, ConnectionState.IDLE)

    def test_leavingIsSeen(self) -> None:
        """While a response is due, the server reads on although the client does not."""
        fixture = ServerFixture()
        client = fixture.ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        client.connection.pauseProducing()
        self.assertEqual(client.transport.producerState, "producing")
        (request,) = fixture.tree.children[b"held"].requests
        request.finish()
        self.assertEqual(client.transport.producerState, "paused")


class Visitor(Protocol):
    """A client that keeps what it receives."""

    def __init__(self) -> None:
        self.received = b""
        self.ended = False

    def dataReceived(self, data: bytes) -> None:
        """Keep `data`."""
        self.received += data

    def connectionLost(self, reason: Any = None) -> None:
        """Note the end."""
        self.ended = True


class BeginningTests(SynchronousTestCase):
    """
    How a connection begins.
    """

    def test_refused(self) -> None:
        """A connection for which there is no room is told why."""
        fixture = ServerFixture(connections=1)
        fixture.ask(b"GET /wait/3 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(fixture.connect().response().code, 503)


class SecureTests(SynchronousTestCase):
    """
    Connections inside TLS.
    """

    def connect(self, fixture: ServerFixture) -> Any:
        """A connection whose transport says that it is TLS."""
        connection = fixture.server.buildProtocol(None)
        transport = MemoryTransport()
        alsoProvides(transport, ISSLTransport)
        connection.makeConnection(transport)
        return connection

    def test_user(self) -> None:
        """The name in the client's certificate is known once the handshake is over."""
        fixture = ServerFixture(Call(lambda request: b"x"))
        for name, user in (("Alice", b"Alice"), (None, b"-")):
            connection = self.connect(fixture)
            connection.transport.identity = name
            self.assertEqual(connection.user, b"-")
            connection.handshakeCompleted()
            self.assertEqual(connection.user, user)
            connection.dataReceived(GET)
            self.assertEqual(fixture.log.entries[-1].user, user)

    def test_conversation(self) -> None:
        """Inside real TLS a Resource gets requests that know that they came over TLS."""
        fixture = ServerFixture(Call(lambda request: repr(request.isSecure()).encode()))
        files = identity("a").write(Path(self.mktemp()))
        server = tls.wrap(fixture.server, tls.TLS(settings.TLS((), *files)), fixture.clock)
        visiting = Factory.forProtocol(Visitor)
        client = TLSMemoryBIOFactory(ssl.CertificateOptions(), True, visiting, fixture.clock)
        ends = server.buildProtocol(None), client.buildProtocol(None)
        pump = connect(
            ends[0],
            FakeTransport(ends[0], True),
            ends[1],
            FakeTransport(ends[1], False),
            debug=False,
        )
        pump.flush()
        connection: Any = next(iter(fixture.server.connections))
        self.assertIs(connection.state, ConnectionState.IDLE)
        visitor: Any = ends[1].wrappedProtocol
        ends[1].write(GET + GET.replace(b"Host", b"Connection: close\r\nHost"))
        for _ in range(5):
            fixture.clock.advance(0.1)
            pump.flush()
        self.assertEqual(
            [response.body for response in parse_responses(visitor.received)], [b"True"] * 2
        )
        self.assertTrue(visitor.ended)
        self.assertEqual(len(fixture.server.connections), 0)

    def test_handshake(self) -> None:
        """A handshake has its own time, and then the connection is idle."""
        fixture = ServerFixture(handshake=2.0)
        slow, quick = self.connect(fixture), self.connect(fixture)
        quick.handshakeCompleted()
        quick.handshakeCompleted()
        fixture.pass_seconds(3)
        self.assertTrue(slow.transport.disconnecting)
        self.assertFalse(quick.transport.disconnecting)

    def test_goodbye(self) -> None:
        """A client that does not close TLS after the last response is cut."""
        fixture = ServerFixture()
        connection = self.connect(fixture)
        connection.handshakeCompleted()
        connection.dataReceived(b"nonsense\r\n\r\n")
        self.assertTrue(connection.transport.disconnecting)
        self.assertFalse(connection.transport.halfClosed or connection.transport.aborted)
        connection.output.written = 0
        fixture.pass_seconds(3)
        self.assertTrue(connection.transport.aborted)


class ResponseTests(SynchronousTestCase):
    """
    Requests come in, responses go out in the same order.
    """

    def test_plain(self) -> None:
        """A whole response has exactly these fields."""
        client = ServerFixture().ask(GET)
        self.assertEqual(
            client.received(),
            b"HTTP/1.1 200 OK\r\nServer: netd\r\nDate: " + DATE + b"\r\n"
            b"Content-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n",
        )
        self.assertFalse(client.closed())

    def test_cutEverywhere(self) -> None:
        """Requests that are cut at any byte, or at every byte, get the same responses."""
        data = GET + post(b"body") + chunked(b"a", b"bc", trailers=b"x: y\r\n") + GET
        whole = ServerFixture().ask(data).received()
        self.assertEqual(
            [response.body for response in parse_responses(whole)],
            [b"hello\n", b"body", b"abc", b"hello\n"],
        )
        self.assertEqual(ServerFixture().ask(data, 1).received(), whole)
        for at in range(1, len(data)):
            client = ServerFixture().ask(data[:at])
            client.send(data[at:])
            self.assertEqual(client.received(), whole, at)

    def test_tenThousandPipelined(self) -> None:
        """Ten thousand requests that are sent ahead get their responses in order."""
        order = Call(lambda request: request.path)
        client = ServerFixture(order).ask(
            b"".join(
                b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(10_000)
            ),
            60_000,
        )
        client.fixture.clock.advance(0)
        self.assertEqual(
            [response.body for response in client.responses()],
            [b"/%d" % number for number in range(10_000)],
        )

    def test_pipelinedWaits(self) -> None:
        """Responses that have to be waited for keep their order."""
        fixture = ServerFixture()
        client = fixture.ask(
            b"".join(b"GET /wait/%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in (3, 1)) + GET
        )
        self.assertEqual(fixture.server.in_flight, 1)
        fixture.clock.advance(3)
        self.assertEqual([response.body for response in client.responses()], [b"late\n"])
        fixture.clock.advance(1)
        self.assertEqual(
            [response.body for response in client.responses()],
            [b"late\n", b"late\n", b"hello\n"],
        )
        self.assertEqual(fixture.server.in_flight, 0)

    def test_oneWrite(self) -> None:
        """The responses to all requests of one read leave in one write."""
        fixture = ServerFixture()
        client = fixture.connect()
        written: list[bytes] = []
        self.patch(client.transport, "write", written.append)
        client.send(GET * 10)
        self.assertEqual(len(written), 1)
        self.assertEqual(len(parse_responses(written[0])), 10)

    def test_emptyLineBefore(self) -> None:
        """An empty line before a request is forgiven once (RFC 9112 2.2)."""
        self.assertEqual(
            ServerFixture().ask(b"\r\n" + GET + b"\r\n" + GET).responses()[1].code, 200
        )
        self.assertEqual(ServerFixture().ask(b"\r\n\r\n" + GET).response().code, 400)

    def test_absoluteForm(self) -> None:
        """A target in absolute-form reaches the same Resource, and overrules Host."""
        seen: list[Any] = []
        fixture = ServerFixture(seeing(seen))
        fixture.ask(b"GET http://b:80/x?y=z HTTP/1.1\r\nHost: a\r\n\r\n")
        (request,) = seen
        self.assertEqual((request.uri, request.path), (b"/x?y=z", b"/x"))
        self.assertEqual(request.getHeader(b"host"), b"b:80")
        self.assertEqual(request.args, {b"y": [b"z"]})

    def test_asterisk(self) -> None:
        """`OPTIONS *` gets a response for the server as a whole."""
        response = ServerFixture().ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").response()
        self.assertEqual((response.code, response.body), (200, b""))


class SliceTests(SynchronousTestCase):
    """
    What one connection sends ahead does not hold the others.
    """

    def dear(self, seconds: float = 0.02) -> ServerFixture:
        """A server whose every response takes some time to make."""

        def render(request: Any) -> bytes:
            fixture.clock.rightNow += seconds
            body: bytes = request.path + request.content.read()
            return body

        fixture = ServerFixture(Call(render))
        return fixture

    def requests(self, count: int) -> bytes:
        """Requests for `/0`, `/1` and so on."""
        return b"".join(GET.replace(b"/ ", b"/%d " % number) for number in range(count))

    def turn(self, client: Client) -> int:
        """One turn of the reactor; how many responses leave in it."""
        before = len(client.responses())
        client.fixture.turn()
        return len(client.responses()) - before

    def test_number(self) -> None:
        """However cheap requests are, 16 get a response in one turn, and reading pauses."""
        client = ServerFixture().ask(GET * 40)
        self.assertEqual(len(client.responses()), 16)
        self.assertIs(client.connection.state, ConnectionState.BLOCKED)
        self.assertEqual(client.transport.producerState, "paused")
        self.assertEqual([self.turn(client), self.turn(client)], [16, 8])
        self.assertIs(client.connection.state, ConnectionState.IDLE)
        self.assertEqual(client.transport.producerState, "producing")

    def test_alone(self) -> None:
        """Sixteen requests that are sent together need no other turn."""
        client = ServerFixture().ask(GET * 16)
        self.assertEqual(len(client.responses()), 16)
        self.assertEqual(client.transport.producerState, "producing")

    def test_time(self) -> None:
        """A request that takes long is the only one of its turn."""
        client = self.dear().ask(self.requests(3))
        self.assertEqual(len(client.responses()), 1)
        self.assertEqual([self.turn(client), self.turn(client)], [1, 1])
        self.assertEqual([each.body for each in client.responses()], [b"/0", b"/1", b"/2"])

    def test_bodies(self) -> None:
        """Requests with bodies have no more time than those without."""
        client = self.dear().ask(post(b"a") + post(b"b") + GET)
        self.assertEqual([len(client.responses())], [1])
        self.assertEqual([self.turn(client), self.turn(client)], [1, 1])
        self.assertEqual([each.body for each in client.responses()][1:], [b"/echob", b"/"])

    def test_incomplete(self) -> None:
        """A request that is still incomplete when its turn comes is waited for."""
        for cut, state in (
            (GET[:-1], ConnectionState.HEAD),
            (post(b"xy")[:-1], ConnectionState.BODY),
        ):
            client = ServerFixture().ask(GET * 17 + cut)
            client.fixture.clock.advance(0)
            self.assertEqual(len(client.responses()), 17)
            self.assertIs(client.connection.state, state)
            self.assertEqual(client.transport.producerState, "producing")

    def test_roundRobin(self) -> None:
        """Of two connections that send ahead each gets its slice in turn."""
        fixture = self.dear()
        first, second = fixture.ask(self.requests(3)), fixture.ask(self.requests(3))
        for counts in ((2, 1), (2, 2), (3, 2), (3, 3)):
            self.turn(first)
            self.assertEqual((len(first.responses()), len(second.responses())), counts)

    def test_later(self) -> None:
        """What follows a response that had to be waited for waits for its turn."""
        fixture = ServerFixture()
        clients = [
            fixture.ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n" + GET) for _ in range(2)
        ]
        for request in fixture.tree.children[b"held"].requests:
            request.finish()
        self.assertEqual([len(client.responses()) for client in clients], [1, 1])
        fixture.clock.advance(0)
        self.assertEqual([len(client.responses()) for client in clients], [2, 2])

    def test_slowReader(self) -> None:
        """A client that does not read loses its turn, and gets another when it reads."""
        client = ServerFixture().ask(GET * 17)
        client.connection.pauseProducing()
        self.assertEqual(self.turn(client), 0)
        client.connection.resumeProducing()
        client.connection.pauseProducing()
        client.connection.resumeProducing()
        self.assertEqual(self.turn(client), 1)
        self.assertIs(client.connection.state, ConnectionState.IDLE)

    def test_fin(self) -> None:
        """A client that half-closes gets every response, then the end."""
        client = ServerFixture().ask(GET * 33)
        client.fin()
        self.assertEqual([self.turn(client), self.turn(client)], [16, 1])
        self.assertTrue(client.closed())

    def test_over(self) -> None:
        """A turn after the end of the connection changes nothing."""
        for end in (Client.reset, lambda client: client.connection.refuse("slow-head")):
            client = ServerFixture().ask(GET * 17)
            end(client)
            before = client.received()
            client.fixture.clock.advance(0)
            self.assertEqual(client.received(), before)

    def test_drain(self) -> None:
        """A server that stops gives one response more, and closes."""
        client = ServerFixture().ask(GET * 40)
        client.fixture.server.drain()
        self.assertFalse(client.closed())
        self.assertEqual(self.turn(client), 1)
        self.assertTrue(client.transport.halfClosed)

    def test_noTimer(self) -> None:
        """The last connection of a server that no longer listens leaves no timer."""
        client = ServerFixture().ask(GET * 40)
        client.fixture.server.doStop()
        client.reset()
        client.fixture.clock.advance(0)
        self.assertEqual(client.fixture.clock.getDelayedCalls(), [])

    def test_parts(self) -> None:
        """Requests that TLS delivers one by one have no more time than together."""
        fixture = self.dear()
        transport = MemoryTransport()
        alsoProvides(transport, ISSLTransport)
        client = fixture.connect(transport=transport)
        client.connection.handshakeCompleted()
        client.send(GET * 3, len(GET))
        self.assertEqual(len(client.responses()), 1)
        fixture.clock.advance(0)
        self.assertEqual(len(client.responses()), 3)


class PersistenceTests(SynchronousTestCase):
    """
    Which connections outlive a response (RFC 9112 9.3).
    """

    def test_table(self) -> None:
        """Version and Connection decide, and the response says so where it must."""
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
            client = ServerFixture().ask(
                b"GET / HTTP/%b\r\nHost: a\r\n%b\r\n" % (version, field)
            )
            self.assertEqual(client.response().field(b"connection"), says, option)
            self.assertEqual(client.closed(), not keeps, option)

    def test_afterClose(self) -> None:
        """A request after one that closes gets no response."""
        client = ServerFixture().ask(GET.replace(b"Host", b"Connection: close\r\nHost") + GET)
        self.assertEqual(len(client.responses()), 1)

    def test_head(self) -> None:
        """HEAD gets the response of GET, without the body."""
        client = ServerFixture().ask(GET.replace(b"GET", b"HEAD") + GET)
        head, get = client.responses("HG")
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
            client = ServerFixture(max_requests=3).ask(GET * 5, host=host)
            responses = client.responses()
            self.assertEqual(len(responses), served, host)
            if served == 3:
                self.assertEqual(responses[-1].field(b"connection"), b"close")
                # What it sent beyond must not reset the answers away.
                self.assertTrue(client.transport.halfClosed)


class BodyTests(SynchronousTestCase):
    """
    Request bodies are complete before a Resource sees them.
    """

    def test_memoryAndFile(self) -> None:
        """A body of any size is read back whole, and its room is given back."""
        for size in (0, 1, 63, 64, 65, 1000, 100_000):
            fixture = ServerFixture(body_memory=64)
            data = bytes(range(256)) * (size // 256) + bytes(size % 256)
            self.assertEqual(fixture.ask(post(data), 1000).response().body, data)
            self.assertEqual(
                fixture.ask(chunked(data) if data else chunked()).response().body, data
            )
            self.assertEqual(fixture.server.context.body_buffers.held, 0)

    def test_continue(self) -> None:
        """A client that waits to send its body gets one 100 (Continue)."""
        client = ServerFixture().ask(post(b"body", b"Expect: 100-continue\r\n")[:-4])
        self.assertEqual(client.received(), b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(b"body")
        self.assertEqual([response.code for response in client.responses()], [100, 200])

    def test_continueNeedless(self) -> None:
        """A client that has begun to send gets no 100 (RFC 9110 10.1.1)."""
        client = ServerFixture().ask(post(b"body", b"Expect: 100-continue\r\n"))
        self.assertEqual(client.response().body, b"body")

    def test_continueRefused(self) -> None:
        """A body that is too large is refused in place of the 100."""
        client = ServerFixture(max_body=3).ask(post(b"body", b"Expect: 100-continue\r\n")[:-4])
        self.assertEqual(client.response().code, 413)

    def test_continueInOldVersion(self) -> None:
        """HTTP/1.0 cannot expect anything."""
        data = post(b"body", b"Expect: miracles\r\n").replace(b"1.1", b"1.0")
        self.assertEqual(ServerFixture().ask(data).response().body, b"body")

    def test_trailers(self) -> None:
        """Trailer fields are kept apart from the header fields."""
        seen: list[Any] = []
        fixture = ServerFixture(seeing(seen))
        fixture.ask(chunked(b"a", trailers=b"Host: evil\r\nX-Sum: 1\r\n"))
        (request,) = seen
        self.assertEqual(request.trailers, {b"host": (b"evil",), b"x-sum": (b"1",)})
        self.assertEqual(request.getHeader(b"host"), b"a")

    def test_hugeLength(self) -> None:
        """Ten gigabytes are refused before a byte of them is kept."""
        fixture = ServerFixture()
        client = fixture.ask(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000000\r\n\r\n"
        )
        self.assertEqual(client.response().code, 413)
        self.assertEqual(fixture.server.context.body_buffers.held, 0)

    def test_lostBody(self) -> None:
        """A connection lost while its body arrives gives the room back."""
        fixture = ServerFixture()
        client = fixture.ask(post(b"body")[:-1])
        self.assertEqual(fixture.server.context.body_buffers.held, 3)
        client.reset()
        self.assertEqual(fixture.server.context.body_buffers.held, 0)


class RefusalTests(SynchronousTestCase):
    """
    Every refusal is a full response, counted, logged, and the last.
    """

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
                fixture = ServerFixture(max_body=10, **small)
                client = fixture.ask(data, pieces)
                response = client.response()
                self.assertEqual(
                    (response.code, dict(fixture.counters.refusals)), (code, {key: 1})
                )
                self.assertEqual(fixture.counters.responses, {code: 1})
                self.assertEqual([entry.status for entry in fixture.log.entries], [code])
                self.assertFull(response)
                self.assertTrue(client.transport.halfClosed)

    def assertFull(self, response: Any) -> None:
        """The response has everything that a refusal carries."""
        for name, value in (
            (b"date", DATE),
            (b"server", b"netd"),
            (b"connection", b"close"),
            (b"content-length", b"%d" % len(response.body)),
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"x-content-type-options", b"nosniff"),
        ):
            self.assertEqual(response.field(name), value)
        self.assertEqual(response.body.count(b"\n"), 1)

    def test_afterAnswers(self) -> None:
        """Responses before a refusal are sent before it."""
        client = ServerFixture().ask(GET + GET + b"nonsense\r\n\r\n" + GET)
        self.assertEqual([response.code for response in client.responses()], [200, 200, 400])

    def test_head(self) -> None:
        """The refusal of a HEAD request has no body to be mistaken for a response."""
        client = ServerFixture(max_body=1).ask(post(b"body").replace(b"POST", b"HEAD"))
        (response,) = client.responses("H")
        self.assertEqual((response.code, response.body), (413, b""))

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
            client = ServerFixture().ask(
                b"POST /echo HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n" + hidden
            )
            (response,) = client.responses()
            self.assertIn(response.code, (400, 501), fields)

    def test_unspoken(self) -> None:
        """TLS, HTTP/0.9 and noise are refused without waiting for more."""
        for data in (b"\x16\x03\x01", b"GET /\r\n", b"\x00", b"{", b"GET / HTTP/1.1\r\nbad\n"):
            self.assertIn(ServerFixture().ask(data).response().code, (400, 505), data)


class LaterTests(SynchronousTestCase):
    """
    Responses that come later than `render` returns.
    """

    def test_secondConversation(self) -> None:
        """A client may send a request while it waits; the responses keep their order."""
        fixture = ServerFixture()
        client = fixture.ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        client.send(GET)
        self.assertEqual(client.received(), b"")
        fixture.tree.children[b"held"].requests[0].finish()
        fixture.clock.advance(0)
        self.assertEqual([response.body for response in client.responses()], [b"", b"hello\n"])

    def test_finishInside(self) -> None:
        """A request may be finished while it is being rendered."""

        def both(request: Any) -> int:
            request.write(b"a")
            request.finish()
            return NOT_DONE_YET

        fixture = ServerFixture(Call(both))
        self.assertEqual(
            [response.body for response in fixture.ask(GET * 3).responses()], [b"a"] * 3
        )
        self.assertEqual(fixture.server.in_flight, 0)

    def test_abandoned(self) -> None:
        """A request is counted as 499 when the client left, as its status or 444 when cut."""
        for begin, lose, code in (
            (False, Client.reset, 499),
            (True, Client.reset, 499),
            (False, Client.settle, 444),
            (True, Client.settle, 200),
        ):
            fixture = ServerFixture()
            client = fixture.ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
            (request,) = fixture.tree.children[b"held"].requests
            if begin:
                request.write(b"begun")
            if lose is Client.settle:
                request.loseConnection()
            lose(client)
            self.assertEqual(fixture.counters.responses, {code: 1})
            self.assertEqual(fixture.server.in_flight, 0)

    def test_closedHalf(self) -> None:
        """An incomplete request of a client that half-closed is refused."""
        for data, codes in ((GET, [200]), (GET + GET[:-1], [200, 400])):
            client = ServerFixture().ask(data)
            client.fin()
            self.assertEqual([response.code for response in client.responses()], codes)
            self.assertTrue(client.closed())

    def test_behind(self) -> None:
        """A client that does not read gets no more responses until it does."""
        client = ServerFixture().connect()
        write = client.transport.write

        def full(data: bytes) -> None:
            write(data)
            client.connection.pauseProducing()

        self.patch(client.transport, "write", full)
        client.send(GET + GET)
        client.send(GET)
        self.assertEqual(len(client.responses()), 2)
        self.patch(client.transport, "write", write)
        client.connection.resumeProducing()
        client.fixture.clock.advance(0)
        self.assertEqual(len(client.responses()), 3)

    def test_large(self) -> None:
        """Large responses do not wait for each other."""
        client = ServerFixture(Call(lambda request: bytes(50_000))).connect()
        written: list[int] = []
        self.patch(client.transport, "write", lambda data: written.append(len(data)))
        client.send(GET * 10)
        self.assertLess(max(written), 200_000)
        self.assertEqual(len(written), 5)

    def test_lingering(self) -> None:
        """The input of a refused client is not kept, and not read for ever."""
        client = ServerFixture().ask(b"nonsense\r\n\r\n")
        for _ in range(5):
            self.assertFalse(client.transport.aborted)
            client.send(bytes(60_000))
        self.assertTrue(client.transport.aborted)
        self.assertEqual(client.connection._buffer, b"")

    def test_farAhead(self) -> None:
        """A client that sends too far ahead is not read further."""
        client = ServerFixture().ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        client.send(bytes(65_000))
        self.assertEqual(client.transport.producerState, "producing")
        client.send(bytes(1_000))
        self.assertEqual(client.transport.producerState, "paused")
