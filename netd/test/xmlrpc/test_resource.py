"""
XML-RPC over HTTP.
"""

from __future__ import annotations

import gc
import gzip
import zlib
from collections.abc import Sequence
from typing import Any, cast
from weakref import ref
from xmlrpc.client import Fault, dumps, loads

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web import server
from twisted.web.server import NOT_DONE_YET

from netd.counters import Counters
from netd.http.request import Request
from netd.http.server import HTTPServer
from netd.test.lab.client import Client, Response, configured, limited, parse, request
from netd.test.lab.sites import notes_of
from netd.test.xmlrpc.test_reader import NOT_CALLS
from netd.xmlrpc import resource
from netd.xmlrpc.caller import MULTICALL, Caller
from netd.xmlrpc.content_coding import LARGEST
from netd.xmlrpc.faults import (
    APPLICATION,
    BAD_PARAMETERS,
    BUSY,
    CANCELLED,
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
from netd.xmlrpc.resource import RPC, RPCRoot
from netd.xmlrpc.writer import Encoded

# Larger than a call may be, so that the resource refuses a large call.
ROOMY = configured(limited(max_body=2 << 20))
XML = "Content-Type: text/xml"


def understood(response: Response) -> Any:
    """The result in a response, read by the standard library."""
    body = response.body
    if response.headers.get("content-encoding") == "gzip":
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
        self.root = RPCRoot(RPC(self.registry, caller, self.origins))
        # Without the limits by path that netd's own site has.
        self.site: Any = HTTPServer(self.root, self.clock, ROOMY.http.limits, self.counters)
        self.talk = self.conversation()

    def conversation(self) -> Client:
        """One more client."""
        return Client(clock=self.clock, counters=self.counters, site=self.site)

    def elsewhere(self, method: Procedure, values: Sequence[Any]) -> Deferred[Any]:
        """Leave an offloaded call waiting."""
        return self.later

    def ask(self, line: str, *headers: str, body: bytes = b"") -> Response:
        """The response to a request, after all steps."""
        received = self.talk.send(request(line, *headers, body=body))
        return parse(received + self.talk.advance(0))

    def post(self, body: bytes, *headers: str) -> Response:
        """The response to a call."""
        return self.ask("POST /RPC2", XML, *headers, body=body)

    def call(self, method: str, *parameters: Any) -> Any:
        """The result of a call."""
        return understood(self.post(dumps(parameters, method, allow_none=True).encode()))

    def code(self, body: bytes, *headers: str) -> int:
        """The fault code of the response to a body."""
        fault = self.assertRaises(Fault, understood, self.post(body, *headers))
        return int(fault.faultCode)

    def add(self, function: Any, name: str = "f") -> None:
        """Publish a function."""
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
        """A response is text/xml with a Content-Length."""
        response = self.post(dumps((2, 3), "add").encode())
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["content-type"], "text/xml; charset=utf-8")
        self.assertEqual(response.headers["content-length"], str(len(response.body)))
        self.assertEqual(response.headers["x-content-type-options"], "nosniff")

    def test_values(self) -> None:
        """Values of all types are echoed, large ones in steps."""
        for value in (
            ["a\u00e9", {"b": [True, None, b"\x00", 0.5]}],
            "x" * 900_000,
            [1] * 20_000,
        ):
            self.assertEqual(self.call("lab.echo", value), value)

    def test_i8(self) -> None:
        """i8 is read and written."""
        body = dumps((1, 2), "add").replace("<int>1</int>", "<i8>4294967296</i8>").encode()
        self.assertIn(b"<i8>4294967298</i8>", self.post(body).body)
        self.assertIn(b"<i8>", self.post(dumps((2, 62), "pow").encode()).body)

    def test_types(self) -> None:
        """Both media types of XML are accepted, and their charset is used."""
        body = dumps((2, 3), "add").encode()
        for content_type in ("text/xml", "application/xml", 'Text/XML; charset="utf-8"; x=y'):
            response = self.ask("POST /", f"Content-Type: {content_type}", body=body)
            self.assertEqual(understood(response), 5, content_type)
        latin = dumps(("h\u00e9",), "lab.echo").encode("latin-1")
        head = "Content-Type: text/xml; charset=iso-8859-1"
        self.assertEqual(understood(self.ask("POST /RPC2", head, body=latin)), "h\u00e9")

    def test_compressed(self) -> None:
        """Calls in gzip and deflate are decompressed."""
        body = dumps((2, 3), "add").encode()
        for coding, packed in (
            ("gzip", gzip.compress(body)),
            ("x-gzip", gzip.compress(body)),
            ("deflate", zlib.compress(body)),
            ("identity", body),
        ):
            self.assertEqual(understood(self.post(packed, f"Content-Encoding: {coding}")), 5)

    def test_compressedAnswer(self) -> None:
        """A long response is compressed for clients that accept gzip, and varies by that."""
        body = dumps(("x" * 5000,), "lab.echo").encode()
        for head, coding in (("Accept-Encoding: gzip", "gzip"), ("Accept: */*", None)):
            response = self.post(body, head)
            self.assertEqual(response.headers.get("content-encoding"), coding)
            self.assertEqual(response.headers["vary"], "Accept-Encoding")
            self.assertEqual(understood(response), "x" * 5000)
        short = self.post(dumps((2, 3), "add").encode(), "Accept-Encoding: gzip")
        self.assertNotIn("content-encoding", short.headers)

    def test_multicall(self) -> None:
        """The results of a multicall are in order."""
        calls = [{"methodName": "add", "params": [n, 1]} for n in range(5)]
        self.assertEqual(self.call("system.multicall", calls), [[n + 1] for n in range(5)])

    def test_whoami(self) -> None:
        """ip.whoami gives the client's address."""
        peers = ("127.0.0.1", self.talk.transport.getPeer().host)
        self.assertIn(self.call("ip.whoami")["address"], peers)

    def test_oneAfterTheOther(self) -> None:
        """Calls on one connection get their responses in order, large or small."""
        large = request("POST /", XML, body=dumps(("x" * 100_000,), "lab.echo").encode())
        small = request("POST /", XML, body=dumps((2, 3), "add").encode())
        received = self.talk.send(large + small)
        for _ in range(5):
            received += self.talk.advance(0)
        self.assertEqual(received.count(b"HTTP/1.1 200 OK"), 2)
        self.assertTrue(received.rstrip().endswith(b"</methodResponse>"))
        self.assertIn(b"<int>5</int>", received[-300:])


