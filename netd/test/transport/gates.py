"""
A gate before a factory that notes everything.

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
    """The lists with blanks between the networks."""
    return AccessList(map(Network.parse, allow.split()), map(Network.parse, deny.split()))


class Wire(StringTransport):
    """A transport that hands events to whatever protocol it has, as a TCP connection does."""

    def __init__(self, protocol: Any) -> None:
        StringTransport.__init__(self)
        self.protocol = protocol
        protocol.makeConnection(self)

    def come(self, data: bytes) -> None:
        """The peer says `data`."""
        self.protocol.dataReceived(data)

    def half_close(self) -> None:
        """The peer says no more."""
        half = IHalfCloseableProtocol(self.protocol, None)
        if half is None:
            self.leave()
        else:
            half.readConnectionLost()

    def leave(self) -> None:
        """The connection is gone."""
        self.protocol.connectionLost(Failure(connectionDone.value))

    @property
    def cut(self) -> bool:
        """Whether netd cut the connection."""
        return self.disconnected or self.disconnecting or bool(getattr(self, "aborted", False))

    def abortConnection(self) -> None:
        """Note it."""
        self.aborted = True


class Talk(Protocol):
    """Greets, and notes everything."""

    def __init__(self, address: Any) -> None:
        self.address = address
        self.heard: list[bytes | str] = []

    def connectionMade(self) -> None:
        """Greet."""
        assert self.transport is not None
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        """Note it."""
        self.heard.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note it."""
        self.heard.append("lost")


@implementer(IHalfCloseableProtocol)
class HalfTalk(Talk):
    """The same, with half-closing."""

    def readConnectionLost(self) -> None:
        """Note it."""
        self.heard.append("half")

    def writeConnectionLost(self) -> None:
        """Note it."""
        self.heard.append("our half")


class Talks(Factory):
    """Makes `kind`; None when it is `full`."""

    kind: type[Talk] = Talk
    full = False

    def __init__(self) -> None:
        self.made: list[Talk] = []

    def buildProtocol(self, addr: Any) -> Talk | None:
        """One more."""
        if self.full:
            return None
        self.made.append(self.kind(addr))
        return self.made[-1]


def address(host: str) -> Any:
    """A peer at `host`."""
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, 5000)


class Gates(SynchronousTestCase):
    """
    A gate before `self.talks`.
    """

    access = Access(networks(deny="198.51.100.0/24"), networks("192.0.2.0/24"))

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.talks = Talks()
        self.gate = AccessPolicy(self.access, self.clock, self.counters)
        self.door = AccessFactory(self.gate, self.talks)

    def build(self, host: str = "192.0.2.1") -> Any:
        """What is built for a peer at `host`."""
        return self.door.buildProtocol(address(host))

    def connect(self, host: str = "192.0.2.1") -> Wire:
        """A connection from `host`, which must be let in."""
        protocol = self.build(host)
        self.assertIsNotNone(protocol)
        return Wire(protocol)
