"""
One HTTP request and its response, as a Resource sees them.

`Request` offers the part of `twisted.web.iweb.IRequest` that Resources use: `uri` is in
origin-form, `args` are those of the query only, producers may push or pull, and
`transport.abortConnection` works at any time.

Beyond `IRequest` there are `head` (`head.raw` is what came over the wire), `trailers` (of a
chunked request), `addTrailer` (of a chunked response), `setHeaders`, `begin` and `respond` (a
whole response at little cost), `refuse`, `flush`, `sentOutside` (for sendfile) and `notes`.

Rules: knows of its connection what `Connection` says.  What costs is done when it is looked at.
"""

from __future__ import annotations

from functools import cached_property
from io import BytesIO
from typing import IO, AnyStr, Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IConsumer, IProducer, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.error import UnsupportedMethod
from twisted.web.http import parse_qs
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource, getChildForRequest
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from netd.http import response_head
from netd.http.body import Sized
from netd.http.context import Notes, ServerContext
from netd.http.output import AHEAD, Output, PullToPush, Transport
from netd.http.request_head import Head
from netd.http.upload import BodyBuffer, Upload

_log = Logger()


class Connection(Protocol):
    """What a request needs of the connection it came over; see `HTTPConnection`."""

    context: ServerContext
    output: Output

    def keeps(self) -> bool: ...
    def done(self, request: Request, data: bytes, keep: bool) -> None: ...


