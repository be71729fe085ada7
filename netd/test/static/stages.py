"""
A tree of files on netd's HTTP server or on a stock site, and clients of both.

Rules: knows no test.  A `Client` has no socket; a `SocketClient` has one and no reactor:
each test says when the server reads and writes.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from netd import settings
from netd.counters import Counters
from netd.http.server import HTTPServer
from netd.static.resource import Files
from netd.static.sendfile import _unacknowledged
from netd.test.http.stages import LIMITS, MemoryTransport, Response, parse_responses
from netd.test.http.stock import stock_site
from netd.test.stages import turn
from netd.transport.tcp import TCPTransport

PEER: Final = IPv4Address("TCP", "127.0.0.1", 40000)


class FileSite:
    """A site with the files below `root`; `config` are fields of `settings.Files`."""

    def __init__(
        self, root: Path, stock: bool = False, limits: settings.Limits = LIMITS, **config: Any
    ) -> None:
        self.clock = Clock()
        self.time = 2_000_000_000.0
        """The time of day."""
        self.calls: list[Callable[[], object]] = []
        """Calls for a thread, while `hold_calls`."""
        self.hold_calls = False
        self.files = Files(
            root,
            settings.Files(root, **config),
            limits,
            self.clock,
            defer_to_thread=self.defer_to_thread,
            now=self.now,
        )
        self.site: Any
        if stock:
            self.site = stock_site(self.files, self.clock)
        else:
            self.site = HTTPServer(self.files, self.clock, limits, Counters(), now=self.now)

    def now(self) -> float:
        """The time of day."""
        return self.time

    def forget(self) -> None:
        """Forget every cached file."""
        self.files._server._cache._files.clear()

    def defer_to_thread(self, function: Callable[[], bytes]) -> Deferred[bytes]:
        """Call `function` at once, or when the test does."""
        if not self.hold_calls:
            return maybeDeferred(function)
        done: Deferred[bytes] = Deferred()
        self.calls.append(lambda: maybeDeferred(function).chainDeferred(done))
        return done

    def connect(self) -> Client:
        """A new client."""
        return Client(self)

    def get(self, target: str, *fields: str, method: str = "GET") -> Response:
        """The response to one request of a new client, sent at once."""
        client = self.connect()
        client.send(target, *fields, method=method)
        return client.response(method)


class Client:
    """One connection without a socket."""

    def __init__(self, site: FileSite) -> None:
        self.clock = site.clock
        self.transport: Any = MemoryTransport(peerAddress=PEER)
        self.channel = site.site.buildProtocol(PEER)
        self.channel.makeConnection(self.transport)

    def send(self, target: str, *fields: str, method: str = "GET") -> None:
        """Send one request."""
        self.channel.dataReceived(request(target, *fields, method=method))

    def turn(self, times: int = 1) -> None:
        """Make the calls that are due now, but not those that they schedule."""
        for _ in range(times):
            turn(self.clock)

    def received(self) -> bytes:
        """All bytes that the server has sent."""
        data: bytes = self.transport.value()
        return data

    def response(self, method: str = "GET") -> Response:
        """The only response."""
        (response,) = parse_responses(self.received(), "H" if method == "HEAD" else "")
        return response

    def disconnect(self, reason: Exception) -> None:
        """Close the connection."""
        if self.transport.producer is not None:
            self.transport.producer.stopProducing()
        self.channel.connectionLost(Failure(reason))


def request(target: str, *fields: str, method: str = "GET") -> bytes:
    """The bytes of one request."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a", *fields, "", ""]).encode(
        "latin-1"
    )


class SocketClient(Clock):
    """One real connection to a site, and the reactor of the server's end."""

    def __init__(self, site: FileSite) -> None:
        super().__init__()
        self.site = site.site
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            # Small buffers: a client that reads nothing stops the server at once.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
            self.client = socket.socket()
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
            self.client.connect(listening.getsockname())
            accepted, address = listening.accept()
        accepted.setblocking(False)
        self.client.setblocking(False)
        self.channel = self.site.buildProtocol(PEER)
        self.transport = TCPTransport(accepted, self.channel, address, None, 0, self)  # type: ignore[arg-type]
        self.channel.makeConnection(self.transport)

    # The reactor

    def addReader(self, reader: Any) -> None:
        """Watch `reader`."""
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        """Stop watching `reader`."""
        self.readers.discard(reader)

    def addWriter(self, writer: Any) -> None:
        """Watch `writer`."""
        self.writers.add(writer)

    def removeWriter(self, writer: Any) -> None:
        """Stop watching `writer`."""
        self.writers.discard(writer)

    def turn(self) -> None:
        """One turn of the reactor."""
        self.advance(0)
        self.site.context.clock.advance(0)
        for descriptors, method, event in (
            (tuple(self.readers), "doRead", select.POLLIN),
            (tuple(self.writers), "doWrite", select.POLLOUT),
        ):
            for descriptor in descriptors:
                if not descriptor.connected:
                    continue
                poll = select.poll()
                poll.register(descriptor.fileno(), event)
                if not poll.poll(0):
                    continue
                why = getattr(descriptor, method)()
                if why is not None:
                    failure = why if isinstance(why, Failure) else Failure(why)
                    descriptor.connectionLost(failure)

    # The client

    def send(self, data: bytes) -> None:
        """Send `data`, and turn once."""
        self.client.sendall(data)
        self.turn()

    def receive(self, limit: int = 2**20) -> bytes:
        """The bytes that have arrived, at most `limit`."""
        try:
            return self.client.recv(limit)
        except BlockingIOError:
            return b""

    def receive_all(self, count: int) -> bytes:
        """Turn and receive until `count` bytes have arrived, or the connection ends."""
        data = b""
        while len(data) < count:
            delivered = self._delivered()
            try:
                piece = self.client.recv(2**20)
            except BlockingIOError:
                if delivered:
                    break
                # The kernel's own work takes a moment now and then.
                select.select([self.client], [], [], 0.001)
            except ConnectionResetError:
                break
            else:
                if not piece:
                    break
                data += piece
            self.turn()
        return data

    def _delivered(self) -> bool:
        """Whether all that the server has sent can be received, and nothing waits there."""
        server = self.transport
        return bool(server.connected and not self.writers and not _unacknowledged(server))

    def close(self) -> None:
        """Close both ends."""
        self.client.close()
        if self.transport.connected:
            self.transport.connectionLost(Failure(ConnectionError()))
