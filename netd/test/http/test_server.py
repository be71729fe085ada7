"""Many connections: who may come in, how many wait, and how it ends."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web import pages
from zope.interface.verify import verifyObject

from netd.counters import Counters
from netd.http.server import Site
from netd.test.http.stages import (
    GET,
    LIMITS,
    Client,
    Pipe,
    Plain,
    Stage,
    seeing,
)
from netd.transport.drain import IDrainable

WAIT = b"GET /wait/3 HTTP/1.1\r\nHost: a\r\n\r\n"


class DoorTests(SynchronousTestCase):
    """Limits on connections."""

    def test_interfaces(self) -> None:
        """A site is a factory that can be drained."""
        site = Stage().site
        verifyObject(IProtocolFactory, site)
        verifyObject(IDrainable, site)

    def test_oldestIdle(self) -> None:
        """At the limit the connection that was idle for longest makes room."""
        stage = Stage(connections=3)
        first, second, third = (stage.ask(GET) for _ in range(3))
        stage.pass_seconds(2)
        first.send(GET)
        self.assertEqual(stage.ask(GET).answer().code, 200)
        self.assertEqual([each.over() for each in (first, second, third)].count(True), 1)
        self.assertFalse(first.over())

    def test_nobodyIdle(self) -> None:
        """When nobody is idle the newcomer is told so."""
        stage = Stage(connections=2)
        waiting = [stage.ask(WAIT) for _ in range(2)]
        late = stage.connect()
        answer = late.answer()
        self.assertEqual((answer.code, answer.field(b"retry-after")), (503, b"1"))
        self.assertEqual(stage.counters.refusals, {"connections": 1})
        stage.clock.advance(3)
        self.assertEqual([each.answer().body for each in waiting], [b"late\n"] * 2)

    def test_evictedOnce(self) -> None:
        """Each newcomer closes one idle connection, until there is none."""
        stage = Stage(connections=5)
        idle = [stage.ask(GET) for _ in range(5)]
        busy = [stage.ask(WAIT) for _ in range(5)]
        self.assertTrue(all(each.over() for each in idle))
        self.assertFalse(any(each.over() for each in busy))
        self.assertEqual(stage.connect().answer().code, 503)

    def test_client(self) -> None:
        """One network has its own limit; another is not concerned, loopback never."""
        stage = Stage(client_connections=2)
        mine = [stage.ask(WAIT, host="192.0.2.1") for _ in range(2)]
        self.assertEqual(stage.connect("192.0.2.1").answer().code, 503)
        self.assertEqual(stage.counters.refusals, {"client-connections": 1})
        self.assertFalse(stage.connect("192.0.2.2").over())
        self.assertFalse(any(stage.connect().over() for _ in range(5)))
        mine[0].reset()
        stage.pass_seconds(3)
        self.assertTrue(stage.connect("192.0.2.1").said() or True)

    def test_clientIdle(self) -> None:
        """Of one network too the oldest idle connection makes room."""
        stage = Stage(client_connections=2)
        first = stage.ask(GET, host="2001:db8::1")
        stage.pass_seconds(1)
        second = stage.ask(GET, host="2001:db8::2")
        self.assertEqual(stage.ask(GET, host="2001:db8::3").answer().code, 200)
        self.assertEqual((first.over(), second.over()), (True, False))

    def test_flood(self) -> None:
        """Far beyond the limit nobody lingers: descriptors are what there is too few of."""
        stage = Stage(connections=1)
        stage.ask(WAIT)
        clients = [stage.connect() for _ in range(100)]
        self.assertTrue(all(each.over() or each.transport.halfClosed for each in clients))
        self.assertTrue(clients[0].transport.halfClosed)
        self.assertTrue(clients[-1].transport.disconnecting)

    def test_forgotten(self) -> None:
        """Connections that are gone leave nothing behind."""
        stage = Stage()
        clients = [stage.ask(WAIT, host=f"192.0.2.{each}") for each in range(100)]
        for each in clients:
            each.reset()
        site = stage.site
        self.assertEqual((len(site.channels), site.in_flight), (0, 0))
        self.assertEqual((dict(site._by_client), dict(site._waiting)), ({}, {}))
        self.assertEqual(stage.counters.connections, 100)


class CrowdTests(SynchronousTestCase):
    """Limits on waiting."""

    def test_inAll(self) -> None:
        """So many answers are waited for; the next request is told to come again."""
        stage = Stage(waiting=2)
        waiting = [stage.ask(WAIT) for _ in range(2)]
        self.assertEqual(stage.site.in_flight, 2)
        answer = stage.ask(WAIT).answer()
        self.assertEqual((answer.code, answer.field(b"retry-after")), (503, b"1"))
        self.assertEqual(stage.counters.refusals, {"waiting": 1})
        stage.clock.advance(3)
        self.assertEqual([each.answer().body for each in waiting], [b"late\n"] * 2)
        self.assertEqual(stage.ask(GET).answer().code, 200)

    def test_client(self) -> None:
        """One network may wait for so many; another is not concerned, loopback never."""
        stage = Stage(client_waiting=1)
        stage.ask(WAIT, host="192.0.2.1")
        self.assertEqual(stage.ask(WAIT, host="192.0.2.1").answer().code, 503)
        self.assertEqual(stage.counters.refusals, {"client-waiting": 1})
        others = [
            stage.ask(WAIT, host=host) for host in ("192.0.2.2", "127.0.0.1", "127.0.0.1")
        ]
        stage.clock.advance(3)
        self.assertEqual([each.answer().code for each in others], [200] * 3)
        again = stage.ask(WAIT, host="192.0.2.1")
        stage.clock.advance(3)
        self.assertEqual(again.answer().code, 200)

    def test_prompt(self) -> None:
        """What is answered at once is answered even then, with a body or without."""
        stage = Stage(waiting=1)
        stage.ask(WAIT)
        self.assertEqual(stage.ask(GET).answer().code, 200)
        post = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
        self.assertEqual(stage.ask(post).answer().body, b"body")

    def test_noTimer(self) -> None:
        """The one that is turned away takes its timer along."""
        stage = Stage(waiting=1)
        stage.ask(WAIT)
        before = len(stage.clock.getDelayedCalls())
        stage.ask(WAIT)
        self.assertEqual(len(stage.clock.getDelayedCalls()), before)
        self.assertEqual(stage.site.in_flight, 1)

    def test_spool(self) -> None:
        """All bodies together have a limit, and room that is given back is room again."""
        stage = Stage(spool=10)
        post = b"POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef"
        first = stage.ask(post)
        self.assertEqual(stage.ask(post).answer().code, 503)
        self.assertEqual(stage.counters.refusals, {"spool": 1})
        stage.tree.children[b"held"].requests[0].finish()
        self.assertEqual(first.answer().code, 200)
        stage.ask(post)
        self.assertEqual(stage.site.spools.held, 6)


class DrainTests(SynchronousTestCase):
    """A stop that loses nothing."""

    def test_nothing(self) -> None:
        """Without connections the drain is over at once."""
        self.successResultOf(Stage().site.drain())

    def test_thousand(self) -> None:
        """A thousand answers in flight are a thousand answers delivered."""
        stage = Stage()
        clients = [stage.ask(WAIT) for _ in range(1000)]
        idle = stage.ask(GET)
        gone = stage.site.drain()
        self.assertTrue(idle.settle().over())
        stage.clock.advance(3)
        for each in clients:
            answer = each.settle().answer()
            self.assertEqual((answer.body, answer.field(b"connection")), (b"late\n", b"close"))
        self.successResultOf(gone)
        self.assertEqual(stage.counters.responses, {200: 1001})

    def test_halfReceived(self) -> None:
        """Requests of which a part is there are heard out and answered."""
        stage = Stage()
        post = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
        clients = [(stage.ask(each[:-2]), each[-2:]) for each in (GET, post)]
        gone = stage.site.drain()
        for client, rest in clients:
            client.send(rest)
            self.assertEqual(client.settle().answer().field(b"connection"), b"close")
        self.successResultOf(gone)

    def test_fresh(self) -> None:
        """A connection that has asked nothing yet gets a second, for what is on its way."""
        stage = Stage()
        quick, slow = stage.connect(), stage.connect()
        gone = stage.site.drain()
        self.assertFalse(quick.over() or slow.over())
        quick.send(GET)
        self.assertEqual(quick.settle().answer().code, 200)
        stage.pass_seconds(2)
        self.assertTrue(slow.settle().over())
        self.successResultOf(gone)

    def test_pipelined(self) -> None:
        """Of requests sent ahead the first is the last to be answered."""
        stage = Stage()
        client = stage.ask(WAIT + GET)
        stage.site.drain()
        stage.clock.advance(3)
        self.assertEqual(len(client.answers()), 1)
        self.assertTrue(client.transport.halfClosed)

    def test_abort(self) -> None:
        """What is left is cut and counted."""
        stage = Stage()
        clients = [stage.ask(WAIT) for _ in range(3)]
        gone = stage.site.drain()
        self.assertEqual(stage.site.abort(), 3)
        self.assertNoResult(gone)
        for each in clients:
            each.settle()
        self.successResultOf(gone)
        self.assertEqual(stage.counters.responses, {444: 3})

    def test_twice(self) -> None:
        """Whoever asks again waits for the same end."""
        stage = Stage()
        client = stage.ask(WAIT)
        first, second = stage.site.drain(), stage.site.drain()
        client.reset()
        self.successResultOf(first)
        self.successResultOf(second)


class TimerTests(SynchronousTestCase):
    """One timer for everybody, and none left behind."""

    def test_oneForAll(self) -> None:
        """Any number of connections has one delayed call."""
        stage = Stage()
        for _ in range(100):
            stage.ask(GET)
        self.assertEqual(len(stage.clock.getDelayedCalls()), 1)

    def test_stopped(self) -> None:
        """When the port is closed and the last connection gone, there is none."""
        stage = Stage()
        client = stage.ask(GET)
        stage.site.doStop()
        self.assertEqual(len(stage.clock.getDelayedCalls()), 1)
        client.fin()
        client.settle()
        self.assertEqual(stage.clock.getDelayedCalls(), [])

    def test_never(self) -> None:
        """A port that was never asked anything leaves none either."""
        stage = Stage()
        stage.site.doStop()
        self.assertEqual(stage.clock.getDelayedCalls(), [])

    def test_unstarted(self) -> None:
        """A site whose port nobody announced watches while it is asked."""
        clock = Clock()
        site = Site(Plain(), clock, LIMITS, Counters())
        client = Pipe()
        channel = site.buildProtocol(None)
        channel.makeConnection(client)
        channel.dataReceived(GET)
        self.assertIn(b"hello", client.value())
        self.assertEqual(len(clock.getDelayedCalls()), 1)
        from twisted.internet.protocol import connectionDone

        channel.connectionLost(connectionDone)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_date(self) -> None:
        """The date is made once a second."""
        stage = Stage()
        client = stage.ask(GET + GET)
        stage.pass_seconds(1)
        client.send(GET)
        dates = [each.field(b"date") for each in client.answers()]
        self.assertEqual(dates[0], dates[1])
        self.assertEqual((dates[1], dates[2]), _dates("37"), dates)

    def test_abortedDelays(self) -> None:
        """Five hundred clients that leave while they wait leave no timer behind."""
        stage = Stage()
        clients = [stage.ask(WAIT) for _ in range(500)]
        self.assertEqual(len(stage.clock.getDelayedCalls()), 501)
        for each in clients:
            each.reset()
        self.assertEqual(len(stage.clock.getDelayedCalls()), 1)
        self.assertEqual(stage.counters.responses, {499: 500})


def _dates(second: str) -> tuple[bytes, bytes]:
    date = b"Sun, 06 Nov 1994 08:49:%02d GMT"
    return date % int(second), date % (int(second) + 1)


class LogTests(SynchronousTestCase):
    """What is written down."""

    def test_answer(self) -> None:
        """An answer is logged with what was asked and by whom."""
        stage = Stage()
        stage.ask(
            b"GET /plain?q HTTP/1.1\r\nHost: a\r\nUser-Agent: me\r\nReferer: there\r\n\r\n",
            host="192.0.2.1",
        )
        self.assertEqual(
            stage.log.entries,
            [(b"192.0.2.1", b"GET /plain?q HTTP/1.1", 200, 6, b"there", b"me", b"-")],
        )
        self.assertEqual(stage.counters.responses, {200: 1})
        self.assertEqual(stage.counters.sent, 6)

    def test_refusal(self) -> None:
        """A refusal is logged with as much as is known."""
        stage = Stage(waiting=1)
        stage.ask(b"nonsense\r\nmore\r\n\r\n")
        stage.ask(WAIT)
        stage.ask(WAIT)
        self.assertEqual(
            [each[1:3] for each in stage.log.entries],
            [(b"nonsense", 400), (b"GET /wait/3 HTTP/1.1", 503)],
        )

    def test_none(self) -> None:
        """Without a log nothing is written down, and everything counted."""
        stage = Stage()
        stage.site._log = None
        stage.ask(GET + b"nonsense\r\n\r\n")
        self.assertEqual(stage.counters.responses, {200: 1, 400: 1})

    def test_noAddress(self) -> None:
        """A client without an IP address is a dash."""
        stage = Stage()
        client = Client(stage, UNIXAddress(b"/x"))
        client.send(GET)
        self.assertEqual(stage.log.entries[0][0], b"-")


class ChangeTests(SynchronousTestCase):
    """Limits can change while the daemon runs."""

    def test_change(self) -> None:
        """New limits hold for connections that are there already."""
        stage = Stage()
        client = stage.connect()
        from attrs import evolve

        stage.site.change(evolve(LIMITS, max_fields=1))
        client.send(GET.replace(b"Host", b"X: y\r\nHost"))
        self.assertEqual(client.answer().code, 431)


class OrderTests(SynchronousTestCase):
    """A Resource tree is walked as stock walks it."""

    def test_segments(self) -> None:
        """Segments are decoded once each, and the rest is left to the leaf."""
        seen: list[Any] = []
        stage = Stage()
        stage.tree.putChild(b"a b", seeing(seen))
        stage.ask(b"GET /a%20b/c%2Fd/ HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual((seen[0].prepath, seen[0].postpath), ([b"a b"], [b"c/d", b""]))

    def test_missing(self) -> None:
        """What is not there is what the tree says it is."""
        stage = Stage()
        stage.tree.putChild(b"nowhere", pages.notFound())
        self.assertEqual(stage.ask(GET.replace(b" / ", b" /nowhere ")).answer().code, 404)