@implementer(IConsumer)
class Request:
    """One request; see the module for what of `IRequest` it offers."""

    # __dict__ takes `args` and what Resources hang on a request, and is made only then.
    __slots__ = (
        *("__dict__", "_block", "_body", "_content", "_disconnected", "_fields"),
        *("_framing", "_headers", "_keep", "_left", "_notifications", "_producer"),
        *("_requestHeaders", "_trailer", "begun", "channel", "code", "code_message"),
        *("finished", "head", "method", "notes", "path", "postpath", "prepath", "sentLength"),
        *("startedWriting", "trailers", "uri"),
    )

    def __init__(self, channel: Connection, head: Head) -> None:
        self.channel = channel
        self.head = head
        self.method, self.uri, self.path = head.method, head.uri, head.path
        self.prepath: list[bytes] = []
        self.postpath = head.postpath.copy()
        self.trailers = Sized.trailers
        self.begun = 0.0  # when the head was complete, where a body came after it
        self.notes: Notes = ()
        self._requestHeaders: Headers | None = None
        self._content: IO[bytes] | None = None
        self._body: BodyBuffer | None = None
        self.code = 200
        self.code_message: bytes | None = None
        self.sentLength = 0
        self.startedWriting = self.finished = self._disconnected = self._keep = False
        self._framing = response_head.SIZED
        self._left: int | None = None  # bytes that Content-Length promises still
        self._trailer = b""
        # The response header: `_headers` once a Resource has looked at it, `_block` while
        # it equals a shared block, otherwise `_fields`.
        self._headers: Headers | None = None
        self._block: response_head.HeaderBlock | None = None
        self._fields: response_head.FieldLines = {}
        self._notifications: tuple[Deferred[None], ...] = ()
        self._producer: IPushProducer | None = None

    @property
    def clientproto(self) -> bytes:
        """The client's protocol version."""
        return b"HTTP/1.1" if self.head.minor else b"HTTP/1.0"

    @cached_property
    def args(self) -> dict[bytes, list[bytes]]:
        """The query's parameters, percent-decoded."""
        return parse_qs(self.head.query, 1) if self.head.query else {}

    @property
    def content(self) -> IO[bytes]:
        """The body, open at its start; closed when the request is done."""
        if self._content is None:
            self._content = BytesIO() if self._body is None else self._body.rewound()
        return self._content

    @property
    def requestHeaders(self) -> Headers:
        """All header fields; `getHeader` is cheaper."""
        if self._requestHeaders is None:
            self._requestHeaders = Headers(self.head.fields)
        return self._requestHeaders

    def getHeader(self, key: AnyStr) -> AnyStr | None:
        """The last value of a field, or None."""
        if self._requestHeaders is not None:
            raw = self._requestHeaders.getRawHeaders(key)
            return raw[-1] if raw else None
        if isinstance(key, str):
            values = self.head.fields.get(key.lower().encode("iso-8859-1"))
            return values[-1].decode("utf-8") if values else None
        values = self.head.fields.get(key.lower())
        return values[-1] if values else None

    def getClientAddress(self) -> IAddress:
        """The client's address."""
        return self.channel.output.transport.getPeer()

    def isSecure(self) -> bool:
        """Whether the request came over TLS."""
        return self.channel.output.secure

    @property
    def transport(self) -> Transport:
        """What carries the response; everything written so far is on it already."""
        self.flush()
        return self.channel.output.transport

    def loseConnection(self) -> None:
        """Close the connection after what was written so far."""
        self.transport.loseConnection()

    def received(self, upload: Upload) -> None:
        """Take over the body that was received."""
        self._body, self.begun = upload.body, upload.begun
        self.trailers = upload.decoder.trailers

    def process(self) -> None:
        """Find the Resource, render it, and send what it returns."""
        if self.path == b"*":
            # OPTIONS of the server as a whole (RFC 9110 9.3.7)
            self.respond(b"")
            return
        try:
            self._render(getChildForRequest(self.channel.context.resource, self))
        except Exception:
            self.fail(Failure())

    def lost(self, reason: Failure) -> None:
        """The client is gone: stop the producer and fail what `notifyFinish` gave."""
        self._disconnected = True
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        notifications, self._notifications = self._notifications, ()
        self.close()
        for notification in notifications:
            notification.errback(reason)

    def close(self) -> None:
        """Give the room of the body back."""
        if self._body is not None:
            self._content = self._body.file
            self._body.close()
        elif self._content is not None:
            self._content.close()

    @property
    def responseHeaders(self) -> Headers:
        """The fields but for those that the server sets; `setHeader` is cheaper."""
        if self._headers is None:
            headers = Headers()
            for name, value in response_head.pairs(self._lines()):
                headers.addRawHeader(name, value)
            self._headers = headers
        return self._headers

    def setHeader(self, name: bytes | str, value: bytes | str) -> None:
        """Set a field in place of all values it had; line breaks in `value` become spaces."""
        if self._headers is not None:
            self._headers.setRawHeaders(name, [value])
        else:
            name = response_head.known_names.get(name) or response_head.canonical(name)
            self._lines()[name] = b"%b: %b\r\n" % (name, response_head.one_line(value))

    def setHeaders(self, block: response_head.HeaderBlock) -> None:
        """Set each field of `block` as `setHeader` does, at little cost."""
        if self._headers is not None:
            for name, value in response_head.pairs(block.by_name):
                self.setHeader(name, value)
        elif self._fields or self._block is not None:
            self._lines().update(block.by_name)
        else:
            self._block = block

    def setResponseCode(self, code: int, message: bytes | None = None) -> None:
        """Set the status and, when it is an unusual one, the reason phrase."""
        self.code = code
        self.code_message = message

    def redirect(self, url: bytes | str) -> None:
        """Respond with 302 to `url`; `finish` is still to be called."""
        self.setResponseCode(302)
        self.setHeader(b"Location", url)

    def addTrailer(self, name: bytes | str, value: bytes | str) -> None:
        """Send a field after the body, where the response is chunked (RFC 9110 6.5)."""
        name, value = response_head.canonical(name), response_head.one_line(value)
        self._trailer += b"%b: %b\r\n" % (name, value)

    def _lines(self) -> response_head.FieldLines:
        """The response header in `_fields`, where it may be changed."""
        if self._headers is not None:
            self._fields = response_head.from_headers(self._headers)
            self._headers = None
        elif self._block is not None:
            self._fields = self._block.by_name.copy()
            self._block = None
        return self._fields

    def notifyFinish(self) -> Deferred[None]:
        """Fires when the response is written, or fails when the client leaves before."""
        notification: Deferred[None] = Deferred()
        self._notifications = (*self._notifications, notification)
        return notification

    def respond(self, body: bytes) -> None:
        """Send `body` as the whole response, and finish: one join, one write."""
        if self.finished or self._disconnected:
            return
        length = len(body)
        if length > AHEAD and not self.channel.context.unsent.has_room(length):
            self.refuse()
            return
        data = self._usual(length, body) if body else b""
        if data:
            self.sentLength = length
        else:
            data = self._begin(length)
            if not self._framing.head_only:
                self.sentLength = length
                data += body
        self._end(data)

    def begin(self, length: int) -> None:
        """Send the header of a body of `length` bytes, which is written or sent outside."""
        if not self._disconnected:
            top = self._usual(length) or self._begin(length)
            self._left = length
            self.channel.output.send(top)

    def write(self, data: bytes) -> None:
        """Send a piece of the body, after the header where it is the first."""
        if self._disconnected:
            return
        if self.finished:
            raise RuntimeError("Request.write called after Request.finish")
        if not self.startedWriting:
            if len(data) > AHEAD and not self.channel.context.unsent.has_room(len(data)):
                self.refuse()
                return
            self.channel.output.send(self._begin(None))
        if self._framing.head_only or not data:
            return
        if self._left is not None:
            # A byte beyond Content-Length would be read as the next response.
            data = data[: self._left]
            self._left -= len(data)
        self.sentLength += len(data)
        self.channel.output.send(
            b"%x\r\n%b\r\n" % (len(data), data) if self._framing.chunked else data
        )

    def flush(self) -> None:
        """Pass everything that was written on to the transport."""
        self.channel.output.flush()

    def sentOutside(self, count: int) -> None:
        """Count `count` bytes of the body that went to the transport's socket directly."""
        self.sentLength += count
        if self._left is not None:
            self._left -= count

    def finish(self) -> None:
        """End the response; after the client left, or a second time, this does nothing."""
        if self.finished or self._disconnected:
            return
        if not self.startedWriting:
            if b"Content-Length" not in self._lines():
                self.respond(b"")
                return
            self.channel.output.send(self._begin(None))
        if self._left and not self._framing.head_only:
            # Less than was promised: only the end of the connection can say so.
            self._keep = False
        self._end(b"0\r\n%b\r\n" % self._trailer if self._framing.chunked else b"")

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Let `producer` write the body at the pace of the client."""
        if self._producer is not None:
            raise RuntimeError(f"{self._producer} is still registered, not {producer}")
        if self._disconnected or self.finished:
            producer.stopProducing()
            return
        if not streaming:
            producer = PullToPush(producer, self.fail, self.channel.context.clock)
        self._producer = cast(IPushProducer, producer)
        self.channel.output.produce(self._producer)

    def unregisterProducer(self) -> None:
        """Take no more from the producer."""
        if isinstance(self._producer, PullToPush):
            self._producer.pauseProducing()
        self._producer = None
        self.channel.output.produce(None)

    def fail(self, failure: Failure) -> None:
        """Log a bug and respond with 500, which tells the client nothing of it."""
        _log.failure("while answering {line}", failure, line=self.head.line)
        if self.finished or self._disconnected:
            return
        if not self.startedWriting:
            self._respond_plain(500, b"Internal Server Error\n")
        else:
            # Too late for another status: cut, so that nobody takes it for complete.
            self.transport.abortConnection()

    def refuse(self) -> None:
        """Respond with 503: others read too slowly.  What is written after it goes nowhere."""
        producer = self._producer
        self.notes += (("refusal", "unsent"),)
        self._respond_plain(503, b"Others read too slowly.\n", (b"Retry-After", b"1"))
        self._disconnected = True
        if producer is not None:
            producer.stopProducing()

    def _render(self, resource: IResource) -> None:
        """Send what `resource` returns, or respond to what it raises."""
        try:
            body: object = resource.render(self)
            if body is NOT_DONE_YET or self.finished or self._disconnected:
                return
            if not isinstance(body, bytes):
                raise TypeError(f"rendered as {type(body)!r}, not bytes")
            if self.startedWriting:
                self.write(body)
                self.finish()
            else:
                self.respond(body)
        except UnsupportedMethod as error:
            allowed: list[bytes] = sorted(error.allowedMethods)
            if self.method == b"HEAD" and b"GET" in allowed:
                self.method = b"GET"  # which has HEAD everywhere (RFC 9110 9.3.2)
                self._render(resource)
            else:
                allow = b"Allow", b", ".join(allowed)  # RFC 9110 15.5.6
                self._respond_plain(405, b"Method Not Allowed\n", allow)

    def _respond_plain(self, code: int, text: bytes, *fields: tuple[bytes, bytes]) -> None:
        """Respond with a line of text and `fields`, whatever the Resource had set."""
        self._headers = self._block = None
        self._fields = response_head.from_pairs((*response_head.PLAIN_TEXT, *fields))
        self.setResponseCode(code)
        self.respond(text)

    def _usual(self, length: int, body: bytes = b"") -> bytes:
        """Header and `body` if nothing is left to decide, as for nearly all; else nothing."""
        if not self.head.plain or self._headers is not None or self.code_message is not None:
            return b""
        start, block = self.channel.context.response_starts.get(self.code), self._block
        fields = response_head.joined(self._fields) if block is None else block.joined
        if start is None or not fields:
            return b""
        self.startedWriting = True
        self._keep = keep = self.head.keep and self.channel.keeps()
        end = b"\r\n" if keep else response_head.CLOSE
        return b"".join((start, fields, response_head.content_length(length), end, body))

    def _begin(self, length: int | None) -> bytes:
        """The header of a response of `length` bytes, or of as many as will be written."""
        self.startedWriting = True
        fields = self._lines()
        context = self.channel.context
        keep = self.head.keep and self.channel.keeps()
        top = context.response_start(self.code)
        if self.code_message is not None or response_head.overrides(fields):
            top = response_head.status_line(self.code, self.code_message)
            keep = response_head.complete(fields, context.date()) and keep
        framing = response_head.choose_framing(fields, self.code, length, self.head)
        self._framing, self._left = framing, framing.length
        self._keep = keep = keep and framing.keep
        end = b"\r\n" if self.head.minor else b"Connection: keep-alive\r\n\r\n"
        return b"".join((top, *fields.values(), end if keep else response_head.CLOSE))

    def _end(self, data: bytes) -> None:
        """Send the last bytes, give everything back, and hand on to the connection."""
        self.finished = True
        if self._producer is not None:
            self.unregisterProducer()
        if self._body is not None or self._content is not None:
            self.close()
        self.channel.done(self, data, self._keep)
        if self._notifications:
            notifications, self._notifications = self._notifications, ()
            for notification in notifications:
                notification.callback(None)
