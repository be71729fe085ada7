"""
An HTTP client and a site in one process: bytes in, bytes out, and a clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import define, evolve, field
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from netd import settings, site
from netd.counters import Counters
from netd.values import Duration

HTTP = settings.HTTP(
    listen=(),
    delay=Duration.parse("3s"),
    limits=settings.Limits(max_delay=60.0, max_body=1 << 20),
)


def configured(http: settings.HTTP = HTTP, files: Path | None = None) -> settings.Settings:
    """Settings of a daemon that listens nowhere."""
    return settings.Settings(
        http=http,
        tls=settings.TLS((), None, None),
        files=settings.Files(files),
        udp=settings.UDP(None),
        grace=Duration.parse("10s"),
    )


def limited(**limits: Any) -> settings.HTTP:
    """The HTTP settings with other limits."""
    return evolve(HTTP, limits=evolve(HTTP.limits, **limits))


class Transport(StringTransport):
    """Pauses its producer as a socket would."""

    full = False
    """Whether every write fills the buffer."""
    server: object = None
    """The port that accepted the connection; None: there is none."""

    def write(self, data: bytes) -> None:
        """Record `data`, and pause the producer when the buffer is full."""
        StringTransport.write(self, data)
        if self.full and self.producer is not None:
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Record several pieces as one write."""
        self.write(b"".join(data))


@define
class Response:
    """One parsed response."""

    status: int
    headers: dict[str, str]
    body: bytes


@define
class Client:
    """One client connection to a site, without a socket and without waiting."""

    settings: settings.Settings = field(factory=configured)
    clock: Clock = field(factory=Clock)
    counters: Counters = field(factory=Counters)
    site: Any = None
    channel: Any = None
    transport: Transport = field(factory=Transport)

    def __attrs_post_init__(self) -> None:
        if self.site is None:
            self.site = site.factory(self.settings, self.clock, self.counters)
        self.channel = self.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 50000))
        self.channel.makeConnection(self.transport)

    def send(self, data: bytes) -> bytes:
        """Send `data`; returns what was received since the last call."""
        self.channel.dataReceived(data)
        return self.received()

    def received(self) -> bytes:
        """What was received since the last call."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def advance(self, seconds: float) -> bytes:
        """Let `seconds` pass; returns what was received in that time."""
        self.clock.advance(seconds)
        return self.received()

    def request(self, line: str, *headers: str, body: bytes = b"") -> Response:
        """The immediate response to one HTTP/1.1 request."""
        return parse(self.send(request(line, *headers, body=body)))

    def disconnect(self, reason: type[Exception] = ConnectionDone) -> None:
        """Lose the connection; as with a socket, the producer is told first."""
        if self.transport.producer is not None:
            self.transport.producer.stopProducing()
        self.channel.connectionLost(Failure(reason()))


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    """The bytes of one HTTP/1.1 request, with Host and, for a body, Content-Length."""
    fields = ["Host: netd", *headers]
    if body:
        fields.append(f"Content-Length: {len(body)}")
    return "\r\n".join([f"{line} HTTP/1.1", *fields, "", ""]).encode() + body


def parse(data: bytes) -> Response:
    """The first response in `data`, whose body is the rest."""
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Response(int(status.split()[1]), headers, body)
