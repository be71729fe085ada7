"""
XML-RPC over HTTP.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from typing import Any
from xmlrpc.client import Fault, dumps, loads

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import NOT_DONE_YET

from netd.counters import Counters
from netd.http.server import HTTPServer
from netd.test.lab.conversation import Answer, Conversation, configured, limited, parse, request
from netd.test.xmlrpc.test_reader import NOT_CALLS
from netd.xmlrpc import resource
from netd.xmlrpc.caller import Caller
from netd.xmlrpc.content_coding import LARGEST
from netd.xmlrpc.faults import (
    APPLICATION,
    BAD_PARAMETERS,
    BUSY,
    INTERNAL,
    NO_METHOD,
    NOT_WELL_FORMED,
    NOT_XMLRPC,
    TIMEOUT,
    TOO_LARGE,
    UNSUPPORTED_ENCODING,
)
from netd.xmlrpc.faults import Fault as OwnFault
from netd.xmlrpc.methods import arithmetic, introspection, ip, lab
from netd.xmlrpc.registry import Procedure, Registry, procedure, rpc
from netd.xmlrpc.resource import RPC, Alone
from netd.xmlrpc.writer import Encoded

# Larger than a call may be, so that it is the resource that refuses one.
ROOMY = configured(limited(max_body=2 << 20))
XML = "Content-Type: text/xml"


def understood(answer: Answer) -> Any:
    """What the standard library's client makes of an answer."""
    body = answer.body
    if answer.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    (result,), _ = loads(body, use_builtin_types=True)
    return result


class _Tests(SynchronousTestCase):
    """
    A resource on a site on a clock.
    """

    origins: tuple[str, ...] = ()

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.later: Deferred[Any] = Deferred()
        methods = (*arithmetic.PROCEDURES, *ip.PROCEDURES, *lab.procedures(self.clock))
        self.registry = Registry(methods)
        caller = Caller(self.registry, self.clock, self.elsewhere, counters=self.counters)
        for each in introspection.procedures(self.registry):
            self.registry.add(each)
        root = Alone(RPC(self.registry, caller, self.origins))
        # Without the limits by path that netd's own site has.
        self.site = HTTPServer(root, self.clock, ROOMY.http.limits, self.counters)
        self.talk = self.conversation()

    def conversation(self) -> Conversation:
        """One more client."""
        return Conversation(clock=self.clock, counters=self.counters, site=self.site)

    def elsewhere(self, found: Procedure, values: Sequence[Any]) -> Deferred[Any]:
        """A pool that does nothing."""
        return self.later

    def ask(self, line: str, *headers: str, body: bytes = b"") -> Answer:
        """The answer to a request, all turns taken."""
        heard = self.talk.ask(request(line, *headers, body=body))
        return parse(heard + self.talk.turn(0))

    def post(self, body: bytes, *headers: str) -> Answer:
        """The answer to a call."""
        return self.ask("POST /RPC2", XML, *headers, body=body)

    def call(self, method: str, *parameters: Any) -> Any:
        """The result of a call."""
        return understood(self.post(dumps(parameters, method, allow_none=True).encode()))

    def code(self, body: bytes, *headers: str) -> int:
        """The fault code of the answer to a body."""
        wrong = self.assertRaises(Fault, understood, self.post(body, *headers))
        return int(wrong.faultCode)

    def add(self, function: Any, name: str = "f") -> None:
        """Publish one more."""
        self.registry.add(procedure(function, name))


