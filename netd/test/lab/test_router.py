"""
From a request to an endpoint and back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from attrs import evolve
from OpenSSL.crypto import X509
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from zope.interface import alsoProvides

from netd.counters import Counters
from netd.http.server import HTTPServer
from netd.lab.call import SANDBOX, BadCall, Call, Reply
from netd.lab.counts import Later
from netd.lab.parameters import Parameter
from netd.lab.router import Router
from netd.lab.routes import ANY, Route
from netd.script import Send, Wait
from netd.test.lab.client import HTTP, Client, Transport, configured, parse, request
from netd.test.lab.sites import BOTH, fixed, netd_client, notes_of, response_of, stock_client
from netd.test.stages import identity
from netd.turns import Turns


class FindingTests(SynchronousTestCase):
    """
    The endpoint of a path.
    """

    def test_literal(self) -> None:
        """A path finds the route with the same path."""
        response = response_of(Route("/here", fixed(), "help"), "GET /here")
        self.assertEqual((response.status, response.body), (200, b"text\n"))

    def test_parameter(self) -> None:
        """A segment in angle brackets matches any one segment, percent-decoded."""
        seen: list[Any] = []

        def endpoint(call: Call) -> Reply:
            seen.append(dict(call.path_values))
            return Reply()

        route = Route("/a/<x>/b/<y>", endpoint, "help")
        response_of(route, "GET /a/1%2F2/b/%C3%A9")
        self.assertEqual(seen, [{"x": "1/2", "y": "é"}])

    def test_literalBeforeParameter(self) -> None:
        """The first route that matches wins."""
        client = netd_client(
            Route("/a/b", fixed(b"literal"), "help"), Route("/a/<x>", fixed(b"any"), "help")
        )
        self.assertEqual(client.request("GET /a/b").body, b"literal")
        self.assertEqual(client.request("GET /a/c").body, b"any")

    def test_unknown(self) -> None:
        """Any other path is a 404 in JSON that holds its status."""
        route = Route("/a/<x>", fixed(), "help")
        for path in ("/", "/a", "/a/", "/a/b/", "/a//", "/b/c", "//a/b", "/A/b"):
            response = response_of(route, f"GET {path}")
            self.assertEqual(response.status, 404, path)
            self.assertEqual(json.loads(response.body)["status_code"], 404)
            self.assertEqual(response.headers["content-type"], "application/json")

    def test_queryIsNoPath(self) -> None:
        """The query does not take part in matching."""
        self.assertEqual(response_of(Route("/a", fixed(), "help"), "GET /a?/b=c").status, 200)

    def test_notUTF8(self) -> None:
        """A path that is not UTF-8 is a 400."""
        response = response_of(Route("/<x>", fixed(), "help"), "GET /%ff")
        self.assertEqual(response.status, 400)


class MethodTests(SynchronousTestCase):
    """
    HEAD, OPTIONS and methods that are not taken.
    """

    def test_head(self) -> None:
        """HEAD has the head of GET, Content-Length included, and no body."""
        client = netd_client(Route("/a", fixed(), "help"))
        get, head = client.request("GET /a"), client.request("HEAD /a")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers, get.headers)
        self.assertEqual(head.headers["content-length"], "5")

    def test_headOfScript(self) -> None:
        """HEAD of a script waits as GET does and has no body."""
        client = netd_client(Route("/a", fixed([Wait(1.0), Send(b"text")], length=4), "help"))
        self.assertEqual(client.send(request("HEAD /a")), b"")
        response = parse(client.advance(1.0))
        self.assertEqual((response.status, response.body), (200, b""))
        self.assertEqual(response.headers["content-length"], "4")

    def test_notAllowed(self) -> None:
        """A method that the route does not take is a 405 with Allow, whatever its name."""
        for method in ("POST", "DELETE", "BREW", "PROPFIND"):
            response = response_of(Route("/a", fixed(), "help"), f"{method} /a")
            self.assertEqual(response.status, 405, method)
            self.assertEqual(response.headers["allow"], "GET, HEAD, OPTIONS")

    def test_options(self) -> None:
        """OPTIONS is a 204 with Allow and neither body nor Content-Length."""
        response = response_of(
            Route("/a", fixed(), "help", ("POST",), cors=False), "OPTIONS /a"
        )
        self.assertEqual((response.status, response.body), (204, b""))
        self.assertEqual(response.headers["allow"], "OPTIONS, POST")
        self.assertNotIn("content-length", response.headers)
        self.assertNotIn("content-type", response.headers)

    def test_any(self) -> None:
        """A route of any method takes OPTIONS and unregistered methods too."""
        for method in ("GET", "POST", "OPTIONS", "BREW", "M-SEARCH"):
            self.assertEqual(
                response_of(Route("/a", fixed(), "help", ANY), f"{method} /a").status, 200
            )


class ReplyTests(SynchronousTestCase):
    """
    The response of a reply.
    """

    def test_headers(self) -> None:
        """Status, type and headers are those of the reply, with nosniff."""
        reply = fixed(b"x", status=203, type="text/csv", headers=(("X-A", "1"), ("X-B", "2")))
        response = response_of(Route("/", reply, "help"), "GET /")
        self.assertEqual(response.status, 203)
        self.assertEqual(response.headers["content-type"], "text/csv")
        self.assertEqual((response.headers["x-a"], response.headers["x-b"]), ("1", "2"))
        self.assertEqual(response.headers["x-content-type-options"], "nosniff")
        self.assertEqual(response.headers["server"], "netd")

    def test_madeNow(self) -> None:
        """Without a delay a body function is called at once."""
        for start in BOTH:
            response = start(Route("/", lambda _: Reply(lambda: b"abc"), "")).request("GET /")
            self.assertEqual((response.headers["content-length"], response.body), ("3", b"abc"))

    def test_body(self) -> None:
        """The endpoint reads the request body from its start and knows its size and type."""

        def endpoint(call: Call) -> Reply:
            facts = f"{call.method} {call.length} {call.header('content-type')} ".encode()
            return Reply(facts + call.content.read())

        route = Route("/", endpoint, "help", ANY)
        response = response_of(route, "PUT /", "Content-Type: text/csv", body=b"1,2")
        self.assertEqual(response.body, b"PUT 3 text/csv 1,2")


class LogTests(SynchronousTestCase):
    """
    What the log has of a fault.
    """

    def test_fault(self) -> None:
        """The kind of a fault is noted, beside a delay, and nothing where there is none."""
        client = netd_client(
            Route("/", fixed(b"x", fault="unstable", delay=1.0), ""), Route("/b", fixed(), "")
        )
        notes = notes_of(client.site)
        client.send(request("GET /"))
        client.advance(1.0)
        client.send(request("GET /b"))
        self.assertEqual(notes, [{"fault": "unstable", "delay": 1.0}, {}])


class MistakeTests(SynchronousTestCase):
    """
    Mistakes of clients and bugs of endpoints.
    """

    def test_badCall(self) -> None:
        """The response to a BadCall has its status, detail and headers."""

        def endpoint(call: Call) -> Reply:
            raise BadCall("too much", 429, (("Retry-After", "1"),))

        response = response_of(Route("/", endpoint, "help"), "GET /")
        self.assertEqual(response.status, 429)
        self.assertEqual(response.headers["retry-after"], "1")
        self.assertEqual(json.loads(response.body)["detail"], "too much")

    def test_endpointBreaks(self) -> None:
        """A bug in an endpoint is one logged failure and a 500 without its text."""

        def endpoint(call: Call) -> Reply:
            raise ZeroDivisionError("secret")

        response = response_of(Route("/", endpoint, "help"), "GET /")
        self.assertEqual(response.status, 500)
        self.assertNotIn(b"secret", response.body)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class LaterTests(SynchronousTestCase):
    """
    Endpoints that need a value of another process.
    """

    def setUp(self) -> None:
        self.fetches: list[Callable[[object], None]] = []
        self.keys: list[str] = []
        self.clock = Clock()
        routes = (Route("/a/<key>", self.endpoint, "help", methods=ANY),)
        router = Router(routes, HTTP, self.clock, counts=self)
        clock, counters = Clock(), Counters()
        site = HTTPServer(router, clock, HTTP.limits, counters, now=lambda: 0.0)
        self.client = Client(configured(), clock, counters, site)

    def count(self, key: str) -> int:
        """The count of another process, which never has it at once."""
        self.keys.append(key)
        raise Later(self.fetches.append)

    def forget(self, key: str) -> int:
        """The same of a key that is forgotten."""
        return self.count(f"forget {key}")

    def endpoint(self, call: Call) -> Reply:
        """The count and the body; a body of `wrong` is a mistake, a count of 13 a bug."""
        body = call.content.read()
        ask = call.forget if call.method == "DELETE" else call.count
        count = ask(call.path_values["key"])
        if body == b"wrong":
            raise BadCall("wrong", 418)
        return Reply(b"%d %d %b" % (count, 1 // (13 - count), body), 204 if count == 9 else 200)

    def send(self, key: str, body: bytes = b"") -> bytes:
        """What comes at once."""
        return self.client.send(request(f"POST /a/{key}", body=body))

    def test_later(self) -> None:
        """The response leaves when the value is here, and the endpoint reads the body again."""
        self.assertEqual(self.send("a", b"body"), b"")
        self.assertEqual(self.keys, ["a"])
        self.fetches[0](12)
        response = parse(self.client.received())
        self.assertEqual((response.status, response.body), (200, b"12 1 body"))
        self.assertEqual(self.keys, ["a"])

    def test_forget(self) -> None:
        """A key is forgotten in the same way."""
        self.client.send(request("DELETE /a/b"))
        self.assertEqual(self.keys, ["forget b"])
        self.fetches[0](12)
        self.assertEqual(parse(self.client.received()).body, b"12 1 ")

    def test_turn(self) -> None:
        """When this turn has no time left the response is made in a later one."""
        turns = Turns.of(self.clock)
        for leaves in (False, True):
            self.send("a")
            turns.in_time()
            self.clock.rightNow += 1.0
            self.fetches.pop()(1)
            self.assertEqual(self.client.received(), b"")
            if leaves:
                self.client.disconnect()
            self.clock.advance(0)
            response = self.client.received()
            self.assertEqual(response.endswith(b"\r\n1 0 "), not leaves, response)

    def test_order(self) -> None:
        """A pipelined request is responded to after the one that waits."""
        self.send("a")
        self.assertEqual(self.send("b"), b"")
        self.fetches[0](1)
        self.assertTrue(self.client.received().endswith(b"\r\n1 0 "))
        self.client.advance(0)
        self.fetches[1](2)
        self.assertTrue(self.client.received().endswith(b"\r\n2 0 "))

    def test_noContent(self) -> None:
        """A response without content is a whole one, too."""
        self.send("a")
        self.fetches[0](9)
        self.assertEqual(parse(self.client.received()).status, 204)

    def test_badCall(self) -> None:
        """A mistake that is found with the value is a 4xx."""
        self.send("a", b"wrong")
        self.fetches[0](1)
        self.assertEqual(parse(self.client.received()).status, 418)

    def test_bug(self) -> None:
        """A bug that shows with the value is one logged failure and a 500."""
        self.send("a")
        self.fetches[0](13)
        self.assertEqual(parse(self.client.received()).status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_clientLeft(self) -> None:
        """Nothing happens when the client has left before the value comes."""
        self.send("a")
        self.client.disconnect()
        self.fetches[0](1)
        self.assertEqual(self.client.received(), b"")
        self.assertEqual(self.client.counters.responses[499], 1)


class RootTests(SynchronousTestCase):
    """
    The router as a Resource.
    """

    def test_besideChildren(self) -> None:
        """A router that is a child still matches the whole path."""
        clock = Clock()
        root = Resource()
        root.putChild(b"a", Router([Route("/a/b", fixed(), "help")], HTTP, clock))
        site = HTTPServer(root, clock, HTTP.limits, Counters())
        client = Client(evolve(configured()), clock, Counters(), site)
        self.assertEqual(client.request("GET /a/b").status, 200)


class FieldTests(SynchronousTestCase):
    """
    What a call holds.
    """

    def test_head(self) -> None:
        """A call has the head byte for byte; on stock Twisted it is written anew."""
        seen: list[bytes] = []

        def endpoint(call: Call) -> Reply:
            seen.append(call.head.raw)
            return Reply()

        data = b"GET /?x HTTP/1.1\r\nhOsT: netd\r\nb: 1\r\nA: 2\r\nb: 3\r\n\r\n"
        netd_client(Route("/", endpoint, "")).send(data)
        stock_client(Route("/", endpoint, "")).send(data)
        self.assertEqual(seen[0], data)
        expected = b"GET /?x HTTP/1.1\r\nHost: netd\r\nB: 1\r\nB: 3\r\nA: 2\r\n\r\n"
        self.assertEqual(seen[1], expected)

    def test_authority(self) -> None:
        """The authority and the path of an absolute target count."""
        seen: list[str] = []

        def endpoint(call: Call) -> Reply:
            seen.append(call.root + call.target)
            return Reply()

        client = netd_client(Route("/a", endpoint, ""))
        client.send(b"GET http://other:1/a?x HTTP/1.1\r\nHost: netd\r\n\r\n")
        self.assertEqual(seen, ["http://other:1/a?x"])

    def test_plain(self) -> None:
        """Without TLS the client's facts say so."""
        seen: list[Any] = []

        def endpoint(call: Call) -> Reply:
            seen.append((call.client.tls(), call.client.secure, call.client.address))
            return Reply()

        for start in BOTH:
            start(Route("/", endpoint, "")).send(request("GET /"))
        self.assertEqual([each[:2] for each in seen], [(None, False)] * 2)