class StockTests(CallTests):
    """
    The same calls on a stock site.
    """

    def setUp(self) -> None:
        CallTests.setUp(self)
        self.site = server.Site(self.root, reactor=self.clock)
        self.talk = self.conversation()


class LaterTests(_Tests):
    """
    Calls that take their time.
    """

    def test_delay(self) -> None:
        """The response of a method that waits comes when it is done."""
        body = dumps((2,), "lab.delay").encode()
        self.assertEqual(self.talk.send(request("POST /", XML, body=body)), b"")
        self.assertEqual(self.talk.advance(1.9), b"")
        self.assertEqual(understood(parse(self.talk.advance(0.1))), 2)

    def test_waitingIsSmall(self) -> None:
        """While a call waits nothing keeps its body or its parameters, in a multicall too."""
        self.add(rpc(offload=True)(lambda texts: texts), "heavy")
        text = "kept-nowhere"
        calls = [{"methodName": "heavy", "params": [[text]]}]
        for parameters, method in ((([text],), "heavy"), ((calls,), MULTICALL)):
            self.later = Deferred()
            body = dumps(parameters, method).encode()
            self.talk.send(request("POST /", XML, body=body))
            self.clock.pump([0] * 10)
            there = gc.get_objects()
            texts = [each for each in there if type(each) is list and len(each) == 1]
            # Those of this test have the very string.
            kept = [each[0] for each in texts if type(each[0]) is str and each[0] == text]
            self.assertEqual([each for each in kept if each is not text], [])
            requests = [each for each in there if type(each) is Request]
            (waiting,) = [each for each in requests if each.notes == (("rpc_method", method),)]
            self.assertTrue(waiting.content.closed)
            self.later.callback(1)
            self.talk.advance(0)

    def test_crowd(self) -> None:
        """Few large calls are in memory at one time; one that waits for its result is not."""
        self.registry.add(procedure(rpc(offload=True)(lambda text: text), "heavy"))
        most = resource._MOST_LARGE
        for method in ("lab.echo", "heavy"):
            body = dumps(("x" * 100_000,), method).encode()
            talks = [self.conversation() for _ in range(most + 2)]
            for talk in talks:
                talk.send(request("POST /", XML, body=body))
            requests = [talk.channel.request for talk in talks]
            read = [each.content.closed for each in requests]
            self.assertEqual(read, [True] * most + [False] * 2)
            talks.pop().disconnect()
            self.clock.advance(0)
            self.assertTrue(requests[-2].content.closed)
            if method == "heavy":
                self.later.callback("done")
            for talk in talks[:1] + talks[-1:]:
                self.assertEqual(parse(talk.received()).status, 200)

    def test_crowdOfSmall(self) -> None:
        """Any number of short compressed calls wait for large ones, and are not nested."""
        large = dumps(("x" * 100_000,), "lab.echo").encode()
        small = gzip.compress(dumps((2, 3), "add").encode())
        for _ in range(resource._MOST_LARGE):
            self.conversation().send(request("POST /", XML, body=large))
        talks = [self.conversation() for _ in range(300)]
        for talk in talks:
            talk.send(request("POST /", XML, "Content-Encoding: gzip", body=small))
        self.clock.advance(0)
        self.assertEqual({understood(parse(talk.received())) for talk in talks}, {5})

    def test_timeout(self) -> None:
        """A call times out after 30 s."""
        self.talk.send(request("POST /", XML, body=dumps((100,), "lab.delay").encode()))
        response = parse(self.talk.advance(30))
        self.assertEqual(self.assertRaises(Fault, understood, response).faultCode, TIMEOUT)

    def test_left(self) -> None:
        """A call ends without a log entry when its client leaves."""
        for parameters, method in (((100,), "lab.delay"), (("x" * 100_000,), "lab.echo")):
            talk = self.conversation()
            talk.send(request("POST /", XML, body=dumps(parameters, method).encode()))
            talk.disconnect()
            self.clock.advance(0)
            # What is left is the sweep, for the client of `setUp`.
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_leftIsFreed(self) -> None:
        """What a call holds is freed when its client leaves, without the garbage collector."""

        class Large(list[str]):
            """A list that can be referred to weakly."""

        held: list[Any] = []

        def large() -> Large:
            result = Large(["x" * 100_000] * 9)
            held.append(ref(result))
            return result

        async def waits() -> None:
            mine = Large()
            held.append(ref(mine))
            await Deferred()

        self.add(large, "large")
        self.add(waits, "waits")
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for method in ("large", "waits"):
            talk = self.conversation()
            talk.send(request("POST /", XML, body=dumps((), method).encode()))
            self.assertIsNotNone(held[-1]())
            talk.disconnect()
            self.clock.advance(0)
            self.assertIsNone(held[-1](), method)

    def test_brokenAfterLeaving(self) -> None:
        """An exception during the cancellation of a call is logged."""
        finished: Deferred[None] = Deferred()
        forever: Deferred[None] = Deferred()

        class Left:
            """The part of a request that is used when its client has left."""

            def notifyFinish(self) -> Deferred[None]:
                """Fires when the client has left."""
                return finished

        async def work() -> bytes:
            try:
                await forever
            finally:
                raise RuntimeError("not cancelled")

        self.assertEqual(
            resource._rendered(cast(Request, Left()), Deferred.fromCoroutine(work())),
            NOT_DONE_YET,
        )
        finished.errback(ConnectionLost())
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_offloaded(self) -> None:
        """The pool's XML is sent unchanged."""
        self.registry.add(procedure(rpc("f", offload=True)(lambda: 1)))
        body = dumps((), "f").encode()
        self.assertEqual(self.talk.send(request("POST /", XML, body=body)), b"")
        self.later.callback(Encoded(b"<value><int>7</int></value>"))
        self.assertEqual(understood(parse(self.talk.received())), 7)

    def test_busy(self) -> None:
        """A full pool is the fault BUSY."""

        def full(*_: Any) -> Any:
            raise OwnFault(BUSY, "busy")

        self.add(full)
        self.assertEqual(self.code(dumps((), "f").encode()), BUSY)