class CallTests(_Tests):
    """
    Calls by POST.
    """

    def test_seed(self) -> None:
        """The seed's session gives 8, 5, 10 and the list of methods."""
        self.assertEqual(
            [self.call("pow", 2, 3), self.call("add", 2, 3), self.call("mul", 5, 2)], [8, 5, 10]
        )
        self.assertIn("system.multicall", self.call("system.listMethods"))

    def test_head(self) -> None:
        """An answer is text/xml of a known length."""
        answer = self.post(dumps((2, 3), "add").encode())
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["content-type"], "text/xml; charset=utf-8")
        self.assertEqual(answer.headers["content-length"], str(len(answer.body)))
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")

    def test_values(self) -> None:
        """Values of all types come back, large ones in turns."""
        for value in (
            ["a\u00e9", {"b": [True, None, b"\x00", 0.5]}],
            "x" * 900_000,
            [1] * 20_000,
        ):
            self.assertEqual(self.call("lab.echo", value), value)

    def test_i8(self) -> None:
        """i8 is taken and sent."""
        body = dumps((1, 2), "add").replace("<int>1</int>", "<i8>4294967296</i8>").encode()
        self.assertIn(b"<i8>4294967298</i8>", self.post(body).body)
        self.assertIn(b"<i8>", self.post(dumps((2, 62), "pow").encode()).body)

    def test_types(self) -> None:
        """Both types of XML are taken, with any parameters; charset counts."""
        body = dumps((2, 3), "add").encode()
        for said in ("text/xml", "application/xml", 'Text/XML; charset="utf-8"; x=y'):
            answer = self.ask("POST /", f"Content-Type: {said}", body=body)
            self.assertEqual(understood(answer), 5, said)
        latin = dumps(("h\u00e9",), "lab.echo").encode("latin-1")
        head = "Content-Type: text/xml; charset=iso-8859-1"
        self.assertEqual(understood(self.ask("POST /RPC2", head, body=latin)), "h\u00e9")

    def test_compressed(self) -> None:
        """gzip and deflate are undone."""
        body = dumps((2, 3), "add").encode()
        for coding, packed in (
            ("gzip", gzip.compress(body)),
            ("x-gzip", gzip.compress(body)),
            ("deflate", zlib.compress(body)),
            ("identity", body),
        ):
            self.assertEqual(understood(self.post(packed, f"Content-Encoding: {coding}")), 5)

    def test_compressedAnswer(self) -> None:
        """A long answer is compressed for those who take that, and says that it may be."""
        body = dumps(("x" * 5000,), "lab.echo").encode()
        for head, coding in (("Accept-Encoding: gzip", "gzip"), ("Accept: */*", None)):
            answer = self.post(body, head)
            self.assertEqual(answer.headers.get("content-encoding"), coding)
            self.assertEqual(answer.headers["vary"], "Accept-Encoding")
            self.assertEqual(understood(answer), "x" * 5000)
        short = self.post(dumps((2, 3), "add").encode(), "Accept-Encoding: gzip")
        self.assertNotIn("content-encoding", short.headers)

    def test_multicall(self) -> None:
        """A multicall is answered in order."""
        calls = [{"methodName": "add", "params": [n, 1]} for n in range(5)]
        self.assertEqual(self.call("system.multicall", calls), [[n + 1] for n in range(5)])

    def test_whoami(self) -> None:
        """A client can ask who it is."""
        peers = ("127.0.0.1", self.talk.transport.getPeer().host)
        self.assertIn(self.call("ip.whoami")["address"], peers)

    def test_oneAfterTheOther(self) -> None:
        """Calls on one connection are answered in order, small and large."""
        large = request("POST /", XML, body=dumps(("x" * 100_000,), "lab.echo").encode())
        small = request("POST /", XML, body=dumps((2, 3), "add").encode())
        heard = self.talk.ask(large + small)
        for _ in range(5):
            heard += self.talk.turn(0)
        self.assertEqual(heard.count(b"HTTP/1.1 200 OK"), 2)
        self.assertTrue(heard.rstrip().endswith(b"</methodResponse>"))
        self.assertIn(b"<int>5</int>", heard[-300:])


class LaterTests(_Tests):
    """
    Calls that take their time.
    """

    def test_delay(self) -> None:
        """A method that waits is answered when it is done."""
        body = dumps((2,), "lab.delay").encode()
        self.assertEqual(self.talk.ask(request("POST /", XML, body=body)), b"")
        self.assertEqual(self.talk.turn(1.9), b"")
        self.assertEqual(understood(parse(self.talk.turn(0.1))), 2)

    def test_timeout(self) -> None:
        """After 30 s the call is given up."""
        self.talk.ask(request("POST /", XML, body=dumps((100,), "lab.delay").encode()))
        answer = parse(self.talk.turn(30))
        self.assertEqual(self.assertRaises(Fault, understood, answer).faultCode, TIMEOUT)

    def test_left(self) -> None:
        """When the client leaves, nothing of its call is left, and nothing is logged."""
        for parameters, method in (((100,), "lab.delay"), (("x" * 100_000,), "lab.echo")):
            talk = self.conversation()
            talk.ask(request("POST /", XML, body=dumps(parameters, method).encode()))
            before = len(self.clock.getDelayedCalls())
            talk.leave()
            self.assertLess(len(self.clock.getDelayedCalls()), before)
            self.clock.advance(0)

    def test_brokenAfterLeaving(self) -> None:
        """What breaks while a call is given up is logged, though nobody hears of it."""
        finished: Deferred[None] = Deferred()
        forever: Deferred[None] = Deferred()

        class Asked:
            """What is used of a request."""

            def notifyFinish(self) -> Deferred[None]:
                """Fires when the client has left."""
                return finished

        async def work() -> bytes:
            try:
                await forever
            finally:
                raise RuntimeError("not cancelled")

        self.assertEqual(resource._settled(Asked(), work()), NOT_DONE_YET)
        finished.errback(ConnectionLost())
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_offloaded(self) -> None:
        """What the pool gives is sent as it is; its faults are faults."""
        self.registry.add(procedure(rpc("f", offload=True)(lambda: 1)))
        body = dumps((), "f").encode()
        self.assertEqual(self.talk.ask(request("POST /", XML, body=body)), b"")
        self.later.callback(Encoded(b"<value><int>7</int></value>"))
        self.assertEqual(understood(parse(self.talk.heard())), 7)

    def test_busy(self) -> None:
        """A pool that is full says so."""

        def full(*_: Any) -> Any:
            raise OwnFault(BUSY, "busy")

        self.add(full)
        self.assertEqual(self.code(dumps((), "f").encode()), BUSY)


