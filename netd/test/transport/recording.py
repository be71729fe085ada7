"""
An AccessFactory before a factory whose protocols record their events.

Rules: no tests here.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netd.acl import AccessList
from netd.addresses import Network
from netd.counters import Counters
from netd.transport.access import Access, AccessFactory, AccessPolicy

V1 = b"PROXY TCP4 203.0.113.9 192.0.2.2 4711 80\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(
    (203, 0, 113, 9, 192, 0, 2, 2, 18, 103, 0, 80)
)
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


def networks(allow: str = "", deny: str = "") -> AccessList:
    """Access lists of the networks in each text, separated by blanks."""
    return AccessList(map(Network.parse, allow.split()), map(Network.parse, deny.split()))


class ProtocolTransport(StringTransport):
    """A transport that delivers events to its current protocol, as a TCP connection does."""

    def __init__(self, protocol: Any) -> None:
        StringTransport.__init__(self)
        self.protocol = protocol
        protocol.makeConnection(self)

    def receive(self, data: bytes) -> None:
        """Deliver `data` from the peer."""
        self.protocol.dataReceived(data)

    def half_close(self) -> None:
        """Deliver a half-close by the peer."""
        half = IHalfCloseableProtocol(self.protocol, None)
        if half is None:
            self.lose()
        else:
            half.readConnectionLost()

    def lose(self) -> None:
        """Deliver the loss of the connection."""
        self.protocol.connectionLost(Failure(connectionDone.value))

    @property
    def cut(self) -> bool:
        """Whether netd cut the connection."""
        return self.disconnected or self.disconnecting or bool(getattr(self, "aborted", False))

    def abortConnection(self) -> None:
        """Record the call."""
        self.aborted = True


class Recorder(Protocol):
    """Greets, and records its input."""

    def __init__(self, address: Any) -> None:
        self.address = address
        self.received: list[bytes | str] = []

    def connectionMade(self) -> None:
        """Greet the peer."""
        assert self.transport is not None
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        """Record the input."""
        self.received.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Record the event."""
        self.received.append("lost")


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    """A Recorder that supports half-closing."""

    def readConnectionLost(self) -> None:
        """Record the event."""
        self.received.append("half")

    def writeConnectionLost(self) -> None:
        """Record the event."""
        self.received.append("our half")


class RecordingFactory(Factory):
    """Builds protocols of `kind`, or None when it is `full`."""

    kind: type[Recorder] = Recorder
    full = False

    def __init__(self) -> None:
        self.built: list[Recorder] = []

    def buildProtocol(self, addr: Any) -> Recorder | None:
        """Another protocol, or None."""
        if self.full:
            return None
        self.built.append(self.kind(addr))
        return self.built[-1]


def address(host: str) -> Any:
    """The address of a peer at `host`."""
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, 5000)


class AccessTestCase(SynchronousTestCase):
    """A policy, and its factory before `self.inner`."""

    access = Access(networks(deny="198.51.100.0/24"), networks("192.0.2.0/24"))

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.inner = RecordingFactory()
        self.policy = AccessPolicy(self.access, self.clock, self.counters)
        self.factory = AccessFactory(self.policy, self.inner)

    def build(self, host: str = "192.0.2.1") -> Any:
        """The protocol built for a peer at `host`."""
        return self.factory.buildProtocol(address(host))

    def connect(self, host: str = "192.0.2.1") -> ProtocolTransport:
        """A connection from `host`, which must be accepted."""
        protocol = self.build(host)
        self.assertIsNotNone(protocol)
        return ProtocolTransport(protocol)
