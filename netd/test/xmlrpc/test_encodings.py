"""
Encodings, by name and by the bytes that are none.
"""

from __future__ import annotations

from xml.parsers import expat

from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.encodings import charset, parse_fault
from netd.xmlrpc.faults import BAD_CHARACTER, NOT_WELL_FORMED, UNSUPPORTED_ENCODING, Fault


class EncodingTests(SynchronousTestCase):
    """
    What is read, and what is said of the rest.
    """

    def test_charset(self) -> None:
        """Four encodings are known, by any of their names; others are a fault."""
        for said, known in (
            ("utf-8", "UTF-8"),
            ("UTF8", "UTF-8"),
            ("Latin-1", "ISO-8859-1"),
            ("ascii", "US-ASCII"),
            ("UTF-16", "UTF-16"),
        ):
            self.assertEqual(charset(said), known)
        for said in ("", "koi8-r", "utf-7", "idna", "x" * 1000, "\n"):
            wrong = self.assertRaises(Fault, charset, said)
            self.assertEqual(wrong.code, UNSUPPORTED_ENCODING)
            self.assertTrue(wrong.text.isprintable() and len(wrong.text) < 100)

    def test_parseFault(self) -> None:
        """Bytes that are no character are told from characters that are no markup."""
        for data, encoding, code in (
            (b"<a>\xff</a>", "UTF-8", BAD_CHARACTER),
            (b"<a>\x80</a>", "US-ASCII", BAD_CHARACTER),
            (b"<a b=<></a>", "UTF-8", NOT_WELL_FORMED),
            (b"<a></b>", "UTF-8", NOT_WELL_FORMED),
            (b"<a>\x01</a>", "ISO-8859-1", NOT_WELL_FORMED),
            (b"", "UTF-8", NOT_WELL_FORMED),
        ):
            parser = expat.ParserCreate(encoding)
            wrong = self.assertRaises(expat.ExpatError, parser.Parse, data, True)
            rest = data[parser.ErrorByteIndex :][:4]
            self.assertEqual(parse_fault(wrong, rest, encoding).code, code, data)