class FaultTests(_Tests):
    """
    Everything that is no proper call ends in a Fault, and in no log line.
    """

    def test_counted(self) -> None:
        """A body that is no call is counted by its fault, and as no method's."""
        self.code(b"")
        self.code(b"<x/>")
        self.call("pow", 2, 3)
        self.assertEqual(
            self.counters.calls, {("", NOT_WELL_FORMED): 1, ("", NOT_XMLRPC): 1, ("pow", 0): 1}
        )

    def test_codes(self) -> None:
        """Each kind of mistake has its code."""
        whole = dumps((1, 2), "add").encode().rstrip()
        for body, wanted in (
            (b"", NOT_WELL_FORMED),
            (whole[:-1], NOT_WELL_FORMED),
            (dumps((), "nope").encode(), NO_METHOD),
            (dumps(("a",), "nope").encode(), NO_METHOD),
            (dumps((1,), "add").encode(), BAD_PARAMETERS),
            (b"<?xml version='1.0' encoding='EBCDIC'?>" + whole, UNSUPPORTED_ENCODING),
        ):
            self.assertEqual(self.code(body), wanted, body)
        head = "Content-Type: text/xml; charset=koi8-r"
        answer = self.ask("POST /RPC2", head, body=whole)
        wrong = self.assertRaises(Fault, understood, answer)
        self.assertEqual(wrong.faultCode, UNSUPPORTED_ENCODING)

    def test_notCalls(self) -> None:
        """What is no call is a fault, and the connection lives on."""
        for what, body in NOT_CALLS.items():
            self.assertEqual(self.code(body.encode()), NOT_XMLRPC, what)
        self.assertEqual(self.call("add", 2, 3), 5)

    def test_hazards(self) -> None:
        """What froze stock twisted.web.xmlrpc, or made it send 30 MB, is refused at once."""
        for method, values in (
            ("pow", (3, 10**7)),
            ("pow", (7, 10**9)),
            ("mul", ("a", 3 * 10**7)),
            ("mul", (3 * 10**7, "a")),
            ("add", ([1], [2])),
            ("add", (True, 1)),
            ("mul", (1e308, 10.0)),
        ):
            body = dumps(values, method).encode()
            self.assertEqual(self.code(body), BAD_PARAMETERS, (method, values))

    def test_unsendable(self) -> None:
        """A result that XML-RPC has no form of is a fault; so is one too large."""
        for value, code in (
            (float("nan"), INTERNAL),
            (2**63, INTERNAL),
            ("\x00", INTERNAL),
            (object(), INTERNAL),
            ("x" * 9_000_000, TOO_LARGE),
        ):
            self.add(lambda value=value: value, f"f{id(value)}")
            self.assertEqual(self.code(dumps((), f"f{id(value)}").encode()), code)

    def test_bug(self) -> None:
        """A bug is an id to the client and a traceback in the log."""

        def broken() -> None:
            raise ZeroDivisionError("secret")

        self.add(broken)
        self.add(Unreadable, "g")
        for name in ("f", "g"):
            answer = self.post(dumps((), name).encode())
            wrong = self.assertRaises(Fault, understood, answer)
            self.assertEqual(wrong.faultCode, APPLICATION)
            self.assertNotIn(b"secret", answer.body)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Unreadable:
    """A record whose fields cannot be read."""

    __dataclass_fields__ = property(lambda _: 1 / 0)