class LogTests(_Tests):
    """
    What the log has of a call.
    """

    def setUp(self) -> None:
        super().setUp()
        self.notes = notes_of(self.site)

    def test_calls(self) -> None:
        """The method and the fault of a call are noted; 0 is a result."""
        large = "x" * 100_000
        for method, parameters in (
            ("add", (2, 3)),
            ("add", (2, "x")),
            ("nothing", ()),
            ("lab.echo", (large,)),
            ("add", (2, large)),
            ("nothing", (large,)),
        ):
            self.post(dumps(parameters, method).encode())
        expected = [
            ("add", 0),
            ("add", BAD_PARAMETERS),
            ("nothing", NO_METHOD),
            ("lab.echo", 0),
            ("add", BAD_PARAMETERS),
            ("nothing", NO_METHOD),
        ]
        self.assertEqual(
            self.notes,
            [{"rpc_method": method, "rpc_fault": fault} for method, fault in expected],
        )

    def test_noCall(self) -> None:
        """A body that is no call has a fault and no method; the page has neither."""
        self.post(b"")
        self.post(b"x" * (LARGEST + 1))
        self.ask("GET /")
        faults = [{"rpc_fault": NOT_WELL_FORMED}, {"rpc_fault": TOO_LARGE}, {}]
        self.assertEqual(self.notes, faults)

    def test_left(self) -> None:
        """A call whose client left was cancelled."""
        self.talk.send(request("POST /", XML, body=dumps((100,), "lab.delay").encode()))
        self.talk.disconnect()
        self.assertEqual(self.notes, [{"rpc_method": "lab.delay", "rpc_fault": CANCELLED}])

    def test_brokenResult(self) -> None:
        """A result that cannot be written is a fault."""
        self.add(lambda: {"a": object()})
        self.post(dumps((), "f").encode())
        self.assertEqual(self.notes, [{"rpc_method": "f", "rpc_fault": INTERNAL}])


