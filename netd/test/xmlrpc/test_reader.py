"""
Strict parsing of a methodCall.
"""

from __future__ import annotations

import contextlib
from typing import Any
from xml.parsers import expat

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.steps import run_now
from netd.test.chance import by_chance
from netd.xmlrpc.faults import (
    BAD_CHARACTER,
    NOT_WELL_FORMED,
    NOT_XMLRPC,
    UNSUPPORTED_ENCODING,
    Fault,
)
from netd.xmlrpc.reader import DEPTH, SLICE, VALUES, Reader, _parse_fault, charset

TOP = "<methodCall><methodName>m</methodName>"


def read(body: str | bytes, encoding: str | None = None, piece: int = SLICE) -> list[Any]:
    """The parameters of the call in `body`."""
    data = body.encode() if isinstance(body, str) else body
    return run_now(Reader(encoding).read(data, piece))[1]


def value(inner: str) -> str:
    """A call with one parameter."""
    return f"{TOP}<params><param><value>{inner}</value></param></params></methodCall>"


def array(inner: str) -> str:
    """A call with one array."""
    return value(f"<array><data>{inner}</data></array>")


def struct(inner: str) -> str:
    """A call with one struct."""
    return value(f"<struct>{inner}</struct>")


EVERYTHING = f"""<?xml version="1.0"?>
<!-- a comment --> <?and a?> {TOP}
 <params>
  <param> <value> <int>1</int> </value> </param>
  <param><value>&lt;untyped&#233;</value></param>
  <param><value><array> <data> <value><i8>5</i8></value> <value/> </data> </array>
  </value></param>
  <param><value><struct> <member> <name>a</name> <value><boolean>1</boolean></value> </member>
   <member><name></name><value><nil/></value></member> </struct></value></param>
  <param><value><string><![CDATA[<b>]]>c</string></value></param>
 </params>
</methodCall>
"""
VALUES_OF_IT = [1, "<untyped\u00e9", [5, ""], {"a": True, "": None}, "<b>c"]

# Well-formed XML that is no methodCall; other servers accept each of these or break.
NOT_CALLS = {
    "another root": "<a/>",
    "a response": "<methodResponse><params/></methodResponse>",
    "no name": "<methodCall><params/></methodCall>",
    "an empty name": "<methodCall><methodName> </methodName></methodCall>",
    "a long name": f"<methodCall><methodName>{'x' * 256}</methodName></methodCall>",
    "two names": f"{TOP}<methodName>m</methodName></methodCall>",
    "two params": f"{TOP}<params/><params/></methodCall>",
    "text": f"{TOP}text<params/></methodCall>",
    "text after": f"{TOP}<params/>text</methodCall>",
    "fault": f"{TOP}<fault/></methodCall>",
    "a param without a value": f"{TOP}<params><param/></params></methodCall>",
    "two values in a param": value("</value><value>"),
    "a value outside": f"{TOP}<value/></methodCall>",
    "text in params": f"{TOP}<params>x</params></methodCall>",
    "an unknown type": value("<float>1</float>"),
    "two types": value("<int>1</int><int>2</int>"),
    "text before a type": value("x<int>1</int>"),
    "text after a type": value("<int>1</int>x"),
    "an element in a scalar": value("<int><int>1</int></int>"),
    "an element in a name": struct("<member><name><b/></name><value/></member>"),
    "a value in a value": value("<value/>"),
    "an array without data": value("<array></array>"),
    "an array with two": value("<array><data/><data/></array>"),
    "text in an array": value("<array>x<data/></array>"),
    "text in data": array("x"),
    "a member in an array": array("<member/>"),
    "an empty member": struct("<member/>"),
    "a member without a value": struct("<member><name>a</name></member>"),
    "a member without a name": struct("<member><value/></member>"),
    "a value before its name": struct("<member><value/><name>a</name></member>"),
    "two names in a member": struct("<member><name>a</name><name>b</name><value/></member>"),
    "two values in a member": struct("<member><name>a</name><value/><value/></member>"),
    "a name after the value": struct("<member><name>a</name><value/><name>b</name></member>"),
    "two members of one name": struct("<member><name>a</name><value/></member>" * 2),
    "text in a member": struct("<member>x<name>a</name><value/></member>"),
    "text in a struct": struct("x"),
    "1_000": value("<int>1_000</int>"),
    "Arabic digits": value("<int>\u0662</int>"),
    "bad base64": value("<base64>!</base64>"),
    "a bad date": value("<dateTime.iso8601>tomorrow</dateTime.iso8601>"),
    "nan": value("<double>nan</double>"),
    "a DOCTYPE": f"<!DOCTYPE methodCall>{value('')}",
    "an entity": f"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>{value('&a;')}",
    "an external entity": f"<!DOCTYPE x SYSTEM 'http://127.0.0.1/'>{value('')}",
    "too deep": value("<array><data><value>" * (DEPTH + 1)),
    "too deep in structs": value("<struct><member><name>a</name><value>" * (DEPTH + 1)),
    "too many values": array("<value/>" * VALUES),
    "a long tag": f"{TOP}<params {'x' * 40_000}",
    "many attributes": f"{TOP}<params {' '.join(f'a{n}=' + chr(39) * 2 for n in range(9999))}>",
    "a long comment": f"{TOP}<!--{'x' * 40_000}-->",
}


