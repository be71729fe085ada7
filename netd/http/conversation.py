"""
The requests of one connection and their answers, in order.

Rules: knows the wire, not the transport.  One request is answered at a time;
what a client sends ahead waits here, up to a limit, then in its kernel.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IAddress
from twisted.python.failure import Failure

from netd.http import response_head
from netd.http.errors import RequestError
from netd.http.output import AHEAD, Output
from netd.http.phases import ANSWER, BODY, CLOSING, ENDING, HEAD, IDLE, LINGER, OVER
from netd.http.request import Request
from netd.http.request_head import END, Head, examine, parse
from netd.http.upload import Upload

if TYPE_CHECKING:
    from netd.http.server import Site


LINGER_SECONDS: Final = 2.0
"""How long a client may read a refusal before its unread input causes a reset."""
LINGER_BYTES: Final = 256 * 1024
"""How much unread input is discarded meanwhile."""


class Conversation(Output):
    """What is said on one connection."""

    __slots__ = (
        "_buffer",
        "_heard",
        "_intake",
        "_most",
        "_served",
        "_unread",
        "client",
        "deadline",
        "phase",
        "request",
        "site",
        "waiting",
    )

    def __init__(self, site: Site, address: IAddress | None, client: bytes | None) -> None:
        Output.__init__(self, address)
        self.site = site
        self.client = client
        """The client's network; None where limits by client are off."""
        self.request: Request | None = None
        self.phase = IDLE
        self.deadline = inf
        self.waiting = False
        """The site counts our request as waited for."""
        self._most = inf if client is None else site.limits.max_requests
        self._buffer = b""
        self._intake: Upload | None = None
        self._served = 0
        self._heard = 0.0
        self._unread = 0

    # From the request

    def done(self, request: Request, data: bytes, keep: bool) -> None:
        """`request` ends with `data`; without `keep` it was the last one."""
        self.request = None
        if data:
            self._out.append(data)
            self._pending += len(data)
        if self.waiting:
            self.waiting = False
            self.site.waited(self.client)
        self.site.answered(self, request, request.code)
        if keep:
            self.phase = IDLE
            self.deadline = self.site.idle_deadline
        else:
            self.phase = ENDING
        if not self._corked:
            self._serve(self._buffer)
        elif self._pending > AHEAD:
            self.flush()

    def keeps(self) -> bool:
        """Whether the connection takes another request after this one."""
        return self._served < self._most and not self.site.draining

    # How it is done

    def _serve(self, data: bytes) -> None:
        """Answer every request in `data` until one has to be waited for."""
        self._corked = True
        self._buffer = b""
        at = self._requests(data)
        self._buffer = data[at:]
        self._corked = False
        if self._out:
            self.flush()
        if (
            self.phase is not IDLE
            or self._buffer
            or self.request is not None
            or self._half
            or self.paused is self._reading
        ):
            self._settle()

    def _settle(self) -> None:
        """All that could be answered is answered: what is the connection at now?"""
        if self.phase is ENDING:
            self.close()
            return
        if self.request is not None:
            self._stay(ANSWER, inf)
            self._heard = self.site.clock.seconds()
        elif self.paused:
            self._stay(ANSWER, inf)
        elif self._half:
            if self._buffer or self._intake is not None:
                self.refuse("incomplete")
            else:
                self.close()
            return
        elif self._buffer:
            if self.phase is not HEAD:
                self._stay(HEAD, self.site.limits.head_time)
        elif self._intake is None:
            self.phase = IDLE
            self.deadline = self.site.idle_deadline
        self._read((self.request is not None or not self.paused) and len(self._buffer) <= AHEAD)

    def _requests(self, data: bytes) -> int:
        """Answer requests; say where in `data` the first byte is that is still needed."""
        limits = self.site.limits
        at = 0
        try:
            while at < len(data) and self.request is None and not self.paused:
                if self.phase in OVER:
                    break
                if self._intake is not None:
                    at = self._receive(self._intake, data, at)
                    continue
                end = data.find(END, at) + 4
                if end < 4 or end - at > limits.max_head:
                    examine(data[at:] if at else data, limits.max_head, limits.max_target)
                    break
                head = parse(data[at:end], limits.max_target, limits.max_fields)
                at = end
                if head.length == 0:
                    self._answer(Request(self, head))
                else:
                    self._announce(head, at == len(data))
        except RequestError as refused:
            self._buffer = data[at:]
            self.refuse(refused.key)
        return at

    def _announce(self, head: Head, silent: bool) -> None:
        """A request with a body begins; a client that waits for our word gets it now."""
        site = self.site
        now = site.clock.seconds()
        limits = site.limits_at(head.path)
        self._intake = Upload(head, limits, site.spools, now)
        if head.length is not None and head.length > limits.max_body:
            raise RequestError("large-body")
        self.phase = BODY
        self.deadline = now + site.limits.body_seconds(0)
        if head.continues and silent:
            # RFC 9110 10.1.1: needless once the client has begun to send.
            self.send(response_head.CONTINUE)

    def _receive(self, intake: Upload, data: bytes, at: int) -> int:
        """Take in more of a body, and answer when it is whole."""
        rest = intake.feed(data[at:] if at else data)
        if rest is None:
            self.deadline = intake.begun + self.site.limits.body_seconds(intake.received)
            return len(data)
        self._intake = None
        request = Request(self, intake.head)
        request.spooled(intake.spool, intake.decoder.trailers)
        self._answer(request)
        return len(data) - len(rest)

    def _answer(self, request: Request) -> None:
        self._served += 1
        self.request = request
        request.process()
        if self.request is not request:
            return
        # What is answered at once never waits, so it is never one too many.
        crowded = self.site.crowded(self.client)
        if crowded is not None and not request.startedWriting:
            self.refuse(crowded)
            request.lost(Failure(ConnectionAborted()))
            return
        self.waiting = True
        self.site.wait(self.client)

    def _stay(self, phase: str, seconds: float) -> None:
        self.phase = phase
        self.deadline = self.site.clock.seconds() + seconds

    def _set_aside(self, data: bytes) -> None:
        """Keep what was sent ahead; after the last answer, throw it away."""
        if self.phase in OVER:
            self._unread += len(data)
            if self._unread > LINGER_BYTES:
                self.abort()
            return
        self._buffer += data
        if len(self._buffer) > AHEAD:
            self._read(False)

    def close(self) -> None:
        """Close, so that the client gets to read what was said last."""
        unread = bool(self._buffer or self._unread) and self.site.roomy
        self._buffer = b""
        self._stay(CLOSING, LINGER_SECONDS)
        if self._part(unread):
            self.phase = LINGER

    def _left(self, reason: Failure) -> None:
        """The client did not wait for the end of its answer, or we cut it."""
        request, self.request = self.request, None
        if request is None:
            return
        # 499 and 444 are what nginx calls them.
        code = 499
        if reason.check(ConnectionAborted) or self.transport.disconnecting:
            code = request.code if request.startedWriting else 444
        if self.waiting:
            self.waiting = False
            self.site.waited(self.client)
        self.site.answered(self, request, code)
        request.lost(reason)

    def refuse(self, key: str) -> None:
        """Answer with the refusal called `key`, and end the connection."""
        site = self.site
        refused = RequestError(key)
        request, self.request = self.request, None
        intake, self._intake = self._intake, None
        head = request.head if request else intake.head if intake else None
        line = self._buffer.split(b"\r\n", 1)[0][:AHEAD] if head is None else head.line
        if request is not None:
            request.close()
        if intake is not None:
            intake.spool.close()
        said, body = response_head.refusal(refused.code, refused.sentence, site.date())
        if head is not None and head.method == b"HEAD":
            body = b""
        self._out.append(said + body)
        site.refused(self, refused, line, len(body))
        self._unread += 1
        self.phase = ENDING
        if not self._corked:
            self.close()
