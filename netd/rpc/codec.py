"""
Bodies: bytes to a call, a result or a fault to bytes.

Rules: pure.  The short way for a call whose parameters are small ints gives
what the long way gives; a property test holds the two together.
"""

from __future__ import annotations

import re
from typing import Any, Final

from netd.rpc.faults import Fault
from netd.rpc.reader import Reader
from netd.rpc.scalars import escaped, sendable
from netd.rpc.steps import Steps
from netd.rpc.writer import Writer

_START: Final = "<?xml version='1.0' encoding='UTF-8'?>\n<methodResponse>"
_OPEN: Final = f"{_START}<params><param>"
_CLOSE: Final = "</param></params></methodResponse>\n"
_INT: Final = f"{_OPEN}<value><int>%d</int></value>{_CLOSE}".encode()
_LONGEST_FAULT: Final = 10_000
"""Characters of a faultString."""

_S: Final = r"[ \t\r\n]*+"
_DECLARATION: Final = (
    r"""<\?xml version=(?:'1\.0'|"1\.0")"""
    rf"""(?: encoding=(?i:'utf-8'|"utf-8"))?+{_S}\?>"""
)
_SCALAR: Final = r"(?:<int>[+-]?[0-9]{1,9}+</int>|<i4>[+-]?[0-9]{1,9}+</i4>)"
_PARAM: Final = f"<param>{_S}<value>{_S}{_SCALAR}{_S}</value>{_S}</param>{_S}"
_SHORT: Final = re.compile(
    (
        f"(?:{_DECLARATION})?+{_S}<methodCall>{_S}"
        f"<methodName>([A-Za-z0-9_.:/]{{1,200}}+)</methodName>{_S}"
        f"(?:<params>{_S}((?:{_PARAM}){{0,16}}+)</params>{_S})?+</methodCall>{_S}"
    ).encode()
)
_NUMBER: Final = re.compile(rb">([+-]?[0-9]+)<")
_LONGEST_SHORT: Final = 2000


def short(body: bytes) -> tuple[str, list[Any]] | None:
    """The call in `body` when it is one of small ints, as every client writes `add(2, 3)`."""
    if len(body) > _LONGEST_SHORT or (match := _SHORT.fullmatch(body)) is None:
        return None
    method, parameters = match.groups()
    return method.decode(), [int(each) for each in _NUMBER.findall(parameters or b"")]


def call(body: bytes, encoding: str | None = None) -> Steps[tuple[str, list[Any]]]:
    """The method and parameters in `body`, in the encoding that HTTP named; or a Fault."""
    if encoding in (None, "UTF-8") and (found := short(body)) is not None:
        return found
    return (yield from Reader(encoding).read(body))


def small(value: int) -> bytes | None:
    """What `response` comes to for an int of 32 bits; None for a larger one."""
    return _INT % value if -2147483648 <= value <= 2147483647 else None


def response(value: Any) -> Steps[bytes]:
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


def member(wrong: Fault) -> dict[str, Any]:
    """A fault as an element of what system.multicall gives."""
    return {"faultCode": wrong.code, "faultString": sendable(wrong.text[:_LONGEST_FAULT])}
