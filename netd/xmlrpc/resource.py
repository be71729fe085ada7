"""
XML-RPC over HTTP: calls by POST, documentation by GET.

Rules: uses of a request what every Twisted Resource may use, so that it runs
under netd's engine and under stock `twisted.web.server.Site` alike.  No body
holds the reactor: what is not small is read, called and written in turns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from netd.http.cors import Policy
from netd.http.negotiation import choose_coding
from netd.xmlrpc import codec, content_coding
from netd.xmlrpc.caller import Caller, internal
from netd.xmlrpc.encodings import charset
from netd.xmlrpc.faults import TOO_LARGE, Fault
from netd.xmlrpc.page import POLICY, page
from netd.xmlrpc.registry import Registry

_log = Logger()

_METHODS: Final = b"GET, HEAD, OPTIONS, POST"
_TYPES: Final = ("text/xml", "application/xml")
_XML: Final = b"text/xml; charset=utf-8"

_WORTH_PACKING: Final = 1024
"""Bytes above which an answer is compressed for those who accept that."""


class RPC(Resource):
    """What `registry` holds, for everyone to call and to read about."""

    isLeaf = True

    def __init__(self, registry: Registry, caller: Caller, origins: Iterable[str] = ()) -> None:
        Resource.__init__(self)
        self._registry = registry
        self._caller = caller
        self._sharing = Policy(
            b"POST", frozenset(map(str.encode, origins)), headers=b"Content-Type"
        )
        self._page = b""

    def render(self, request: Any) -> Any:
        """The answer, or NOT_DONE_YET where it takes longer."""
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        if self._sharing.origins:
            self._allow_origin(request)
        if any(request.postpath):
            return _plain(request, 404, b"There is nothing below this path.\n")
        if request.method == b"POST":
            return self._post(request)
        answer: Callable[[Any], Any] | None = {
            b"GET": self._get,
            b"HEAD": self._head,
            b"OPTIONS": self._options,
        }.get(request.method)
        if answer is None:
            request.setHeader(b"Allow", _METHODS)
            return _plain(request, 405, b"GET, HEAD, OPTIONS or POST.\n")
        return answer(request)

    def _allow_origin(self, request: Any) -> None:
        """Let pages of the origins that were asked for read the answers (Fetch, 3.2)."""
        request.setHeader(b"Vary", b"Origin")
        origin = request.getHeader(b"origin")
        fields = self._sharing.allow(origin)
        if fields and request.method == b"OPTIONS":
            fields += self._sharing.preflight(None)
        for name, value in fields:
            request.setHeader(name, value)

    def _options(self, request: Any) -> bytes:
        request.setResponseCode(204)
        request.setHeader(b"Allow", _METHODS)
        return b""

    def _get(self, request: Any) -> bytes:
        """The documentation."""
        self._page = self._page or page(self._registry)
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        request.setHeader(b"Content-Security-Policy", POLICY.encode())
        request.setHeader(b"Referrer-Policy", b"no-referrer")
        request.setHeader(b"Cache-Control", b"no-cache")
        return self._page

    def _head(self, request: Any) -> bytes:
        request.setHeader(b"Content-Length", b"%d" % len(self._get(request)))
        return b""

    def _post(self, request: Any) -> Any:
        content_type = request.getHeader(b"content-type") or b""
        encoding: str | None = None
        # Nearly every client says just this; the general way costs more than a small call.
        if content_type != b"text/xml":
            media, encoding = content_coding.media(content_type.decode("latin-1"))
            if media not in _TYPES:
                request.setHeader(b"Accept-Post", b"text/xml, application/xml")
                return _plain(request, 415, b"A call is text/xml or application/xml.\n")
        coding = (
            (request.getHeader(b"content-encoding") or b"").decode("latin-1").strip().lower()
        )
        if coding not in ("", "identity", *content_coding.CODINGS):
            request.setHeader(b"Accept-Encoding", b"gzip, deflate")
            return _plain(request, 415, b"A call may be compressed by gzip or deflate.\n")
        # One byte more than is allowed tells a body that is too large, and no more is read.
        body = request.content.read(content_coding.LARGEST + 1)
        request.setHeader(b"Content-Type", _XML)
        if len(body) > content_coding.LARGEST:
            request.setResponseCode(413)
            return codec.fault(
                Fault(TOO_LARGE, f"the call is larger than {content_coding.LARGEST} bytes")
            )
        peer = getattr(request.getClientAddress(), "host", "")
        called: Awaitable[Any]
        try:
            short = None if coding or encoding is not None else codec.short(body)
            if short is not None:
                result = self._caller.start(peer, *short)
                written = codec.small(result)
                if written is not None and len(written) <= _WORTH_PACKING:
                    return written
                called = _value(result)
            else:
                called = self._call(peer, body, encoding, coding)
        except Fault as wrong:
            return codec.fault(wrong)
        return _settled(request, self._answer(request, called))

    async def _call(self, peer: str, body: bytes, encoding: str | None, coding: str) -> Any:
        """The result of the call in `body`, or a Fault."""
        turns = self._caller.turns
        if coding in content_coding.CODINGS:
            body = await turns.finish(content_coding.unpacked(body, coding))
        try:
            known = None if encoding is None else charset(encoding)
            name, parameters = await turns.finish(codec.call(body, known))
        except Fault as wrong:
            self._caller.failed(wrong)
            raise
        return await _value(await turns.finish(self._caller.steps(peer, name, parameters)))

    async def _answer(self, request: Any, call: Awaitable[Any]) -> bytes:
        """The body of the answer to a call; the request gets what else there is to say."""
        turns = self._caller.turns
        try:
            answer = await turns.finish(codec.response(await call))
        except Fault as wrong:
            answer = codec.fault(wrong)
        except content_coding.TooLarge as wrong:
            request.setResponseCode(413)
            return codec.fault(Fault(TOO_LARGE, str(wrong)))
        except content_coding.BadCompression as wrong:
            return _plain(request, 400, f"The compression is broken: {wrong}.\n".encode())
        except CancelledError:
            raise
        # A result that breaks while it is written is the method's bug, and no 500.
        except Exception:
            answer = codec.fault(internal("writing a result", Failure()))
        if len(answer) > _WORTH_PACKING:
            request.responseHeaders.addRawHeader(b"Vary", b"Accept-Encoding")
            accepted = [request.getHeader(b"accept-encoding") or b""]
            if choose_coding(accepted, (b"gzip",)) == b"gzip":
                request.setHeader(b"Content-Encoding", b"gzip")
                answer = await turns.finish(content_coding.packed(answer))
        return answer


class Alone(Resource):
    """A site of calls only: `/` and `/RPC2` take them, every other path is a 404."""

    def __init__(self, rpc: RPC) -> None:
        Resource.__init__(self)
        self.putChild(b"", rpc)
        self.putChild(b"RPC2", rpc)

    def getChild(self, path: bytes, request: Any) -> IResource:
        """Nothing else is here."""
        return notFound()


async def _value(result: Any) -> Any:
    """`result`, waited for when it has to be."""
    return await result if isinstance(result, Deferred) else result


def _settled(request: Any, work: Coroutine[Deferred[Any], Any, bytes]) -> Any:
    """The bytes that `work` comes to when it does so at once, else NOT_DONE_YET."""
    ready: list[bytes] = []
    done = Deferred.fromCoroutine(work)
    done.addCallback(ready.append)
    if ready:
        return ready[0]
    here = True

    def left(_: Failure) -> None:
        nonlocal here
        here = False
        done.cancel()

    def ended(failure: object) -> None:
        # What a client that left has cancelled ends as it should.
        if isinstance(failure, Failure) and (here or not failure.check(CancelledError)):
            _log.failure("while answering a call", failure)
        if not here:
            return
        if isinstance(failure, Failure):
            request.setResponseCode(500)
        else:
            request.setHeader(b"Content-Length", b"%d" % len(ready[0]))
            request.write(ready[0])
        request.finish()

    request.notifyFinish().addErrback(left)
    done.addBoth(ended)
    return NOT_DONE_YET


def _plain(request: Any, code: int, sentence: bytes) -> bytes:
    request.setResponseCode(code)
    request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
    return sentence
