"""
Tests of netd.http.context: limits, timers, counters and the log of one server.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.address import UNIXAddress
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import NOT_DONE_YET

from netd.counters import Counters
from netd.http import context
from netd.http.context import AccessDetails, AccessRecord, peer_name
from netd.http.server import HTTPServer
from netd.test.http.stages import (
    GET,
    LIMITS,
    Call,
    Client,
    MemoryTransport,
    Plain,
    ServerFixture,
    post,
)

WAIT = b"GET /wait/3 HTTP/1.1\r\nHost: a\r\n\r\n"


class AccessRecordTests(SynchronousTestCase):
    """
    What is not known of a response.
    """

    def test_unknown(self) -> None:
        """Fields that are not known are dashes, as the combined log format has them."""
        record = AccessRecord(b"::1", b"GET / HTTP/1.1", 200, 58)
        self.assertEqual((record.referer, record.user_agent, record.user), (b"-", b"-", b"-"))


class PeerNameTests(SynchronousTestCase):
    """
    The name of a peer.
    """

    def test_shared(self) -> None:
        """Connections of one host share one name; a peer without a host is a dash."""
        self.assertEqual(peer_name("192.0.2.1"), b"192.0.2.1")
        self.assertIs(peer_name("192.0.2.1"), peer_name("192.0.2." + str(1)))
        self.assertEqual(peer_name(None), b"-")


class RoomTests(SynchronousTestCase):
    """
    Limits on connections.
    """

    def test_oldestIdle(self) -> None:
        """At the limit the connection that has been idle for longest makes room."""
        fixture = ServerFixture(connections=3)
        first, second, third = (fixture.ask(GET) for _ in range(3))
        fixture.pass_seconds(2)
        first.send(GET)
        self.assertEqual(fixture.ask(GET).response().code, 200)
        self.assertEqual([client.closed() for client in (first, second, third)].count(True), 1)
        self.assertFalse(first.closed())

    def test_nobodyIdle(self) -> None:
        """Without an idle connection the new one is refused."""
        fixture = ServerFixture(connections=2)
        waiting = [fixture.ask(WAIT) for _ in range(2)]
        late = fixture.connect()
        response = late.response()
        self.assertEqual((response.code, response.field(b"retry-after")), (503, b"1"))
        self.assertEqual(fixture.counters.refusals, {"connections": 1})
        fixture.clock.advance(3)
        self.assertEqual([client.response().body for client in waiting], [b"late\n"] * 2)

    def test_evictedOnce(self) -> None:
        """Each new connection closes one idle connection, until there is none."""
        fixture = ServerFixture(connections=5)
        idle = [fixture.ask(GET) for _ in range(5)]
        busy = [fixture.ask(WAIT) for _ in range(5)]
        self.assertTrue(all(client.closed() for client in idle))
        self.assertFalse(any(client.closed() for client in busy))
        self.assertEqual(fixture.connect().response().code, 503)

    def test_client(self) -> None:
        """Each client network has the same limit; loopback has none."""
        fixture = ServerFixture(client_connections=2)
        mine = [fixture.ask(WAIT, host="192.0.2.1") for _ in range(2)]
        self.assertEqual(fixture.connect("192.0.2.1").response().code, 503)
        self.assertEqual(fixture.counters.refusals, {"client-connections": 1})
        self.assertFalse(fixture.connect("192.0.2.2").closed())
        self.assertFalse(any(fixture.connect().closed() for _ in range(5)))
        mine[0].reset()
        fixture.pass_seconds(3)
        self.assertTrue(fixture.connect("192.0.2.1").received() or True)

    def test_clientIdle(self) -> None:
        """At the limit of one network its oldest idle connection makes room."""
        fixture = ServerFixture(client_connections=2)
        first = fixture.ask(GET, host="2001:db8::1")
        fixture.pass_seconds(1)
        second = fixture.ask(GET, host="2001:db8::2")
        self.assertEqual(fixture.ask(GET, host="2001:db8::3").response().code, 200)
        self.assertEqual((first.closed(), second.closed()), (True, False))

    def test_unread(self) -> None:
        """A connection whose request has arrived makes no room; the next oldest one does."""
        for fixture, host in (
            (ServerFixture(client_connections=2), "192.0.2.1"),
            (ServerFixture(connections=2), "127.0.0.1"),
        ):
            clients = []
            for _ in range(2):
                clients.append(fixture.connect(host))
                fixture.pass_seconds(1)
            unread: set[object] = {clients[0].transport}
            self.patch(context, "has_unread_input", unread.__contains__)
            fixture.connect(host)
            self.assertEqual([each.closed() for each in clients], [False, True])
            unread |= {each.output.transport for each in fixture.server.connections}
            self.assertEqual(fixture.connect(host).response().code, 503)
            self.assertFalse(clients[0].closed())

    def test_unreadFlood(self) -> None:
        """Only a few connections are looked at for a new one."""
        fixture = ServerFixture(connections=50)
        for _ in range(50):
            fixture.connect()
        looks: list[object] = []

        def unread(transport: object) -> bool:
            looks.append(transport)
            return True

        self.patch(context, "has_unread_input", unread)
        self.assertEqual(fixture.connect().response().code, 503)
        self.assertEqual(len(looks), 8)

    def test_flood(self) -> None:
        """Far beyond the limit refused connections do not linger, to save descriptors."""
        fixture = ServerFixture(connections=1)
        fixture.ask(WAIT)
        clients = [fixture.connect() for _ in range(100)]
        self.assertTrue(
            all(client.closed() or client.transport.halfClosed for client in clients)
        )
        self.assertTrue(clients[0].transport.halfClosed)
        self.assertTrue(clients[-1].transport.disconnecting)

    def test_forgotten(self) -> None:
        """Closed connections leave nothing behind."""
        fixture = ServerFixture()
        clients = [fixture.ask(WAIT, host=f"192.0.2.{number}") for number in range(100)]
        for client in clients:
            client.reset()
        server = fixture.server
        self.assertEqual((len(server.connections), server.in_flight), (0, 0))
        self.assertEqual(
            (dict(server.connections._by_client), dict(server.context._waiting)), ({}, {})
        )
        self.assertEqual(fixture.counters.connections, 100)


class WaitingTests(SynchronousTestCase):
    """
    Limits on waiting.
    """

    def test_inAll(self) -> None:
        """Beyond the limit on waiting responses a request is refused with Retry-After."""
        fixture = ServerFixture(waiting=2)
        waiting = [fixture.ask(WAIT) for _ in range(2)]
        self.assertEqual(fixture.server.in_flight, 2)
        response = fixture.ask(WAIT).response()
        self.assertEqual((response.code, response.field(b"retry-after")), (503, b"1"))
        self.assertEqual(fixture.counters.refusals, {"waiting": 1})
        fixture.clock.advance(3)
        self.assertEqual([client.response().body for client in waiting], [b"late\n"] * 2)
        self.assertEqual(fixture.ask(GET).response().code, 200)

    def test_client(self) -> None:
        """Each client network may wait for so many responses; loopback has no limit."""
        fixture = ServerFixture(client_waiting=1)
        fixture.ask(WAIT, host="192.0.2.1")
        self.assertEqual(fixture.ask(WAIT, host="192.0.2.1").response().code, 503)
        self.assertEqual(fixture.counters.refusals, {"client-waiting": 1})
        others = [
            fixture.ask(WAIT, host=host) for host in ("192.0.2.2", "127.0.0.1", "127.0.0.1")
        ]
        fixture.clock.advance(3)
        self.assertEqual([client.response().code for client in others], [200] * 3)
        again = fixture.ask(WAIT, host="192.0.2.1")
        fixture.clock.advance(3)
        self.assertEqual(again.response().code, 200)

    def test_prompt(self) -> None:
        """A response that is ready at once is sent even then."""
        fixture = ServerFixture(waiting=1)
        fixture.ask(WAIT)
        self.assertEqual(fixture.ask(GET).response().code, 200)
        post = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
        self.assertEqual(fixture.ask(post).response().body, b"body")

    def test_noTimer(self) -> None:
        """A refused request leaves no timer behind."""
        fixture = ServerFixture(waiting=1)
        fixture.ask(WAIT)
        before = len(fixture.clock.getDelayedCalls())
        fixture.ask(WAIT)
        self.assertEqual(len(fixture.clock.getDelayedCalls()), before)
        self.assertEqual(fixture.server.in_flight, 1)

    def test_spool(self) -> None:
        """All request bodies share one limit, and room that is given back is used again."""
        fixture = ServerFixture(spool=10)
        post = b"POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef"
        first = fixture.ask(post)
        self.assertEqual(fixture.ask(post).response().code, 503)
        self.assertEqual(fixture.counters.refusals, {"spool": 1})
        fixture.tree.children[b"held"].requests[0].finish()
        self.assertEqual(first.response().code, 200)
        fixture.ask(post)
        self.assertEqual(fixture.server.context.body_buffers.held, 6)


class TimerTests(SynchronousTestCase):
    """
    One timer for all connections, and none left behind.
    """

    def test_oneForAll(self) -> None:
        """Any number of connections needs one delayed call."""
        fixture = ServerFixture()
        for _ in range(100):
            fixture.ask(GET)
        self.assertEqual(len(fixture.clock.getDelayedCalls()), 1)

    def test_stopped(self) -> None:
        """No timer is left when the port and the last connection are closed."""
        fixture = ServerFixture()
        client = fixture.ask(GET)
        fixture.server.doStop()
        self.assertEqual(len(fixture.clock.getDelayedCalls()), 1)
        client.fin()
        client.settle()
        self.assertEqual(fixture.clock.getDelayedCalls(), [])

    def test_never(self) -> None:
        """A port that never had a connection leaves no timer behind either."""
        fixture = ServerFixture()
        fixture.server.doStop()
        self.assertEqual(fixture.clock.getDelayedCalls(), [])

    def test_unstarted(self) -> None:
        """A server without a port sweeps while it has a connection."""
        clock = Clock()
        server = HTTPServer(Plain(), clock, LIMITS, Counters())
        transport = MemoryTransport()
        connection = server.buildProtocol(None)
        connection.makeConnection(transport)
        connection.dataReceived(GET)
        self.assertIn(b"hello", transport.value())
        self.assertEqual(len(clock.getDelayedCalls()), 1)
        from twisted.internet.protocol import connectionDone

        connection.connectionLost(connectionDone)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_date(self) -> None:
        """The date is made once a second."""
        fixture = ServerFixture()
        client = fixture.ask(GET + GET)
        fixture.pass_seconds(1)
        client.send(GET)
        dates = [response.field(b"date") for response in client.responses()]
        self.assertEqual(dates[0], dates[1])
        self.assertEqual((dates[1], dates[2]), _dates("37"), dates)

    def test_abortedDelays(self) -> None:
        """Five hundred clients that leave while they wait leave no timer behind."""
        fixture = ServerFixture()
        clients = [fixture.ask(WAIT) for _ in range(500)]
        self.assertEqual(len(fixture.clock.getDelayedCalls()), 501)
        for client in clients:
            client.reset()
        self.assertEqual(len(fixture.clock.getDelayedCalls()), 1)
        self.assertEqual(fixture.counters.responses, {499: 500})


def _dates(second: str) -> tuple[bytes, bytes]:
    date = b"Sun, 06 Nov 1994 08:49:%02d GMT"
    return date % int(second), date % (int(second) + 1)


class LogTests(SynchronousTestCase):
    """
    What the access log gets.
    """

    def test_answer(self) -> None:
        """A response is logged with its request and its client."""
        fixture = ServerFixture()
        fixture.ask(
            b"GET /plain?q HTTP/1.1\r\nHost: a\r\nUser-Agent: me\r\nReferer: there\r\n\r\n",
            host="192.0.2.1",
        )
        self.assertEqual(
            [entry[:7] for entry in fixture.log.entries],
            [(b"192.0.2.1", b"GET /plain?q HTTP/1.1", 200, 6, b"there", b"me", b"-")],
        )
        self.assertEqual(fixture.counters.responses, {200: 1})
        self.assertEqual(fixture.counters.sent, 6)

    def test_refusal(self) -> None:
        """A refusal is logged with as much as is known."""
        fixture = ServerFixture(waiting=1)
        fixture.ask(b"nonsense\r\nmore\r\n\r\n")
        fixture.ask(WAIT)
        fixture.ask(WAIT)
        self.assertEqual(
            [entry[1:3] for entry in fixture.log.entries],
            [(b"nonsense", 400), (b"GET /wait/3 HTTP/1.1", 503)],
        )

    def test_none(self) -> None:
        """Without a log everything is still counted."""
        fixture = ServerFixture()
        fixture.server.context._log = None
        fixture.ask(GET + b"nonsense\r\n\r\n")
        self.assertEqual(fixture.counters.responses, {200: 1, 400: 1})

    def test_noAddress(self) -> None:
        """A client without an IP address is logged as a dash."""
        fixture = ServerFixture()
        client = Client(fixture, UNIXAddress(b"/x"))
        client.send(GET)
        self.assertEqual(fixture.log.entries[0][0], b"-")


class DetailTests(SynchronousTestCase):
    """
    What only a detailed log gets.
    """

    def details(self, fixture: ServerFixture) -> list[AccessDetails]:
        """The details of every record."""
        return [entry.details for entry in fixture.log.entries if entry.details is not None]

    def test_numbers(self) -> None:
        """Connections are numbered among all of the server, requests on their connection."""
        fixture = ServerFixture()
        fixture.connect()
        fixture.ask(GET + GET)
        fixture.ask(GET + b"nonsense\r\n\r\n")
        numbers = [
            (each.connection, each.connection_requests) for each in self.details(fixture)
        ]
        self.assertEqual(numbers, [(2, 1), (2, 2), (3, 1), (3, 2)])
        self.assertEqual({each.peer_port for each in self.details(fixture)}, {40000})

    def test_duration(self) -> None:
        """A duration begins with the end of the head, and a body and a wait count in."""
        fixture = ServerFixture()
        fixture.clock.advance(100)
        early = fixture.ask(GET[:20])
        waiting = fixture.ask(WAIT)
        sending = fixture.ask(post(b"abc")[:-1])
        fixture.clock.advance(2)
        early.send(GET[20:])
        sending.send(b"c")
        fixture.clock.advance(1)
        waiting.send(GET)
        durations = [(each.connection, each.duration) for each in self.details(fixture)]
        self.assertEqual(durations, [(1, 0.0), (3, 2.0), (2, 3.0), (2, 0.0)])

    def test_left(self) -> None:
        """The duration of a client that left is that until it left."""
        fixture = ServerFixture()
        client = fixture.ask(WAIT)
        fixture.clock.advance(1.5)
        client.reset()
        self.assertEqual([each.duration for each in self.details(fixture)], [1.5])

    def test_refusal(self) -> None:
        """A refusal has its reason, and a duration where there was a whole head."""
        fixture = ServerFixture(waiting=1, body_time=5.0)
        fixture.clock.advance(100)
        fixture.ask(b"nonsense\r\n\r\n")
        fixture.ask(WAIT)
        fixture.ask(WAIT)
        fixture.ask(post(b"abc")[:-1])
        fixture.pass_seconds(8)
        self.assertEqual(
            [(each.duration, *each.notes) for each in self.details(fixture)],
            [
                (None, ("refusal", "line")),
                (0.0, ("refusal", "waiting")),
                (3.0,),
                (6.0, ("refusal", "slow-body")),
            ],
        )

    def test_notes(self) -> None:
        """What a Resource notes is logged, also what it notes because the client left."""

        def respond(request: Any) -> bytes | int:
            if request.path == b"/now":
                request.notes = (("fault", "x"),)
                return b"x"

            def left(_: object) -> None:
                request.notes += (("delay", 5.0),)

            request.notifyFinish().addErrback(left)
            return NOT_DONE_YET

        fixture = ServerFixture(Call(respond))
        client = fixture.ask(GET.replace(b"/ ", b"/now ", 1) + GET)
        client.reset()
        notes = [each.notes for each in self.details(fixture)]
        self.assertEqual(notes, [(("fault", "x"),), (("delay", 5.0),)])

    def test_plain(self) -> None:
        """A log that is not detailed gets none, of responses and of refusals."""
        fixture = ServerFixture()
        fixture.log.detailed = False
        fixture.ask(GET + b"nonsense\r\n\r\n")
        self.assertEqual([entry.details for entry in fixture.log.entries], [None, None])

    def test_unsent(self) -> None:
        """Bytes that were still in a buffer when the connection was lost do not count."""
        for unsent, written in ((0, 1000), (400, 600), (5000, 0)):
            fixture = ServerFixture(Call(self.begin))
            client = fixture.ask(GET)
            transport: Any = client.transport
            transport.dataBuffer, transport.offset = b"x" * 30, 30
            transport._tempDataLen = unsent
            client.reset()
            (entry,) = fixture.log.entries
            self.assertEqual((entry.status, entry.length), (499, written))
            self.assertEqual(fixture.counters.sent, written)

    def begin(self, request: Any) -> int:
        """Write a part of a body."""
        request.write(b"x" * 1000)
        return NOT_DONE_YET


class ChangeTests(SynchronousTestCase):
    """
    Limits can change while the server runs.
    """

    def test_change(self) -> None:
        """New limits hold for connections that are open already, and for a head seen before."""
        fixture = ServerFixture()
        client = fixture.connect()
        head = GET.replace(b"Host", b"X: y\r\nHost")
        client.send(head)
        fixture.server.change(evolve(LIMITS, max_fields=1))
        client.send(head)
        self.assertEqual([response.code for response in client.responses()], [200, 431])
