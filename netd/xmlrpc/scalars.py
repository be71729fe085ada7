"""
The scalar types of XML-RPC: text to value and value to text.

Rules: pure and strict.  Text outside the grammar is a Fault, and so is a value
that has no text; nothing is guessed.

Source: http://xmlrpc.com/spec.md, and Apache's extensions i8 and nil.  Also
accepted, because clients send them: white space around a number, the exponent of
a double (Python), a time zone (Z or +hh:mm), hyphens (Java, PHP) or a fraction of a
second (JavaScript's toISOString) in a dateTime.
"""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeAlias

from netd.xmlrpc.faults import INTERNAL, Fault, not_xmlrpc

Value: TypeAlias = object
"""A parameter, a result, or a part of either: its type is known at run time only."""

SPACE: Final = " \t\r\n"
"""XML's white space; `str.strip` without it would strip much more."""

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")
# 1100 characters hold every double exactly, even the smallest denormal.
_DOUBLE: Final = re.compile(
    r"(?=.{1,1100}\Z)[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
)
# Some of what datetime.fromisoformat takes; hour 24 depends on the version of Python.
_DATETIME: Final = re.compile(
    r"[0-9]{4}(-?)[0-9]{2}\1[0-9]{2}T(?!24)[0-9]{2}(:?)[0-9]{2}\2[0-9]{2}"
    r"(?:[.,][0-9]{1,9})?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
# The characters that XML 1.0 section 2.2 excludes from Char.
_UNSENDABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def shown(text: str) -> str:
    """`text` shortened and made printable for the text of a fault."""
    return ascii(text if len(text) <= 40 else f"{text[:40]}...")


def _integer(text: str, kind: str, bits: int) -> int:
    text = text.strip(SPACE)
    if _INTEGER.fullmatch(text) is None:
        raise not_xmlrpc(f"{shown(text)} is no {kind}")
    value = int(text)
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise not_xmlrpc(f"{shown(text)} does not fit the {bits} bits of {kind}")
    return value


def _boolean(text: str) -> bool:
    text = text.strip(SPACE)
    if text not in ("0", "1"):
        raise not_xmlrpc(f"{shown(text)} is no boolean, which is 0 or 1")
    return text == "1"


def _double(text: str) -> float:
    text = text.strip(SPACE)
    if _DOUBLE.fullmatch(text) is None:
        raise not_xmlrpc(f"{shown(text)} is no double")
    value = float(text)
    if math.isinf(value):
        raise not_xmlrpc(f"{shown(text)} is beyond what a double can hold")
    return value


def _base64(text: str) -> bytes:
    try:
        digits = text.encode("ascii").translate(None, SPACE.encode())
        return binascii.a2b_base64(digits, strict_mode=True)
    except ValueError:
        raise not_xmlrpc(f"{shown(text)} is no base64") from None


def _datetime(text: str) -> datetime:
    text = text.strip(SPACE)
    if _DATETIME.fullmatch(text) is None:
        raise not_xmlrpc(f"{shown(text)} is no dateTime.iso8601 such as 20261122T14:08:55")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise not_xmlrpc(f"{shown(text)} is no dateTime.iso8601: {error}") from None


def _nil(text: str) -> None:
    if text:
        raise not_xmlrpc("nil is not empty")


READ: Final[dict[str, Callable[[str], Value]]] = {
    "int": lambda text: _integer(text, "int", 32),
    "i4": lambda text: _integer(text, "int", 32),
    "i8": lambda text: _integer(text, "i8", 64),
    "ex:i8": lambda text: _integer(text, "i8", 64),
    "boolean": _boolean,
    "double": _double,
    "string": str,
    "base64": _base64,
    "dateTime.iso8601": _datetime,
    "nil": _nil,
    "ex:nil": _nil,
}
"""The value of an element's text, by the element's name."""


def escaped(text: str) -> str:
    """`text` with its markup escaped; a Fault when XML cannot carry one of its characters."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if text.isprintable():
        return safe
    if (match := _UNSENDABLE.search(text)) is not None:
        raise Fault(INTERNAL, f"XML cannot carry the character U+{ord(match[0]):04X}")
    # A bare CR would be read as a LF (XML 1.0 section 2.11).
    return safe.replace("\r", "&#13;")


def sendable(text: str) -> str:
    """`text` with a question mark for each character that XML cannot carry."""
    return _UNSENDABLE.sub("?", text)


def integer(value: int) -> str:
    """`value` as an int when 32 bits hold it, else as an i8."""
    if -2147483648 <= value <= 2147483647:
        return f"<int>{value:d}</int>"
    if -(2**63) <= value < 2**63:
        return f"<i8>{value:d}</i8>"
    raise Fault(INTERNAL, "an integer beyond 64 bits cannot be sent")


def double(value: float) -> str:
    """`value` in plain digits: the grammar has no exponent, no nan and no inf."""
    if not math.isfinite(value):
        raise Fault(INTERNAL, f"{float(value)!r} cannot be sent")
    text = repr(float(value))
    return f"<double>{format(Decimal(text), 'f') if 'e' in text else text}</double>"


def base64_text(value: bytes | bytearray) -> str:
    """`value` in base64 without line breaks and without its element."""
    return binascii.b2a_base64(value, newline=False).decode()


def base64(value: bytes | bytearray) -> str:
    """`value` as a base64 element."""
    return f"<base64>{base64_text(value)}</base64>"


def date_time(value: datetime) -> str:
    """`value` to the second, with its offset from UTC when it has one."""
    text = f"{value.year:04}{value.month:02}{value.day:02}T{value:%H:%M:%S}"
    if (offset := value.utcoffset()) is not None:
        text += "Z" if not offset else value.strftime("%z")[:5]
    return f"<dateTime.iso8601>{text}</dateTime.iso8601>"