class ScriptTests(SynchronousTestCase):
    """
    Replies that take time.
    """

    def test_waits(self) -> None:
        """A script, a raw script and a delayed body are sent when they are due."""
        for reply in ({"body": [Wait(1.0), Send(b"x")]}, {"body": b"x", "delay": 1.0}):
            client = netd_client(Route("/", fixed(**reply), ""))
            self.assertEqual(client.send(request("GET /")), b"")
            self.assertEqual(parse(client.advance(1.0)).status, 200)
        client = netd_client(Route("/", fixed([Wait(1.0), Send(b"x")], raw=True), ""))
        client.send(request("GET /"))
        self.assertEqual(client.advance(1.0), b"x")

    def test_length(self) -> None:
        """The length of a script is its Content-Length."""
        client = netd_client(Route("/", fixed([Send(b"xy")], length=2), ""))
        self.assertEqual(client.request("GET /").headers["content-length"], "2")


class _Handle:
    """A TLS connection of pyOpenSSL, as a fake."""

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
    """A transport that provides TLS."""

    certificate: X509 | None = None
    name: bytes | None = None

    def __init__(self) -> None:
        Transport.__init__(self)
        alsoProvides(self, ISSLTransport)

    def getHandle(self) -> _Handle:
        return _Handle(self.name)

    def getPeerCertificate(self) -> X509 | None:
        return self.certificate


