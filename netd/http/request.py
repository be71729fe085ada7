"""
One HTTP request and its answer, as a Resource sees them.

`Request` offers the part of `twisted.web.iweb.IRequest` that Resources use:

- what was asked: `method`, `uri` (in origin-form), `path`, `prepath`,
  `postpath`, `args` (of the query only), `content` (an open file), `clientproto`,
  `requestHeaders`, `getHeader`, `getClientAddress`, `isSecure`
- the answer: `setResponseCode`, `code`, `code_message`, `setHeader`,
  `responseHeaders`, `redirect`, `write`, `finish`, `notifyFinish`,
  `registerProducer` and `unregisterProducer` (push and pull), `sentLength`,
  `startedWriting`, `finished`
- below it: `channel`, `transport` (for faults: `abortConnection` works at any
  time), `loseConnection`

and beyond `IRequest`: `head` (a `netd.http.request_head.Head`; `head.raw` is what came
over the wire), `trailers` (of a chunked request), `addTrailer` (of a chunked
answer), `setHeaders` and `respond` (a whole answer at little cost).  Unlike on
stock, `finish` after the client left, or a second time, does nothing.  Sessions,
cookies, forms, ETags and content encoders are not here.

Rules: knows the channel it came over, not how bytes move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IProducer, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.error import UnsupportedMethod
from twisted.web.http_headers import Headers
from twisted.web.resource import getChildForRequest
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from netd.http import response_head
from netd.http.pull_to_push import PullToPush
from netd.http.question import Question
from netd.http.request_head import Head

if TYPE_CHECKING:
    from netd.http.conversation import Conversation

_log = Logger()


@implementer(IConsumer)
class Request(Question):
    """One request; see the module for what of `IRequest` it offers."""

    __slots__ = (
        "_disconnected",
        "_fields",
        "_framing",
        "_headers",
        "_keep",
        "_left",
        "_lines",
        "_notifications",
        "_producer",
        "_trailer",
        "code",
        "code_message",
        "finished",
        "sentLength",
        "startedWriting",
    )

    def __init__(self, channel: Conversation, head: Head) -> None:
        Question.__init__(self, channel, head)
        self.code = 200
        self.code_message: bytes | None = None
        self.sentLength = 0
        self.startedWriting = self.finished = self._disconnected = False
        self._framing = response_head.WHOLE
        self._left: int | None = None
        self._keep = False
        self._trailer = b""
        self._headers: Headers | None = None
        self._fields: response_head.Fields = {}
        self._lines: response_head.HeaderBlock | None = None
        """All that was set, as long as that is nothing else; `_fields` is empty then."""
        self._notifications: list[Deferred[None]] | None = None
        self._producer: IPushProducer | None = None

    @property
    def responseHeaders(self) -> Headers:
        """The answer's fields but for those that the engine sets; `setHeader` is cheaper."""
        if self._headers is None:
            self._headers = headers = Headers()
            for name, value in response_head.said(self._own()):
                headers.addRawHeader(name, value)
        return self._headers

    def setHeader(self, name: bytes | str, value: bytes | str) -> None:
        """Set a field in place of all values it had; line breaks in `value` become spaces."""
        if self._headers is not None:
            self._headers.setRawHeaders(name, [value])
        else:
            name = response_head.known_names.get(name) or response_head.name(name)
            self._own()[name] = b"%b: %b\r\n" % (name, response_head.value(value))

    def setHeaders(self, lines: response_head.HeaderBlock) -> None:
        """Set many fields as `setHeader` does, of which the lines are made already."""
        if self._headers is not None:
            for name, value in response_head.said(lines.by_name):
                self.setHeader(name, value)
        elif self._fields or self._lines is not None:
            self._own().update(lines.by_name)
        else:
            self._lines = lines

    def setResponseCode(self, code: int, message: bytes | None = None) -> None:
        """Set the status and, when it is an unusual one, the reason phrase."""
        self.code = code
        self.code_message = message

    def redirect(self, url: bytes | str) -> None:
        """Answer 302 to `url`; `finish` is still to be called."""
        self.setResponseCode(302)
        self.setHeader(b"Location", url)

    def addTrailer(self, name: bytes | str, value: bytes | str) -> None:
        """Send a field after the body, where the answer is chunked (RFC 9110 6.5)."""
        self._trailer += b"%b: %b\r\n" % (response_head.name(name), response_head.value(value))

    def notifyFinish(self) -> Deferred[None]:
        """Fires when the answer is written, or fails when the client leaves before."""
        done: Deferred[None] = Deferred()
        if self._notifications is None:
            self._notifications = []
        self._notifications.append(done)
        return done

    def write(self, data: bytes) -> None:
        """Send a piece of the body, after the head where it is the first."""
        if self.finished:
            raise RuntimeError(
                "Request.write called on a request after Request.finish was called."
            )
        if self._disconnected:
            return
        if not self.startedWriting:
            self.channel.send(self._begin(None))
        if self._framing.mute or not data:
            return
        if self._left is not None:
            # Never a byte beyond Content-Length: it would be read as the next answer.
            data = data[: self._left]
            self._left -= len(data)
        self.sentLength += len(data)
        self.channel.send(
            b"%x\r\n%b\r\n" % (len(data), data) if self._framing.chunked else data
        )

    def flush(self) -> None:
        """Pass everything that was written on to the transport."""
        self.channel.flush()

    def sentOutside(self, count: int) -> None:
        """Count `count` bytes of the body that went to the transport's socket directly."""
        self.sentLength += count
        if self._left is not None:
            self._left -= count

    def finish(self) -> None:
        """The answer is complete; after the client left this does nothing."""
        if self.finished or self._disconnected:
            return
        if not self.startedWriting:
            if b"Content-Length" not in self._said():
                self.respond(b"")
                return
            self.channel.send(self._begin(None))
        if self._left and not self._framing.mute:
            # Less than was promised: only the end of the connection can say so.
            self._keep = False
        self._end(b"0\r\n%b\r\n" % self._trailer if self._framing.chunked else b"")

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Let `producer` write the body at the pace of the client."""
        if self._producer is not None:
            raise RuntimeError(
                f"Cannot register {producer}: {self._producer} is still registered."
            )
        if self._disconnected or self.finished:
            producer.stopProducing()
            return
        clock = self.channel.site.clock
        source = producer if streaming else PullToPush(producer, self.fail, clock)
        self._producer = cast(IPushProducer, source)
        self.channel.produce(self._producer)

    def unregisterProducer(self) -> None:
        """Take no more from the producer."""
        if isinstance(self._producer, PullToPush):
            self._producer.rest()
        self._producer = None
        self.channel.produce(None)

    def process(self) -> None:
        """Find the Resource, render it, and answer with what it returns."""
        site = self.channel.site
        if self.path == b"*":
            # OPTIONS of the server as a whole (RFC 9110 9.3.7)
            self.respond(b"")
            return
        try:
            resource = getChildForRequest(site.resource, self)
        except Exception:
            self.fail(Failure())
            return
        self._render(resource)

    def fail(self, failure: Failure) -> None:
        """Log a bug and answer 500, without a word of it to the client."""
        _log.failure("while answering {line}", failure, line=self.head.line)
        if self.finished or self._disconnected:
            return
        if self.startedWriting:
            # Too late for another status: cut, so that nobody takes this for an answer.
            self.transport.abortConnection()
            return
        self._plain(500, b"Internal Server Error\n", {})

    def lost(self, reason: Failure) -> None:
        """The client is gone: stop the producer and tell who waits."""
        self._disconnected = True
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        waiting, self._notifications = self._notifications, None
        self.close()
        for each in waiting or ():
            each.errback(reason)

    def _render(self, resource: Any) -> None:
        """Answer with what `resource` returns, or for what it raises."""
        try:
            body = resource.render(self)
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
                # Whoever can say GET can say HEAD (RFC 9110 9.3.2).
                self.method = b"GET"
                self._render(resource)
            else:
                # RFC 9110 15.5.6
                self._plain(405, b"Method Not Allowed\n", {b"Allow": b", ".join(allowed)})
        except Exception:
            self.fail(Failure())

    def _plain(self, code: int, sentence: bytes, fields: dict[bytes, bytes]) -> None:
        """Answer with one line of text and `fields`, whatever the Resource had set."""
        self._headers = self._lines = None
        self._fields = response_head.plain(fields)
        self.setResponseCode(code)
        self.respond(sentence)

    def _own(self) -> response_head.Fields:
        """The lines of the answer, free to be changed."""
        if self._lines is not None:
            self._fields = self._lines.by_name.copy()
            self._lines = None
        return self._fields

    def _said(self) -> response_head.Fields:
        """The lines of the answer, whichever way they were set."""
        if self._headers is not None:
            self._fields = response_head.lines(self._headers)
            self._headers = None
        return self._own()

    def respond(self, body: bytes) -> None:
        """Answer with `body`, all of it, and finish: one join, one write."""
        if self.finished or self._disconnected:
            return
        if body and self.head.plain and self._headers is None and self.code_message is None:
            # The short way, which nearly all answers go: nothing is left to decide.
            opening = self.channel.site.openings.get(self.code)
            lines = self._lines
            fields = response_head.joined(self._fields) if lines is None else lines.joined
            if opening is not None and fields:
                self.startedWriting = True
                self._keep = keep = self.head.keep and self.channel.keeps()
                self.sentLength = length = len(body)
                size = b"Content-Length: %d\r\n" % length
                end = b"\r\n" if keep else response_head.CLOSE
                self._end(b"".join((opening, fields, size, end, body)))
                return
        top = self._begin(len(body))
        if self._framing.mute:
            self._end(top)
        else:
            self.sentLength = len(body)
            self._end(top + body)

    def _begin(self, length: int | None) -> bytes:
        """The answer's head, for a body of `length` bytes or of as many as will be written."""
        self.startedWriting = True
        fields = self._said()
        site = self.channel.site
        keep = self.head.keep and self.channel.keeps()
        top = site.opening(self.code)
        if self.code_message is not None or not response_head.ours(fields):
            top = response_head.status_line(self.code, self.code_message)
            keep = keep and b"close" not in fields.pop(b"Connection", b"").lower()
            fields.pop(b"Transfer-Encoding", None)
            fields.setdefault(b"Server", b"Server: %b\r\n" % response_head.SERVER)
            fields.setdefault(b"Date", b"Date: %b\r\n" % site.date())
        framing = response_head.frame(fields, self.code, length, self.head)
        self._framing = framing
        self._left = framing.left
        self._keep = keep = keep and framing.keep
        end = b"\r\n" if self.head.minor else b"Connection: keep-alive\r\n\r\n"
        return b"".join((top, *fields.values(), end if keep else response_head.CLOSE))

    def _end(self, data: bytes) -> None:
        """The last bytes: give everything back, tell who waits, go on with the connection."""
        self.finished = True
        if self._producer is not None:
            self.unregisterProducer()
        if self._spool is not None or self._content is not None:
            self.close()
        self.channel.done(self, data, self._keep)
        if self._notifications is not None:
            waiting, self._notifications = self._notifications, None
            for each in waiting:
                each.callback(None)