class ReaderTests(SynchronousTestCase):
    """
    Calls, and bodies that are none.
    """

    def code(self, body: str | bytes, encoding: str | None = None) -> int:
        """The code of the fault of `body`."""
        error: Fault = self.assertRaises(Fault, read, body, encoding)
        return error.code

    def test_everything(self) -> None:
        """Types, nesting, white space, comments, CDATA and references are read."""
        self.assertEqual(read(EVERYTHING), VALUES_OF_IT)

    def test_name(self) -> None:
        """The method's name is trimmed; params may be missing or empty."""
        for rest in ("", "<params/>"):
            body = f"<methodCall><methodName> a.b </methodName>{rest}</methodCall>".encode()
            self.assertEqual(run_now(Reader().read(body)), ("a.b", []))

    def test_slices(self) -> None:
        """A call is read the same in slices of any size."""
        for piece in (1, 2, 3, 7, 100):
            self.assertEqual(read(EVERYTHING, piece=piece), VALUES_OF_IT, piece)

    def test_cutAnywhere(self) -> None:
        """A call cut at any byte is not well-formed."""
        whole = EVERYTHING.rstrip().encode()
        for cut in range(len(whole)):
            self.assertEqual(self.code(whole[:cut]), NOT_WELL_FORMED, cut)

    def test_byteWrong(self) -> None:
        """A call with one byte replaced is read or is a Fault."""
        whole = EVERYTHING.encode()
        for at in range(len(whole)):
            for byte in b"\x00<>&x\xff":
                with contextlib.suppress(Fault):
                    read(whole[:at] + bytes([byte]) + whole[at + 1 :])

    def test_notCalls(self) -> None:
        """A body that is no methodCall has the code of that."""
        for what, body in NOT_CALLS.items():
            self.assertEqual(self.code(body), NOT_XMLRPC, what)

    def test_notWellFormed(self) -> None:
        """A body that is no XML has the code of that."""
        for body in ("", "x", "<a", "<methodCall></b>", f"{value('')}<x/>",
                     value("&x;"), value("\x00"), "<methodCall>&#0;"):  # fmt: skip
            self.assertEqual(self.code(body), NOT_WELL_FORMED, body)

    def test_limits(self) -> None:
        """A call at the limits is read."""
        deep = "<array><data><value>" * DEPTH + "</value></data></array>" * DEPTH
        self.assertEqual(len(read(value(deep))), 1)
        self.assertEqual(len(read(array("<value/>" * (VALUES - 1)))[0]), VALUES - 1)

    def test_attributes(self) -> None:
        """Attributes such as Apache's namespace are ignored."""
        body = value("<ex:nil/>").replace("<methodCall>", "<methodCall xmlns:ex='urn:x'>")
        self.assertEqual(read(body), [None])

    def test_encodings(self) -> None:
        """Expat's four encodings are read, whether declared or named by HTTP."""
        call = value("h\u00e9")
        for name in ("UTF-8", "utf-16", "ISO-8859-1"):
            declared = f"<?xml version='1.0' encoding='{name}'?>{call}".encode(name)
            self.assertEqual(read(declared), ["h\u00e9"], name)
        self.assertEqual(read(call.encode("latin-1"), "ISO-8859-1"), ["h\u00e9"])
        self.assertEqual(read(value("he"), "US-ASCII"), ["he"])
        # HTTP's charset takes precedence (RFC 7303 3.2).
        both = f"<?xml version='1.0' encoding='EBCDIC'?>{call}".encode()
        self.assertEqual(read(both, "UTF-8"), ["h\u00e9"])

    def test_unsupported(self) -> None:
        """Every other encoding has the code of that."""
        for name in ("EBCDIC", "windows-1252", "utf-7", "rot13", "idna", "x"):
            body = f"<?xml version='1.0' encoding='{name}'?>{value('')}"
            self.assertEqual(self.code(body), UNSUPPORTED_ENCODING, name)
            self.assertEqual(self.assertRaises(Fault, charset, name).code, UNSUPPORTED_ENCODING)
        self.assertEqual([charset("Utf-8"), charset("latin-1")], ["UTF-8", "ISO-8859-1"])

    def test_badCharacters(self) -> None:
        """Bytes that are no characters of the encoding have the code of that."""
        for byte in (b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xc0\x80"):
            body = value("@").encode().replace(b"@", byte)
            self.assertEqual(self.code(body), BAD_CHARACTER, byte)
        self.assertEqual(self.code(value("\u00e9").encode(), "US-ASCII"), BAD_CHARACTER)

    def test_steps(self) -> None:
        """A large body is read in one step for each slice."""
        body = value("x" * 100_000).encode()
        self.assertEqual(len(list(Reader().read(body))), len(body) // SLICE)

    @by_chance
    @given(st.binary(max_size=300))
    def test_anyBytes(self, body: bytes) -> None:
        """Any bytes are read or are a Fault."""
        with contextlib.suppress(Fault):
            read(body)

    @by_chance
    @given(st.lists(st.sampled_from([
        "<methodCall>", "</methodCall>", "<methodName>", "</methodName>", "m", "<params>",
        "</params>", "<param>", "</param>", "<value>", "</value>", "<int>", "</int>", "<array>",
        "</array>", "<data>", "</data>", "<struct>", "</struct>", "<member>", "</member>",
        "<name>", "</name>", "<nil/>", " ", "1",
    ]), max_size=30))  # fmt: skip
    def test_anyElements(self, elements: list[str]) -> None:
        """Any elements in any order are read or are a Fault."""
        with contextlib.suppress(Fault):
            read("".join(elements))


class EncodingTests(SynchronousTestCase):
    """
    The encodings that are read, and the faults of the others.
    """

    def test_charset(self) -> None:
        """Four encodings are known by all their names; others are a Fault."""
        for name, known in (
            ("utf-8", "UTF-8"),
            ("UTF8", "UTF-8"),
            ("Latin-1", "ISO-8859-1"),
            ("ascii", "US-ASCII"),
            ("UTF-16", "UTF-16"),
        ):
            self.assertEqual(charset(name), known)
        for name in ("", "koi8-r", "utf-7", "idna", "x" * 1000, "\n"):
            error = self.assertRaises(Fault, charset, name)
            self.assertEqual(error.code, UNSUPPORTED_ENCODING)
            self.assertTrue(error.text.isprintable() and len(error.text) < 100)

    def test_parseFault(self) -> None:
        """Bytes that are no character have another code than bad markup."""
        for data, encoding, code in (
            (b"<a>\xff</a>", "UTF-8", BAD_CHARACTER),
            (b"<a>\x80</a>", "US-ASCII", BAD_CHARACTER),
            (b"<a b=<></a>", "UTF-8", NOT_WELL_FORMED),
            (b"<a></b>", "UTF-8", NOT_WELL_FORMED),
            (b"<a>\x01</a>", "ISO-8859-1", NOT_WELL_FORMED),
            (b"", "UTF-8", NOT_WELL_FORMED),
        ):
            parser = expat.ParserCreate(encoding)
            error = self.assertRaises(expat.ExpatError, parser.Parse, data, True)
            rest = data[parser.ErrorByteIndex :][:4]
            self.assertEqual(_parse_fault(error, rest, encoding).code, code, data)
