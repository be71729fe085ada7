"""
Bodies of calls, results and faults.
"""

from __future__ import annotations

import xmlrpc.client
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.steps import run_now
from netd.test.chance import by_chance
from netd.xmlrpc import codec
from netd.xmlrpc.faults import Fault
from netd.xmlrpc.reader import Reader
from netd.xmlrpc.writer import Encoded

I32 = st.integers(-(2**31), 2**31 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)
# No CR: the standard library's client does not escape it, and XML makes it a LF.
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
)
DATES = st.datetimes().map(lambda d: d.replace(microsecond=0))
SCALARS = (
    st.booleans() | I32 | st.floats(allow_nan=False, allow_infinity=False) | TEXT
    | st.binary() | DATES | st.none()
)  # fmt: skip


def _modern(value: Any) -> bool:
    """Whether the standard library can write it: its dates before 1000 lack digits."""
    return not isinstance(value, datetime) or value.year >= 1000


def nested(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of all types."""
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
        max_leaves=12,
    )


def as_call(response: bytes) -> bytes:
    """A response turned into a call with its result as the parameter."""
    inner = response.partition(b"<params>")[2].partition(b"</params>")[0]
    name = b"<methodCall><methodName>m</methodName><params>"
    return name + inner + b"</params></methodCall>"


class RoundTripTests(SynchronousTestCase):
    """
    Values survive being written and read.
    """

    @by_chance
    @given(nested(SCALARS | I64))
    def test_own(self, value: Any) -> None:
        """Netd reads what netd writes, unchanged."""
        response = run_now(codec.response(value))
        self.assertEqual(run_now(codec.call(as_call(response))), ("m", [value]))

    @by_chance
    @given(TEXT, st.lists(nested(SCALARS | I64 | st.datetimes()), max_size=4))
    def test_ownCall(self, name: str, values: list[Any]) -> None:
        """Netd reads the call that netd writes, dateTimes to the microsecond."""
        body = run_now(codec.call_body(f"m{name}"[:200], values))
        self.assertEqual(run_now(codec.call(body)), (f"m{name}"[:200], values))

    def test_ownCallInSteps(self) -> None:
        """A call of many short or of few long parameters is written in steps; a zone stays."""
        zone = timezone(timedelta(hours=-3.5))
        date = datetime(2026, 11, 22, 14, 8, 55, 250_000, zone)
        for values in ([1] * 1000, ["x" * 200_000], [date] * 251):
            self.assertGreater(len(list(codec.call_body("m", values))), 0)
            self.assertEqual(
                run_now(codec.call(run_now(codec.call_body("m", values)))), ("m", values)
            )

    @by_chance
    @given(nested(SCALARS))
    def test_theyReadOurs(self, value: Any) -> None:
        """The standard library reads the values that netd writes."""
        (got,), _ = xmlrpc.client.loads(run_now(codec.response(value)), use_builtin_types=True)
        self.assertEqual(got, value)

    @by_chance
    @given(st.lists(nested(SCALARS.filter(_modern)), max_size=3))
    def test_weReadTheirs(self, values: list[Any]) -> None:
        """Netd reads the values that the standard library writes."""
        body = xmlrpc.client.dumps(tuple(values), "a.b", allow_none=True)
        self.assertEqual(run_now(codec.call(body.encode())), ("a.b", values))

    @by_chance
    @given(
        st.sampled_from(["int", "i4", "i8", "boolean", "double", "string", "base64"]), st.text()
    )
    def test_differential(self, kind: str, text: str) -> None:
        """Where netd reads a scalar, the standard library reads the same."""
        markup = text.replace("&", "&amp;").replace("<", "&lt;")
        body = f"<methodCall><methodName>m</methodName><params><param><value><{kind}>{markup}"
        body += f"</{kind}></value></param></params></methodCall>"
        try:
            _, (got,) = run_now(codec.call(body.encode("utf-8", "surrogatepass")))
        except Fault:
            return
        (theirs,), _ = xmlrpc.client.loads(body, use_builtin_types=True)
        self.assertEqual(got, theirs)


HEADS = ["", "<?xml version='1.0'?>", '<?xml version="1.0" encoding="UTF-8"?>']
KINDS = st.lists(
    st.tuples(st.sampled_from(["int", "i4"]), st.integers(-(10**11), 10**11)), max_size=18
)


class ShortTests(SynchronousTestCase):
    """
    The fast path gives what the full parser gives.
    """

    def test_clients(self) -> None:
        """The fast path reads add(2, 3) as Python, PHP, Perl, Ruby and C write it."""
        python = xmlrpc.client.dumps((2, 3), "add").encode()
        value = "<param><value><{0}>{1}</{0}></value></param>"
        for head, kind in (
            ('<?xml version="1.0" encoding="utf-8"?>\n', "int"),
            ('<?xml version="1.0" encoding="UTF-8" ?>', "int"),
            ('<?xml version="1.0" ?>', "i4"),
            ('<?xml version="1.0" encoding="UTF-8"?>\r\n', "i4"),
        ):
            both = value.format(kind, 2) + value.format(kind, 3)
            params = f"<params>\r\n{both}</params></methodCall>\r\n"
            body = f"{head}<methodCall>\r\n<methodName>add</methodName>\r\n{params}".encode()
            self.assertEqual(codec.simple_call(body), ("add", [2, 3]), body)
        self.assertEqual(codec.simple_call(python), ("add", [2, 3]))

    @by_chance
    @given(st.lists(st.sampled_from([
        "<?xml version='1.0'?>", "<methodCall>", "<methodName>a.b</methodName>", "<params>",
        "<param><value><int>+07</int></value></param>",
        "<param><value><i4>-5</i4></value></param>",
        "<param> <value>\n<int>1234567890</int></value></param>", "</params>", "</methodCall>",
        "<param><value><double>-1.5</double></value></param>",
        "<param><value><string>a ]; b</string></value></param>",
        "<param><value><string></string></value></param>",
        "<param><value><boolean>1</boolean></value></param>",
        " ", "\t\r\n", "\x0b", "\u00a0", "<int>1</i4>", "x",
    ]), max_size=12))  # fmt: skip
    def test_sameAnywhere(self, pieces: list[str]) -> None:
        """The full parser agrees with the fast path on any sequence of elements."""
        body = "".join(pieces).encode()
        simple = codec.simple_call(body)
        if simple is not None:
            self.assertEqual(run_now(Reader().read(body)), simple)

    @by_chance
    @given(
        st.sampled_from(HEADS),
        KINDS,
        st.sampled_from(HEADS),
    )  # fmt: skip
    def test_same(self, head: str, values: list[tuple[str, int]], space: str) -> None:
        """The full parser agrees with the fast path on ints and on malformed calls."""
        params = "".join(
            f"<param><value>{space}<{kind}>{number}</{kind}></value></param>"
            for kind, number in values
        )
        call = f"<methodName>m</methodName>{space}<params>{params}</params>{space}"
        body = f"{head}<methodCall>{call}</methodCall>{space}".encode()
        simple = codec.simple_call(body)
        try:
            whole = run_now(Reader().read(body))
        except Fault:
            self.assertIsNone(simple)
        else:
            self.assertIn(simple, (None, whole))

    @by_chance
    @given(
        st.sampled_from(["boolean", "double", "string", "i4"]),
        st.text(st.characters(max_codepoint=0x17F), max_size=12),
    )
    def test_sameScalar(self, kind: str, text: str) -> None:
        """The full parser agrees with the fast path on scalars of any text, faults included."""
        param = f"<param><value><{kind}>{text}</{kind}></value></param>"
        call = f"<methodName>m</methodName><params>{param}</params>"
        body = f"<methodCall>{call}</methodCall>".encode()
        try:
            simple = codec.simple_call(body)
        except Fault as fault:
            same = self.assertRaises(Fault, run_now, Reader().read(body))
            self.assertEqual((same.code, same.text), (fault.code, fault.text))
        else:
            if simple is not None:
                self.assertEqual(run_now(Reader().read(body)), simple)

    def test_scalars(self) -> None:
        """The fast path reads plain scalars, but no text with markup or outside ASCII."""
        values = (1, 0.5, -2.0, True, "hello ]", "")
        body = xmlrpc.client.dumps(values, "m").encode()
        self.assertEqual(codec.simple_call(body), ("m", list(values)))
        for text in ("<", ">", "&", "\u00e9", "a\nb", "\t", "x" * 501):
            self.assertIsNone(codec.simple_call(xmlrpc.client.dumps((text,), "m").encode()))
        fault = xmlrpc.client.dumps((0.5,), "m").replace("0.5", "0,5").encode()
        self.assertRaises(Fault, codec.simple_call, fault)

    def test_notShort(self) -> None:
        """Arrays, long bodies and other encodings need the full parser."""
        body = xmlrpc.client.dumps((2,), "m").encode()
        self.assertIsNone(codec.simple_call(xmlrpc.client.dumps(([],), "m").encode()))
        self.assertIsNone(codec.simple_call(body + b" " * 2000))
        utf16 = body.decode().replace("?>", " encoding='utf-16'?>").encode("utf-16")
        self.assertEqual(run_now(codec.call(utf16, "UTF-16")), ("m", [2]))
        self.assertEqual(run_now(codec.call(body, "UTF-8")), ("m", [2]))


class ResponseTests(SynchronousTestCase):
    """
    Results and faults.
    """

    def test_largeInSteps(self) -> None:
        """What a worker has written at length is copied in a step of its own."""
        for length, steps in ((1000, 0), (1_000_000, 1)):
            xml = b"<value>" + bytes(length)
            self.assertEqual(len(list(codec.response(Encoded(xml)))), steps)
            self.assertIn(xml, run_now(codec.response(Encoded(xml))))

    @by_chance
    @given(st.one_of(I64, st.floats(), st.text(max_size=9), st.booleans(), st.none()))
    def test_small(self, value: Any) -> None:
        """A simple response equals the general one, faults included."""
        try:
            short = codec.simple_response(value)
        except Fault as fault:
            same = self.assertRaises(Fault, run_now, codec.response(value))
            self.assertEqual(same.text, fault.text)
        else:
            self.assertEqual(short, run_now(codec.response(value)))

    def test_notSmall(self) -> None:
        """Long strings and values that are no plain scalars have no simple response."""
        for value in ("x" * 501, b"", [], {}, object()):
            self.assertIsNone(codec.simple_response(value))
        self.assertRaises(Fault, codec.simple_response, 2**63)

    def test_fault(self) -> None:
        """The standard library reads a fault with any text."""
        for text, got in (
            ("<&>", "<&>"),
            ("a\x00\ud800b", "a??b"),
            ("x" * 20_000, "x" * 10_000),
        ):
            body = codec.fault(Fault(-32601, text))
            fault = self.assertRaises(xmlrpc.client.Fault, xmlrpc.client.loads, body)
            self.assertEqual((fault.faultCode, fault.faultString), (-32601, got))

    def test_faultCode(self) -> None:
        """A code that does not fit an int is replaced."""
        self.assertIn(b"<int>-32603</int>", codec.fault(Fault(2**40, "")))

    def test_faultStruct(self) -> None:
        """A fault in a multicall is a struct."""
        self.assertEqual(
            codec.fault_struct(Fault(7, "a\x00")), {"faultCode": 7, "faultString": "a?"}
        )
