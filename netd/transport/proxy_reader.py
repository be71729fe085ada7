"""
Who stands between a connection and its protocol while a PROXY header may be on its way.

Rules: knows no protocol; makes way as soon as it is certain what the first
bytes are, so that nothing is paid per byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IDelayedCall, IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import directlyProvides

from netd.transport import proxy_header

if TYPE_CHECKING:
    from netd.transport.access import AccessFactory, AccessPolicy

HEADER_SECONDS: Final = 5.0
"""How long a proxy may take for its header; a lost segment must fit in (section 2 there)."""


class ProxyHeaderReader(Protocol):
    """Reads the header of a trusted proxy, then makes way for the inner protocol."""

    transport: Any

    def __init__(self, door: AccessFactory, peer: IAddress | None) -> None:
        self._door = door
        self._peer = peer
        self._data = b""
        self._late: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Wait for the header, but not for long."""
        self._door.reading.add(self)
        self._late = self._door.gate.clock.callLater(HEADER_SECONDS, self._overdue)

    def dataReceived(self, data: bytes) -> None:
        """Read on; what is behind the header is the client's."""
        self._data += data
        try:
            header = proxy_header.parse(self._data)
        except ValueError:
            self._refuse("proxy-header")
            return
        if header is not None:
            self._make_way(header)

    def _make_way(self, header: proxy_header.Header) -> None:
        self._forget()
        address = self._peer if header.host is None else _address(header.host, header.port)
        door, why = self._door, self._door.gate.refusal(address)
        inner = (
            door.inner.buildProtocol(address) if why is None else door.turned_away(address, why)
        )
        if inner is None:
            self.transport.abortConnection()
            return
        rest, self._data = self._data[header.length :], b""
        if header.host is not None:
            # Whoever asks the transport who is there (stock HTTP, TLS) means the client.
            self.transport.getPeer = lambda: address
        hand_over(self.transport, inner)
        if rest:
            inner.dataReceived(rest)

    def _overdue(self) -> None:
        self._late = None
        self._refuse("proxy-header")

    def _refuse(self, reason: str) -> None:
        self._door.gate.refuse(reason)
        self.end()

    def end(self) -> None:
        """Cut the connection."""
        self._forget()
        self.transport.abortConnection()

    def _forget(self) -> None:
        self._door.reading.discard(self)
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The proxy left before it said for whom."""
        self._forget()


class ForgeryGuard(Protocol):
    """
    Lets nobody forge a header: cuts an untrusted peer that begins with one.

    The inner protocol is at work from the start, so that services which speak
    first do; only the first bytes pass through here.
    """

    transport: Any

    def __init__(self, gate: AccessPolicy, inner: Any) -> None:
        self._gate = gate
        self._inner = inner
        self._data = b""
        if IHalfCloseableProtocol.providedBy(inner):
            directlyProvides(self, IHalfCloseableProtocol)

    def makeConnection(self, transport: Any) -> None:
        """The inner protocol takes the connection, this one its input."""
        self.transport = transport
        self._inner.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        """Look at the first bytes until it is certain what they are."""
        self._data += data
        forged = proxy_header.forged(self._data)
        if forged:
            self._gate.refuse("proxy-forged")
            self.transport.abortConnection()
        elif forged is False:
            self._give_way()

    def _give_way(self) -> None:
        said, self._data = self._data, b""
        self.transport.protocol = self._inner
        if said:
            self._inner.dataReceived(said)

    def readConnectionLost(self) -> None:
        """The peer half-closed: what it said so far was all, and no header."""
        self._give_way()
        self._inner.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """The inner protocol half-closed."""
        self._inner.writeConnectionLost()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The inner protocol hears of it."""
        self._inner.connectionLost(reason)


def hand_over(transport: Any, protocol: Any) -> None:
    """Let `protocol` speak over `transport` from now on."""
    transport.protocol = protocol
    protocol.makeConnection(transport)


def _address(host: str, port: int) -> IPv4Address | IPv6Address:
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, port)
