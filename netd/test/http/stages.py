"""
A server without a socket, and its clients without a network.

Rules: knows no test.  Time moves only when a test says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from netd.counters import Counters
from netd.http.context import AccessRecord
from netd.http.server import HTTPServer
from netd.settings import Limits
from netd.test.stages import turn

# Sunday, 6 November 1994, as in RFC 9110 5.6.7
NOW = 784111777.0
DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"

LIMITS = Limits(max_delay=60.0, max_body=10 << 20)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@implementer(IPushProducer)
class RecordingProducer:
    """A push producer that records its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        """Record the call."""
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        """Record the call."""
        self.calls.append("resume")

    def stopProducing(self) -> None:
        """Record the call."""
        self.calls.append("stop")


@frozen
class Response:
    """One response as a client understands it."""

    code: int
    reason: bytes
    fields: dict[bytes, list[bytes]]
    body: bytes
    trailers: bytes = b""

    def field(self, name: bytes) -> bytes | None:
        """The only value of a field."""
        values = self.fields.get(name.lower())
        if values is None:
            return None
        (value,) = values
        return value


def parse_responses(data: bytes, methods: str = "") -> list[Response]:
    """All responses in `data`; `methods` has an H where the request was HEAD."""
    responses: list[Response] = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, f"no end of head in {head!r}"
        line, *lines = head.split(b"\r\n")
        version, code, reason = line.split(b" ", 2)
        assert version == b"HTTP/1.1", line
        fields: dict[bytes, list[bytes]] = {}
        for field in lines:
            name, _, value = field.partition(b": ")
            fields.setdefault(name.lower(), []).append(value)
        body = trailers = b""
        head_only = methods[len(responses) : len(responses) + 1] == "H"
        if head_only or int(code) in (204, 304) or int(code) < 200:
            pass
        elif b"content-length" in fields:
            (length,) = fields[b"content-length"]
            body, data = data[: int(length)], data[int(length) :]
            assert len(body) == int(length), "short body"
        elif fields.get(b"transfer-encoding") == [b"chunked"]:
            body, trailers, data = _dechunk(data)
        else:
            body, data = data, b""
        responses.append(Response(int(code), reason, fields, body, trailers))
    return responses


def _dechunk(data: bytes) -> tuple[bytes, bytes, bytes]:
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            break
        body += data[:length]
        assert data[length : length + 2] == b"\r\n"
        data = data[length + 2 :]
    trailers = b""
    while not data.startswith(b"\r\n"):
        line, end, data = data.partition(b"\r\n")
        assert end
        trailers += line + end
    return body, trailers, data[2:]


def post(body: bytes, more: bytes = b"", path: bytes = b"/echo") -> bytes:
    """A request with a body of known length."""
    head = b"POST %b HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n"
    return head % (path, more, len(body)) + body


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    """A request with a body in chunks."""
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]
    return head + b"".join(pieces) + b"0\r\n" + trailers + b"\r\n"


class MemoryTransport(StringTransport):
    """A transport that can half-close, and that records what was done to it."""

    halfClosed = False
    aborted = False

    def loseWriteConnection(self) -> None:
        """Record the half-close."""
        self.halfClosed = True

    def abortConnection(self) -> None:
        """Record the abort."""
        self.aborted = True
        self.disconnecting = True


class Client:
    """One client of a `ServerFixture`."""

    def __init__(
        self, fixture: ServerFixture, address: Any, transport: MemoryTransport | None = None
    ) -> None:
        self.fixture = fixture
        self.connection = fixture.server.buildProtocol(address)
        self.transport = transport or MemoryTransport(peerAddress=address)
        self.gone = False
        self.connection.makeConnection(self.transport)

    def send(self, data: bytes, pieces: int = 0) -> None:
        """Send `data`, at once or in pieces of so many bytes."""
        for at in range(0, len(data), pieces or len(data) or 1):
            if not self.closed():
                self.connection.dataReceived(data[at : at + (pieces or len(data))])

    def closed(self) -> bool:
        """Whether the connection takes nothing more."""
        return self.gone or bool(self.transport.disconnecting)

    def fin(self) -> None:
        """Close our side."""
        self.connection.readConnectionLost()

    def settle(self) -> Client:
        """Lose the connection if the server has closed it."""
        if self.transport.disconnecting and not self.gone:
            aborted = self.transport.aborted
            self.lose(ConnectionAborted() if aborted else ConnectionDone())
        return self

    def reset(self) -> None:
        """Reset the connection."""
        self.lose(ConnectionLost())

    def lose(self, reason: Exception) -> None:
        """Lose the connection."""
        self.gone = True
        if self.transport.producer is not None:
            self.transport.producer.stopProducing()
        self.connection.connectionLost(Failure(reason))

    def received(self) -> bytes:
        """All bytes that were received so far."""
        data: bytes = self.transport.value()
        return data

    def responses(self, methods: str = "") -> list[Response]:
        """All responses so far."""
        return parse_responses(self.received(), methods)

    def response(self) -> Response:
        """The only response."""
        (only,) = self.responses()
        return only