class TLSTests(SynchronousTestCase):
    """
    The facts about TLS.
    """

    def facts(self, transport: Transport) -> Any:
        """What `Client.tls` returns on this transport."""
        seen: list[Any] = []

        def endpoint(call: Call) -> Reply:
            seen.append(call.client.tls())
            return Reply()

        client = netd_client(Route("/", endpoint, ""), transport=transport)
        client.request("GET /")
        return seen[0]

    def test_none(self) -> None:
        """Without TLS there is nothing."""
        self.assertIsNone(self.facts(Transport()))

    def test_facts(self) -> None:
        """Version, cipher, SNI, ALPN and certificate are there."""
        tls = self.facts(_Secure())
        self.assertEqual((tls["version"], tls["bits"]), ("TLSv1.3", 256))
        self.assertEqual((tls["sni"], tls["alpn"]), (None, None))
        self.assertIsNone(tls["client_certificate"])

    def test_certificate(self) -> None:
        """A client certificate is shown by subject, serial number and digest."""
        transport = _Secure()
        transport.name = b"netd.test"
        transport.certificate = X509.from_cryptography(identity("client").certificate)
        tls = self.facts(transport)
        self.assertEqual((tls["sni"], tls["alpn"]), ("netd.test", "http/1.1"))
        shown = tls["client_certificate"]
        self.assertEqual(shown["serial"], f"{transport.certificate.get_serial_number():x}")
        self.assertEqual(shown["subject"], "CN=client")
        self.assertEqual(shown["sha256"].count(":"), 31)


