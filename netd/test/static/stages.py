"""
A tree of files under netd's engine or a stock site, and clients of both.

Rules: knows no test.  `Room` has no socket; `Line` has a real one and no reactor:
whoever plays says when something is read or written.
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
from twisted.web import server

from netd import settings
from netd.counters import Counters
from netd.http.server import HTTPServer
from netd.static.resource import Files
from netd.test.http.stages import LIMITS
from netd.test.http.stages import MemoryTransport as Pipe
from netd.test.http.stages import Response as Answer
from netd.test.http.stages import parse_responses as answers
from netd.transport.tcp import TCPTransport

PEER: Final = IPv4Address("TCP", "127.0.0.1", 40000)


class Quiet(server.Site):
    """A stock site that logs nothing."""

    displayTracebacks = False

    def log(self, request: Any) -> None:
        """Say nothing of it."""


class Room:
    """One tree below `root`, and a site for it; `config` are fields of `settings.Files`."""

    def __init__(self, root: Path, engine: bool = True, **config: Any) -> None:
        self.clock = Clock()
        self.engine = engine
        self.wall = 2_000_000_000.0
        """The time of day."""
        self.delayed: list[Callable[[], object]] = []
        """What was put aside, when `patient`."""
        self.patient = False
        made = settings.Files(root, **config)
        self.files = Files(root, made, LIMITS, self.clock, aside=self.aside, now=self.now)
        self.site: Any
        if engine:
            self.site = HTTPServer(self.files, self.clock, LIMITS, Counters(), now=self.now)
        else:
            self.site = Quiet(self.files, reactor=self.clock)

    def now(self) -> float:
        """The time of day."""
        return self.wall

    def aside(self, call: Callable[[], bytes]) -> Deferred[bytes]:
        """At once, or when it is said."""
        if not self.patient:
            return maybeDeferred(call)
        done: Deferred[bytes] = Deferred()
        self.delayed.append(lambda: maybeDeferred(call).chainDeferred(done))
        return done

    def connect(self) -> Client:
        """A new client."""
        return Client(self)

    def ask(self, target: str, *fields: str, method: str = "GET") -> Answer:
        """The answer that comes at once to one request of a new client."""
        client = self.connect()
        client.ask(target, *fields, method=method)
        return client.answer(method)


class Client:
    """One connection without a socket."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.transport: Any = Pipe(peerAddress=PEER)
        self.channel = room.site.buildProtocol(PEER)
        self.channel.makeConnection(self.transport)

    def ask(self, target: str, *fields: str, method: str = "GET") -> None:
        """Say one request."""
        self.channel.dataReceived(request(target, *fields, method=method))

    def turn(self, times: int = 1) -> None:
        """Make the calls that are due now, but not those that they ask for."""
        clock = self.room.clock
        for _ in range(times):
            for call in [each for each in clock.calls if each.getTime() <= clock.seconds()]:
                if call.active():
                    clock.calls.remove(call)
                    call.called = 1
                    call.func(*call.args, **call.kw)

    def said(self) -> bytes:
        """All that came back."""
        data: bytes = self.transport.value()
        return data

    def answer(self, method: str = "GET") -> Answer:
        """The only answer."""
        (only,) = answers(self.said(), "H" if method == "HEAD" else "")
        return only

    def leave(self, reason: Exception) -> None:
        """Be gone."""
        if self.transport.producer is not None:
            self.transport.producer.stopProducing()
        self.channel.connectionLost(Failure(reason))


def request(target: str, *fields: str, method: str = "GET") -> bytes:
    """The bytes of one request."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a", *fields, "", ""]).encode(
        "latin-1"
    )


class Line(Clock):
    """One real connection to a site of netd's engine, and the reactor of its server's end."""

    def __init__(self, room: Room) -> None:
        super().__init__()
        self.room = room
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            # Small: a client that reads nothing is slow at once.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
            self.client = socket.socket()
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
            self.client.connect(listening.getsockname())
            here, address = listening.accept()
        here.setblocking(False)
        self.client.setblocking(False)
        self.channel = room.site.buildProtocol(PEER)
        self.transport = TCPTransport(here, self.channel, address, None, 0, self)  # type: ignore[arg-type]
        self.channel.makeConnection(self.transport)

    # The reactor

    def addReader(self, reader: Any) -> None:
        """Note it."""
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        """Forget it."""
        self.readers.discard(reader)

    def addWriter(self, writer: Any) -> None:
        """Note it."""
        self.writers.add(writer)

    def removeWriter(self, writer: Any) -> None:
        """Forget it."""
        self.writers.discard(writer)

    def turn(self) -> None:
        """One turn of the reactor."""
        self.advance(0)
        for group, do in ((tuple(self.readers), "doRead"), (tuple(self.writers), "doWrite")):
            for each in group:
                if not each.connected:
                    continue
                poll = select.poll()
                poll.register(
                    each.fileno(), select.POLLIN if do == "doRead" else select.POLLOUT
                )
                if not poll.poll(0):
                    continue
                why = getattr(each, do)()
                if why is not None:
                    each.connectionLost(why if isinstance(why, Failure) else Failure(why))

    # The client

    def say(self, data: bytes) -> None:
        """Send it."""
        self.client.sendall(data)
        self.turn()

    def hear(self, most: int = 2**20) -> bytes:
        """What came, at most so many bytes."""
        try:
            return self.client.recv(most)
        except BlockingIOError:
            return b""

    def hear_all(self, enough: int) -> bytes:
        """Turn and read until so many bytes came, or the end."""
        data = b""
        while len(data) < enough:
            # What the kernel does by itself takes a moment now and then.
            ready, _, _ = select.select([self.client], [], [], 0 if self.writers else 0.1)
            try:
                piece = self.client.recv(2**20) if ready else b""
            except ConnectionResetError:
                break
            if not piece and (ready or not self.writers):
                break
            data += piece
            self.turn()
        return data

    def close(self) -> None:
        """Leave nothing behind."""
        self.client.close()
        if self.transport.connected:
            self.transport.connectionLost(Failure(ConnectionError()))
