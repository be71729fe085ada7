"""
The whole web site, without a socket and without waiting.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import getChildForRequest
from twisted.web.test.requesthelper import DummyRequest

from netd.test.web.conversation import (
    Conversation,
    configured,
    limited,
    parse,
    request,
)
from netd.values import Size
from netd.web.lab.delay import GREETING
from netd.web.router import Router
from netd.web.site import Site, tree


class TreeTests(SynchronousTestCase):
    """
    Who answers which path.
    """

    def child(self, *path: bytes) -> str:
        """The class of the resource at `path`."""
        asked = DummyRequest(list(path))
        root = tree(configured(), Conversation().clock)
        return type(getChildForRequest(root, asked)).__name__

    def test_rooms(self) -> None:
        """Files and XML-RPC have their names, the router has every other."""
        self.assertEqual(self.child(b"files", b"hello.txt"), "File")
        self.assertEqual(self.child(b"RPC2"), "RPC")
        for path in ((b"",), (b"delay", b"3"), (b"rpc2",), (b"Files",)):
            self.assertEqual(self.child(*path), Router.__name__, path)


class DelayEchoTests(SynchronousTestCase):
    """
    Delay-echo at the root.
    """

    def test_waits(self) -> None:
        """The answer leaves after the delay, not before, and is 58 bytes."""
        talk = Conversation()
        self.assertEqual(talk.ask(request("GET /")), b"")
        self.assertEqual(talk.turn(2.999), b"")
        answer = parse(talk.turn(0.001))
        self.assertEqual((answer.status, len(answer.body)), (200, 58))
        self.assertEqual(answer.headers["content-length"], "58")
        self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")

    def test_cutAnywhere(self) -> None:
        """Wherever the request is cut in two, the answer is the same."""
        asked = request("POST /", "Content-Type: text/plain", body=b"hello")
        for cut in range(1, len(asked)):
            talk = Conversation()
            talk.ask(asked[:cut])
            talk.ask(asked[cut:])
            self.assertEqual(parse(talk.turn(3)).body, b"hello", cut)

    def test_byteByByte(self) -> None:
        """A request that comes in single bytes is answered as a whole one."""
        talk = Conversation()
        for byte in request("GET /"):
            talk.ask(bytes([byte]))
        self.assertEqual(parse(talk.turn(3)).body, GREETING)

    def test_manyAtOnce(self) -> None:
        """Clients that came together are answered together: nobody waits for another."""
        first = Conversation()
        others = [
            Conversation(first.settings, first.clock, first.counters, first.site)
            for _ in range(99)
        ]
        for talk in (first, *others):
            talk.ask(request("GET /"))
        first.clock.advance(3)
        bodies = {parse(talk.heard()).body for talk in (first, *others)}
        self.assertEqual(bodies, {GREETING})
        self.assertEqual(first.counters.answers, {200: 100})

    def test_oldProtocol(self) -> None:
        """HTTP/1.0 without Host is answered, and the connection closed."""
        talk = Conversation()
        talk.ask(b"GET / HTTP/1.0\r\n\r\n")
        answer = parse(talk.turn(3))
        self.assertEqual((answer.status, answer.body), (200, GREETING))
        self.assertTrue(talk.transport.disconnecting)

    def test_keepAlive(self) -> None:
        """HTTP/1.1 connections stay for the next request."""
        talk = Conversation()
        for _ in range(3):
            talk.ask(request("GET /"))
            self.assertEqual(parse(talk.turn(3)).body, GREETING)
        self.assertFalse(talk.transport.disconnecting)


class BodyLimitTests(SynchronousTestCase):
    """
    Request bodies beyond the limit.
    """

    def talk(self) -> Conversation:
        """A conversation with a site that takes ten bytes."""
        talk = Conversation(configured(limited(max_body=Size(10))))
        # The loss of the connection closes what a refused body was kept in.
        self.addCleanup(talk.leave)
        return talk

    def test_announced(self) -> None:
        """A Content-Length over the limit is a 413 before any of the body came."""
        talk = self.talk()
        answer = parse(talk.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n"))
        self.assertEqual(answer.status, 413)
        self.assertEqual(int(answer.headers["content-length"]), len(answer.body))
        self.assertTrue(talk.transport.disconnecting)
        self.assertEqual(talk.counters.refusals, {"body": 1})

    def test_beforeContinue(self) -> None:
        """It comes instead of 100 Continue."""
        asked = request("POST /", "Expect: 100-continue", "Content-Length: 11")
        self.assertEqual(parse(self.talk().ask(asked)).status, 413)

    def test_chunked(self) -> None:
        """A chunked body is refused at the chunk that exceeds the limit."""
        talk = self.talk()
        head = request("POST /", "Transfer-Encoding: chunked")
        self.assertEqual(talk.ask(head + b"a\r\n0123456789\r\n"), b"")
        self.assertEqual(parse(talk.ask(b"1\r\n0\r\n")).status, 413)

    def test_atTheLimit(self) -> None:
        """A body of exactly the limit is taken."""
        talk = self.talk()
        talk.ask(request("POST /", body=b"0123456789"))
        self.assertEqual(parse(talk.turn(3)).body, b"0123456789")


class HalfClosedTests(SynchronousTestCase):
    """
    A FIN while an answer is due.
    """

    def test_together(self) -> None:
        """A client that closes its side with the request gets its answer, then the close."""
        talk = Conversation()
        talk.ask(request("GET /"))
        talk.channel.readConnectionLost()
        self.assertEqual(parse(talk.turn(3)).body, GREETING)
        self.assertTrue(talk.transport.disconnecting)

    def test_pipelined(self) -> None:
        """Every request that came before the FIN is answered."""
        talk = Conversation()
        talk.ask(request("GET /delay/1") + request("GET /delay/2"))
        talk.channel.readConnectionLost()
        self.assertIn(GREETING, talk.turn(1))
        self.assertFalse(talk.transport.disconnecting)
        self.assertIn(GREETING, talk.turn(2))
        self.assertTrue(talk.transport.disconnecting)

    def test_later(self) -> None:
        """A client that closes later, unanswered, has left: no answer is kept for it."""
        talk = Conversation()
        talk.ask(request("GET /"))
        talk.clock.advance(1)
        talk.channel.readConnectionLost()
        self.assertTrue(talk.transport.aborting)

    def test_idle(self) -> None:
        """Without a request there is nothing to wait for."""
        talk = Conversation()
        talk.channel.readConnectionLost()
        self.assertTrue(talk.transport.aborting)

    def test_writeSide(self) -> None:
        """A connection that cannot be written to is cut."""
        talk = Conversation()
        talk.channel.writeConnectionLost()
        self.assertTrue(talk.transport.aborting)

    def test_lost(self) -> None:
        """A reset while waiting is counted as 499 and leaves no timer."""
        talk = Conversation()
        talk.ask(request("GET /"))
        talk.leave(ConnectionLost)
        self.assertEqual(talk.counters.answers, {499: 1})
        self.assertEqual(talk.clock.getDelayedCalls(), [])


class DrainTests(SynchronousTestCase):
    """
    Coming to an end.
    """

    def test_nothing(self) -> None:
        """A site without connections is drained at once."""
        self.successResultOf(deserted().drain())

    def test_inFlight(self) -> None:
        """An answer in flight is delivered, says that it is the last, and then all is done."""
        talk = Conversation()
        talk.ask(request("GET /"))
        done = talk.site.drain()
        self.assertNoResult(done)
        answer = parse(talk.turn(3))
        self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
        self.assertTrue(talk.transport.disconnecting)
        talk.leave()
        self.successResultOf(done)

    def test_idle(self) -> None:
        """A connection that waits for its next request is closed at once."""
        talk = Conversation()
        talk.request("GET /healthz")
        done = talk.site.drain()
        self.assertTrue(talk.transport.disconnecting)
        talk.leave()
        self.successResultOf(done)

    def test_halfReceived(self) -> None:
        """A request whose body is still coming is taken and answered."""
        talk = Conversation()
        asked = request("POST /", body=b"0123456789")
        talk.ask(asked[:-5])
        talk.site.drain()
        talk.ask(asked[-5:])
        answer = parse(talk.turn(3))
        self.assertEqual((answer.body, answer.headers["connection"]), (b"0123456789", "close"))
        self.assertTrue(talk.transport.disconnecting)

    def test_noNewcomers(self) -> None:
        """While draining nobody new is let in."""
        talk = Conversation()
        talk.site.drain()
        self.assertIsNone(talk.site.buildProtocol(None))

    def test_abort(self) -> None:
        """Aborting cuts what is left and says how many those were."""
        talk = Conversation()
        talk.ask(request("GET /"))
        self.assertEqual(talk.site.abort(), 1)
        self.assertTrue(talk.transport.aborting)


class LogTests(SynchronousTestCase):
    """
    The access log.
    """

    def test_timeOfDay(self) -> None:
        """A line tells the time of day although the reactor's clock does not know it."""
        talk = Conversation()
        lines: list[str] = []
        talk.site._logFile = type("File", (), {"write": staticmethod(lines.append)})
        talk.site._logDateTime = "[01/Jan/1970:00:00:00 +0000]"
        talk.request("GET /healthz", "User-Agent: me")
        self.assertEqual(len(lines), 1)
        self.assertNotIn("1970", lines[0])
        self.assertIn('"GET /healthz HTTP/1.1" 200 3 "-" "me"', lines[0])


def deserted() -> Site:
    """A site that nobody speaks to."""
    talk = Conversation()
    talk.leave()
    site: Site = talk.site
    return site
