"""
Faults: the exception that ends a failed call, and its codes.

Rules: pure.  The codes are those of the public "Specification for Fault Code
Interoperability" (faults_interop); -32000 to -32003 are netd's own, from the
range that it leaves to applications.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

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
"""All codes above; a method may raise a Fault with any other."""


class Fault(Exception):
    """
    A failed call's code and text; methods may raise it.

    `trace` is for netd's log and never goes to the client.
    """

    def __init__(self, code: int, text: str, trace: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.trace = trace


class BadParameters(Fault):
    """The parameters have the wrong number, type or size."""

    def __init__(self, text: str) -> None:
        super().__init__(BAD_PARAMETERS, text)


def not_xmlrpc(text: str) -> Fault:
    """The fault of a body that is well-formed XML but no XML-RPC call."""
    return Fault(NOT_XMLRPC, text)


def too_many(waiting: int) -> Fault:
    """The fault of a call that is one more than may wait for a worker."""
    return Fault(BUSY, f"busy: {waiting} calls are waiting already")


Why: TypeAlias = Literal["process", "worker", "queue", "method", "version"]
"""Why a call has no outcome."""

_LOST: Final[Mapping[Why, str]] = {
    "process": "the process that ran {} died",
    "worker": "the worker died",
    "queue": "the queue lost this call",
    "method": "the worker has no method {}",
    "version": "the worker has another version of {}",
}


def lost(why: Why, name: str) -> Fault:
    """The fault of a call of the method `name` that has no outcome; it may have run."""
    return Fault(INTERNAL, _LOST[why].format(name))


def as_fault(error: BaseException) -> Fault | None:
    """
    `error` as a Fault when it is raised on purpose; None when it is a bug.

    The standard library's `xmlrpc.client.Fault` (Twisted's is the same) is
    known by its attributes, because importing it would import an HTTP client.
    """
    if isinstance(error, Fault):
        return error
    code, text = getattr(error, "faultCode", None), getattr(error, "faultString", None)
    return Fault(code, text) if type(code) is int and isinstance(text, str) else None