class FaultTests(_Tests):
    """
    Bad calls end in faults without a log entry.
    """

    def test_counted(self) -> None:
        """A body that is no call is counted by its code, without a method."""
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
        response = self.ask("POST /RPC2", head, body=whole)
        fault = self.assertRaises(Fault, understood, response)
        self.assertEqual(fault.faultCode, UNSUPPORTED_ENCODING)

    def test_notCalls(self) -> None:
        """A body that is no call is a fault, and the connection stays open."""
        for what, body in NOT_CALLS.items():
            self.assertEqual(self.code(body.encode()), NOT_XMLRPC, what)
        self.assertEqual(self.call("add", 2, 3), 5)

    def test_hazards(self) -> None:
        """Calls that freeze twisted.web.xmlrpc, or make it send 30 MB, are refused at once."""
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
        """A result that XML-RPC cannot carry, or a too large one, is a fault."""
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
        """The client gets the id of a bug, and the log its traceback."""

        def broken() -> None:
            raise ZeroDivisionError("secret")

        self.add(broken)
        self.add(Unreadable, "g")
        for name in ("f", "g"):
            response = self.post(dumps((), name).encode())
            fault = self.assertRaises(Fault, understood, response)
            self.assertEqual(fault.faultCode, APPLICATION)
            self.assertNotIn(b"secret", response.body)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Unreadable:
    """A record whose fields cannot be read."""

    __dataclass_fields__ = property(lambda _: 1 / 0)


