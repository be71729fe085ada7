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
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    ILoggingContext,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
)
from zope.interface import implementer

from netd.acl import AccessList
from netd.addresses import limited
from netd.counters import Counters
from netd.ratelimit import TokenBuckets
from netd.transport.drain import IDrainable
from netd.transport.proxy_reader import ForgeryGuard, ProxyHeaderReader

BURST_SECONDS: Final = 2
"""So many seconds' worth of connections may come at once."""


@frozen
class Access:
    """Who may speak, for every listener of one daemon."""

    networks: AccessList
    """Of peers, and of the clients that trusted peers speak for."""
    proxies: AccessList | None = None
    """Peers that must begin with a PROXY header; None: nobody speaks for another."""
    rate: float = 0.0
    """Connections a second from one client network; 0 and on loopback: any number."""


class AccessPolicy:
    """What is the same for all gates of one daemon: lists, buckets, counters, clock."""

    def __init__(self, access: Access, clock: IReactorTime, counters: Counters) -> None:
        self.clock = clock
        self._counters = counters
        self.change(access)

    def change(self, access: Access) -> None:
        """Keep to other lists and another rate from now on."""
        self._access = access
        rate = access.rate
        self._buckets = TokenBuckets(rate, rate * BURST_SECONDS) if rate else None

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
        if self._buckets is None:
            return None
        who = limited(address)
        if who is None or self._buckets.take(who, self.clock.seconds()):
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

    def wrap(self, factory: Any, denied: Any = None) -> AccessFactory:
        """`factory` behind this gate, and `denied` for those whose network may not speak."""
        return AccessFactory(self, factory, denied)


@implementer(IProtocolFactory, IDrainable, ILoggingContext)
class AccessFactory:
    """
    A factory of whatever `inner` makes, for those whom the gate lets in.

    `denied` makes what speaks with those whose network may not; without it, and
    when they come too often, they are closed without a word.
    """

    def __init__(self, gate: AccessPolicy, inner: Any, denied: Any = None) -> None:
        self.gate = gate
        self.inner = inner
        self._denied = denied
        self.reading: set[ProxyHeaderReader] = set()
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
            return ProxyHeaderReader(self, addr) if self.gate.peer(addr) else None
        why = self.gate.refusal(addr)
        if why is not None:
            return self.turned_away(addr, why)
        inner: IProtocol | None = self.inner.buildProtocol(addr)
        if proxy is None or inner is None:
            return inner
        return ForgeryGuard(self.gate, inner)

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
