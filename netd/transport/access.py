"""
Who may connect to a listener, on whose behalf, and how often.

Rules: knows no protocol.  An accepted connection belongs to the inner protocol;
another protocol stands in between only while a PROXY header may be on its way,
so that nothing is paid per byte.

Order: peer's network -> PROXY header -> client's network -> rate -> inner factory.
"""

from __future__ import annotations

from typing import Final

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
from netd.transport.connections import ConnectionTable
from netd.transport.drain import IDrainable
from netd.transport.proxy_reader import ForgeryGuard, ProxyHeaderReader

BURST_SECONDS: Final = 2
"""A client network may open this many seconds' worth of connections at once."""


@frozen
class Access:
    """Who may connect, for every listener of one daemon."""

    networks: AccessList
    """Applies to peers, and to the clients named in PROXY headers."""
    proxies: AccessList | None = None
    """Peers that must begin with a PROXY header; None: a header is not expected of anyone."""
    rate: float = 0.0
    """Connections a second from one client network; 0: unlimited, as loopback always is."""


class AccessPolicy:
    """The access lists, token buckets and counters that all listeners of a daemon share."""

    def __init__(self, access: Access, clock: IReactorTime, counters: Counters) -> None:
        self.clock = clock
        self._counters = counters
        self.change(access)

    def change(self, access: Access) -> None:
        """Apply other lists and another rate from now on."""
        self._access = access
        rate = access.rate
        self._buckets = TokenBuckets(rate, rate * BURST_SECONDS) if rate else None

    def count(self, reason: str) -> None:
        """Count a refused connection."""
        self._counters.refusals[reason] += 1

    def refusal(self, address: IAddress) -> str | None:
        """
        The reason to refuse the client at `address`, counted; None when it may connect.

        A client of a UNIX socket may: the file's mode has decided already.
        """
        host = getattr(address, "host", None)
        if host is None:
            return None
        if not self._access.networks.allows(host):
            self.count("network")
            return "network"
        if self._buckets is None:
            return None
        client = limited(address)
        if client is None or self._buckets.take(client, self.clock.seconds()):
            return None
        self.count("rate")
        return "rate"

    def is_proxy(self, address: IAddress) -> bool | None:
        """Whether the peer at `address` must send a PROXY header; None when no peer must."""
        if self._access.proxies is None:
            return None
        host = getattr(address, "host", None)
        return host is not None and self._access.proxies.allows(host)

    def allows_proxy(self, address: IAddress) -> bool:
        """Whether the proxy at `address` may connect; a refusal is counted."""
        if self._access.networks.allows(getattr(address, "host", "")):
            return True
        self.count("network")
        return False


@implementer(IProtocolFactory, IDrainable, ILoggingContext)
class AccessFactory:
    """
    Builds the protocols of `inner` for the clients that `policy` lets connect.

    `denied` builds the protocols for clients of denied networks.  Without it, and
    for clients that exceed the rate, the connection is closed at once.
    """

    noisy = False

    def __init__(
        self,
        policy: AccessPolicy,
        inner: IProtocolFactory,
        denied: IProtocolFactory | None = None,
    ) -> None:
        self._policy = policy
        self.inner = inner
        self._denied = denied
        self.readers: ConnectionTable[ProxyHeaderReader] = ConnectionTable()
        """Connections whose PROXY header is not complete."""

    def logPrefix(self) -> str:
        """The name of the inner factory, for Twisted's log lines about ports."""
        inner = self.inner
        if ILoggingContext.providedBy(inner):
            prefix: str = ILoggingContext(inner).logPrefix()
            return prefix
        return type(getattr(inner, "wrappedFactory", inner)).__name__

    def doStart(self) -> None:
        """A port listens for the inner factory."""
        self.inner.doStart()

    def doStop(self) -> None:
        """A port is closed."""
        self.inner.doStop()

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """The inner protocol, a ProxyHeaderReader or ForgeryGuard before it, or None."""
        policy = self._policy
        is_proxy = policy.is_proxy(addr)
        if is_proxy:
            if not policy.allows_proxy(addr):
                return None
            return ProxyHeaderReader(
                addr, policy.clock, self.readers, self._build, self._count_bad_header
            )
        reason = policy.refusal(addr)
        if reason is not None:
            return self._build_denied(addr, reason)
        inner: IProtocol | None = self.inner.buildProtocol(addr)
        if is_proxy is None or inner is None:
            return inner
        return ForgeryGuard(inner, self._count_forged_header)

    def _build(self, client: IAddress) -> IProtocol | None:
        """The protocol for a `client` whose address is final; None to close."""
        reason = self._policy.refusal(client)
        if reason is not None:
            return self._build_denied(client, reason)
        inner: IProtocol | None = self.inner.buildProtocol(client)
        return inner

    def _build_denied(self, client: IAddress, reason: str) -> IProtocol | None:
        if self._denied is None or reason != "network":
            return None
        denied: IProtocol | None = self._denied.buildProtocol(client)
        return denied

    def _count_bad_header(self) -> None:
        self._policy.count("proxy-header")

    def _count_forged_header(self) -> None:
        self._policy.count("proxy-forged")

    def drain(self) -> Deferred[None]:
        """Close the connections whose header is not complete; fires at once."""
        self.abort()
        return succeed(None)

    def abort(self) -> int:
        """Cut the connections whose header is not complete; returns their number."""
        return self.readers.abort()
