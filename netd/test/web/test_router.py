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
from twisted.web.resource import Resource

from netd.counters import Counters
from netd.script import Abort, Script, Send, Step, Wait
from netd.test.web.conversation import HTTP, Answer, Conversation, configured, parse, request
from netd.web.exchange import ANY, BadCall, Call, Endpoint, Reply, Route
from netd.web.router import Router
from netd.web.site import Site


def fixed(body: bytes | Script = b"said\n", **reply: Any) -> Endpoint:
    """An endpoint that always replies the same."""
    return lambda call: Reply(body, **reply)


def conversation(*routes: Route) -> Conversation:
    """A conversation with nothing but a router over `routes`."""
    clock, counters = Clock(), Counters()
    router = Router(routes, HTTP, clock)
    site = Site(router, clock, counters, HTTP.limits.max_body.count)
    return Conversation(configured(), clock, counters, site)


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
        answer = answered(Route("/a", fixed(), "help", ("POST",)), "OPTIONS /a")
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
            said = f"{call.method} {call.length} {call.content_type} ".encode()
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
        self.assertEqual(len(talk.clock.getDelayedCalls()), 1)
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
            for number in range(1000):
                said.append(number)
                yield Send(bytes(1024))

        talk = conversation(Route("/", lambda call: Reply(script()), ""))
        talk.transport.full = True
        talk.ask(request("GET /"))
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
        site = Site(root, clock, Counters(), 1000)
        talk = Conversation(evolve(configured()), clock, Counters(), site)
        self.assertEqual(talk.request("GET /a/b").status, 200)