class HTTPTests(_Tests):
    """
    What HTTP has to say beside calls.
    """

    def test_documentation(self) -> None:
        """GET is the documentation, HEAD its head."""
        for path in ("/", "/RPC2", "/RPC2/"):
            answer = self.ask(f"GET {path}")
            self.assertEqual(answer.headers["content-type"], "text/html; charset=utf-8")
            self.assertIn("default-src 'none'", answer.headers["content-security-policy"])
            self.assertIn(b"system.multicall", answer.body)
        head = self.ask("HEAD /RPC2")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers["content-length"], str(len(answer.body)))

    def test_below(self) -> None:
        """There is nothing below, and nothing beside."""
        for line in ("GET /RPC2/x", "POST /RPC2/x", "GET /x", "OPTIONS /RPC2/x/y"):
            self.assertEqual(self.ask(line, XML).status, 404)

    def test_otherMethods(self) -> None:
        """OPTIONS says what there is; other methods are refused with that."""
        allow = "GET, HEAD, OPTIONS, POST"
        answer = self.ask("OPTIONS /RPC2")
        self.assertEqual(
            (answer.status, answer.headers["allow"], answer.body), (204, allow, b"")
        )
        for method in ("PUT", "DELETE", "PATCH", "INVENTED"):
            answer = self.ask(f"{method} /RPC2")
            self.assertEqual((answer.status, answer.headers["allow"]), (405, allow), method)

    def test_otherTypes(self) -> None:
        """What a form on a page elsewhere could send is no call."""
        body = dumps((2, 3), "add").encode()
        for said in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            answer = self.ask("POST /RPC2", f"Content-Type: {said}", body=body)
            self.assertEqual(answer.status, 415, said)
            self.assertIn("text/xml", answer.headers["accept-post"])
        self.assertEqual(self.ask("POST /RPC2", body=body).status, 415)

    def test_otherCodings(self) -> None:
        """Other compressions are refused, broken ones too."""
        answer = self.post(b"x", "Content-Encoding: br")
        self.assertEqual(
            (answer.status, answer.headers["accept-encoding"]), (415, "gzip, deflate")
        )
        for body in (b"x", gzip.compress(b"x")[:-1]):
            self.assertEqual(self.post(body, "Content-Encoding: gzip").status, 400)

    def test_tooLarge(self) -> None:
        """More than 1 MiB is refused, compressed or not."""
        plain = self.post(b"x" * (LARGEST + 1))
        bomb = self.post(gzip.compress(bytes(10_000_000)), "Content-Encoding: gzip")
        for answer in (plain, bomb):
            self.assertEqual(answer.status, 413)
            wrong = self.assertRaises(Fault, understood, answer)
            self.assertEqual(wrong.faultCode, TOO_LARGE)
        just = dumps(("",), "lab.echo").encode()
        padding = b" " * (LARGEST - len(just))
        self.assertEqual(understood(self.post(just + padding)), "")

    def test_noCORS(self) -> None:
        """Scripts of other origins are told nothing, unless that was asked for."""
        answer = self.ask("OPTIONS /RPC2", "Origin: http://a.example")
        self.assertFalse([name for name in answer.headers if name.startswith("access")])


class CORSTests(_Tests):
    """
    With one origin allowed.
    """

    origins = ("http://a.example",)

    def test_allowed(self) -> None:
        """Scripts of that origin may call."""
        answer = self.ask("OPTIONS /RPC2", "Origin: http://a.example")
        self.assertEqual(answer.headers["access-control-allow-origin"], "http://a.example")
        self.assertEqual(answer.headers["access-control-allow-headers"], "Content-Type")
        answer = self.post(dumps((2, 3), "add").encode(), "Origin: http://a.example")
        self.assertEqual(answer.headers["access-control-allow-origin"], "http://a.example")
        self.assertEqual(answer.headers["vary"], "Origin")

    def test_others(self) -> None:
        """Those of others may not."""
        for head in ("Origin: http://b.example", "Accept: */*"):
            answer = self.ask("OPTIONS /RPC2", head)
            self.assertNotIn("access-control-allow-origin", answer.headers)


class EveryOriginTests(_Tests):
    """
    With every origin allowed.
    """

    origins = ("*",)

    def test_any(self) -> None:
        """Scripts of any origin may call."""
        answer = self.ask("GET /RPC2", "Origin: http://b.example")
        self.assertEqual(answer.headers["access-control-allow-origin"], "http://b.example")
