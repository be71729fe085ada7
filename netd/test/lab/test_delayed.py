"""
Responses that take time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from netd.counters import Counters
from netd.http.request import Request
from netd.http.server import HTTPServer
from netd.lab.call import Call, Reply
from netd.lab.delayed import ResponseSink
from netd.lab.routes import ANY, Route
from netd.script import Abort, Script, Send, Step, Wait
from netd.test.lab.client import HTTP, Client, Transport, configured, parse, request
from netd.test.lab.sites import (
    BOTH,
    failing_body,
    fixed,
    netd_client,
    notes_of,
    stock_client,
    timers,
)
from netd.turns import SLICE_SECONDS, Turns


class ReplyTests(SynchronousTestCase):
    """
    Scripts, and bodies that wait.
    """

    def test_script(self) -> None:
        """The head leaves with the first bytes of the script, not before."""
        client = netd_client(
            Route("/", fixed([Wait(2.0), Send(b"ab"), Wait(1.0), Send(b"c")]), "")
        )
        self.assertEqual(client.send(request("GET /")), b"")
        self.assertEqual(client.advance(1.9), b"")
        self.assertIn(b"\r\n\r\n2\r\nab\r\n", client.advance(0.1))
        self.assertEqual(client.advance(1.0), b"1\r\nc\r\n0\r\n\r\n")

    def test_scriptLength(self) -> None:
        """A script of known length is sent with Content-Length, not in chunks."""
        client = netd_client(Route("/", fixed([Send(b"ab"), Send(b"c")], length=3), ""))
        response = client.request("GET /")
        self.assertEqual((response.headers["content-length"], response.body), ("3", b"abc"))

    def test_crowd(self) -> None:
        """Large bodies that wait are limited together; one that left, or was sent, is none."""
        body = bytes(100_000)
        first = netd_client(Route("/", fixed(body, delay=2.0), ""))
        first.site.context.unsent.limit = 250_000
        second, third = (Client(clock=first.clock, site=first.site) for _ in range(2))
        self.assertEqual(first.send(request("GET /")), b"")
        self.assertIn(b" 503 ", second.send(request("GET /")))
        first.disconnect()
        self.assertEqual(third.send(request("GET /")), b"")
        self.assertIn(body, third.advance(2.0))
        self.assertEqual(second.send(request("GET /")), b"")

    def test_after(self) -> None:
        """A body, or the result of a function, is sent after the delay with its length."""
        for body in (b"abc", lambda: b"abc"):
            for start in BOTH:
                for method in ("GET", "HEAD"):
                    client = start(Route("/", fixed(body, delay=1.0), ""))
                    self.assertEqual(client.send(request(f"{method} /")), b"")
                    self.assertEqual(client.advance(0.999), b"")
                    response = parse(client.advance(0.001))
                    self.assertEqual(response.headers["content-length"], "3")
                    self.assertEqual(response.body, b"abc" if method == "GET" else b"")

    def test_afterLeft(self) -> None:
        """When the client leaves, the timer is cancelled and the body is never made."""
        for start in BOTH:
            client = start(Route("/", lambda _: Reply(self.fail, delay=1.0), ""))
            client.send(request("GET /"))
            client.advance(0.5)
            self.assertEqual(timers(client), 1)
            client.disconnect()
            self.assertEqual(timers(client), 0)

    def test_afterStalled(self) -> None:
        """A client that stops reading during the delay still gets the whole response."""
        client = netd_client(Route("/", lambda _: Reply(b"abc", delay=1.0), ""))
        client.send(request("GET /"))
        client.channel.pauseProducing()
        client.channel.resumeProducing()
        self.assertEqual(parse(client.advance(1.0)).body, b"abc")

    def test_afterBroken(self) -> None:
        """A failing body function is a 500 and one logged failure."""
        for start in BOTH:
            client = start(Route("/", lambda _: Reply(failing_body, delay=1.0), ""))
            client.send(request("GET /"))
            self.assertEqual(parse(client.advance(1.0)).status, 500)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_keepAlive(self) -> None:
        """After a script the connection serves the next request."""
        client = netd_client(Route("/", fixed([Wait(1.0), Send(b"ab")], length=2), ""))
        for _ in range(3):
            client.send(request("GET /"))
            self.assertEqual(parse(client.advance(1.0)).body, b"ab")

    def test_pipelined(self) -> None:
        """Responses to pipelined requests are sent in the order of the requests."""
        client = netd_client(
            Route("/slow", fixed([Wait(1.0), Send(b"slow")], length=4), ""),
            Route("/fast", fixed(b"fast"), ""),
        )
        self.assertEqual(client.send(request("GET /slow") + request("GET /fast")), b"")
        data = client.advance(1.0)
        self.assertLess(data.index(b"slow"), data.index(b"fast"))

    def test_abort(self) -> None:
        """A script that aborts resets the connection, and nothing is sent."""
        client = netd_client(Route("/", fixed([Wait(1.0), Abort()]), ""))
        client.send(request("GET /"))
        self.assertEqual(client.advance(1.0), b"")
        self.assertTrue(client.transport.disconnected)

    def test_trailers(self) -> None:
        """Trailers follow the last chunk; stock Twisted leaves them out."""
        route = Route("/", fixed([Send(b"x")], trailers=(("X-A", "1"),)), "")
        data = netd_client(route).send(request("GET /"))
        self.assertTrue(data.endswith(b"0\r\nX-A: 1\r\n\r\n"))
        self.assertTrue(stock_client(route).send(request("GET /")).endswith(b"0\r\n\r\n"))


class MistakeTests(SynchronousTestCase):
    """
    Scripts that fail.
    """

    def test_scriptBreaksBefore(self) -> None:
        """A script that fails before its first bytes is a 500 and one logged failure."""

        def script() -> Iterator[Step]:
            yield Wait(1.0)
            raise ZeroDivisionError("secret")

        client = netd_client(Route("/", lambda call: Reply(script(), length=10), ""))
        client.send(request("GET /"))
        response = parse(client.advance(1.0))
        self.assertEqual(response.status, 500)
        self.assertNotIn(b"secret", response.body)
        self.assertEqual(len(response.body), int(response.headers["content-length"]))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_scriptBreaksAfter(self) -> None:
        """A script that fails later resets the connection, lest a short body look whole."""

        def script() -> Iterator[Step]:
            yield Send(b"half")
            raise ZeroDivisionError

        client = netd_client(Route("/", lambda call: Reply(script()), ""))
        client.send(request("GET /"))
        self.assertTrue(client.transport.disconnected)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class LaterTests(SynchronousTestCase):
    """
    Responses that are made in a later turn of the reactor.
    """

    def setUp(self) -> None:
        self.made: list[int] = []
        self.seconds = SLICE_SECONDS

    def endpoint(self, call: Call) -> Reply:
        """Take all the time of a turn."""
        self.clock.rightNow += self.seconds
        self.made.append(call.length)
        if call.header("broken"):
            raise ZeroDivisionError
        return Reply(call.content.read())

    def clients(self, *requests: bytes, costly: bool = False) -> list[bytes]:
        """What each of some clients of one server, with a request each, gets at once."""
        routes = Route("/", self.endpoint, "", ANY, costly=costly), Route("/free", fixed(), "")
        first = netd_client(*routes)
        self.clock = first.clock
        more = [evolve(first, transport=Transport()) for _ in requests[1:]]
        self.all = [first, *more]
        return [client.send(data) for client, data in zip(self.all, requests, strict=True)]

    def turn(self) -> list[int]:
        """What was made in the next turn."""
        before = len(self.made)
        call: Any = next(each for each in self.clock.getDelayedCalls() if "_turn" in str(each))
        self.clock.calls.remove(call)
        call.called = 1
        call.func()
        return self.made[before:]

    def test_large(self) -> None:
        """Of large requests one is responded to in a turn, and small ones do not wait."""
        bodies = (b"a" * 5000, b"b" * 5000, b"c" * 5000)
        large = [request("POST /", body=body) for body in bodies]
        received = self.clients(*large, request("GET /free"))
        self.assertEqual(parse(received[0]).body, bodies[0])
        self.assertEqual(received[1:3], [b"", b""])
        self.assertEqual(parse(received[3]).body, b"text\n")
        for client, body in zip(self.all[1:3], bodies[1:], strict=True):
            self.assertEqual(self.turn(), [5000])
            self.assertEqual(parse(client.received()).body, body)

    def test_longHead(self) -> None:
        """A long head makes a request large, too."""
        long = request("GET /", f"a: {'x' * 4096}")
        self.clients(long, long)
        self.assertEqual((self.made.copy(), self.turn()), ([0], [0]))

    def test_costly(self) -> None:
        """A route may say that small requests cost much."""
        for costly, count in ((False, 2), (True, 1)):
            self.made.clear()
            self.clients(request("GET /"), request("GET /"), costly=costly)
            self.assertEqual(len(self.made), count)

    def test_left(self) -> None:
        """The response for a client that has left is not made."""
        self.clients(*[request("GET /")] * 2, costly=True)
        self.all[1].disconnect()
        self.assertEqual(self.turn(), [])

    def test_slow(self) -> None:
        """A client that pauses meanwhile gets its response all the same."""
        self.clients(*[request("GET /")] * 2, costly=True)
        self.all[1].channel.pauseProducing()
        self.all[1].channel.resumeProducing()
        self.turn()
        self.assertEqual(parse(self.all[1].received()).status, 200)

    def test_broken(self) -> None:
        """A bug is a 500 and one logged failure, and a client's mistake a 4xx."""
        self.clients(request("GET /"), request("GET /", "broken: x"), costly=True)
        self.turn()
        self.assertEqual(parse(self.all[1].received()).status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_waits(self) -> None:
        """A reply that takes time goes on from its turn."""
        route = Route("/", fixed([Wait(1.0), Send(b"a")], length=1), "", costly=True)
        first = netd_client(route)
        second = evolve(first, transport=Transport())
        first.clock.advance(0)
        Turns.of(first.clock).in_time()
        first.clock.rightNow += SLICE_SECONDS
        self.assertEqual(second.send(request("GET /")), b"")
        second.advance(0)
        self.assertEqual(parse(second.advance(1.0)).body, b"a")


class LeavingTests(SynchronousTestCase):
    """
    Clients that leave before the response.
    """

    def test_noTimerLeft(self) -> None:
        """When the client leaves, no timer stays, and the response is counted as 499."""
        client = netd_client(Route("/", fixed([Wait(9.0), Send(b"x")]), ""))
        client.send(request("GET /"))
        self.assertIn(9.0, [each.getTime() for each in client.clock.getDelayedCalls()])
        client.disconnect()
        client.clock.advance(0)
        self.assertEqual(client.clock.getDelayedCalls(), [])
        self.assertEqual(client.counters.responses, {499: 1})

    def test_generatorClosed(self) -> None:
        """When the client leaves, the generator of the script is closed at once."""
        seen = []

        def script() -> Iterator[Step]:
            try:
                yield Wait(9.0)
            finally:
                seen.append("closed")

        client = netd_client(Route("/", lambda call: Reply(script()), ""))
        client.send(request("GET /"))
        client.disconnect()
        self.assertEqual(seen, ["closed"])

    def test_backPressure(self) -> None:
        """The script pauses while the client does not read."""
        sent: list[int] = []

        def script() -> Iterator[Step]:
            # Output is held together while input is being read.
            yield Wait(1.0)
            for number in range(1000):
                sent.append(number)
                yield Send(bytes(1024))

        client = netd_client(Route("/", lambda call: Reply(script()), ""))
        client.transport.full = True
        client.send(request("GET /"))
        client.advance(1.0)
        self.assertEqual(len(sent), 1)
        producer = client.transport.producer
        assert producer is not None
        producer.resumeProducing()
        self.assertEqual(len(sent), 2)


class RawTests(SynchronousTestCase):
    """
    Scripts that write the head themselves.
    """

    def test_raw(self) -> None:
        """Only the bytes of the script are sent, and then the connection closes."""
        route = Route("/", fixed([Wait(1.0), Send(b"no "), Send(b"HTTP")], raw=True), "")
        for start in BOTH:
            client = start(route)
            self.assertEqual(client.send(request("GET /")), b"")
            self.assertEqual(client.advance(1.0), b"no HTTP")
            self.assertTrue(client.transport.disconnecting)

    def test_nothing(self) -> None:
        """An empty script closes the connection."""
        for start in BOTH:
            client = start(Route("/", fixed([], raw=True), ""))
            self.assertEqual(client.send(request("GET /")), b"")
            self.assertTrue(client.transport.disconnecting)

    def test_aborts(self) -> None:
        """An Abort resets the connection after the bytes before it."""
        for start in BOTH:
            client = start(Route("/", fixed([Send(b"x"), Abort()], raw=True), ""))
            self.assertEqual(client.send(request("GET /")), b"x")
            self.assertTrue(client.transport.disconnected)

    def test_breaks(self) -> None:
        """A script that fails after its first bytes is a reset and one logged failure."""

        def script() -> Iterator[Step]:
            yield Send(b"x")
            raise ZeroDivisionError

        client = netd_client(Route("/", lambda call: Reply(script(), raw=True), ""))
        client.send(request("GET /"))
        self.assertTrue(client.transport.disconnected)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class DelayTests(SynchronousTestCase):
    """
    The counters of requested delays.
    """

    def test_after(self) -> None:
        """A delayed body is counted at the time of its request."""
        client = netd_client(Route("/", fixed(b"x", delay=2.0), ""))
        client.send(request("GET /"))
        self.assertEqual(
            (client.counters.delays.counts, client.counters.delays.seconds), ({2.0: 1}, 2.0)
        )

    def test_script(self) -> None:
        """A script is counted once, by the sum of the waits before its first bytes."""
        client = netd_client(
            Route("/", fixed([Wait(1.0), Wait(1.0), Send(b"x"), Wait(9.0), Send(b"y")]), "")
        )
        client.send(request("GET /"))
        for _ in range(3):
            client.advance(10.0)
        self.assertEqual(
            (client.counters.delays.counts, client.counters.delays.seconds), ({2.0: 1}, 2.0)
        )

    def test_exact(self) -> None:
        """The time of the request adds no rounding error, which would change the bucket."""
        client = netd_client(Route("/", fixed([Wait(0.1), Send(b"x")]), ""))
        client.clock.advance(0.3)
        client.send(request("GET /"))
        client.advance(1.0)
        self.assertEqual(client.counters.delays.counts, {0.1: 1})

    def test_nothingSent(self) -> None:
        """A script that sends nothing is counted too."""
        client = netd_client(Route("/", fixed([Wait(1.0)], status=204), ""))
        client.send(request("GET /"))
        client.advance(1.0)
        self.assertEqual(client.counters.delays.counts, {1.0: 1})

    def test_left(self) -> None:
        """A response whose client leaves early is counted too."""
        for body, more in (([Wait(5.0), Send(b"x")], {}), (b"x", {"delay": 5.0})):
            client = netd_client(Route("/", fixed(body, **more), ""))
            client.send(request("GET /"))
            client.disconnect()
            self.assertEqual(client.counters.delays.counts, {5.0: 1})

    def test_atOnce(self) -> None:
        """A response without a wait, or with a wait of zero, is not counted."""
        routes = [
            Route(path, fixed(body), "")
            for path, body in (("/", [Send(b"x")]), ("/b", b"y"), ("/c", [Wait(0.0)]))
        ]
        client = netd_client(*routes)
        for each in routes:
            client.send(request(f"GET {each.path}"))
            client.advance(1.0)
        self.assertEqual(client.counters.responses, {200: 3})
        self.assertEqual(
            (client.counters.delays.counts, client.counters.lateness.counts), ({}, {})
        )


class LogTests(SynchronousTestCase):
    """
    What the log has of a delay.
    """

    def test_delay(self) -> None:
        """The requested delay is noted, of a response and of a client that left early."""
        scripts = [Wait(3.0), Wait(2.0), Send(b"x"), Wait(9.0), Send(b"y")]
        for body, more in ((scripts, {}), (b"x", {"delay": 5.0})):
            client = netd_client(Route("/", fixed(body, **more), ""))
            notes = notes_of(client.site)
            client.send(request("GET /"))
            for _ in range(3):
                client.advance(10.0)
            client.send(request("GET /"))
            client.advance(4.0)
            client.disconnect()
            self.assertEqual(notes, [{"delay": 5.0}, {"delay": 5.0}])

    def test_atOnce(self) -> None:
        """Nothing is noted of a response without a wait."""
        client = netd_client(Route("/", fixed([Send(b"x")]), ""), Route("/b", fixed(), ""))
        notes = notes_of(client.site)
        client.send(request("GET /"))
        client.send(request("GET /b"))
        self.assertEqual(notes, [{}, {}])

    def test_raw(self) -> None:
        """All bytes of a response that is not HTTP count as sent."""
        route = Route("/", fixed([Send(b"no "), Wait(1.0), Send(b"HTTP")], raw=True), "")
        client = netd_client(route)
        client.send(request("GET /"))
        client.advance(1.0)
        client.disconnect()
        self.assertEqual((client.counters.sent, dict(client.counters.responses)), (7, {444: 1}))


class LatenessTests(SynchronousTestCase):
    """
    The counters of lateness.
    """

    def test_counted(self) -> None:
        """A script is counted by how much later than due its first bytes are sent."""
        client = netd_client(
            Route("/", fixed([Wait(1.0), Wait(1.0), Send(b"x"), Wait(9.0)]), "")
        )
        client.send(request("GET /"))
        client.clock.advance(1.0)
        client.clock.advance(1.003)
        self.assertEqual(client.counters.lateness.counts, {0.005: 1})
        self.assertAlmostEqual(client.counters.lateness.seconds, 0.003)

    def test_after(self) -> None:
        """A delayed body is counted by how much later than due it is sent."""
        client = netd_client(Route("/", fixed(b"x", delay=2.0), ""))
        client.send(request("GET /"))
        client.clock.advance(2.003)
        self.assertEqual(client.counters.lateness.counts, {0.005: 1})
        self.assertAlmostEqual(client.counters.lateness.seconds, 0.003)

    def test_atOnce(self) -> None:
        """A response without a wait is not counted."""
        client = netd_client(Route("/", fixed([Send(b"x")]), ""), Route("/b", fixed(), ""))
        client.send(request("GET /"))
        client.send(request("GET /b"))
        self.assertEqual(client.counters.lateness.counts, {})

    def test_left(self) -> None:
        """A response whose client leaves early is not counted, and no timer stays."""
        client = netd_client(Route("/", fixed([Wait(5.0), Send(b"x")]), ""))
        client.send(request("GET /"))
        client.disconnect()
        client.clock.advance(10)
        self.assertEqual(client.counters.lateness.counts, {})
        self.assertEqual(client.clock.getDelayedCalls(), [])


class PatienceTests(SynchronousTestCase):
    """
    A script whose client is not waited for.
    """

    def setUp(self) -> None:
        steps = (Send(b"x") if number % 2 else Wait(1.0) for number in range(100))
        self.client = netd_client(Route("/", fixed(steps, patience=2.0), ""))
        self.client.send(request("GET /"))
        self.producer: Any = self.client.transport.producer

    def test_cut(self) -> None:
        """A client that takes nothing for so long is cut."""
        self.producer.pauseProducing()
        self.client.advance(1.9)
        self.producer.pauseProducing()
        self.assertFalse(self.client.transport.disconnected)
        self.client.advance(0.1)
        self.assertTrue(self.client.transport.disconnected)

    def test_caughtUp(self) -> None:
        """A client that catches up in time gets the rest."""
        self.producer.pauseProducing()
        self.client.advance(1.9)
        self.producer.resumeProducing()
        self.assertIn(b"x", self.client.advance(3))
        self.assertFalse(self.client.transport.disconnected)

    def test_left(self) -> None:
        """A client that leaves while it lags leaves no timer behind."""
        self.producer.pauseProducing()
        self.client.disconnect()
        self.assertNotIn("_cut", str(self.client.clock.getDelayedCalls()))


class SinkTests(SynchronousTestCase):
    """
    The sink without counters, as other rooms use it.
    """

    def perform(self, script: Script, flushes: bool = False) -> Client:
        """A client whose request is the sink of `script`."""
        sinks: list[ResponseSink] = []

        class Leaf(Resource):
            isLeaf = True

            def render(self, request: Request) -> int:
                sinks.append(ResponseSink(request, clock, abort_flushes=flushes))
                sinks[0].perform(script)
                return NOT_DONE_YET

        clock, counters = Clock(), Counters()
        site = HTTPServer(Leaf(), clock, HTTP.limits, counters, now=lambda: 0.0)
        client = Client(configured(), clock, counters, site)
        client.send(request("GET /"))
        return client

    def test_abort(self) -> None:
        """An Abort resets the connection, or closes it after what was written."""
        for flushes in (False, True):
            client = self.perform([Wait(1.0), Send(b"x"), Abort()], flushes)
            client.advance(1.0)
            transport = client.transport
            self.assertEqual(
                (transport.disconnected, transport.disconnecting), (not flushes, True)
            )

    def test_uncounted(self) -> None:
        """Without counters no delay is counted."""
        client = self.perform([Wait(1.0), Send(b"x")])
        self.assertTrue(client.advance(1.0).endswith(b"1\r\nx\r\n0\r\n\r\n"))
        self.assertEqual(
            (client.counters.delays.counts, client.counters.lateness.counts), ({}, {})
        )