class HTTPTests(_Tests):
    """
    Everything of HTTP but calls.
    """

    def test_documentation(self) -> None:
        """GET gives the documentation, and HEAD its header."""
        for path in ("/", "/RPC2", "/RPC2/"):
            response = self.ask(f"GET {path}")
            self.assertEqual(response.headers["content-type"], "text/html; charset=utf-8")
            self.assertIn("default-src 'none'", response.headers["content-security-policy"])
            self.assertIn(b"system.multicall", response.body)
            self.assertNotIn(b'href="/files/"', response.body)
        head = self.ask("HEAD /RPC2")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers["content-length"], str(len(response.body)))

    def test_below(self) -> None:
        """Paths below and beside are 404."""
        for line in ("GET /RPC2/x", "POST /RPC2/x", "GET /x", "OPTIONS /RPC2/x/y"):
            self.assertEqual(self.ask(line, XML).status, 404)

    def test_otherMethods(self) -> None:
        """OPTIONS lists the methods in Allow, and so does the 405 of any other."""
        allow = "GET, HEAD, OPTIONS, POST"
        response = self.ask("OPTIONS /RPC2")
        self.assertEqual(
            (response.status, response.headers["allow"], response.body), (204, allow, b"")
        )
        for method in ("PUT", "DELETE", "PATCH", "INVENTED"):
            response = self.ask(f"{method} /RPC2")
            self.assertEqual((response.status, response.headers["allow"]), (405, allow), method)

    def test_otherTypes(self) -> None:
        """The media types that a foreign page's form can send are refused."""
        body = dumps((2, 3), "add").encode()
        for content_type in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
        ):
            response = self.ask("POST /RPC2", f"Content-Type: {content_type}", body=body)
            self.assertEqual(response.status, 415, content_type)
            self.assertIn("text/xml", response.headers["accept-post"])
        self.assertEqual(self.ask("POST /RPC2", body=body).status, 415)

    def test_otherCodings(self) -> None:
        """Other codings and broken compression are refused."""
        response = self.post(b"x", "Content-Encoding: br")
        self.assertEqual(
            (response.status, response.headers["accept-encoding"]), (415, "gzip, deflate")
        )
        for body in (b"x", gzip.compress(b"x")[:-1]):
            self.assertEqual(self.post(body, "Content-Encoding: gzip").status, 400)

    def test_tooLarge(self) -> None:
        """A call above 1 MiB is refused, compressed or not."""
        plain = self.post(b"x" * (LARGEST + 1))
        bomb = self.post(gzip.compress(bytes(10_000_000)), "Content-Encoding: gzip")
        for response in (plain, bomb):
            self.assertEqual(response.status, 413)
            fault = self.assertRaises(Fault, understood, response)
            self.assertEqual(fault.faultCode, TOO_LARGE)
        just = dumps(("",), "lab.echo").encode()
        padding = b" " * (LARGEST - len(just))
        self.assertEqual(understood(self.post(just + padding)), "")

    def test_noCORS(self) -> None:
        """Without allowed origins no CORS field is sent."""
        response = self.ask("OPTIONS /RPC2", "Origin: http://a.example")
        self.assertFalse([name for name in response.headers if name.startswith("access")])


class CORSTests(_Tests):
    """
    With one origin allowed.
    """

    origins = ("http://a.example",)

    def test_allowed(self) -> None:
        """Scripts of that origin may call."""
        response = self.ask("OPTIONS /RPC2", "Origin: http://a.example")
        self.assertEqual(response.headers["access-control-allow-origin"], "http://a.example")
        self.assertEqual(response.headers["access-control-allow-headers"], "Content-Type")
        response = self.post(dumps((2, 3), "add").encode(), "Origin: http://a.example")
        self.assertEqual(response.headers["access-control-allow-origin"], "http://a.example")
        self.assertEqual(response.headers["vary"], "Origin")

    def test_others(self) -> None:
        """Scripts of other origins may not call."""
        for head in ("Origin: http://b.example", "Accept: */*"):
            response = self.ask("OPTIONS /RPC2", head)
            self.assertNotIn("access-control-allow-origin", response.headers)


class EveryOriginTests(_Tests):
    """
    With every origin allowed.
    """

    origins = ("*",)

    def test_any(self) -> None:
        """Scripts of any origin may call."""
        response = self.ask("GET /RPC2", "Origin: http://b.example")
        self.assertEqual(response.headers["access-control-allow-origin"], "*")
