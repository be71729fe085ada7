"""
The way from a request to an endpoint and back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web import http, server
from twisted.web.resource import Resource

from netd.counters import Counters
from netd.script import Abort, Script, Send, Step, Wait
from netd.test.web.conversation import HTTP, Answer, Conversation, configured, parse, request
from netd.web.engine.site import Site
from netd.web.exchange import SANDBOX, BadCall, Call, Reply
from netd.web.router import Router
from netd.web.routes import ANY, Endpoint, Route


def fixed(body: bytes | Script = b"said\n", **reply: Any) -> Endpoint:
    """An endpoint that always replies the same."""
    return lambda call: Reply(body, **reply)


def conversation(*routes: Route) -> Conversation:
    """A conversation with nothing but a router over `routes`."""
    clock, counters = Clock(), Counters()
    router = Router(routes, HTTP, clock, counters)
    site = Site(router, clock, HTTP.limits, counters, now=lambda: 0.0)
    return Conversation(configured(), clock, counters, site)


def stocked(*routes: Route) -> Conversation:
    """The same on stock's engine."""
    clock, counters = Clock(), Counters()
    site = server.Site(Router(routes, HTTP, clock, counters), reactor=clock, timeout=None)
    site.protocol = http.HTTPChannel  # type: ignore[assignment]  # without its wrapper
    site.log = lambda request: None  # type: ignore[method-assign]
    return Conversation(configured(), clock, counters, site)


EITHER = (conversation, stocked)


def answered(route: Route, line: str, *headers: str, body: bytes = b"") -> Answer:
    """What a router over `route` answers at once."""
    return conversation(route).request(line, *headers, body=body)


class FindingTests(SynchronousTestCase):
    """
    Which endpoint answers which path.
    """

    def test_literal(self) -> None:
        """A path is answered by the route that is spelled the same."""
        answer = answered(Route("/here", fixed(), "help"), "GET /here")
        self.assertEqual((answer.status, answer.body), (200, b"said\n"))

    def test_parameter(self) -> None:
        """A segment in angle brackets matches any one segment, percent-decoded."""
        seen: list[Any] = []

        def endpoint(call: Call) -> Reply:
            seen.append(dict(call.parameters))
            return Reply()

        route = Route("/a/<x>/b/<y>", endpoint, "help")
        answered(route, "GET /a/1%2F2/b/%C3%A9")
        self.assertEqual(seen, [{"x": "1/2", "y": "é"}])

    def test_literalBeforeParameter(self) -> None:
        """The first line of the table that fits is the one that answers."""
        talk = conversation(
            Route("/a/b", fixed(b"literal"), "help"), Route("/a/<x>", fixed(b"any"), "help")
        )
        self.assertEqual(talk.request("GET /a/b").body, b"literal")
        self.assertEqual(talk.request("GET /a/c").body, b"any")

    def test_unknown(self) -> None:
        """Any other path is a 404 in JSON that names its status."""
        route = Route("/a/<x>", fixed(), "help")
        for path in ("/", "/a", "/a/", "/a/b/", "/a//", "/b/c", "//a/b", "/A/b"):
            answer = answered(route, f"GET {path}")
            self.assertEqual(answer.status, 404, path)
            self.assertEqual(json.loads(answer.body)["status_code"], 404)
            self.assertEqual(answer.headers["content-type"], "application/json")

    def test_queryIsNoPath(self) -> None:
        """What follows a question mark does not take part in finding the route."""
        self.assertEqual(answered(Route("/a", fixed(), "help"), "GET /a?/b=c").status, 200)

    def test_notUTF8(self) -> None:
        """A path that is not UTF-8 is the client's fault."""
        answer = answered(Route("/<x>", fixed(), "help"), "GET /%ff")
        self.assertEqual(answer.status, 400)


class MethodTests(SynchronousTestCase):
    """
    HEAD, OPTIONS and methods that are not taken.
    """

    def test_head(self) -> None:
        """HEAD has the head of GET, Content-Length included, and no body."""
        talk = conversation(Route("/a", fixed(), "help"))
        get, head = talk.request("GET /a"), talk.request("HEAD /a")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers, get.headers)
        self.assertEqual(head.headers["content-length"], "5")

    def test_headOfScript(self) -> None:
        """HEAD of a script waits as GET does and says nothing of its body."""
        talk = conversation(Route("/a", fixed([Wait(1.0), Send(b"said")], length=4), "help"))
        self.assertEqual(talk.ask(request("HEAD /a")), b"")
        answer = parse(talk.turn(1.0))
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(answer.headers["content-length"], "4")

    def test_notAllowed(self) -> None:
        """A method that the route does not take is a 405 with Allow, whatever its name."""
        for method in ("POST", "DELETE", "BREW", "PROPFIND"):
            answer = answered(Route("/a", fixed(), "help"), f"{method} /a")
            self.assertEqual(answer.status, 405, method)
            self.assertEqual(answer.headers["allow"], "GET, HEAD, OPTIONS")

    def test_options(self) -> None:
        """OPTIONS is a 204 with Allow and neither body nor Content-Length."""
        answer = answered(Route("/a", fixed(), "help", ("POST",), cors=False), "OPTIONS /a")
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(answer.headers["allow"], "OPTIONS, POST")
        self.assertNotIn("content-length", answer.headers)
        self.assertNotIn("content-type", answer.headers)

    def test_any(self) -> None:
        """A route of any method takes every one of them, OPTIONS and invented ones too."""
        for method in ("GET", "POST", "OPTIONS", "BREW", "M-SEARCH"):
            self.assertEqual(
                answered(Route("/a", fixed(), "help", ANY), f"{method} /a").status, 200
            )


