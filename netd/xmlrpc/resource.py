"""
XML-RPC over HTTP: calls by POST, documentation by GET.

Rules: uses only what netd's and stock Twisted's requests have in common.  No
body holds the reactor: everything large is read, checked and written in steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from os import SEEK_END
from types import CoroutineType
from typing import Final

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from netd.http.cors import Policy
from netd.http.negotiation import choose_coding
from netd.http.request import Request
from netd.look import PAGES
from netd.steps import Steps
from netd.xmlrpc import codec, content_coding
from netd.xmlrpc.caller import Caller, internal_error
from netd.xmlrpc.faults import CANCELLED, TOO_LARGE, Fault
from netd.xmlrpc.page import POLICY, page
from netd.xmlrpc.reader import charset
from netd.xmlrpc.registry import Registry
from netd.xmlrpc.scalars import Value

_log = Logger()

_METHODS: Final = b"GET, HEAD, OPTIONS, POST"
_TYPES: Final = ("text/xml", "application/xml")
_XML: Final = b"text/xml; charset=utf-8"

_WORTH_COMPRESSING: Final = 1024
"""Bytes above which a response is compressed for clients that accept gzip."""
_LARGE: Final = 64 * 1024
"""Bytes above which a call waits until there is room in memory for it."""
_MOST_LARGE: Final = 8
"""Large or compressed calls that are read, made and responded to at one time."""


class RPC(Resource):
    """Calls of the methods in `registry`, and a page that documents them."""

    isLeaf = True

    def __init__(self, registry: Registry, caller: Caller, origins: Iterable[str] = ()) -> None:
        Resource.__init__(self)
        self._registry = registry
        self._caller = caller
        self._sharing = Policy(
            b"POST", frozenset(map(str.encode, origins)), headers=b"Content-Type"
        )
        self._pages: tuple[tuple[str, str], ...] = PAGES
        self._page = b""
        self._large = DeferredSemaphore(_MOST_LARGE)

    def alone(self) -> RPC:
        """The same calls for a listener that has no other pages to link to."""
        rpc = copy(self)
        rpc._pages, rpc._page = (), b""
        return rpc

    def render(self, request: Request) -> bytes | int:
        """The body of the response, or NOT_DONE_YET when it comes later."""
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        if self._sharing.origins:
            self._allow_origin(request)
        if any(request.postpath):
            return _plain(request, 404, b"There is nothing below this path.\n")
        if request.method == b"POST":
            return self._post(request)
        if request.method in (b"GET", b"HEAD"):
            return self._get(request)
        request.setHeader(b"Allow", _METHODS)
        if request.method == b"OPTIONS":
            request.setResponseCode(204)
            return b""
        return _plain(request, 405, b"GET, HEAD, OPTIONS or POST.\n")

    def _allow_origin(self, request: Request) -> None:
        """Let scripts of the allowed origins read the response (Fetch, 3.2)."""
        request.setHeader(b"Vary", b"Origin")
        origin = request.getHeader(b"origin")
        fields = self._sharing.allow(origin)
        if fields and request.method == b"OPTIONS":
            fields += self._sharing.preflight(None)
        for name, value in fields:
            request.setHeader(name, value)

    def _get(self, request: Request) -> bytes:
        """The documentation page, or its header alone."""
        self._page = self._page or page(self._registry, self._pages)
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        request.setHeader(b"Content-Security-Policy", POLICY.encode())
        request.setHeader(b"Referrer-Policy", b"no-referrer")
        request.setHeader(b"Cache-Control", b"no-cache")
        if request.method == b"GET":
            return self._page
        request.setHeader(b"Content-Length", b"%d" % len(self._page))
        return b""

    def _post(self, request: Request) -> bytes | int:
        """Make the call in the request's body."""
        # Stock's requests have none.
        request.notes = ()
        content_type = request.getHeader(b"content-type") or b""
        encoding: str | None = None
        # Nearly every client sends exactly this; parsing it costs more than a small call.
        if content_type != b"text/xml":
            media, encoding = content_coding.media_type(content_type.decode("latin-1"))
            if media not in _TYPES:
                request.setHeader(b"Accept-Post", b"text/xml, application/xml")
                return _plain(request, 415, b"A call is text/xml or application/xml.\n")
        content_encoding = request.getHeader(b"content-encoding") or b""
        coding = content_encoding.decode("latin-1").strip().lower()
        if coding not in ("", "identity", *content_coding.CODINGS):
            request.setHeader(b"Accept-Encoding", b"gzip, deflate")
            return _plain(request, 415, b"A call may be compressed by gzip or deflate.\n")
        request.setHeader(b"Content-Type", _XML)
        size = request.content.seek(0, SEEK_END)
        if size > (limit := content_coding.LARGEST):
            return _too_large(request, f"the call is larger than {limit} bytes")
        peer: str = getattr(request.getClientAddress(), "host", "")
        if size > _LARGE or coding in content_coding.CODINGS:
            large = self._respond_large(request, peer, encoding, coding)
            return _rendered(request, Deferred.fromCoroutine(large))
        body = _body(request)
        result: Value
        try:
            call = None if coding or encoding is not None else codec.simple_call(body)
            if call is not None:
                request.notes = (("rpc_method", call[0]),)
                result = self._caller.start(peer, *call)
                response = codec.simple_response(result)
                if response is not None and len(response) <= _WORTH_COMPRESSING:
                    _note_fault(request, 0)
                    return response
            else:
                result = self._call(request, peer, body, encoding, coding)
        except Fault as fault:
            return _fault(request, fault)
        return _rendered(request, Deferred.fromCoroutine(self._respond(request, result, [])))

    async def _call(
        self, request: Request, peer: str, body: bytes, encoding: str | None, coding: str
    ) -> Value:
        """The result of the call in `body`, or a Deferred of it; a Fault."""
        turns = self._caller.turns
        if coding in content_coding.CODINGS:
            body = await turns.finish(content_coding.decompressed(body, coding))
        try:
            known = None if encoding is None else charset(encoding)
            name, parameters = await turns.finish(codec.call(body, known))
        except Fault as fault:
            self._caller.count_fault(fault)
            raise
        request.notes = (("rpc_method", name),)
        method = await turns.finish(self._caller.checked(name, parameters))
        return self._caller.begin(method, peer, parameters)

    async def _respond_large(
        self, request: Request, peer: str, encoding: str | None, coding: str
    ) -> bytes:
        """As `_respond`; the body stays where it is until there is room for it in memory."""
        crowded = not self._large.tokens
        held = [await self._large.acquire()]
        try:
            if crowded:
                # Not inside the end of the call before.
                await self._caller.turns.finish(_a_turn())
            call = self._call(request, peer, _body(request), encoding, coding)
            return await self._respond(request, call, held)
        finally:
            _release(held)

    async def _respond(
        self, request: Request, result: Value, held: list[DeferredSemaphore]
    ) -> bytes:
        """
        The body of the response to a call, after its status and fields are set.

        What is `held` is released while a result is waited for.
        """
        turns = self._caller.turns
        try:
            # `_call` is over, and frees what was read, before the result is waited for.
            if isinstance(result, CoroutineType):
                result = await result
            if isinstance(result, Deferred):
                _release(held)
                result = await result
            body = await turns.finish(codec.response(result))
            _note_fault(request, 0)
        except Fault as fault:
            body = _fault(request, fault)
        except content_coding.TooLarge as error:
            return _too_large(request, str(error))
        except content_coding.BadCompression as error:
            return _plain(request, 400, f"The compression is broken: {error}.\n".encode())
        except CancelledError:
            _note_fault(request, CANCELLED)
            raise
        # A result that raises while it is written is the method's bug, and no 500.
        except Exception:
            body = _fault(request, internal_error("writing a result", Failure()))
        if len(body) > _WORTH_COMPRESSING:
            request.responseHeaders.addRawHeader(b"Vary", b"Accept-Encoding")
            accepted = [request.getHeader(b"accept-encoding") or b""]
            if choose_coding(accepted, (b"gzip",)) == b"gzip":
                request.setHeader(b"Content-Encoding", b"gzip")
                body = await turns.finish(content_coding.gzipped(body))
        return body


