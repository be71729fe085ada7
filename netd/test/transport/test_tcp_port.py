"""A site on an eager port, on real loopback sockets; and a port in trouble."""

from __future__ import annotations

import errno
import gc
import os
import socket
from typing import Any

from twisted.internet import reactor, tcp
from twisted.internet.address import IPv6Address
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from netd.counters import Counters
from netd.http.server import HTTPServer
from netd.test.http.stages import GET, LIMITS, Tree
from netd.test.http.stages import parse_responses as answers
from netd.transport import tcp_port as port_module
from netd.transport.tcp import unread, unsent
from netd.transport.tcp_port import TURN_SECONDS, TCPPort, port


def listening(backlog: int = 200) -> socket.socket:
    """A socket that listens where the kernel likes."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(backlog)
    sock.setblocking(False)
    return sock


def turn() -> Deferred[None]:
    """A turn of the reactor."""
    return deferLater(reactor, 0, lambda: None)


class Visitor(Protocol):
    """A client that keeps what it hears, and tells of the end."""

    def __init__(self) -> None:
        self.heard = b""
        self.ended: Deferred[bytes] = Deferred()
        self.made: Deferred[Visitor] = Deferred()

    def connectionMade(self) -> None:
        self.made.callback(self)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Any = None) -> None:
        self.ended.callback(self.heard)


class AccessFactory(ClientFactory):
    """Makes Visitors."""

    noisy = False

    def __init__(self) -> None:
        self.visitor = Visitor()

    def buildProtocol(self, addr: object) -> Visitor:
        return self.visitor


class ServerTests(TestCase):
    """A site on an eager port."""

    # Generous: two cores are shared with everything else.
    timeout = 30

    def setUp(self) -> None:
        self.counters = Counters()
        self.clock = Clock()
        self.tree = Tree(reactor)
        self.site = HTTPServer(self.tree, reactor, LIMITS, self.counters)
        self.port = port(reactor, listening(), self.site)
        self.addCleanup(self.close)

    @inlineCallbacks
    def close(self) -> Any:
        """Leave nothing behind."""
        yield self.port.stopListening()
        gone = self.site.drain()
        self.site.abort()
        yield gone

    def visit(self) -> Deferred[Visitor]:
        """A client that is connected."""
        door = AccessFactory()
        where: Any = self.port.getHost()
        reactor.connectTCP("127.0.0.1", where.port, door)
        return door.visitor.made

    def ask(self, data: bytes) -> Deferred[bytes]:
        """All that is answered to `data` until the connection ends."""

        def say(visitor: Any) -> Any:
            visitor.transport.write(data)
            return visitor.ended

        return self.visit().addCallback(say)

    def test_kind(self) -> None:
        """On the reactors that Twisted brings the port is an eager one."""
        self.assertIsInstance(self.port, TCPPort)

    @inlineCallbacks
    def test_conversation(self) -> Any:
        """A client is answered, several times, and the connection closed when it asks."""
        close = GET.replace(b"Host", b"Connection: close\r\nHost")
        heard = yield self.ask(GET + GET + close)
        self.assertEqual([each.body for each in answers(heard)], [b"hello\n"] * 3)
        self.assertEqual(self.counters.answers, {200: 3})

    @inlineCallbacks
    def test_large(self) -> Any:
        """More than the kernel takes at once arrives whole and in order."""
        data = os.urandom(1 << 20) * 8
        post = (
            b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        )
        heard = yield self.ask(post % len(data) + data)
        self.assertEqual(answers(heard)[0].body, data)

    @inlineCallbacks
    def test_pull(self) -> Any:
        """A pull producer is asked until it has nothing left, although sending is eager."""

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

        asked = self.ask(b"GET /held HTTP/1.0\r\n\r\n")
        request = yield self.held()
        request.registerProducer(Numbers(request), False)
        heard = yield asked
        numbers = b"".join(b"%5d" % each for each in range(999, -1, -1))
        self.assertEqual(answers(heard)[0].body, numbers)

    @inlineCallbacks
    def held(self) -> Any:
        """The request that `/held` got."""
        held = self.tree.children[b"held"]
        while not held.requests:
            yield turn()
        return held.requests[-1]

    @inlineCallbacks
    def test_push(self) -> Any:
        """A push producer is paused while the client does not read."""
        visitor = yield self.visit()
        visitor.transport.write(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        visitor.transport.pauseProducing()
        request = yield self.held()
        told: list[str] = []

        class Source:
            def pauseProducing(self) -> None:
                told.append("pause")

            def resumeProducing(self) -> None:
                told.append("resume")

            def stopProducing(self) -> None:
                told.append("stop")

        request.registerProducer(Source(), True)
        written = 0
        while "pause" not in told:
            request.write(bytes(65536))
            written += 65536
            self.assertLess(written, 1 << 26)
        self.assertGreater(unsent(request.channel.transport) or 0, 65536)
        visitor.transport.resumeProducing()
        while "resume" not in told:
            yield turn()
        request.unregisterProducer()
        visitor.transport.loseConnection()
        yield visitor.ended
        self.assertEqual(told, ["pause", "resume"])

    @inlineCallbacks
    def test_refused(self) -> Any:
        """A client that is refused while it sends very much reads why."""
        post = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
        heard = yield self.ask(post + bytes(100_000))
        self.assertEqual(answers(heard)[0].code, 413)

    @inlineCallbacks
    def test_halfClosed(self) -> Any:
        """A client that half-closes after its request gets its answer."""
        visitor = yield self.visit()
        visitor.transport.write(b"GET /wait/0.3 HTTP/1.1\r\nHost: a\r\n\r\n")
        visitor.transport.loseWriteConnection()
        heard = yield visitor.ended
        self.assertEqual(answers(heard)[0].body, b"late\n")

    @inlineCallbacks
    def test_abortedDelays(self) -> Any:
        """Five hundred clients that leave leave no timer, no descriptor and no error behind."""
        # The reactor has opened what it needs once it has turned.
        yield turn()
        gc.collect()
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        where: Any = self.port.getHost()
        for _ in range(5):
            clients = []
            for _ in range(100):
                client = socket.create_connection(("127.0.0.1", where.port))
                client.sendall(b"GET /wait/1000 HTTP/1.1\r\nHost: a\r\n\r\n")
                clients.append(client)
            while self.site.in_flight < 100:
                yield turn()
            for client in clients:
                # A reset, as of a client that is killed.
                linger = b"\1\0\0\0\0\0\0\0"
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                client.close()
            while self.site.connections:
                yield turn()
        self.assertEqual(self.counters.answers, {499: 500})
        self.assertEqual(self.site.in_flight, 0)
        delayed = [
            each
            for each in reactor.getDelayedCalls()
            if each.getTime() > 500 + reactor.seconds()
        ]
        self.assertEqual(delayed, [])
        if before:
            self.assertLessEqual(len(os.listdir("/proc/self/fd")), before)

    @inlineCallbacks
    def test_unread(self) -> Any:
        """Input that nobody has looked at yet is seen in the kernel."""
        visitor = yield self.visit()
        while not self.site.connections:
            yield turn()
        (channel,) = self.site.connections
        self.assertFalse(unread(channel.output.transport))
        channel.output.transport.pauseProducing()
        visitor.transport.write(GET)
        while not unread(channel.output.transport):
            yield turn()
        # A drain leaves such a connection its answer.
        self.site.drain()
        channel.output.transport.resumeProducing()
        heard = yield visitor.ended
        self.assertEqual(answers(heard)[0].field(b"connection"), b"close")

    @inlineCallbacks
    def test_drained(self) -> Any:
        """Answers in flight are delivered, then the last connection is gone."""
        asked = self.ask(b"GET /wait/0.2 HTTP/1.1\r\nHost: a\r\n\r\n")
        while not self.site.in_flight:
            yield turn()
        yield self.port.stopListening()
        yield self.site.drain()
        heard = yield asked
        self.assertEqual(answers(heard)[0].field(b"connection"), b"close")


class StockTests(ServerTests):
    """The same on the stock port and transport, where the eager one is not supported."""

    def setUp(self) -> None:
        self.patch(port_module, "supported", lambda: False)
        ServerTests.setUp(self)

    def test_kind(self) -> None:
        """The port is the stock one."""
        self.assertNotIsInstance(self.port, TCPPort)
        self.assertIsInstance(self.port, tcp.Port)


class Exhausted:
    """A listening socket that has run out of something, or is otherwise unlucky."""

    family = socket.AF_INET

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)
        self.accepted = 0

    def accept(self) -> tuple[Any, Any]:
        """An error, as long as there is one; then nobody is there."""
        if self.errors:
            number = self.errors.pop(0)
            if number:
                raise OSError(number, os.strerror(number))
            self.accepted += 1
            near, far = socket.socketpair()
            far.close()
            return near, ("127.0.0.1", 1)
        raise BlockingIOError(errno.EAGAIN, "nobody")

    def _accept(self) -> tuple[int, Any]:
        """The same, below Python's sockets."""
        near, address = self.accept()
        return near.detach(), address


