"""Tests for netd.transport.tcp_port: a site on loopback, and a port whose accepts fail."""

from __future__ import annotations

import errno
import gc
import os
import socket
from typing import Any

from twisted.internet import reactor, tcp
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from netd.counters import Counters
from netd.http.server import HTTPServer
from netd.test.http.stages import GET, LIMITS, Tree, parse_responses
from netd.transport import private
from netd.transport import tcp_port as port_module
from netd.transport.tcp import bytes_unsent, has_unread_input
from netd.transport.tcp_port import TURN_SECONDS, TCPPort, port


def listening(backlog: int = 200, family: int = socket.AF_INET) -> socket.socket:
    """A listening socket on a free port, for both families if `family` is IPv6."""
    sock = socket.socket(family)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("127.0.0.1" if family == socket.AF_INET else "::", 0))
    sock.listen(backlog)
    sock.setblocking(False)
    return sock


def turn() -> Deferred[None]:
    """Fires after a turn of the reactor."""
    return deferLater(reactor, 0, lambda: None)


class Client(Protocol):
    """A client that collects its input and fires when the connection ends."""

    def __init__(self) -> None:
        self.received = b""
        self.ended: Deferred[bytes] = Deferred()
        self.made: Deferred[Client] = Deferred()

    def connectionMade(self) -> None:
        self.made.callback(self)

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Any = None) -> None:
        self.ended.callback(self.received)


class SingleClientFactory(ClientFactory):
    """Builds a Visitor."""

    noisy = False

    def __init__(self) -> None:
        self.client = Client()

    def buildProtocol(self, addr: object) -> Client:
        return self.client


