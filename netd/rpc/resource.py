"""
XML-RPC over HTTP POST at `/RPC2`.

Rules: the standard library's codec stands inside for now, with the doors that
it leaves open shut: no DTD, no body beyond what it parses in a few
milliseconds, and no traceback to anyone for what a client sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from xml.parsers import expat
from xmlrpc.client import Fault, Marshaller, Unmarshaller

from twisted.logger import Logger
from twisted.web.resource import Resource

from netd.rpc.arithmetic import add, mul, power
from netd.rpc.registry import (
    INTERNAL,
    NOT_WELL_FORMED,
    NOT_XMLRPC,
    Procedure,
    Refused,
    Registry,
)

_log = Logger()

LARGEST: Final = 64 * 1024
"""The bytes of a call; parsing them holds the reactor a few milliseconds."""

PROCEDURES: Final[tuple[Procedure, ...]] = (add, mul, power)


def parse(body: bytes) -> tuple[str, tuple[Any, ...]]:
    """The method and parameters of a call; Refused when `body` is none."""
    parser = expat.ParserCreate()
    target = Unmarshaller(use_builtin_types=True)

    def doctype(*_: object) -> None:
        raise Refused(NOT_XMLRPC, "a DOCTYPE is not allowed")

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = target.start
    parser.EndElementHandler = target.end
    parser.CharacterDataHandler = target.data
    # None: the text comes decoded from expat; the stubs do not know that this is allowed.
    target.xml(None, None)  # type: ignore[arg-type]
    try:
        parser.Parse(body, True)
        parameters, method = target.close(), target.getmethodname()
    except expat.ExpatError as wrong:
        raise Refused(NOT_WELL_FORMED, f"not well-formed XML: {wrong}") from None
    except Refused:
        raise
    # Whatever the standard library's unmarshaller trips over came from the client.
    except Exception as wrong:
        raise Refused(NOT_XMLRPC, f"not an XML-RPC call: {type(wrong).__name__}") from None
    if not method:
        raise Refused(NOT_XMLRPC, "not an XML-RPC call: no methodName")
    return method, parameters


class _Marshaller(Marshaller):
    """The standard library's, with i8 for what it refuses: ints beyond 32 bits."""

    def _int(self, value: int, write: Callable[[str], object]) -> None:
        kind = "int" if -(2**31) <= value < 2**31 else "i8"
        write(f"<value><{kind}>{value}</{kind}></value>\n")

    dispatch: Any = {**Marshaller.dispatch, int: _int}  # noqa: RUF012  # as in the base class


def dump(value: tuple[Any] | Fault) -> bytes:
    """The methodResponse that carries `value`."""
    inner = _Marshaller("utf-8").dumps(value)
    return f'<?xml version="1.0"?>\n<methodResponse>\n{inner}</methodResponse>\n'.encode()


class RPC(Resource):
    """Answers POSTed calls of the arithmetic procedures; every failure is a Fault."""

    isLeaf = True

    def __init__(self) -> None:
        Resource.__init__(self)
        self._registry = Registry(PROCEDURES)

    def render(self, request: Any) -> bytes:
        """
        The methodResponse; 200 with a Fault in it when the call fails, 413
        when it is too long, 405 when it is no POST.
        """
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        request.setHeader(b"Content-Type", b"text/xml; charset=utf-8")
        if request.method != b"POST":
            request.setResponseCode(405)
            request.setHeader(b"Allow", b"POST")
            return b""
        body = request.content.read(LARGEST + 1)
        if len(body) > LARGEST:
            request.setResponseCode(413)
            return b""
        return self.respond(body)

    def respond(self, body: bytes) -> bytes:
        """The methodResponse to the methodCall in `body`."""
        try:
            method, parameters = parse(body)
            result = self._registry[method].call(parameters)
            return dump((result,))
        except Refused as refused:
            return dump(Fault(refused.code, refused.text))
        except Exception:
            _log.failure("an XML-RPC method failed")
            return dump(Fault(INTERNAL, "internal error"))
