"""
One HTTP/1.1 connection: its read loop, its changes of state and its refusals.

Rules: one request is responded to at a time; what a client sends ahead waits
here, up to a limit, then in its kernel.  States change through `_enter` only.
"""

from __future__ import annotations

from math import inf
from typing import ClassVar, Final, cast

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IPushProducer,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from netd.http import response_head
from netd.http.connection_state import TRANSITIONS, ConnectionState
from netd.http.context import ServerContext, peer_name
from netd.http.errors import RequestError
from netd.http.output import AHEAD, Output, Transport
from netd.http.request import Request
from netd.http.request_head import END, Head, examine, parse
from netd.http.upload import Upload
from netd.turns import SLICE_REQUESTS

LINGER_SECONDS: Final = 2.0
"""How long a client may read a refusal before its unread input causes a reset."""
HALF_CLOSE_SECONDS: Final = 0.1
"""A FIN this soon after a request belongs to the request: the client half-closed."""

# Names of a module are found faster than members of a class.
HANDSHAKE, IDLE, HEAD, BODY, RESPONDING, BLOCKED, *_OVER = ConnectionState
ENDING, CLOSING, LINGERING, CLOSED = _OVER


@implementer(IHalfCloseableProtocol, IHandshakeListener, IPushProducer)
class HTTPConnection:
    """
    The protocol of one connection, and the producer of its transport.

    `client` is the network that limits by client count the connection for; None
    where they are off.
    """

    __slots__ = (
        *("_buffer", "_half_closed", "_reading", "_unread", "_upload", "asked_at", "client"),
        *("context", "deadline", "number", "output", "peer", "port", "queued", "refusal"),
        *("request", "served", "state", "user"),
    )

    linger_bytes: ClassVar = 256 * 1024  # how much unread input is discarded meanwhile
    output: Output

    def __init__(
        self, context: ServerContext, address: IAddress | None, client: bytes | None
    ) -> None:
        self.context = context
        self.client = client
        self.peer = peer_name(getattr(address, "host", None))
        self.port: int | None = getattr(address, "port", None)
        self.number = 0  # among all connections of the daemon
        self.user = b"-"  # the name in the client's certificate
        self.refusal: str | None = None  # what the client gets at once, and nothing else
        self.request: Request | None = None
        self.state, self.deadline = HANDSHAKE, inf
        self._buffer = b""  # received, and part of no request yet
        self._upload: Upload | None = None
        self.served = 0  # requests so far
        self.asked_at = 0.0  # when the latest request was complete
        self._unread = 0  # bytes discarded after the last response; a refusal counts as one
        self._half_closed = self.queued = False
        self._reading = True

    @property
    def transport(self) -> Transport:
        """What carries the connection."""
        return self.output.transport

    # From the transport

    def makeConnection(self, transport: ITransport) -> None:
        """The connection is open."""
        context = self.context
        self.output = output = Output(cast(Transport, transport), context.unsent)
        context.opened(self)
        output.transport.registerProducer(self, True)
        if self.refusal is not None:
            self.refuse(self.refusal)
        elif output.secure:
            self.deadline = context.clock.seconds() + context.limits.handshake
        else:
            self._enter(IDLE, context.idle_deadline)

    def handshakeCompleted(self) -> None:
        """TLS is ready."""
        identity = getattr(self.transport, "identity", None)
        if identity:
            self.user = identity.encode()
        if self.state is HANDSHAKE:
            self._enter(IDLE, self.context.idle_deadline)

    def dataReceived(self, data: bytes) -> None:
        """Respond to the requests that are complete, keep the rest."""
        output = self.output
        busy = self.request is not None or output.paused or self.state >= BLOCKED
        if busy or (output.in_parts and not self.context.turns.in_time()):
            self._set_aside(data)
        else:
            self._serve(self._buffer + data if self._buffer else data)

    def readConnectionLost(self) -> None:
        """
        The client sends no more: it half-closed, or it left.

        Nothing on the wire tells the two apart.  A FIN that comes with the
        request, or after its response has begun, is taken for a half-close; one
        that comes while the client waits for its response, for leaving.
        """
        self._half_closed = True
        if self.state >= ENDING:
            self.transport.loseConnection()
        elif self.request is None:
            if not (self.output.paused or self.queued):
                self._serve(self._buffer)
        elif not self.request.startedWriting:
            waited = self.context.clock.seconds() - self.asked_at
            if waited > HALF_CLOSE_SECONDS:
                self._abandon(self.request, Failure(ConnectionDone()))
                self.close()

    def writeConnectionLost(self) -> None:
        """Our side is closed, as `close` asked for."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is closed, and with it everything that was in flight."""
        if self.request is not None:
            self._abandon(self.request, reason)
        self._enter(CLOSED, inf)
        if self._upload is not None:
            self._upload.close()
            self._upload = None
        self._buffer = b""
        self.output.discard()
        self.context.closed(self)

    def pauseProducing(self) -> None:
        """The client is slower than its responses: read no more requests."""
        self.output.pause()
        # While a response is due, the client's leaving must still be seen.
        if self.request is None:
            self._read(False)

    def resumeProducing(self) -> None:
        """The client has caught up."""
        self.output.resume()
        if self.request is None and self.state < ENDING and self.output.collected is None:
            self._go_on()

    def stopProducing(self) -> None:
        """Do nothing: `connectionLost` follows."""

    # From the server

    @property
    def idle(self) -> bool:
        """Whether the connection waits for a request of which nothing has arrived."""
        return self.state is IDLE

    def overdue(self) -> None:
        """The deadline has passed."""
        if self.state in (HANDSHAKE, IDLE):
            self.close()
        elif self.state in (HEAD, BODY):
            self.refuse("slow-head" if self.state is HEAD else "slow-body")
        elif not self.output.written:
            # While the last response is still being sent, the limit for stalls applies.
            self.abort()

    def proceed(self) -> None:
        """Respond to a slice of what was sent ahead."""
        if self.state is BLOCKED and not self.output.paused:
            self._serve(self._buffer)

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abortConnection()

    def close(self) -> None:
        """Close, so that the client gets to read the last response."""
        unread = bool(self._buffer or self._unread) and self.context.roomy
        self._buffer = b""
        self._enter(CLOSING, self.context.clock.seconds() + LINGER_SECONDS)
        if self.output.close(half=unread and not self._half_closed):
            self._read(True)
            self._enter(LINGERING, self.deadline)

    # From the request

    def done(self, request: Request, data: bytes, keep: bool) -> None:
        """The response to `request` ends with `data`; without `keep` it was the last one."""
        self.request = None
        context, output = self.context, self.output
        corked = output.collected is not None
        if not corked:
            # The state changes before the transport has its say.
            output.cork()
        if data:
            output.send(data)
        if self.state is RESPONDING:
            context.waited(self.client)
        context.responded(self, request, request.code)
        if not keep or context.draining:
            # A drain may have begun after the header, which promised more.
            self._enter(ENDING, self.deadline)
        elif self.state is IDLE:
            self.deadline = context.idle_deadline
        else:
            self._enter(IDLE, context.idle_deadline)
        if not corked:
            output.uncork()
            self._go_on()

    def keeps(self) -> bool:
        """Whether the connection takes another request after this one."""
        context = self.context
        return not context.draining and (
            self.client is None or self.served < context.limits.max_requests
        )

    # Requests

    def _serve(self, data: bytes) -> None:
        """Respond to every request in `data` until a response has to be waited for."""
        output = self.output
        output.cork()
        self._buffer = b""
        self._buffer = data[self._requests(data) :]
        output.uncork()
        # The input is read when it should be paused, or the other way round.
        misread = output.paused is self._reading
        begun = self._buffer or self._upload is not None
        if misread or begun or self.state is not IDLE or self._half_closed:
            self._settle()

    def _go_on(self) -> None:
        """Respond to what was sent ahead in a later turn: this one may have done enough."""
        if self._buffer and self.request is None:
            self.context.turns.wait(self)
        self._settle()

    def _settle(self) -> None:
        """Decide the next state after the read loop."""
        if self.state is ENDING:
            self.close()
        if self.state >= ENDING:
            return
        if self.request is not None:
            self._read(len(self._buffer) <= AHEAD)
            return
        context = self.context
        if self.output.paused or self.queued:
            state, deadline = BLOCKED, inf
        elif self._half_closed:
            if self._buffer or self._upload is not None:
                self.refuse("incomplete")
            else:
                self.close()
            return
        elif self._buffer:
            state, deadline = HEAD, context.clock.seconds() + context.limits.head_time
        elif self._upload is not None:
            state, deadline = BODY, self._upload.deadline
        else:
            state, deadline = IDLE, context.idle_deadline
        if self.state is not state:
            self._enter(state, deadline)
        self._read(state is not BLOCKED and len(self._buffer) <= AHEAD)

    def _requests(self, data: bytes) -> int:
        """Respond to requests; where in `data` the first byte is that is still needed."""
        context, output = self.context, self.output
        limits, seconds = context.limits, context.clock.seconds
        at, end = 0, len(data)
        until, left = 0.0, SLICE_REQUESTS
        try:
            while at < end and not (self.request or output.paused or self.state >= ENDING):
                if self._upload is not None:
                    at = self._receive(self._upload, data, at)
                    continue
                stop = data.find(END, at) + 4
                if stop < 4 or stop - at > limits.max_head:
                    examine(data[at:] if at else data, limits.max_head, limits.max_target)
                    break
                if stop < end or at:  # a request that comes alone does not pay for this
                    until, left = until or context.turns.until(), left - 1
                    if left < 0 or (at and seconds() >= until):
                        context.turns.wait(self)
                        break
                raw, head = data[at:stop], context.latest_head
                if head is None or raw != head.raw:
                    head = parse(raw, limits.max_target, limits.max_fields)
                    context.latest_head = head
                at = stop
                if head.length == 0:
                    self._respond(Request(self, head))
                else:
                    self._begin_upload(head, at == end)
        except RequestError as error:
            self._buffer = data[at:]
            self.refuse(error.key)
        return at

    def _begin_upload(self, head: Head, all_read: bool) -> None:
        """A request with a body begins; a client that waits for 100 (Continue) gets it."""
        context = self.context
        limits, now = context.limits_at(head.path), context.clock.seconds()
        self._upload = Upload(head, limits, context.body_buffers, now)
        if head.length is not None and head.length > limits.max_body:
            raise RequestError("large-body")
        if head.continues and all_read:
            # RFC 9110 10.1.1: needless once the client has begun to send.
            self.output.send(response_head.CONTINUE)

    def _receive(self, upload: Upload, data: bytes, at: int) -> int:
        """Take in more of a body, and respond when it is complete; the index behind it."""
        rest = upload.feed(data[at:] if at else data)
        if rest is None:
            self.deadline = upload.deadline
            return len(data)
        self._upload = None
        request = Request(self, upload.head)
        request.received(upload)
        self._respond(request)
        return len(data) - len(rest)

    def _respond(self, request: Request) -> None:
        """Process `request`; a response that is not complete then has to be waited for."""
        context = self.context
        self.served += 1
        self.request = request
        self.asked_at = context.clock.seconds()
        request.process()
        if self.request is not request:
            return
        refusal = context.crowded(self.client)
        if refusal is not None and not request.startedWriting:
            self.refuse(refusal)
            request.lost(Failure(ConnectionAborted()))
            return
        context.wait(self.client)
        self._enter(RESPONDING, inf)

    def _abandon(self, request: Request, reason: Failure) -> None:
        """The client left before its response was complete, or the connection was cut."""
        self.request = None
        # 499 and 444 are nginx's names for these.
        code = 499
        if reason.check(ConnectionAborted) or self.transport.disconnecting:
            code = request.code if request.startedWriting else 444
        if self.state is RESPONDING:
            self.context.waited(self.client)
        request.lost(reason)
        self.context.responded(self, request, code, lost=True)

    def refuse(self, key: str, head_only: bool = False) -> None:
        """Send the refusal called `key`, and end the connection."""
        error = RequestError(key)
        head, current = None, self._upload or self.request
        if current is not None:
            head = current.head
            current.close()
        self.served += self.request is None
        self.request = self._upload = None
        line = self._buffer.split(b"\r\n", 1)[0][:AHEAD] if head is None else head.line
        header, body = response_head.refusal(error.code, error.sentence, self.context.date())
        if head_only or (head is not None and head.method == b"HEAD"):
            body = b""
        self.output.send(header + body)
        self.context.refused(self, error, line, len(body), current)
        self._unread += 1
        self._enter(ENDING, self.deadline)
        if self.output.collected is None:
            self.close()

    # States and input

    def _enter(self, state: ConnectionState, deadline: float) -> None:
        """Change to `state` until `deadline`; RuntimeError unless `TRANSITIONS` allows it."""
        if state not in TRANSITIONS[self.state]:
            raise RuntimeError(f"{self.state.name} cannot be followed by {state.name}")
        self.state = state
        self.deadline = deadline

    def _read(self, reading: bool) -> None:
        """Take input, or leave it in the kernel; after a FIN there is none to take."""
        if reading is not self._reading and not self._half_closed:
            self._reading = reading
            (self.transport.resumeProducing if reading else self.transport.pauseProducing)()

    def _set_aside(self, data: bytes) -> None:
        """Keep what was sent ahead; after the last response, discard it."""
        if self.state >= ENDING:
            self._unread += len(data)
            if self._unread > self.linger_bytes:
                self.abort()
            return
        self._buffer += data
        self._go_on()
