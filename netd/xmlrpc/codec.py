"""
Bodies: bytes to a call, a result or a fault to bytes.

Rules: pure.  The short way for a call whose parameters are plain scalars gives
what the long way gives; a property test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from netd.xmlrpc.faults import Fault
from netd.xmlrpc.reader import Reader
from netd.xmlrpc.scalars import READ, Value, escaped, sendable
from netd.xmlrpc.steps import Steps
from netd.xmlrpc.writer import SCALARS, Writer

_START: Final = "<?xml version='1.0' encoding='UTF-8'?>\n<methodResponse>"
_OPEN: Final = f"{_START}<params><param>"
_CLOSE: Final = "</param></params></methodResponse>\n"
_INT: Final = f"{_OPEN}<value><int>%d</int></value>{_CLOSE}".encode()
_LONGEST_SMALL: Final = 500
"""Characters of a string that is written the short way."""
_SMALL: Final = frozenset({int, float, str, bool, type(None)})
_LONGEST_FAULT: Final = 10_000
"""Characters of a faultString."""

_S: Final = r"[ \t\r\n]*+"
_DECLARATION: Final = (
    r"""<\?xml version=(?:'1\.0'|"1\.0")"""
    rf"""(?: encoding=(?i:'utf-8'|"utf-8"))?+{_S}\?>"""
)
# Printable, and nothing of markup: what stands there is what is meant.
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
_VALUE: Final = re.compile(rb"<(int|i4|boolean|double|string)>([^<]*+)<")
_READ: Final[dict[bytes, Callable[[bytes], Value]]] = {
    b"int": int,
    b"i4": int,
    b"boolean": lambda text: READ["boolean"](text.decode()),
    b"double": lambda text: READ["double"](text.decode()),
    b"string": bytes.decode,
}
_LONGEST_SIMPLE: Final = 2000


def simple_call(body: bytes) -> tuple[str, list[Value]] | None:
    """
    The call in `body` when it is one of plain scalars, as every client writes `add(2, 3)`.

    A Fault when one of them is not what its tag says.
    """
    if len(body) > _LONGEST_SIMPLE or (match := _SIMPLE.fullmatch(body)) is None:
        return None
    method, parameters = match.groups()
    found = _VALUE.findall(parameters) if parameters else ()
    return method.decode(), [_READ[tag](text) for tag, text in found]


def call(body: bytes, encoding: str | None = None) -> Steps[tuple[str, list[Value]]]:
    """The method and parameters in `body`, in the encoding that HTTP named; or a Fault."""
    if encoding in (None, "UTF-8") and (found := simple_call(body)) is not None:
        return found
    return (yield from Reader(encoding).read(body))


def simple_response(value: Value) -> bytes | None:
    """What `response` comes to for a plain scalar, or its Fault; None for all else."""
    if type(value) is int and -2147483648 <= value <= 2147483647:
        return _INT % value
    kind = type(value)
    if kind not in _SMALL or (type(value) is str and len(value) > _LONGEST_SMALL):
        return None
    return f"{_OPEN}<value>{SCALARS[kind](value)}</value>{_CLOSE}".encode()


def response(value: Value) -> Steps[bytes]:
    """The methodResponse that carries `value`; a Fault when it cannot be sent."""
    written = yield from Writer().write(value)
    return b"".join((_OPEN.encode(), written, _CLOSE.encode()))


def fault(wrong: Fault) -> bytes:
    """The methodResponse that carries a fault; what XML cannot carry of its text is `?`."""
    code = wrong.code if -(2**31) <= wrong.code < 2**31 else -32603
    text = escaped(sendable(wrong.text[:_LONGEST_FAULT]))
    return (
        f"{_START}<fault><value><struct>"
        f"<member><name>faultCode</name><value><int>{code}</int></value></member>"
        f"<member><name>faultString</name><value><string>{text}</string></value></member>"
        "</struct></value></fault></methodResponse>\n"
    ).encode()


def member(wrong: Fault) -> dict[str, Value]:
    """A fault as an element of what system.multicall gives."""
    return {"faultCode": wrong.code, "faultString": sendable(wrong.text[:_LONGEST_FAULT])}