class RecordingLog:
    """A log that keeps its entries."""

    detailed = True

    def __init__(self) -> None:
        self.entries: list[AccessRecord] = []

    def record(self, entry: AccessRecord) -> None:
        """Keep `entry`."""
        self.entries.append(entry)


class ServerFixture:
    """A server, its clock and its counters; fields of `Limits` are keywords."""

    def __init__(
        self,
        resource: IResource | None = None,
        server: Callable[[Clock], HTTPServer] | None = None,
        **limits: Any,
    ) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.log = RecordingLog()
        self.tree = Tree(self.clock)
        if server is not None:
            self.server = server(self.clock)
            return
        self.server = HTTPServer(
            resource or self.tree,
            self.clock,
            evolve(LIMITS, **limits),
            self.counters,
            log=self.log,
            now=self.now,
        )
        self.server.doStart()

    def now(self) -> float:
        """The time of day."""
        return NOW + self.clock.seconds()

    def connect(
        self, host: str = "127.0.0.1", transport: MemoryTransport | None = None
    ) -> Client:
        """A client at `host`."""
        kind = IPv6Address if ":" in host else IPv4Address
        return Client(self, kind("TCP", host, 40000), transport)

    def ask(self, data: bytes, pieces: int = 0, host: str = "127.0.0.1") -> Client:
        """A new client that has sent `data`."""
        client = self.connect(host)
        client.send(data, pieces)
        return client

    def turn(self) -> None:
        """One turn of the reactor: the calls that are due now, but none that these schedule."""
        turn(self.clock)

    def pass_seconds(self, seconds: int) -> None:
        """Let time pass, a second at a time."""
        for _ in range(seconds):
            self.clock.advance(1)


class Tree(Resource):
    """A few Resources, each the simplest of its kind."""

    def __init__(self, clock: IReactorTime) -> None:
        Resource.__init__(self)
        self.putChild(b"", Plain())
        self.putChild(b"plain", Plain())
        self.putChild(b"echo", Echo())
        self.putChild(b"wait", Waiting(clock))
        self.putChild(b"held", Held())
        self.putChild(b"bug", Bug())


@implementer(IResource)
class Leaf:
    """A Resource without children that treats every method alike."""

    isLeaf = True

    def getChildWithDefault(self, name: bytes, request: Any) -> IResource:
        """Not called."""
        raise NotImplementedError

    def putChild(self, path: bytes, child: IResource) -> None:
        """Not called."""
        raise NotImplementedError

    def render(self, request: Any) -> Any:
        """Respond."""
        raise NotImplementedError


class Call(Leaf):
    """A Leaf that renders as a function does."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def render(self, request: Any) -> Any:
        """The function's result."""
        return self._function(request)


def seeing(seen: list[Any]) -> Call:
    """A Leaf that puts its requests into `seen`, with an empty body."""

    def see(request: Any) -> bytes:
        seen.append(request)
        return b""

    return Call(see)


class Plain(Resource):
    """A constant for GET and HEAD."""

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        """A constant."""
        request.setHeader(b"Content-Type", b"text/plain")
        return b"hello\n"


class Echo(Leaf):
    """The request's body."""

    def render(self, request: Any) -> bytes:
        """The body."""
        request.setHeader(b"content-type", b"application/octet-stream")
        data: bytes = request.content.read()
        return data


class Waiting(Leaf):
    """A body after the seconds in its path; cancelled when the client leaves."""

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self.left: list[Failure] = []

    def render(self, request: Any) -> Any:
        """Respond later."""

        def say() -> None:
            request.setHeader(b"Content-Length", b"5")
            request.write(b"late\n")
            request.finish()

        def leave(reason: Failure) -> None:
            self.left.append(reason)
            call.cancel()

        seconds = float(request.postpath[0]) if request.postpath else 3.0
        call = self.clock.callLater(seconds, say)
        request.notifyFinish().addErrback(leave)
        return NOT_DONE_YET


class Held(Leaf):
    """Keeps its requests for the test."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def render(self, request: Any) -> Any:
        """Keep the request."""
        self.requests.append(request)
        return NOT_DONE_YET


class Bug(Leaf):
    """Raises an exception."""

    def render(self, request: Any) -> Any:
        """Raise."""
        raise ValueError("a secret")