class ReplyTests(SynchronousTestCase):
    """
    How a reply goes out.
    """

    def test_headers(self) -> None:
        """Status, type and headers are the reply's; nothing is ever sniffed."""
        reply = fixed(b"x", status=203, type="text/csv", headers=(("X-A", "1"), ("X-B", "2")))
        answer = answered(Route("/", reply, "help"), "GET /")
        self.assertEqual(answer.status, 203)
        self.assertEqual(answer.headers["content-type"], "text/csv")
        self.assertEqual((answer.headers["x-a"], answer.headers["x-b"]), ("1", "2"))
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
        self.assertEqual(answer.headers["server"], "netd")

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

    def test_atOnce(self) -> None:
        """A script that says its body in one piece goes out with the length of that."""
        route = Route("/", fixed([Wait(1.0), Send(b"abc")], at_once=True), "")
        for start in EITHER:
            for method in ("GET", "HEAD"):
                talk = start(route)
                talk.ask(request(f"{method} /"))
                answer = parse(talk.turn(1.0))
                self.assertEqual(answer.headers["content-length"], "3")
                self.assertEqual(answer.body, b"abc" if method == "GET" else b"")

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

    def test_body(self) -> None:
        """The endpoint reads the request body from its start and knows its size and type."""

        def endpoint(call: Call) -> Reply:
            said = f"{call.method} {call.length} {call.header('content-type')} ".encode()
            return Reply(said + call.content.read())

        route = Route("/", endpoint, "help", ANY)
        answer = answered(route, "PUT /", "Content-Type: text/csv", body=b"1,2")
        self.assertEqual(answer.body, b"PUT 3 text/csv 1,2")


