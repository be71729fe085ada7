"""
Which encodings a call may be in, and what is said of bytes that are no XML.

Rules: pure.
"""

from __future__ import annotations

import codecs
from typing import Final
from xml.parsers import expat

from netd.xmlrpc.faults import BAD_CHARACTER, NOT_WELL_FORMED, UNSUPPORTED_ENCODING, Fault
from netd.xmlrpc.scalars import shown

_ENCODINGS: Final = {
    "utf-8": "UTF-8",
    "utf8": "UTF-8",
    "utf-16": "UTF-16",
    "iso-8859-1": "ISO-8859-1",
    "latin-1": "ISO-8859-1",
    "us-ascii": "US-ASCII",
    "ascii": "US-ASCII",
}
"""Those that expat decodes by itself."""

_INVALID_TOKEN: Final = expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]


def charset(name: str) -> str:
    """`name` as expat knows it; a Fault when that is not one of the four read here."""
    # A table, because codecs.lookup remembers every unknown name for ever.
    known = _ENCODINGS.get(name.lower())
    if known is None:
        raise Fault(UNSUPPORTED_ENCODING, f"the encoding {shown(name)} is not supported")
    return known


def refusal(wrong: expat.ExpatError, rest: bytes, encoding: str) -> Fault:
    """The fault that expat's complaint comes to; `rest` are the bytes that it stopped at."""
    if wrong.code == _INVALID_TOKEN:
        # Bytes that are no character, or characters that are no markup.
        try:
            codecs.getincrementaldecoder(encoding)().decode(rest)
        except UnicodeDecodeError as undecodable:
            if not undecodable.start:
                return Fault(BAD_CHARACTER, f"not {encoding}: {wrong}")
    return Fault(NOT_WELL_FORMED, f"not well-formed XML: {wrong}")
