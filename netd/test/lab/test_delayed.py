"""
Replies that take their time.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import Reply
from netd.lab.routes import Route
from netd.script import Abort, Send, Step, Wait
from netd.test.lab.conversation import parse, request
from netd.test.lab.routing import EITHER, broken, conversation, fixed, stocked, timers


class ReplyTests(SynchronousTestCase):
    """
    Scripts, and bodies that wait.
    """

    def test_script(self) -> None:
        """Nothing is sent before the script says its first bytes, not even the head."""
        talk = conversation(
            Route("/", fixed([Wait(2.0), Send(b"ab"), Wait(1.0), Send(b"c")]), "")
        )
        self.assertEqual(talk.ask(request("GET /")), b"")
        self.assertEqual(talk.turn(1.9), b"")
        self.assertIn(b"\r\n\r\n2\r\nab\r\n", talk.turn(0.1))
        self.assertEqual(talk.turn(1.0), b"1\r\nc\r\n0\r\n\r\n")

    def test_scriptLength(self) -> None:
        """A script of known length goes out with Content-Length and unchunked."""
        talk = conversation(Route("/", fixed([Send(b"ab"), Send(b"c")], length=3), ""))
        answer = talk.request("GET /")
        self.assertEqual((answer.headers["content-length"], answer.body), ("3", b"abc"))

    def test_after(self) -> None:
        """A body that is ready, or made then, leaves after its wait and with its length."""
        for body in (b"abc", lambda: b"abc"):
            for start in EITHER:
                for method in ("GET", "HEAD"):
                    talk = start(Route("/", fixed(body, after=1.0), ""))
                    self.assertEqual(talk.ask(request(f"{method} /")), b"")
                    self.assertEqual(talk.turn(0.999), b"")
                    answer = parse(talk.turn(0.001))
                    self.assertEqual(answer.headers["content-length"], "3")
                    self.assertEqual(answer.body, b"abc" if method == "GET" else b"")

    def test_afterLeft(self) -> None:
        """A client that leaves takes its timer with it, and its body is never made."""
        for start in EITHER:
            talk = start(Route("/", lambda _: Reply(self.fail, after=1.0), ""))
            talk.ask(request("GET /"))
            talk.turn(0.5)
            self.assertEqual(timers(talk), 1)
            talk.leave()
            self.assertEqual(timers(talk), 0)

    def test_afterStalled(self) -> None:
        """A client that takes nothing meanwhile does not change what it gets."""
        talk = conversation(Route("/", lambda _: Reply(b"abc", after=1.0), ""))
        talk.ask(request("GET /"))
        talk.channel.pauseProducing()
        talk.channel.resumeProducing()
        self.assertEqual(parse(talk.turn(1.0)).body, b"abc")

    def test_afterBroken(self) -> None:
        """A body that cannot be made is a 500 and one failure in the log."""
        for start in EITHER:
            talk = start(Route("/", lambda _: Reply(broken, after=1.0), ""))
            talk.ask(request("GET /"))
            self.assertEqual(parse(talk.turn(1.0)).status, 500)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_keepAlive(self) -> None:
        """After a script the connection serves the next request."""
        talk = conversation(Route("/", fixed([Wait(1.0), Send(b"ab")], length=2), ""))
        for _ in range(3):
            talk.ask(request("GET /"))
            self.assertEqual(parse(talk.turn(1.0)).body, b"ab")

    def test_pipelined(self) -> None:
        """Pipelined requests wait for one another and are answered in order."""
        talk = conversation(
            Route("/slow", fixed([Wait(1.0), Send(b"slow")], length=4), ""),
            Route("/fast", fixed(b"fast"), ""),
        )
        self.assertEqual(talk.ask(request("GET /slow") + request("GET /fast")), b"")
        said = talk.turn(1.0)
        self.assertLess(said.index(b"slow"), said.index(b"fast"))

    def test_abort(self) -> None:
        """A script that aborts cuts the connection with nothing said."""
        talk = conversation(Route("/", fixed([Wait(1.0), Abort()]), ""))
        talk.ask(request("GET /"))
        self.assertEqual(talk.turn(1.0), b"")
        self.assertTrue(talk.transport.aborting)

    def test_trailers(self) -> None:
        """Trailers come after the last chunk, where the engine has them."""
        route = Route("/", fixed([Send(b"x")], trailers=(("X-A", "1"),)), "")
        said = conversation(route).ask(request("GET /"))
        self.assertTrue(said.endswith(b"0\r\nX-A: 1\r\n\r\n"))
        self.assertTrue(stocked(route).ask(request("GET /")).endswith(b"0\r\n\r\n"))


class MistakeTests(SynchronousTestCase):
    """
    Scripts that fail.
    """

    def test_scriptBreaksBefore(self) -> None:
        """A script that fails before its first bytes is a logged 500."""

        def script() -> Iterator[Step]:
            yield Wait(1.0)
            raise ZeroDivisionError("secret")

        talk = conversation(Route("/", lambda call: Reply(script(), length=10), ""))
        talk.ask(request("GET /"))
        answer = parse(talk.turn(1.0))
        self.assertEqual(answer.status, 500)
        self.assertNotIn(b"secret", answer.body)
        self.assertEqual(len(answer.body), int(answer.headers["content-length"]))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_scriptBreaksAfter(self) -> None:
        """A script that fails later cuts the connection: a short body must not look whole."""

        def script() -> Iterator[Step]:
            yield Send(b"half")
            raise ZeroDivisionError

        talk = conversation(Route("/", lambda call: Reply(script()), ""))
        talk.ask(request("GET /"))
        self.assertTrue(talk.transport.aborting)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class LeavingTests(SynchronousTestCase):
    """
    Clients that do not stay for the answer.
    """

    def test_noTimerLeft(self) -> None:
        """A client that leaves takes its timer along and is counted as 499."""
        talk = conversation(Route("/", fixed([Wait(9.0), Send(b"x")]), ""))
        talk.ask(request("GET /"))
        self.assertIn(9.0, [each.getTime() for each in talk.clock.getDelayedCalls()])
        talk.leave()
        self.assertEqual(talk.clock.getDelayedCalls(), [])
        self.assertEqual(talk.counters.responses, {499: 1})

    def test_generatorClosed(self) -> None:
        """The script of a client that left runs its cleanup at once."""
        seen = []

        def script() -> Iterator[Step]:
            try:
                yield Wait(9.0)
            finally:
                seen.append("closed")

        talk = conversation(Route("/", lambda call: Reply(script()), ""))
        talk.ask(request("GET /"))
        talk.leave()
        self.assertEqual(seen, ["closed"])

    def test_backPressure(self) -> None:
        """A client that does not read stops the script, and reading starts it again."""
        said: list[int] = []

        def script() -> Iterator[Step]:
            # Output is held together while input is being read.
            yield Wait(1.0)
            for number in range(1000):
                said.append(number)
                yield Send(bytes(1024))

        talk = conversation(Route("/", lambda call: Reply(script()), ""))
        talk.transport.full = True
        talk.ask(request("GET /"))
        talk.turn(1.0)
        self.assertEqual(len(said), 1)
        producer = talk.transport.producer
        assert producer is not None
        producer.resumeProducing()
        self.assertEqual(len(said), 2)


class WireTests(SynchronousTestCase):
    """
    Answers that are said past the engine.
    """

    def test_raw(self) -> None:
        """What the script says is all that is said, then the connection ends."""
        route = Route("/", fixed([Wait(1.0), Send(b"no "), Send(b"HTTP")], wire=True), "")
        for start in EITHER:
            talk = start(route)
            self.assertEqual(talk.ask(request("GET /")), b"")
            self.assertEqual(talk.turn(1.0), b"no HTTP")
            self.assertTrue(talk.transport.disconnecting)

    def test_nothing(self) -> None:
        """It may say nothing at all."""
        for start in EITHER:
            talk = start(Route("/", fixed([], wire=True), ""))
            self.assertEqual(talk.ask(request("GET /")), b"")
            self.assertTrue(talk.transport.disconnecting)

    def test_aborts(self) -> None:
        """It may reset the connection after what it said."""
        for start in EITHER:
            talk = start(Route("/", fixed([Send(b"x"), Abort()], wire=True), ""))
            self.assertEqual(talk.ask(request("GET /")), b"x")
            self.assertTrue(talk.transport.aborting)

    def test_breaks(self) -> None:
        """One that fails after it began is cut off, with one logged failure."""

        def script() -> Iterator[Step]:
            yield Send(b"x")
            raise ZeroDivisionError

        talk = conversation(Route("/", lambda call: Reply(script(), wire=True), ""))
        talk.ask(request("GET /"))
        self.assertTrue(talk.transport.aborting)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class DelayTests(SynchronousTestCase):
    """
    How long answers are asked to wait.
    """

    def test_after(self) -> None:
        """One whose body is ready is counted when it is asked for."""
        talk = conversation(Route("/", fixed(b"x", after=2.0), ""))
        talk.ask(request("GET /"))
        self.assertEqual((talk.counters.delays, talk.counters.delay_seconds), ({2.0: 1}, 2.0))

    def test_script(self) -> None:
        """A script is counted by all that it waits before its first bytes, and once."""
        talk = conversation(
            Route("/", fixed([Wait(1.0), Wait(1.0), Send(b"x"), Wait(9.0), Send(b"y")]), "")
        )
        talk.ask(request("GET /"))
        for _ in range(3):
            talk.turn(10.0)
        self.assertEqual((talk.counters.delays, talk.counters.delay_seconds), ({2.0: 1}, 2.0))

    def test_exact(self) -> None:
        """The moment of asking adds no rounding error, which would be another bucket."""
        talk = conversation(Route("/", fixed([Wait(0.1), Send(b"x")]), ""))
        talk.clock.advance(0.3)
        talk.ask(request("GET /"))
        talk.turn(1.0)
        self.assertEqual(talk.counters.delays, {0.1: 1})

    def test_nothingSaid(self) -> None:
        """One that ends without a word is counted too."""
        talk = conversation(Route("/", fixed([Wait(1.0)], status=204), ""))
        talk.ask(request("GET /"))
        talk.turn(1.0)
        self.assertEqual(talk.counters.delays, {1.0: 1})

    def test_left(self) -> None:
        """So is one whose client leaves before: it asked."""
        for body, more in (([Wait(5.0), Send(b"x")], {}), (b"x", {"after": 5.0})):
            talk = conversation(Route("/", fixed(body, **more), ""))
            talk.ask(request("GET /"))
            talk.leave()
            self.assertEqual(talk.counters.delays, {5.0: 1})

    def test_atOnce(self) -> None:
        """One that does not wait is not, be it by a wait of no length."""
        routes = [
            Route(path, fixed(body), "")
            for path, body in (("/", [Send(b"x")]), ("/b", b"y"), ("/c", [Wait(0.0)]))
        ]
        talk = conversation(*routes)
        for each in routes:
            talk.ask(request(f"GET {each.path}"))
            talk.turn(1.0)
        self.assertEqual(talk.counters.responses, {200: 3})
        self.assertEqual((talk.counters.delays, talk.counters.lateness), ({}, {}))


class LatenessTests(SynchronousTestCase):
    """
    How late answers leave.
    """

    def test_counted(self) -> None:
        """An answer that waits is counted by how late its first bytes left."""
        talk = conversation(
            Route("/", fixed([Wait(1.0), Wait(1.0), Send(b"x"), Wait(9.0)]), "")
        )
        talk.ask(request("GET /"))
        talk.clock.advance(1.0)
        talk.clock.advance(1.003)
        self.assertEqual(dict(talk.counters.lateness), {0.005: 1})
        self.assertAlmostEqual(talk.counters.lateness_seconds, 0.003)

    def test_after(self) -> None:
        """So is one whose body is ready."""
        talk = conversation(Route("/", fixed(b"x", after=2.0), ""))
        talk.ask(request("GET /"))
        talk.clock.advance(2.003)
        self.assertEqual(dict(talk.counters.lateness), {0.005: 1})
        self.assertAlmostEqual(talk.counters.lateness_seconds, 0.003)

    def test_atOnce(self) -> None:
        """One that does not wait is not."""
        talk = conversation(Route("/", fixed([Send(b"x")]), ""), Route("/b", fixed(), ""))
        talk.ask(request("GET /"))
        talk.ask(request("GET /b"))
        self.assertEqual(dict(talk.counters.lateness), {})

    def test_left(self) -> None:
        """A client that leaves before is not counted, and leaves no timer."""
        talk = conversation(Route("/", fixed([Wait(5.0), Send(b"x")]), ""))
        talk.ask(request("GET /"))
        talk.leave()
        talk.clock.advance(10)
        self.assertEqual(dict(talk.counters.lateness), {})
        self.assertEqual(talk.clock.getDelayedCalls(), [])