class MistakeTests(SynchronousTestCase):
    """
    What clients and endpoints do wrong.
    """

    def test_badCall(self) -> None:
        """A BadCall is answered with its status, detail and headers."""

        def endpoint(call: Call) -> Reply:
            raise BadCall("too much", 429, (("Retry-After", "1"),))

        answer = answered(Route("/", endpoint, "help"), "GET /")
        self.assertEqual(answer.status, 429)
        self.assertEqual(answer.headers["retry-after"], "1")
        self.assertEqual(json.loads(answer.body)["detail"], "too much")

    def test_endpointBreaks(self) -> None:
        """A bug in an endpoint is one logged failure and a 500 that shows none of it."""

        def endpoint(call: Call) -> Reply:
            raise ZeroDivisionError("secret")

        answer = answered(Route("/", endpoint, "help"), "GET /")
        self.assertEqual(answer.status, 500)
        self.assertNotIn(b"secret", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

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
        self.assertEqual(talk.counters.answers, {499: 1})

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


class RootTests(SynchronousTestCase):
    """
    The router is an ordinary leaf.
    """

    def test_besideChildren(self) -> None:
        """Mounted as a child it still matches the whole path."""
        clock = Clock()
        root = Resource()
        root.putChild(b"a", Router([Route("/a/b", fixed(), "help")], HTTP, clock))
        site = Site(root, clock, HTTP.limits, Counters())
        talk = Conversation(evolve(configured()), clock, Counters(), site)
        self.assertEqual(talk.request("GET /a/b").status, 200)


class SharingTests(SynchronousTestCase):
    """
    Scripts of other origins (Fetch, CORS).
    """

    def test_any(self) -> None:
        """Any origin may read an answer, with credentials, errors too."""
        for talk in (each(Route("/a", fixed(), "help")) for each in EITHER):
            for line in ("GET /a", "GET /b", "POST /a"):
                answer = talk.request(line)
                self.assertEqual(answer.headers["access-control-allow-origin"], "*")
                self.assertEqual(answer.headers["access-control-allow-credentials"], "true")
                named = talk.request(line, "Origin: http://x")
                self.assertEqual(named.headers["access-control-allow-origin"], "http://x")

    def test_preflight(self) -> None:
        """OPTIONS says what may be asked, as httpbin does, whatever the route's methods."""
        for methods in (("GET",), ANY):
            talk = conversation(Route("/a", fixed(status=500), "help", methods))
            asked = ("Origin: http://x", "Access-Control-Request-Method: PUT")
            answer = talk.request("OPTIONS /a", *asked, "Access-Control-Request-Headers: X-A")
            self.assertEqual((answer.status, answer.body), (200, b""))
            self.assertEqual(
                answer.headers["access-control-allow-methods"],
                "GET, POST, PUT, DELETE, PATCH, OPTIONS",
            )
            self.assertEqual(answer.headers["access-control-allow-headers"], "X-A")
            self.assertEqual(answer.headers["access-control-max-age"], "3600")

    def test_none(self) -> None:
        """A route that is not shared says none of it."""
        answer = answered(
            Route("/a", fixed(), "help", cors=False), "GET /a", "Origin: http://x"
        )
        self.assertNotIn("access-control-allow-origin", answer.headers)


class LockTests(SynchronousTestCase):
    """
    What keeps a client's bytes from being run.
    """

    def test_locked(self) -> None:
        """Every answer has nosniff and a sandbox, unless it is ours from end to end."""
        for start in EITHER:
            talk = start(Route("/a", fixed(), ""), Route("/b", fixed(ours=True), ""))
            for line in ("GET /a", "GET /none", "POST /a"):
                answer = talk.request(line)
                self.assertEqual(answer.headers["content-security-policy"], SANDBOX)
                self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
            ours = talk.request("GET /b")
            self.assertNotIn("content-security-policy", ours.headers)
            self.assertEqual(ours.headers["x-content-type-options"], "nosniff")


class FieldTests(SynchronousTestCase):
    """
    Header fields and what a call knows.
    """

    def test_repeated(self) -> None:
        """A field that comes twice has two lines."""
        route = Route("/", fixed(headers=(("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))), "")
        for start in EITHER:
            said = start(route).ask(request("GET /"))
            self.assertEqual(said.count(b"Set-Cookie: "), 2)
            self.assertLess(said.index(b"a=1"), said.index(b"b=2"))

    def test_trailers(self) -> None:
        """Trailers come after the last chunk, where the engine has them."""
        route = Route("/", fixed([Send(b"x")], trailers=(("X-A", "1"),)), "")
        said = conversation(route).ask(request("GET /"))
        self.assertTrue(said.endswith(b"0\r\nX-A: 1\r\n\r\n"))
        self.assertTrue(stocked(route).ask(request("GET /")).endswith(b"0\r\n\r\n"))

    def test_head(self) -> None:
        """A call has the head as it came; on stock's engine about so."""
        seen: list[bytes] = []

        def endpoint(call: Call) -> Reply:
            seen.append(call.raw)
            return Reply()

        asked = b"GET /?x HTTP/1.1\r\nhOsT: netd\r\nb: 1\r\nA: 2\r\nb: 3\r\n\r\n"
        conversation(Route("/", endpoint, "")).ask(asked)
        stocked(Route("/", endpoint, "")).ask(asked)
        self.assertEqual(seen[0], asked)
        wanted = b"GET /?x HTTP/1.1\r\nHost: netd\r\nB: 1\r\nB: 3\r\nA: 2\r\n\r\n"
        self.assertEqual(seen[1], wanted)

    def test_authority(self) -> None:
        """An absolute target names the host, and the path is its path."""
        seen: list[str] = []

        def endpoint(call: Call) -> Reply:
            seen.append(call.root + call.target)
            return Reply()

        talk = conversation(Route("/a", endpoint, ""))
        talk.ask(b"GET http://other:1/a?x HTTP/1.1\r\nHost: netd\r\n\r\n")
        self.assertEqual(seen, ["http://other:1/a?x"])

    def test_plain(self) -> None:
        """A connection without TLS agreed upon nothing."""
        seen: list[Any] = []

        def endpoint(call: Call) -> Reply:
            seen.append((call.tls(), call.secure, call.client))
            return Reply()

        for start in EITHER:
            start(Route("/", endpoint, "")).ask(request("GET /"))
        self.assertEqual([each[:2] for each in seen], [(None, False)] * 2)


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
        self.assertEqual(dict(talk.counters.waits), {0.005: 1})
        self.assertAlmostEqual(talk.counters.late_seconds, 0.003)

    def test_atOnce(self) -> None:
        """One that does not wait is not."""
        talk = conversation(Route("/", fixed([Send(b"x")]), ""), Route("/b", fixed(), ""))
        talk.ask(request("GET /"))
        talk.ask(request("GET /b"))
        self.assertEqual(dict(talk.counters.waits), {})

    def test_left(self) -> None:
        """A client that leaves before is not counted, and leaves no timer."""
        talk = conversation(Route("/", fixed([Wait(5.0), Send(b"x")]), ""))
        talk.ask(request("GET /"))
        talk.leave()
        talk.clock.advance(10)
        self.assertEqual(dict(talk.counters.waits), {})
        self.assertEqual(talk.clock.getDelayedCalls(), [])
