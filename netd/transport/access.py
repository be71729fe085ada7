"""
Who may connect to a listener, on whose behalf, and how often.

Rules: knows no protocol; stands before the inner protocol only until a PROXY header
is read or ruled out.

Order: peer's network -> PROXY header -> client's network -> rate -> inner factory.
"""

from __future__ import annotations

from functools import partial
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
    """Peers that must begin with a PROXY header; None: PROXY headers are not looked for."""
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
        self._named = AccessList(deny=access.networks.deny)
        rate = access.rate
        self._buckets = TokenBuckets(rate, rate * BURST_SECONDS) if rate else None

    def count(self, reason: str) -> str:
        """Count a connection that is refused for `reason`, which is returned."""
        self._counters.refusals[reason] += 1
        return reason

    def is_proxy(self, address: IAddress) -> bool | None:
        """Whether the peer at `address` must send a PROXY header; None when no peer must."""
        if self._access.proxies is None:
            return None
        host = getattr(address, "host", None)
        return host is not None and self._access.proxies.allows(host)

    def only_local(self, address: IAddress) -> bool:
        """Whether a peer at `address` is on loopback, not allowed, and in no deny list."""
        host = getattr(address, "host", None)
        if host is None or self._access.networks.allows(host):
            return False
        return limited(address) is None and self._named.allows(host)

    def refusal(self, address: IAddress, *, limit_rate: bool = True) -> str | None:
        """The reason to refuse a connection from `address`, counted; None to accept it."""
        host = getattr(address, "host", None)
        if host is None:
            # The mode of a UNIX socket's file decides.
            return None
        if not self._access.networks.allows(host):
            return self.count("network")
        if self._buckets is None or not limit_rate:
            return None
        client = limited(address)
        allowed = client is None or self._buckets.take(client, self.clock.seconds())
        return None if allowed else self.count("rate")


@implementer(IProtocolFactory, IDrainable, ILoggingContext)
class AccessFactory:
    """
    Builds protocols of `inner` for accepted clients, of `denied` for denied networks.

    `local` is for peers on loopback that the lists leave out; a client that is named
    in a PROXY header is no peer.
    """

    noisy = False

    def __init__(
        self,
        policy: AccessPolicy,
        inner: IProtocolFactory,
        denied: IProtocolFactory | None = None,
        local: IProtocolFactory | None = None,
    ) -> None:
        self._policy = policy
        self.inner = inner
        self._denied = denied
        self._local = local
        self._on_bad_header = partial(policy.count, "proxy-header")
        self._on_forged_header = partial(policy.count, "proxy-forged")
        self.readers: ConnectionTable[ProxyHeaderReader] = ConnectionTable()
        """Connections whose PROXY header is not complete."""

    def logPrefix(self) -> str:
        """The name of the inner factory, for Twisted's log lines about ports."""
        inner = self.inner
        if ILoggingContext.providedBy(inner):
            return str(ILoggingContext(inner).logPrefix())
        return type(getattr(inner, "wrappedFactory", inner)).__name__

    def doStart(self) -> None:
        """A port listens for the inner factory."""
        self.inner.doStart()

    def doStop(self) -> None:
        """A port is closed."""
        self.inner.doStop()

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """The inner protocol, or what reads or rejects a PROXY header first; None to close."""
        policy = self._policy
        is_proxy = policy.is_proxy(addr)
        if not is_proxy:
            guarded = is_proxy is not None
            if self._local is not None and policy.only_local(addr):
                return self._guard(self._local.buildProtocol(addr), guarded)
            return self._build(addr, guarded)
        if policy.refusal(addr, limit_rate=False) is not None:
            return None
        return ProxyHeaderReader(
            addr, policy.clock, self.readers, self._build, self._on_bad_header
        )

    def _build(self, client: IAddress, guarded: bool = False) -> IProtocol | None:
        """The protocol for `client`; None to close its connection."""
        protocol: IProtocol | None = None
        reason = self._policy.refusal(client)
        if reason is None:
            protocol = self._guard(self.inner.buildProtocol(client), guarded)
        elif reason == "network" and self._denied is not None:
            protocol = self._denied.buildProtocol(client)
        return protocol

    def _guard(self, protocol: IProtocol | None, guarded: bool) -> IProtocol | None:
        """`protocol`, where `guarded` behind what cuts peers that forge a PROXY header."""
        if guarded and protocol is not None:
            return ForgeryGuard(protocol, self._on_forged_header)
        return protocol

    def drain(self) -> Deferred[None]:
        """Cut the connections whose header is not complete; fires at once."""
        self.abort()
        return succeed(None)

    def abort(self) -> int:
        """Cut the connections whose header is not complete; returns their number."""
        return self.readers.abort()
