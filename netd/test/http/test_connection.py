"""One connection as its transport knows it: half-closing, leaving, deadlines."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Any
from weakref import ref

from twisted.internet import ssl
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ISSLTransport, ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.test.iosim import FakeTransport, connect
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from netd import settings
from netd.http import phases
from netd.test.http.stages import GET, Call, Client, Pipe, Stage, answers, post
from netd.test.stages import identity
from netd.transport import tls


class HalfCloseTests(SynchronousTestCase):
    """A FIN: half-closed, or left?"""

    def setUp(self) -> None:
        self.stage = Stage()
        self.get = b"GET /wait/3 HTTP/1.1\r\nHost: a\r\n\r\n"

    def waiting(self) -> Client:
        """A client that waits for its answer."""
        return self.stage.ask(self.get)

    def test_together(self) -> None:
        """A FIN with the request is a half-close: the answer comes, then the end."""
        client = self.waiting()
        client.fin()
        self.stage.clock.advance(3)
        self.assertEqual(client.answer().body, b"late\n")
        self.assertTrue(client.over())

    def test_pipelined(self) -> None:
        """A client that half-closed gets all its answers."""
        client = self.stage.ask(self.get + self.get)
        client.fin()
        self.stage.clock.advance(3)
        self.stage.clock.advance(3)
        self.assertEqual([each.body for each in client.answers()], [b"late\n", b"late\n"])
        self.assertTrue(client.over())

    def test_later(self) -> None:
        """A FIN while the client waits means that it left."""
        client = self.waiting()
        self.stage.clock.advance(0.2)
        client.fin()
        self.assertTrue(client.over())
        self.assertEqual(client.said(), b"")
        self.assertEqual(self.stage.counters.responses, {499: 1})
        self.assertEqual([each[2] for each in self.stage.log.entries], [499])
        self.assertEqual(self.stage.site.in_flight, 0)
        client.settle()
        self.assertEqual(self.stage.counters.responses, {499: 1})

    def test_begun(self) -> None:
        """A FIN once the answer has begun is a half-close."""
        client = self.stage.ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        (request,) = self.stage.tree.children[b"held"].requests
        request.write(b"a")
        self.stage.clock.advance(1)
        client.fin()
        request.write(b"b")
        request.finish()
        self.assertEqual(client.answer().body, b"ab")
        self.assertTrue(client.over())

    def test_reset(self) -> None:
        """A reset always means that the client left, and its timer is cancelled."""
        client = self.waiting()
        client.reset()
        self.assertEqual(self.stage.counters.responses, {499: 1})
        waiting = self.stage.tree.children[b"wait"]
        self.assertTrue(waiting.left[0].check(ConnectionLost))

    def test_afterTheLast(self) -> None:
        """A FIN after the last answer is expected, and a client behind is not hurried."""
        client = self.stage.ask(GET)
        client.channel.pauseProducing()
        client.fin()
        self.assertFalse(client.over())
        client.channel.writeConnectionLost()
        client.channel.resumeProducing()
        self.assertTrue(client.over())

    def test_lostBody(self) -> None:
        """A connection lost while a body arrives gives the room back."""
        client = self.stage.ask(post(b"body")[:-1])
        self.assertEqual(self.stage.site.spools.held, 3)
        client.reset()
        self.assertEqual(self.stage.site.spools.held, 0)

    def test_idle(self) -> None:
        """A FIN between requests ends the connection."""
        client = self.stage.ask(GET)
        client.fin()
        self.assertTrue(client.over())
        self.assertEqual(len(client.answers()), 1)

    def test_incomplete(self) -> None:
        """A FIN inside a request is answered with 400."""
        for part in (GET[:-1], post(b"body")[:-1]):
            client = self.stage.ask(part)
            client.fin()
            self.assertEqual(client.answer().code, 400)
            self.assertTrue(client.over())
        self.assertEqual(self.stage.counters.refusals, {"incomplete": 2})

    def test_failureTells(self) -> None:
        """What waits for `notifyFinish` learns how the client left."""
        for lose, kind in ((Client.fin, ConnectionDone), (Client.reset, ConnectionLost)):
            client = self.stage.ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
            request = self.stage.tree.children[b"held"].requests[-1]
            told = request.notifyFinish()
            self.stage.clock.advance(1)
            lose(client)
            self.failureResultOf(told, kind)
            request.write(b"into the void")
            request.finish()


class _Producer:
    """Knows whom it writes to."""

    def __init__(self, request: Any) -> None:
        self.request = request

    def stopProducing(self) -> None:
        """It has not begun."""


class LossTests(SynchronousTestCase):
    """What is left of a connection that is gone."""

    def test_producer(self) -> None:
        """It forgets who produced for it, so that no collector is needed to free them both."""
        stage = Stage()
        client = stage.ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        request = stage.tree.children[b"held"].requests.pop()
        producer = _Producer(request)
        request.registerProducer(producer, True)
        left = ref(producer)
        del request, producer
        self.assertIsNotNone(left())
        client.reset()
        self.assertIsNone(left())


class DeadlineTests(SynchronousTestCase):
    """How long a client may take; the watch makes its rounds each second."""

    def test_idle(self) -> None:
        """A connection that is idle for too long is closed, without a word."""
        stage = Stage(idle=5.0)
        fresh, used = stage.connect(), stage.ask(GET)
        stage.pass_seconds(5)
        self.assertFalse(fresh.over() or used.over())
        stage.pass_seconds(2)
        self.assertTrue(fresh.over() and used.over())
        self.assertEqual(fresh.said(), b"")

    def test_head(self) -> None:
        """The time for a head is counted from its first byte, however steadily it drips."""
        stage = Stage(head_time=3.0)
        client = stage.connect()
        stage.pass_seconds(2)
        for each in (b"G", b"E", b"T"):
            client.send(each)
            stage.pass_seconds(1)
        self.assertEqual(client.answer().code, 408)
        self.assertEqual(stage.counters.refusals, {"slow-head": 1})

    def test_body(self) -> None:
        """A body has a time that grows with what came of it, up to a limit."""
        stage = Stage(
            body_time=2.0,
            body_rate=10,
            body_time_most=5.0,
        )
        client = stage.ask(post(bytes(1000))[:-1000])
        stage.pass_seconds(1)
        client.send(bytes(20))
        stage.pass_seconds(2)
        self.assertEqual(client.said(), b"")
        client.send(bytes(500))
        stage.pass_seconds(2)
        self.assertEqual(client.answer().code, 408)
        self.assertEqual(stage.counters.refusals, {"slow-body": 1})

    def test_off(self) -> None:
        """A limit of nothing is no limit."""
        stage = Stage(idle=inf, head_time=inf, stall=inf)
        idle, head = stage.connect(), stage.ask(b"GET")
        stage.pass_seconds(500)
        self.assertFalse(idle.over() or head.over())

    def test_waiting(self) -> None:
        """A client that waits for its answer is not idle."""
        stage = Stage(idle=2.0)
        client = stage.ask(b"GET /wait/50 HTTP/1.1\r\nHost: a\r\n\r\n")
        stage.pass_seconds(50)
        self.assertEqual(client.answer().body, b"late\n")

    def test_stalled(self) -> None:
        """A client that takes nothing of its answer is cut."""
        stage = Stage(stall=4.0)
        client = stage.ask(GET)
        client.channel.pauseProducing()
        client.send(GET)
        client.channel.written = 1
        stage.pass_seconds(4)
        self.assertFalse(client.over())
        stage.pass_seconds(2)
        self.assertTrue(client.transport.aborted)
        self.assertEqual(stage.counters.stalled, 1)

    def test_linger(self) -> None:
        """A refused client that goes on talking is heard out for a while, then cut."""
        stage = Stage()
        client = stage.ask(b"GET nowhere HTTP/1.1\r\n\r\n")
        self.assertTrue(client.transport.halfClosed)
        client.send(b"more" * 1000)
        self.assertFalse(client.over())
        stage.pass_seconds(3)
        self.assertTrue(client.transport.aborted)
        self.assertEqual(client.answer().code, 400)

    def test_lingerBytes(self) -> None:
        """A refused client that says very much more is cut at once."""
        client = Stage().ask(b"GET nowhere HTTP/1.1\r\n\r\n")
        for _ in range(5):
            client.send(bytes(64 * 1024))
        self.assertTrue(client.transport.aborted)

    def test_lingerEnds(self) -> None:
        """A refused client that has read its answer and closes is let go."""
        client = Stage().ask(b"GET nowhere HTTP/1.1\r\n\r\n")
        client.fin()
        self.assertTrue(client.over())
        self.assertFalse(client.transport.aborted)


class PressureTests(SynchronousTestCase):
    """Neither side can make the other hold more than it wants to."""

    def test_ahead(self) -> None:
        """A client that sends far ahead is left waiting, and served in the end."""
        stage = Stage()
        client = stage.ask(b"GET /wait/3 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.send(GET * 3000, 10_000)
        self.assertEqual(client.transport.producerState, "paused")
        stage.clock.advance(3)
        self.assertEqual(client.transport.producerState, "producing")
        self.assertEqual(len(client.answers()), 3001)

    def test_unread(self) -> None:
        """A client that does not read is not served further until it does."""
        stage = Stage(Call(lambda request: bytes(10_000)))
        client = stage.connect()
        write = client.transport.write

        def full(data: bytes) -> None:
            write(data)
            client.channel.pauseProducing()

        self.patch(client.transport, "write", full)
        client.send(GET * 100)
        self.assertLess(len(client.answers()), 10)
        self.assertEqual(client.transport.producerState, "paused")
        self.patch(client.transport, "write", write)
        client.channel.resumeProducing()
        self.assertEqual(len(client.answers()), 100)
        self.assertEqual(client.transport.producerState, "producing")
        self.assertIs(client.channel.phase, phases.IDLE)

    def test_leavingIsSeen(self) -> None:
        """While an answer is due, reading goes on although the client does not read."""
        stage = Stage()
        client = stage.ask(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        client.channel.pauseProducing()
        self.assertEqual(client.transport.producerState, "producing")
        (request,) = stage.tree.children[b"held"].requests
        request.finish()
        self.assertEqual(client.transport.producerState, "paused")


class Visitor(Protocol):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard = b""
        self.ended = False

    def dataReceived(self, data: bytes) -> None:
        """More."""
        self.heard += data

    def connectionLost(self, reason: Any = None) -> None:
        """The end."""
        self.ended = True


class DoorTests(SynchronousTestCase):
    """How a connection begins."""

    def test_refused(self) -> None:
        """A connection that may not stay is told why."""
        stage = Stage(connections=1)
        stage.ask(b"GET /wait/3 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(stage.connect().answer().code, 503)

    def test_noDelay(self) -> None:
        """Nothing is held back for company that may not come, where that is an option."""
        channel = Stage().site.buildProtocol(None)
        pipe = Pipe()
        alsoProvides(pipe, ITCPTransport)
        channel.makeConnection(pipe)
        self.assertTrue(pipe.noDelay)
        self.assertTrue(channel.fresh)


class SecureTests(SynchronousTestCase):
    """Connections inside TLS."""

    def connect(self, stage: Stage) -> Any:
        """A channel whose transport says that it is TLS."""
        channel = stage.site.buildProtocol(None)
        transport = Pipe()
        alsoProvides(transport, ISSLTransport)
        channel.makeConnection(transport)
        return channel

    def test_user(self) -> None:
        """Whom the client's certificate names is known once the handshake is over."""
        stage = Stage(Call(lambda request: b"x"))
        for name, user in (("Alice", b"Alice"), (None, b"-")):
            channel = self.connect(stage)
            channel.transport.identity = name
            self.assertEqual(channel.user, b"-")
            channel.handshakeCompleted()
            self.assertEqual(channel.user, user)
            channel.dataReceived(GET)
            self.assertEqual(stage.log.entries[-1][-1], user)

    def test_conversation(self) -> None:
        """Inside real TLS requests are answered, and their Resources know that it is TLS."""
        stage = Stage(Call(lambda request: repr(request.isSecure()).encode()))
        files = identity("a").write(Path(self.mktemp()))
        server = tls.wrap(stage.site, tls.TLS(settings.TLS((), *files)), stage.clock)
        visiting = Factory.forProtocol(Visitor)
        client = TLSMemoryBIOFactory(ssl.CertificateOptions(), True, visiting, stage.clock)
        ends = server.buildProtocol(None), client.buildProtocol(None)
        pump = connect(
            ends[0],
            FakeTransport(ends[0], True),
            ends[1],
            FakeTransport(ends[1], False),
            debug=False,
        )
        pump.flush()
        self.assertIs(next(iter(stage.site.channels)).phase, phases.IDLE)
        heard: Any = ends[1].wrappedProtocol
        ends[1].write(GET + GET.replace(b"Host", b"Connection: close\r\nHost"))
        for _ in range(5):
            stage.clock.advance(0.1)
            pump.flush()
        self.assertEqual([each.body for each in answers(heard.heard)], [b"True", b"True"])
        self.assertTrue(heard.ended)
        self.assertEqual(stage.site.channels, set())

    def test_handshake(self) -> None:
        """A handshake has its own time, and then the connection is idle."""
        stage = Stage(handshake=2.0)
        slow, quick = self.connect(stage), self.connect(stage)
        quick.handshakeCompleted()
        quick.handshakeCompleted()
        stage.pass_seconds(3)
        self.assertTrue(slow.transport.disconnecting)
        self.assertFalse(quick.transport.disconnecting)

    def test_goodbye(self) -> None:
        """TLS says goodbye by itself; whoever does not answer is cut."""
        stage = Stage()
        channel = self.connect(stage)
        channel.dataReceived(b"nonsense\r\n\r\n")
        self.assertTrue(channel.transport.disconnecting)
        self.assertFalse(channel.transport.halfClosed or channel.transport.aborted)
        channel.written = 0
        stage.pass_seconds(3)
        self.assertTrue(channel.transport.aborted)
