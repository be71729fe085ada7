"""
Bodies: from bytes to a call, from a result or a fault to bytes.

Rules: pure.  The fast path for a call whose parameters are plain scalars gives
what the full parser gives; a property test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from netd.steps import Steps
from netd.xmlrpc.faults import Fault
from netd.xmlrpc.reader import Reader
from netd.xmlrpc.scalars import READ, Value, escaped, sendable
from netd.xmlrpc.writer import SCALARS, Writer

_START: Final = "<?xml version='1.0' encoding='UTF-8'?>\n<methodResponse>"
_OPEN: Final = f"{_START}<params><param>"
_CLOSE: Final = "</param></params></methodResponse>\n"
_INT: Final = f"{_OPEN}<value><int>%d</int></value>{_CLOSE}".encode()
_SIMPLE_TYPES: Final = frozenset({int, float, str, bool, type(None)})
_LONGEST_STRING: Final = 500
"""Characters of a string in a simple response."""
_LONGEST_FAULT: Final = 10_000
"""Characters of a faultString."""
_PARAMETERS: Final = 250
"""Parameters of a call between two steps."""
_LARGE: Final = 256 * 1024
"""Bytes of a result whose copy is a step of its own."""
_EXACT: Final = {
    **SCALARS,
    datetime: lambda value: f"<dateTime.iso8601>{value.isoformat()}</dateTime.iso8601>",
}

_S: Final = r"[ \t\r\n]*+"
_DECLARATION: Final = (
    r"""<\?xml version=(?:'1\.0'|"1\.0")"""
    rf"""(?: encoding=(?i:'utf-8'|"utf-8"))?+{_S}\?>"""
)
# Printable ASCII without markup, which needs no decoding.
_TEXT: Final = r"[ !-%'-;=?-~]"
_SCALAR: Final = (
    r"(?:<int>[+-]?[0-9]{1,9}+</int>|<i4>[+-]?[0-9]{1,9}+</i4>|<boolean>[01]</boolean>"
    rf"|<double>{_TEXT}{{1,40}}+</double>|<string>{_TEXT}{{0,500}}+</string>)"
)
_PARAM: Final = f"<param>{_S}<value>{_S}{_SCALAR}{_S}</value>{_S}</param>{_S}"
_SIMPLE: Final = re.compile(
    (
        f"(?:{_DECLARATION})?+{_S}<methodCall>{_S}"
        f"<methodName>([A-Za-z0-9_.:/]{{1,200}}+)</methodName>{_S}"
        f"(?:<params>{_S}((?:{_PARAM}){{0,16}}+)</params>{_S})?+</methodCall>{_S}"
    ).encode()
)
_LONGEST_SIMPLE: Final = 2000
"""Bytes of a simple call."""
_VALUE: Final = re.compile(rb"<(int|i4|boolean|double|string)>([^<]*+)<")
_READ: Final[dict[bytes, Callable[[bytes], Value]]] = {
    b"int": int,
    b"i4": int,
    b"boolean": lambda text: READ["boolean"](text.decode()),
    b"double": lambda text: READ["double"](text.decode()),
    b"string": bytes.decode,
}


def simple_call(body: bytes) -> tuple[str, list[Value]] | None:
    """
    The method and parameters of a short call of plain scalars, such as `add(2, 3)`.

    None for other bodies; a Fault when a parameter is not what its tag says.
    """
    if len(body) > _LONGEST_SIMPLE or (match := _SIMPLE.fullmatch(body)) is None:
        return None
    method, parameters = match.groups()
    values = _VALUE.findall(parameters) if parameters else ()
    return method.decode(), [_READ[tag](text) for tag, text in values]


def call(body: bytes, encoding: str | None = None) -> Steps[tuple[str, list[Value]]]:
    """The method and parameters in `body`; a Fault when they cannot be read."""
    if encoding in (None, "UTF-8") and (simple := simple_call(body)) is not None:
        return simple
    return (yield from Reader(encoding).read(body))


def call_body(name: str, parameters: Sequence[Value]) -> Steps[bytes]:
    """The methodCall that `call` reads as these; dateTimes keep fractions and zone."""
    pieces = [f"<methodCall><methodName>{escaped(name)}</methodName><params>".encode()]
    for number, value in enumerate(parameters, 1):
        xml = yield from Writer(scalars=_EXACT).write(value)
        pieces += (b"<param>", xml, b"</param>")
        if number % _PARAMETERS == 0:
            yield
    pieces.append(b"</params></methodCall>")
    return b"".join(pieces)


def simple_response(value: Value) -> bytes | None:
    """The same as `response` of a plain scalar, or its Fault; None for other values."""
    if type(value) is int and -2147483648 <= value <= 2147483647:
        return _INT % value
    kind = type(value)
    if kind not in _SIMPLE_TYPES or (type(value) is str and len(value) > _LONGEST_STRING):
        return None
    return f"{_OPEN}<value>{SCALARS[kind](value)}</value>{_CLOSE}".encode()


def response(value: Value) -> Steps[bytes]:
    """The methodResponse with the result `value`; a Fault when it cannot be sent."""
    xml = yield from Writer().write(value)
    if len(xml) > _LARGE:
        yield
    return b"".join((_OPEN.encode(), xml, _CLOSE.encode()))


def fault(error: Fault) -> bytes:
    """The methodResponse of a fault; `?` replaces each character that XML cannot carry."""
    code = error.code if -(2**31) <= error.code < 2**31 else -32603
    text = escaped(sendable(error.text[:_LONGEST_FAULT]))
    return (
        f"{_START}<fault><value><struct>"
        f"<member><name>faultCode</name><value><int>{code}</int></value></member>"
        f"<member><name>faultString</name><value><string>{text}</string></value></member>"
        "</struct></value></fault></methodResponse>\n"
    ).encode()


def fault_struct(error: Fault) -> dict[str, Value]:
    """A fault as an element of the result of system.multicall."""
    return {"faultCode": error.code, "faultString": sendable(error.text[:_LONGEST_FAULT])}
