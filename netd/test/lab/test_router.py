"""
The way from a request to an endpoint and back.
"""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve
from OpenSSL.crypto import X509
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from zope.interface import alsoProvides

from netd.counters import Counters
from netd.http.server import HTTPServer
from netd.lab.call import BadCall, Call, Reply
from netd.lab.router import Router
from netd.lab.routes import ANY, Route
from netd.script import Send, Wait
from netd.test.lab.conversation import HTTP, Conversation, Transport, configured, parse, request
from netd.test.lab.routing import EITHER, answered, conversation, fixed, stocked
from netd.test.stages import identity


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

    def test_madeNow(self) -> None:
        """Without a wait a body that is made when it leaves is made at once."""
        for start in EITHER:
            answer = start(Route("/", lambda _: Reply(lambda: b"abc"), "")).request("GET /")
            self.assertEqual((answer.headers["content-length"], answer.body), ("3", b"abc"))

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


class RootTests(SynchronousTestCase):
    """
    The router is an ordinary leaf.
    """

    def test_besideChildren(self) -> None:
        """Mounted as a child it still matches the whole path."""
        clock = Clock()
        root = Resource()
        root.putChild(b"a", Router([Route("/a/b", fixed(), "help")], HTTP, clock))
        site = HTTPServer(root, clock, HTTP.limits, Counters())
        talk = Conversation(evolve(configured()), clock, Counters(), site)
        self.assertEqual(talk.request("GET /a/b").status, 200)


class FieldTests(SynchronousTestCase):
    """
    Header fields and what a call knows.
    """

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
            seen.append((call.caller.tls(), call.caller.secure, call.caller.client))
            return Reply()

        for start in EITHER:
            start(Route("/", endpoint, "")).ask(request("GET /"))
        self.assertEqual([each[:2] for each in seen], [(None, False)] * 2)


class ScriptTests(SynchronousTestCase):
    """
    Replies that take their time are handed on.
    """

    def test_waits(self) -> None:
        """A script, a script of the wire and a body that waits leave when they are due."""
        for reply in ({"body": [Wait(1.0), Send(b"x")]}, {"body": b"x", "after": 1.0}):
            talk = conversation(Route("/", fixed(**reply), ""))
            self.assertEqual(talk.ask(request("GET /")), b"")
            self.assertEqual(parse(talk.turn(1.0)).status, 200)
        talk = conversation(Route("/", fixed([Wait(1.0), Send(b"x")], wire=True), ""))
        talk.ask(request("GET /"))
        self.assertEqual(talk.turn(1.0), b"x")

    def test_length(self) -> None:
        """A script of known length has that as its Content-Length."""
        talk = conversation(Route("/", fixed([Send(b"xy")], length=2), ""))
        self.assertEqual(talk.request("GET /").headers["content-length"], "2")


class _Handle:
    """What pyOpenSSL tells of a connection."""

    def __init__(self, name: bytes | None) -> None:
        self._name = name

    def get_cipher_name(self) -> str:
        return "TLS_AES_256_GCM_SHA384"

    def get_cipher_bits(self) -> int:
        return 256

    def get_protocol_version_name(self) -> str:
        return "TLSv1.3"

    def get_servername(self) -> bytes | None:
        return self._name

    def get_alpn_proto_negotiated(self) -> bytes:
        return b"http/1.1" if self._name else b""


class _Secure(Transport):
    """A transport with TLS of its own making."""

    certificate: X509 | None = None
    name: bytes | None = None

    def __init__(self) -> None:
        Transport.__init__(self)
        alsoProvides(self, ISSLTransport)

    def getHandle(self) -> _Handle:
        return _Handle(self.name)

    def getPeerCertificate(self) -> X509 | None:
        return self.certificate


class AgreedTests(SynchronousTestCase):
    """
    What an endpoint can learn of the connection's TLS.
    """

    def told(self, transport: Transport) -> Any:
        """What it is told."""
        seen: list[Any] = []

        def endpoint(call: Call) -> Reply:
            seen.append(call.caller.tls())
            return Reply()

        talk = conversation(Route("/", endpoint, ""), transport=transport)
        talk.request("GET /")
        return seen[0]

    def test_none(self) -> None:
        """Without TLS nothing was agreed upon."""
        self.assertIsNone(self.told(Transport()))

    def test_agreed(self) -> None:
        """Version, cipher, and what the client asked for and showed."""
        said = self.told(_Secure())
        self.assertEqual((said["version"], said["bits"]), ("TLSv1.3", 256))
        self.assertEqual((said["sni"], said["alpn"]), (None, None))
        self.assertIsNone(said["client_certificate"])

    def test_certificate(self) -> None:
        """A client's certificate is told by subject, serial number and digest."""
        transport = _Secure()
        transport.name = b"netd.test"
        transport.certificate = X509.from_cryptography(identity("client").certificate)
        said = self.told(transport)
        self.assertEqual((said["sni"], said["alpn"]), ("netd.test", "http/1.1"))
        shown = said["client_certificate"]
        self.assertEqual(shown["serial"], f"{transport.certificate.get_serial_number():x}")
        self.assertEqual(shown["subject"], "CN=client")
        self.assertEqual(shown["sha256"].count(":"), 31)
