"""
XML-RPC over HTTP.
"""

from __future__ import annotations

from typing import Any
from xmlrpc.client import Fault, dumps, loads

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.rpc.registry import (
    BAD_PARAMETERS,
    INTERNAL,
    NO_METHOD,
    NOT_WELL_FORMED,
    NOT_XMLRPC,
    Refused,
    Registry,
    procedure,
)
from netd.rpc.resource import LARGEST, RPC, parse
from netd.test.web.conversation import Conversation


def call(method: str, *parameters: Any) -> Any:
    """The result of a call through the resource; Fault when it is one."""
    return understood(RPC().respond(dumps(parameters, method).encode()))


def understood(response: bytes) -> Any:
    """What the standard library's client makes of a response."""
    result, _ = loads(response.replace(b"<i8>", b"<int>").replace(b"</i8>", b"</int>").decode())
    return result[0]


def code(body: bytes) -> int:
    """The fault code of the response to `body`."""
    try:
        understood(RPC().respond(body))
    except Fault as fault:
        return fault.faultCode
    raise AssertionError("no fault")


class CallTests(SynchronousTestCase):
    """
    Calls as a client makes them.
    """

    def test_seed(self) -> None:
        """The seed's session gives 8, 5, 10 and the list of methods."""
        self.assertEqual([call("pow", 2, 3), call("add", 2, 3), call("mul", 5, 2)], [8, 5, 10])
        self.assertEqual(
            call("system.listMethods"),
            [
                "add",
                "mul",
                "pow",
                "system.listMethods",
                "system.methodHelp",
                "system.methodSignature",
            ],
        )

    def test_beyond32Bits(self) -> None:
        """A result between 32 and 64 bits goes out as i8, one within 32 as int."""
        wide = RPC().respond(dumps((2, 62), "pow").encode())
        self.assertIn(b"<i8>4611686018427387904</i8>", wide)
        self.assertIn(b"<int>8</int>", RPC().respond(dumps((2, 3), "pow").encode()))

    def test_i8(self) -> None:
        """An i8 parameter is taken."""
        body = b"<params><param><value><i8>4294967296</i8></value></param>"
        body += b"<param><value><i4>1</i4></value></param></params>"
        said = RPC().respond(
            b"<methodCall><methodName>add</methodName>" + body + b"</methodCall>"
        )
        self.assertEqual(understood(said), 2**32 + 1)


class FaultTests(SynchronousTestCase):
    """
    Everything that is no proper call ends in a Fault and in no log line.
    """

    def test_codes(self) -> None:
        """Each kind of mistake has its code of the interoperability specification."""
        whole = dumps((1, 2), "add").encode().rstrip()
        for body, wanted in (
            (b"", NOT_WELL_FORMED),
            (b"<methodCall>", NOT_WELL_FORMED),
            (whole[:-1], NOT_WELL_FORMED),
            (whole + b"<x/>", NOT_WELL_FORMED),
            (b"\xff\xfe", NOT_WELL_FORMED),
            (b"<a/>", NOT_XMLRPC),
            (b"<methodCall><params/></methodCall>", NOT_XMLRPC),
            (dumps((1,), methodresponse=True).encode(), NOT_XMLRPC),
            (b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>" + whole, NOT_XMLRPC),
            (whole.replace(b"<int>1<", b"<int>one<"), NOT_XMLRPC),
            (dumps((), "nope").encode(), NO_METHOD),
            (dumps((1,), "add").encode(), BAD_PARAMETERS),
            (dumps((7, 10**9), "pow").encode(), BAD_PARAMETERS),
        ):
            self.assertEqual(code(body), wanted, body)

    def test_cutAnywhere(self) -> None:
        """A call cut at any byte is a Fault."""
        whole = dumps((1, 2), "add").encode().rstrip()
        for cut in range(len(whole)):
            self.assertEqual(code(whole[:cut]), NOT_WELL_FORMED, cut)

    @given(st.binary(max_size=200))
    def test_anyBytes(self, body: bytes) -> None:
        """Whatever bytes come, parsing ends in a call or in Refused."""
        try:
            method, parameters = parse(body)
        except Refused:
            return
        self.assertIsInstance((method, parameters), tuple)

    def test_bug(self) -> None:
        """A bug in a method is an internal error to the client and one failure in the log."""

        @procedure("broken", ("int",))
        def broken() -> int:
            raise ZeroDivisionError("secret")

        resource = RPC()
        resource._registry = Registry([broken])
        response = resource.respond(dumps((), "broken").encode())
        wrong = self.assertRaises(Fault, understood, response)
        self.assertEqual(wrong.faultCode, INTERNAL)
        self.assertNotIn(b"secret", response)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class HTTPTests(SynchronousTestCase):
    """
    The resource at `/RPC2`.
    """

    def test_post(self) -> None:
        """A POST is answered as text/xml."""
        answer = Conversation().request("POST /RPC2", body=dumps((2, 3), "add").encode())
        self.assertEqual((answer.status, understood(answer.body)), (200, 5))
        self.assertEqual(answer.headers["content-type"], "text/xml; charset=utf-8")

    def test_otherMethods(self) -> None:
        """GET and HEAD are not calls: 405 with Allow, nothing in the log."""
        for method in ("GET", "HEAD"):
            answer = Conversation().request(f"{method} /RPC2")
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST"))

    def test_tooLong(self) -> None:
        """A body longer than can be parsed at once is a 413, parsed not at all."""
        body = dumps(("x" * LARGEST,), "add").encode()
        answer = Conversation().request("POST /RPC2", body=body)
        self.assertEqual((answer.status, answer.body), (413, b""))