class PortTests(SynchronousTestCase):
    """A port when accepting goes wrong."""

    def make(self, *errors: int) -> Any:
        """A port that meets `errors`."""
        self.readers = readers = list[object]()

        class Recorder(Clock):
            def addReader(self, each: object) -> None:
                readers.append(each)

            def removeReader(self, each: object) -> None:
                if each in readers:
                    readers.remove(each)

            def removeWriter(self, each: object) -> None:
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
        """Close with the socket that it had."""
        listener.socket = sock
        for each in self.made:
            each.transport.connectionLost(Failure(Exception()))  # type: ignore[attr-defined]
        listener.loseConnection()
        self.clock.advance(0)

    def test_scales(self) -> None:
        """As many are accepted as there were before, which saves a call."""
        listener = self.make(0, 0, 0)
        listener.doRead()
        self.assertEqual((len(self.made), listener.numberAccepts), (3, 3))
        listener.socket.errors = [0, 0, 0]
        listener.doRead()
        self.assertEqual((len(self.made), listener.numberAccepts), (6, 12))

    def test_crowd(self) -> None:
        """A crowd is let in turn by turn, ahead of whatever else there is to do."""
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
        """However many there are, a turn is over when its time is."""
        listener = self.make(*[0] * 50)
        listener.numberAccepts = 50
        listener.factory.buildProtocol = lambda addr: self.clock.advance(TURN_SECONDS / 4)
        listener.doRead()
        self.assertEqual(listener.socket.accepted, 4)

    def test_closedInCrowd(self) -> None:
        """A port that is closed in the middle of a crowd leaves no timer behind."""
        listener = self.make(*[0] * 20)
        listener.numberAccepts = 16
        listener.doRead()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.doCleanups()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_restInCrowd(self) -> None:
        """A port that rests in the middle of a crowd lets nobody in meanwhile."""
        listener = self.make(*[0] * 16, errno.EMFILE)
        listener.numberAccepts = 16
        listener.doRead()
        listener.doRead()
        listener.socket.errors = [0]
        self.clock.advance(0)
        self.assertEqual(len(self.made), 16)

    def test_passing(self) -> None:
        """A connection that was gone before it was accepted is passed over."""
        listener = self.make(errno.ECONNABORTED, errno.EPERM, 0)
        listener.doRead()
        self.assertEqual(len(self.made), 1)

    def test_exhausted(self) -> None:
        """Without descriptors who waits is shed, then the port rests for half a second."""
        listener = self.make(0, errno.EMFILE, 0, 0)
        listener.doRead()
        self.assertEqual((len(self.made), listener.socket.accepted), (1, 3))
        self.assertEqual(self.readers.count(listener), 0)
        self.clock.advance(0.4)
        self.assertEqual(self.readers.count(listener), 0)
        self.clock.advance(0.2)
        self.assertEqual(self.readers.count(listener), 1)

    def test_quiet(self) -> None:
        """However long it lasts, a line a second is said about it."""
        said: list[object] = []
        self.patch(port_module._log, "warn", lambda *args, **kwargs: said.append(kwargs))
        listener = self.make()
        for _ in range(20):
            listener.socket.errors = [errno.EMFILE]
            listener.doRead()
            self.clock.advance(0.5)
        self.assertLessEqual(len(said), 10)
        self.assertGreater(len(said), 0)

    def test_restEnds(self) -> None:
        """A port that is closed while it rests leaves no timer behind."""
        listener = self.make(errno.ENFILE)
        listener.doRead()
        kept = listener.socket
        self.doCleanups()
        self.assertIsNotNone(kept)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_noSpare(self) -> None:
        """When somebody else took the spare descriptor, the port goes on without."""
        listener = self.make(errno.EMFILE)

        def fail(*args: object) -> int:
            raise OSError(errno.EMFILE, "none")

        os_open = os.open
        self.patch(os, "open", fail)
        listener.doRead()
        self.assertEqual(listener._spare, -1)
        listener.socket.errors = [errno.EMFILE]
        listener.doRead()
        self.patch(os, "open", os_open)
        listener.socket.errors = [errno.EMFILE]
        listener.doRead()
        self.assertGreaterEqual(listener._spare, 0)

    def test_unknown(self) -> None:
        """An error that is none of these is not hidden."""
        self.assertRaises(OSError, self.make(errno.EBADF).doRead)

    def test_scope(self) -> None:
        """A link-local client keeps its interface in its address."""
        listener = self.make()
        seen: list[Any] = []
        listener.factory.buildProtocol = seen.append
        listener._addressType = IPv6Address
        near, far = socket.socketpair()
        far.close()
        listener._welcome(near, ("fe80::1", 1, 0, 1))
        self.assertTrue(seen[0].host.startswith("fe80::1%"))

    def test_nobodyHome(self) -> None:
        """A factory that wants no protocol gets the connection closed."""
        listener = self.make(0)
        listener.factory.buildProtocol = lambda addr: None
        listener.doRead()
        self.assertEqual(self.made, [])

    def test_bug(self) -> None:
        """A factory that raises is logged, and the port goes on."""
        listener = self.make(0, 0)
        build = listener.factory.buildProtocol

        def once(addr: object) -> Any:
            listener.factory.buildProtocol = build
            raise ValueError

        listener.factory.buildProtocol = once
        listener.doRead()
        self.assertEqual(len(self.made), 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