class RPCRoot(Resource):
    """The root of a listener for calls only: `/` and `/RPC2` take them, the rest is 404."""

    def __init__(self, rpc: RPC) -> None:
        Resource.__init__(self)
        alone = rpc.alone()
        self.putChild(b"", alone)
        self.putChild(b"RPC2", alone)

    def getChild(self, path: bytes, request: Request) -> IResource:
        """A 404 page."""
        return notFound()


def _rendered(request: Request, response: Deferred[bytes]) -> bytes | int:
    """The body if `response` has it already; else NOT_DONE_YET, and the body is sent later."""
    ready: list[bytes] = []
    response.addCallback(ready.append)
    if ready:
        return ready[0]
    connected = True

    def left(_: Failure) -> None:
        nonlocal connected
        connected = False
        response.cancel()

    def ended(failure: object) -> None:
        # The cancellation of a call whose client has left is no error.
        if isinstance(failure, Failure) and (connected or not failure.check(CancelledError)):
            _log.failure("while answering a call", failure)
        if isinstance(failure, Failure):
            # Its traceback is in a cycle with frames that hold the result of the call.
            failure.cleanFailure()
        if not connected:
            return
        if isinstance(failure, Failure):
            request.setResponseCode(500)
        else:
            request.setHeader(b"Content-Length", b"%d" % len(ready[0]))
            request.write(ready[0])
        request.finish()

    request.notifyFinish().addErrback(left)
    response.addBoth(ended)
    return NOT_DONE_YET


def _body(request: Request) -> bytes:
    """The body of a call, whose room is given back: the response may come much later."""
    request.content.seek(0)
    body = request.content.read()
    request.content.close()
    return body


def _release(held: list[DeferredSemaphore]) -> None:
    while held:
        held.pop().release()


def _a_turn() -> Steps[None]:
    yield


def _plain(request: Request, code: int, sentence: bytes) -> bytes:
    request.setResponseCode(code)
    request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
    return sentence


def _too_large(request: Request, text: str) -> bytes:
    request.setResponseCode(413)
    return _fault(request, Fault(TOO_LARGE, text))


def _fault(request: Request, fault: Fault) -> bytes:
    """The body of a response with `fault`, which the log gets too."""
    _note_fault(request, fault.code)
    return codec.fault(fault)


def _note_fault(request: Request, code: int) -> None:
    """Log the call as one with this fault; 0 is a result, as in the metrics."""
    request.notes += (("rpc_fault", code),)
