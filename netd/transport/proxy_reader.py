"""
Protocols that read or reject a PROXY header before the inner protocol takes over.

Rules: know no protocol; hand the connection over after its first bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IProtocol,
    IReactorTime,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import directlyProvides

from netd.transport import proxy_header
from netd.transport.connections import ConnectionTable

HEADER_SECONDS: Final = 5.0
"""How long the header may take; a lost segment must fit in (section 2)."""


class ProxyHeaderReader(Protocol):
    """
    Reads the header of a trusted proxy, then hands the connection to another protocol.

    `on_header(client)` returns that protocol, or None to cut the connection; `on_bad(peer)`
    is called for a malformed or late header.  Until then, the connection is in `readers`.
    """

    transport: Any
    # For `readers`: a proxy does not count as a client.
    client = None

    def __init__(
        self,
        peer: IAddress,
        clock: IReactorTime,
        readers: ConnectionTable[ProxyHeaderReader],
        on_header: Callable[[IAddress], IProtocol | None],
        on_bad: Callable[[IAddress], object],
    ) -> None:
        self._peer = peer
        self._clock = clock
        self._readers = readers
        self._on_header = on_header
        self._on_bad = on_bad
        self._data = b""
        self._timeout: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Wait for the header."""
        self._readers.add(self)
        self._timeout = self._clock.callLater(HEADER_SECONDS, self._refuse)

    def dataReceived(self, data: bytes) -> None:
        """Collect the header; the bytes behind it are the client's."""
        self._data += data
        try:
            header = proxy_header.parse(self._data)
        except ValueError:
            self._refuse()
            return
        if header is not None:
            self._hand_over(header)

    def _hand_over(self, header: proxy_header.Header) -> None:
        self._end_reading()
        client = self._peer
        if header.host is not None:
            kind = IPv6Address if ":" in header.host else IPv4Address
            client = kind("TCP", header.host, header.port)
            # Stock HTTP and TLS ask the transport for the client's address.
            self.transport.getPeer = lambda: client
        inner = self._on_header(client)
        if inner is None:
            self.transport.abortConnection()
            return
        rest, self._data = self._data[header.length :], b""
        self.transport.protocol = inner
        inner.makeConnection(self.transport)
        if rest:
            inner.dataReceived(rest)

    def _refuse(self) -> None:
        self._on_bad(self._peer)
        self.abort()

    def abort(self) -> None:
        """Cut the connection."""
        self._end_reading()
        self.transport.abortConnection()

    def _end_reading(self) -> None:
        self._readers.remove(self)
        if self._timeout is not None and self._timeout.active():
            self._timeout.cancel()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The proxy closed before its header was complete."""
        self._end_reading()


class ForgeryGuard(Protocol):
    """Cuts an untrusted `peer` that begins with a PROXY header, after `on_forged(peer)`."""

    transport: Any

    def __init__(
        self, inner: Any, on_forged: Callable[[IAddress], object], peer: IAddress
    ) -> None:
        self._inner = inner
        self._peer = peer
        self._on_forged = on_forged
        self._data = b""
        if IHalfCloseableProtocol.providedBy(inner):
            directlyProvides(self, IHalfCloseableProtocol)

    def makeConnection(self, transport: object) -> None:
        """Connect the inner protocol, which may speak first; its input arrives here."""
        self.transport = transport
        self._inner.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        """Hold back the first bytes until it is certain whether they are a header."""
        self._data += data
        forged = proxy_header.forged(self._data)
        if forged:
            self._on_forged(self._peer)
            self.transport.abortConnection()
        elif forged is False:
            self._hand_over()

    def _hand_over(self) -> None:
        data, self._data = self._data, b""
        self.transport.protocol = self._inner
        if data:
            self._inner.dataReceived(data)

    def readConnectionLost(self) -> None:
        """The peer half-closed: the bytes held back are all of its input, and no header."""
        self._hand_over()
        self._inner.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """The inner protocol half-closed."""
        self._inner.writeConnectionLost()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the inner protocol."""
        self._inner.connectionLost(reason)