class ServerTests(TestCase):
    """A site on a TCPPort."""

    def setUp(self) -> None:
        self.counters = Counters()
        self.clock = Clock()
        self.tree = Tree(reactor)
        self.site = HTTPServer(self.tree, reactor, LIMITS, self.counters)
        self.port = port(listening(), self.site, reactor)
        self.addCleanup(self.close)

    @inlineCallbacks
    def close(self) -> Any:
        """Close the port and its connections."""
        yield self.port.stopListening()
        gone = self.site.drain()
        self.site.abort()
        yield gone

    def connect(self) -> Deferred[Client]:
        """A connected client."""
        factory = SingleClientFactory()
        address: Any = self.port.getHost()
        reactor.connectTCP("127.0.0.1", address.port, factory)
        return factory.client.made

    def send(self, data: bytes) -> Deferred[bytes]:
        """Everything received after sending `data` until the connection ends."""

        def say(client: Any) -> Any:
            client.transport.write(data)
            return client.ended

        return self.connect().addCallback(say)

    def test_kind(self) -> None:
        """On Twisted's own reactors the port is a TCPPort."""
        self.assertIsInstance(self.port, TCPPort)

    @inlineCallbacks
    def test_conversation(self) -> Any:
        """A client gets several responses, and the connection closes on its request."""
        close = GET.replace(b"Host", b"Connection: close\r\nHost")
        received = yield self.send(GET + GET + close)
        self.assertEqual([item.body for item in parse_responses(received)], [b"hello\n"] * 3)
        self.assertEqual(self.counters.responses, {200: 3})

    @inlineCallbacks
    def test_large(self) -> Any:
        """A large response arrives whole and in order."""
        data = os.urandom(1 << 20) * 8
        post = (
            b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        )
        received = yield self.send(post % len(data) + data)
        self.assertEqual(parse_responses(received)[0].body, data)

    @inlineCallbacks
    def test_pull(self) -> Any:
        """A pull producer is resumed until it has nothing left."""

        class Numbers:
            left = 1000

            def __init__(self, request: Any) -> None:
                self.request = request

            def resumeProducing(self) -> None:
                self.left -= 1
                self.request.write(b"%5d" % self.left)
                if not self.left:
                    self.request.unregisterProducer()
                    self.request.finish()

            def stopProducing(self) -> None:
                pass

        response = self.send(b"GET /held HTTP/1.0\r\n\r\n")
        request = yield self.held()
        request.registerProducer(Numbers(request), False)
        received = yield response
        numbers = b"".join(b"%5d" % item for item in range(999, -1, -1))
        self.assertEqual(parse_responses(received)[0].body, numbers)

    @inlineCallbacks
    def held(self) -> Any:
        """The request to `/held`."""
        held = self.tree.children[b"held"]
        while not held.requests:
            yield turn()
        return held.requests[-1]

    @inlineCallbacks
    def test_push(self) -> Any:
        """A push producer is paused while the client does not read."""
        client = yield self.connect()
        client.transport.write(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        client.transport.pauseProducing()
        request = yield self.held()
        lines: list[str] = []

        class Source:
            def pauseProducing(self) -> None:
                lines.append("pause")

            def resumeProducing(self) -> None:
                lines.append("resume")

            def stopProducing(self) -> None:
                lines.append("stop")

        request.registerProducer(Source(), True)
        written = 0
        while "pause" not in lines:
            request.write(bytes(65536))
            written += 65536
            self.assertLess(written, 1 << 26)
        self.assertGreater(bytes_unsent(request.channel.output.transport) or 0, 65536)
        client.transport.resumeProducing()
        while "resume" not in lines:
            yield turn()
        request.unregisterProducer()
        client.transport.loseConnection()
        yield client.ended
        self.assertEqual(lines, ["pause", "resume"])

    @inlineCallbacks
    def test_refused(self) -> Any:
        """A client that is refused while it sends much reads the refusal."""
        post = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
        received = yield self.send(post + bytes(100_000))
        self.assertEqual(parse_responses(received)[0].code, 413)

    @inlineCallbacks
    def test_halfClosed(self) -> Any:
        """A client that half-closes after its request gets its response."""
        client = yield self.connect()
        client.transport.write(b"GET /wait/0.3 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.transport.loseWriteConnection()
        received = yield client.ended
        self.assertEqual(parse_responses(received)[0].body, b"late\n")

    @inlineCallbacks
    def test_bothFamilies(self) -> Any:
        """On a socket for both families an IPv4 client has its IPv4 address."""
        peers: list[Any] = []

        class Recorder(Protocol):
            def connectionMade(self) -> None:
                transport: Any = self.transport
                peers.append(transport.getPeer())
                transport.loseConnection()

        factory = Factory.forProtocol(Recorder)
        tested: Any = port(listening(family=socket.AF_INET6), factory, reactor)
        self.addCleanup(tested.stopListening)
        number = tested.getHost().port
        for host, kind in (("127.0.0.1", IPv4Address), ("::1", IPv6Address)):
            single = SingleClientFactory()
            reactor.connectTCP(host, number, single)
            yield single.client.ended
            peer = peers.pop()
            self.assertEqual((type(peer), peer.host), (kind, host))

    @inlineCallbacks
    def test_abortedDelays(self) -> Any:
        """Five hundred clients that close leave no timer, descriptor or error."""
        # The reactor opens its own descriptors in its first turn.
        yield turn()
        gc.collect()
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        address: Any = self.port.getHost()
        for _ in range(5):
            clients = []
            for _ in range(100):
                client = socket.create_connection(("127.0.0.1", address.port))
                client.sendall(b"GET /wait/1000 HTTP/1.1\r\nHost: a\r\n\r\n")
                clients.append(client)
            while self.site.in_flight < 100:
                yield turn()
            for client in clients:
                # A reset, as by a killed client.
                linger = b"\1\0\0\0\0\0\0\0"
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                client.close()
            while self.site.connections:
                yield turn()
        self.assertEqual(self.counters.responses, {499: 500})
        self.assertEqual(self.site.in_flight, 0)
        delayed = [
            item
            for item in reactor.getDelayedCalls()
            if item.getTime() > 500 + reactor.seconds()
        ]
        self.assertEqual(delayed, [])
        if before:
            self.assertLessEqual(len(os.listdir("/proc/self/fd")), before)

    @inlineCallbacks
    def accepted(self) -> Any:
        """A connected client, and the transport at the server's end."""
        client = yield self.connect()
        while not self.site.connections:
            yield turn()
        (channel,) = self.site.connections
        return client, channel.output.transport

    @inlineCallbacks
    def test_unread(self) -> Any:
        """Unread input is seen in the kernel."""
        client, transport = yield self.accepted()
        self.assertFalse(has_unread_input(transport))
        transport.pauseProducing()
        client.transport.write(GET)
        while not has_unread_input(transport):
            yield turn()
        # A drain waits for the response.
        self.site.drain()
        transport.resumeProducing()
        received = yield client.ended
        self.assertEqual(parse_responses(received)[0].field(b"connection"), b"close")

    @inlineCallbacks
    def test_noDelay(self) -> Any:
        """No packet waits for the acknowledgement of another one."""
        client, transport = yield self.accepted()
        self.assertTrue(transport.getTcpNoDelay())
        client.transport.abortConnection()

    @inlineCallbacks
    def test_drained(self) -> Any:
        """A drain delivers the responses in flight, then fires."""
        response = self.send(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        request = yield self.held()
        yield self.port.stopListening()
        drained = self.site.drain()
        request.finish()
        yield drained
        received = yield response
        self.assertEqual(parse_responses(received)[0].field(b"connection"), b"close")


class StockTests(ServerTests):
    """The same site on Twisted's port and transport."""

    def setUp(self) -> None:
        self.patch(private, "_attributes", lambda holder: set())
        ServerTests.setUp(self)

    def test_kind(self) -> None:
        """The port is Twisted's."""
        self.assertNotIsInstance(self.port, TCPPort)
        self.assertIsInstance(self.port, tcp.Port)


class Exhausted:
    """A listening socket whose accepts fail."""

    family = socket.AF_INET

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)
        self.accepted = 0

    def accept(self) -> tuple[Any, Any]:
        """Raise the next error, or that there is no connection."""
        if self.errors:
            number = self.errors.pop(0)
            if number:
                raise OSError(number, os.strerror(number))
            self.accepted += 1
            near, far = socket.socketpair()
            far.close()
            return near, ("127.0.0.1", 1)
        raise BlockingIOError(errno.EAGAIN, "no connection")

    def _accept(self) -> tuple[int, Any]:
        """As `accept`."""
        near, address = self.accept()
        return near.detach(), address


class PortTests(SynchronousTestCase):
    """A port whose accepts fail."""

    def make(self, *errors: int) -> Any:
        """A port that meets `errors`."""
        self.readers = readers = list[object]()

        class Recorder(Clock):
            def addReader(self, item: object) -> None:
                readers.append(item)

            def removeReader(self, item: object) -> None:
                if item in readers:
                    readers.remove(item)

            def removeWriter(self, item: object) -> None:
                pass

            addWriter = removeWriter

        self.clock = Recorder()
        self.made: list[object] = []
        test = self

        class Listed(Protocol):
            def connectionMade(self) -> None:
                test.made.append(self)

        listener = TCPPort(0, Factory.forProtocol(Listed), reactor=self.clock)
        listener.startListening()
        self.addCleanup(self.close, listener, listener.socket)
        listener.socket = Exhausted(*errors)
        listener.numberAccepts = 10
        return listener

    def close(self, listener: Any, sock: socket.socket) -> None:
        """Close the port with its own socket."""
        listener.socket = sock
        for item in self.made:
            item.transport.connectionLost(Failure(Exception()))  # type: ignore[attr-defined]
        listener.loseConnection()
        self.clock.advance(0)

    def test_scales(self) -> None:
        """The port accepts as many as in the turn before, which saves a call."""
        listener = self.make(0, 0, 0)
        listener.doRead()
        self.assertEqual((len(self.made), listener.numberAccepts), (3, 3))
        listener.socket.errors = [0, 0, 0]
        listener.doRead()
        self.assertEqual((len(self.made), listener.numberAccepts), (6, 12))

    def test_crowd(self) -> None:
        """Many connections are accepted turn by turn, before other work."""
        listener = self.make(*[0] * 60)
        listener.numberAccepts = 1
        for accepted, wanted in ((1, 4), (5, 16), (21, 64)):
            self.assertEqual(self.clock.getDelayedCalls(), [])
            listener.doRead()
            self.assertEqual((len(self.made), listener.numberAccepts), (accepted, wanted))
        self.clock.advance(0)
        self.assertEqual((len(self.made), listener.numberAccepts), (60, 39))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_slowCrowd(self) -> None:
        """A turn ends after its time, however many connections wait."""
        listener = self.make(*[0] * 50)
        listener.numberAccepts = 50
        listener.factory.buildProtocol = lambda addr: self.clock.advance(TURN_SECONDS / 4)
        listener.doRead()
        self.assertEqual(listener.socket.accepted, 4)

    def test_closedInCrowd(self) -> None:
        """A port that closes while many connections wait leaves no timer."""
        listener = self.make(*[0] * 20)
        listener.numberAccepts = 16
        listener.doRead()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.doCleanups()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_restInCrowd(self) -> None:
        """A port that pauses while many connections wait accepts none meanwhile."""
        listener = self.make(*[0] * 16, errno.EMFILE)
        listener.numberAccepts = 16
        listener.doRead()
        listener.doRead()
        listener.socket.errors = [0]
        self.clock.advance(0)
        self.assertEqual(len(self.made), 16)

    def test_passing(self) -> None:
        """A connection that ended before it was accepted is skipped."""
        listener = self.make(errno.ECONNABORTED, errno.EPERM, 0)
        listener.doRead()
        self.assertEqual(len(self.made), 1)

    def test_exhausted(self) -> None:
        """Without descriptors, waiting connections are closed and the port pauses."""
        listener = self.make(0, errno.EMFILE, 0, 0)
        listener.doRead()
        self.assertEqual((len(self.made), listener.socket.accepted), (1, 3))
        self.assertEqual(self.readers.count(listener), 0)
        self.clock.advance(0.4)
        self.assertEqual(self.readers.count(listener), 0)
        self.clock.advance(0.2)
        self.assertEqual(self.readers.count(listener), 1)

    def test_quiet(self) -> None:
        """A lack of descriptors is logged at most once a second."""
        lines: list[object] = []
        self.patch(port_module._log, "warn", lambda *args, **kwargs: lines.append(kwargs))
        listener = self.make()
        for _ in range(20):
            listener.socket.errors = [errno.EMFILE]
            listener.doRead()
            self.clock.advance(0.5)
        self.assertLessEqual(len(lines), 10)
        self.assertGreater(len(lines), 0)

    def test_restEnds(self) -> None:
        """A port that closes during a pause leaves no timer."""
        listener = self.make(errno.ENFILE)
        listener.doRead()
        kept = listener.socket
        self.doCleanups()
        self.assertIsNotNone(kept)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_noSpare(self) -> None:
        """The port goes on when its spare descriptor was used elsewhere."""
        listener = self.make(errno.EMFILE)

        def fail(*args: object) -> int:
            raise OSError(errno.EMFILE, "none")

        os_open = os.open
        self.patch(os, "open", fail)
        listener.doRead()
        self.assertEqual(listener._spare_descriptor, -1)
        listener.socket.errors = [errno.EMFILE]
        listener.doRead()
        self.patch(os, "open", os_open)
        listener.socket.errors = [errno.EMFILE]
        listener.doRead()
        self.assertGreaterEqual(listener._spare_descriptor, 0)

    def test_unknown(self) -> None:
        """Any other error is raised."""
        self.assertRaises(OSError, self.make(errno.EBADF).doRead)

    def test_scope(self) -> None:
        """A link-local client keeps its interface in its address."""
        listener = self.make()
        seen: list[Any] = []
        listener.factory.buildProtocol = seen.append
        near, far = socket.socketpair()
        far.close()
        listener._connect(near, ("fe80::1", 1, 0, 1))
        self.assertTrue(seen[0].host.startswith("fe80::1%"))

    def test_nobodyHome(self) -> None:
        """A connection without a protocol is closed."""
        listener = self.make(0)
        listener.factory.buildProtocol = lambda addr: None
        listener.doRead()
        self.assertEqual(self.made, [])

    def test_bug(self) -> None:
        """An exception of the factory is logged, and the port goes on."""
        listener = self.make(0, 0)
        build = listener.factory.buildProtocol

        def once(addr: object) -> Any:
            listener.factory.buildProtocol = build
            raise ValueError

        listener.factory.buildProtocol = once
        listener.doRead()
        self.assertEqual(len(self.made), 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
