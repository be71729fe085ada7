"""
The character encodings of a call, and the faults of bytes that are no XML.

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
"""The encodings that expat decodes by itself."""

_INVALID_TOKEN: Final = expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]


def charset(name: str) -> str:
    """Expat's name of the encoding `name`; a Fault when it is not supported."""
    # A table, because codecs.lookup remembers every unknown name for ever.
    known = _ENCODINGS.get(name.lower())
    if known is None:
        raise Fault(UNSUPPORTED_ENCODING, f"the encoding {shown(name)} is not supported")
    return known


def parse_fault(error: expat.ExpatError, rest: bytes, encoding: str) -> Fault:
    """The fault for an error of expat's, which stopped at the bytes `rest`."""
    if error.code == _INVALID_TOKEN:
        # The bytes are no character, or the characters are no markup.
        try:
            codecs.getincrementaldecoder(encoding)().decode(rest)
        except UnicodeDecodeError as undecodable:
            if not undecodable.start:
                return Fault(BAD_CHARACTER, f"not {encoding}: {error}")
    return Fault(NOT_WELL_FORMED, f"not well-formed XML: {error}")
