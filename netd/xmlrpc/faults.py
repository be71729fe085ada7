"""
What a call that fails ends in, and the codes for it.

Rules: pure.  The codes are those of the public "Specification for Fault Code
Interoperability" (faults_interop); -32000 to -32003 are netd's own, from the
range which that leaves to applications.
"""

from __future__ import annotations

from typing import Final

NOT_WELL_FORMED: Final = -32700
UNSUPPORTED_ENCODING: Final = -32701
BAD_CHARACTER: Final = -32702
NOT_XMLRPC: Final = -32600
NO_METHOD: Final = -32601
BAD_PARAMETERS: Final = -32602
INTERNAL: Final = -32603
APPLICATION: Final = -32500
BUSY: Final = -32000
TIMEOUT: Final = -32001
TOO_LARGE: Final = -32002
CANCELLED: Final = -32003

KNOWN: Final = frozenset(
    {
        *(NOT_WELL_FORMED, UNSUPPORTED_ENCODING, BAD_CHARACTER, NOT_XMLRPC, NO_METHOD),
        *(BAD_PARAMETERS, INTERNAL, APPLICATION, BUSY, TIMEOUT, TOO_LARGE, CANCELLED),
    }
)
"""All of these; a method may end in any other."""


class Fault(Exception):
    """
    A call that ends in this code and text; a method may raise it on purpose.

    `trace` is for netd's log and never goes to the client.
    """

    def __init__(self, code: int, text: str, trace: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.trace = trace


def not_xmlrpc(text: str) -> Fault:
    """The fault of a body that is well-formed XML and no XML-RPC call."""
    return Fault(NOT_XMLRPC, text)


class BadParameters(Fault):
    """The parameters are of the wrong number, type or size."""

    def __init__(self, text: str) -> None:
        super().__init__(BAD_PARAMETERS, text)


def as_fault(wrong: BaseException) -> Fault | None:
    """
    `wrong` as the fault that it says it is; None when it is a bug.

    The standard library's `xmlrpc.client.Fault` (Twisted's is the same) is
    known by its attributes, because importing it would bring an HTTP client.
    """
    if isinstance(wrong, Fault):
        return wrong
    code, text = getattr(wrong, "faultCode", None), getattr(wrong, "faultString", None)
    if type(code) is int and isinstance(text, str):
        return Fault(code, text)
    return None
