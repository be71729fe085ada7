"""
The door of a listener: who may come in, in whose name, and how often.

Rules: knows no protocol.  It decides when a connection is accepted and hands
the inner protocol over; it stands between only while a PROXY header may be on
its way, so that nothing is paid per byte.

Order: peer's network -> PROXY header -> client's network -> rate -> inner factory.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    ILoggingContext,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer

from netd.counters import Counters
from netd.net import proxyheader
from netd.net.bucket import Buckets
from netd.net.drain import IDrainable
from netd.net.networks import Networks, client

HEADER_SECONDS: Final = 5.0
"""How long a proxy may take for its header; a lost segment must fit in (section 2 there)."""
BURST_SECONDS: Final = 2
"""So many seconds' worth of connections may come at once."""

# The second is how a socket of both families sees 127.0.0.1.
_LOOPBACK: Final = frozenset({"::1", "::ffff:127.0.0.1"})


@frozen
class Access:
    """Who may speak, for every listener of one daemon."""

    networks: Networks
    """Of peers, and of the clients that trusted peers speak for."""
    proxies: Networks | None = None
    """Peers that must begin with a PROXY header; None: nobody speaks for another."""
    rate: float = 0.0
    """Connections a second from one client network; 0 and on loopback: any number."""


class Gate:
    """What is the same for all gates of one daemon: lists, buckets, counters, clock."""

    def __init__(self, access: Access, clock: IReactorTime, counters: Counters) -> None:
        self.clock = clock
        self._counters = counters
        self.change(access)

    def change(self, access: Access) -> None:
        """Keep to other lists and another rate from now on."""
        self._access = access
        rate = access.rate
        self._buckets = Buckets(rate, rate * BURST_SECONDS) if rate else None

    def refuse(self, reason: str) -> None:
        """Count somebody who was turned away."""
        self._counters.refusals[reason] += 1

    def refusal(self, address: Any) -> str | None:
        """
        Why who is at `address` may not come in, counted; None when they may.

        Of a UNIX socket the mode of its file has said it before.
        """
        host = getattr(address, "host", None)
        if host is None:
            return None
        if not self._access.networks.allows(host):
            self.refuse("network")
            return "network"
        if self._buckets is None or host.startswith("127.") or host in _LOOPBACK:
            return None
        if self._buckets.take(client(host), self.clock.seconds()):
            return None
        self.refuse("rate")
        return "rate"

    def proxy(self, address: Any) -> bool | None:
        """Whether the peer at `address` speaks for others; None when nobody may."""
        if self._access.proxies is None:
            return None
        host = getattr(address, "host", None)
        return host is not None and self._access.proxies.allows(host)

    def peer(self, address: Any) -> bool:
        """Whether a proxy at `address` may come in; its clients are looked at later."""
        if self._access.networks.allows(address.host):
            return True
        self.refuse("network")
        return False

    def wrap(self, factory: Any, denied: Any = None) -> Door:
        """`factory` behind this gate, and `denied` for those whose network may not speak."""
        return Door(self, factory, denied)


@implementer(IProtocolFactory, IDrainable, ILoggingContext)
class Door:
    """
    A factory of whatever `inner` makes, for those whom the gate lets in.

    `denied` makes what speaks with those whose network may not; without it, and
    when they come too often, they are closed without a word.
    """

    def __init__(self, gate: Gate, inner: Any, denied: Any = None) -> None:
        self.gate = gate
        self.inner = inner
        self._denied = denied
        self.reading: set[_Reading] = set()
        """Connections whose header is not complete."""
        self.noisy = False

    def logPrefix(self) -> str:
        """What Twisted's ports name in the log: who is behind the door."""
        inner = self.inner
        said: str = (
            inner.logPrefix()
            if ILoggingContext.providedBy(inner)
            else type(getattr(inner, "wrappedFactory", inner)).__name__
        )
        return said

    def doStart(self) -> None:
        """A port listens for the inner factory."""
        self.inner.doStart()

    def doStop(self) -> None:
        """A port is closed."""
        self.inner.doStop()

    def buildProtocol(self, addr: IAddress | None) -> IProtocol | None:
        """The inner protocol, who reads a header first, or None."""
        proxy = self.gate.proxy(addr)
        if proxy:
            return _Reading(self, addr) if self.gate.peer(addr) else None
        why = self.gate.refusal(addr)
        if why is not None:
            return self.turned_away(addr, why)
        inner: IProtocol | None = self.inner.buildProtocol(addr)
        if proxy is None or inner is None:
            return inner
        return _Watching(self.gate, inner)

    def turned_away(self, addr: IAddress | None, why: str) -> IProtocol | None:
        """What speaks with who may not come in, if anything does."""
        if self._denied is None or why != "network":
            return None
        told: IProtocol | None = self._denied.buildProtocol(addr)
        return told

    def drain(self) -> Deferred[None]:
        """Close those whose header is not complete; fires at once."""
        self.abort()
        return succeed(None)

    def abort(self) -> int:
        """Cut those whose header is not complete, and say how many those were."""
        left = tuple(self.reading)
        for each in left:
            each.end()
        return len(left)


class _Reading(Protocol):
    """Reads the header of a trusted proxy, then makes way for the inner protocol."""

    transport: Any

    def __init__(self, door: Door, peer: IAddress | None) -> None:
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
            header = proxyheader.parse(self._data)
        except ValueError:
            self._refuse("proxy-header")
            return
        if header is not None:
            self._make_way(header)

    def _make_way(self, header: proxyheader.Header) -> None:
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


class _Watching(Protocol):
    """
    Lets nobody forge a header: cuts an untrusted peer that begins with one.

    The inner protocol is at work from the start, so that services which speak
    first do; only the first bytes pass through here.
    """

    transport: Any

    def __init__(self, gate: Gate, inner: Any) -> None:
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
        forged = proxyheader.forged(self._data)
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