class ResponseFieldTests(SynchronousTestCase):
    """
    Fields that an endpoint sets.
    """

    def test_repeated(self) -> None:
        """A field that comes twice has two lines."""
        route = Route("/", fixed(headers=(("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))), "")
        for start in BOTH:
            data = start(route).send(request("GET /"))
            self.assertEqual(data.count(b"Set-Cookie: "), 2)
            self.assertLess(data.index(b"a=1"), data.index(b"b=2"))


class DelayTests(SynchronousTestCase):
    """
    X-Netd-Delay, and values that are clamped.
    """

    def test_any(self) -> None:
        """Bytes, functions, scripts and empty responses are delayed, HEAD too."""
        for endpoint, code in (
            (fixed(b"x"), 200),
            (fixed(lambda: b"x"), 200),
            (fixed([Wait(1.0), Send(b"x")], length=1), 200),
            (fixed(b"", status=204), 204),
            (fixed(b"", status=304), 304),
        ):
            for method in ("GET", "HEAD"):
                client = netd_client(Route("/a", endpoint, "help"))
                scripted = endpoint(cast(Call, None)).length is not None
                sent = client.send(request(f"{method} /a", "x-netd-DELAY: 2s"))
                self.assertEqual(sent, b"")
                self.assertEqual(client.advance(1.9), b"")
                sent = client.advance(0.2) + client.advance(1.0 if scripted else 0.0)
                self.assertEqual(parse(sent).status, code)
                self.assertEqual(client.request("GET /b").status, 404)

    def test_refused(self) -> None:
        """A malformed delay is a 400 before the endpoint is called."""
        called: list[Call] = []

        def endpoint(call: Call) -> Reply:
            called.append(call)
            return Reply()

        client = netd_client(Route("/a", endpoint, "help"))
        self.assertEqual(client.request("GET /a", "X-Netd-Delay: x").status, 400)
        self.assertEqual(called, [])

    def test_prompt(self) -> None:
        """A route that is prompt or has a time of its own ignores it."""
        timed = (Parameter("x", "duration", ""),)
        for route in (
            Route("/a", fixed(), "help", prompt=True),
            Route("/a", fixed(), "help", parameters=timed),
        ):
            response = response_of(route, "GET /a", "X-Netd-Delay: 2s")
            self.assertEqual(response.status, 200)

    def test_clamped(self) -> None:
        """A clamped value is named in the response."""

        def endpoint(call: Call) -> Reply:
            return Reply(str(call.value("n")).encode())

        n = Parameter("n", "integer", "", most=5, clamps=True)
        client = netd_client(Route("/a/<n>", endpoint, "help", parameters=(n,)))
        response = client.request("GET /a/6")
        self.assertEqual((response.body, response.headers["x-netd-clamped"]), (b"5", "n=5"))
        self.assertNotIn("x-netd-clamped", client.request("GET /a/5").headers)


class SharingTests(SynchronousTestCase):
    """
    Scripts of other origins (Fetch, CORS).
    """

    def test_any(self) -> None:
        """Scripts of any origin may read responses without credentials, errors included."""
        for client in (each(Route("/a", fixed(), "help")) for each in BOTH):
            for line in ("GET /a", "GET /b", "POST /a"):
                for fields in ((), ("Origin: http://x",), ("Origin: null",)):
                    response = client.request(line, *fields)
                    self.assertEqual(response.headers["access-control-allow-origin"], "*")
                    self.assertNotIn("access-control-allow-credentials", response.headers)
                    self.assertNotIn("vary", response.headers)

    def test_exact(self) -> None:
        """With --httpbin-exact the origin is named, with credentials and `Vary: Origin`."""
        route = Route("/a", fixed(headers=(("Vary", "Accept"),)), "help")
        lab = evolve(HTTP.lab, httpbin_exact=True)
        for start in BOTH:
            client = start(route, config=evolve(HTTP, lab=lab))
            for fields, origin in (((), "*"), (("Origin: http://x",), "http://x")):
                response = client.send(request("GET /a", *fields)).lower()
                sent = f"access-control-allow-origin: {origin}\r\n".encode()
                self.assertEqual(response.count(b"access-control-allow-origin"), 1)
                self.assertIn(sent, response)
                self.assertIn(b"access-control-allow-credentials: true\r\n", response)
                self.assertIn(b"vary: accept\r\n", response)
                self.assertIn(b"vary: origin\r\n", response)
            self.assertIn(b"404 NOT FOUND\r\n", client.send(request("GET /b")))

    def test_preflight(self) -> None:
        """A preflight allows the methods that httpbin allows, whatever the route takes."""
        for methods in (("GET",), ANY):
            client = netd_client(Route("/a", fixed(status=500), "help", methods))
            preflight = ("Origin: http://x", "Access-Control-Request-Method: PUT")
            response = client.request(
                "OPTIONS /a", *preflight, "Access-Control-Request-Headers: X-A"
            )
            self.assertEqual((response.status, response.body), (200, b""))
            self.assertEqual(
                response.headers["access-control-allow-methods"],
                "GET, POST, PUT, DELETE, PATCH, OPTIONS",
            )
            self.assertEqual(response.headers["access-control-allow-headers"], "X-A")
            self.assertEqual(response.headers["access-control-max-age"], "3600")

    def test_none(self) -> None:
        """A route without CORS has none of these fields."""
        response = response_of(
            Route("/a", fixed(), "help", cors=False), "GET /a", "Origin: http://x"
        )
        self.assertNotIn("access-control-allow-origin", response.headers)


class SandboxTests(SynchronousTestCase):
    """
    The fields that keep browsers from running a client's bytes.
    """

    def test_locked(self) -> None:
        """Every response has nosniff; those with bytes of the client have a sandbox."""
        for start in BOTH:
            client = start(Route("/a", fixed(), ""), Route("/b", fixed(sandbox=False), ""))
            for line in ("GET /a", "GET /none", "POST /a"):
                response = client.request(line)
                self.assertEqual(response.headers["content-security-policy"], SANDBOX)
                self.assertEqual(response.headers["x-content-type-options"], "nosniff")
            ours = client.request("GET /b")
            self.assertNotIn("content-security-policy", ours.headers)
            self.assertEqual(ours.headers["x-content-type-options"], "nosniff")
