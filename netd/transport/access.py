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
from twisted.logger import Logger
from zope.interface import implementer

from netd.acl import AccessList
from netd.addresses import limited
from netd.counters import Counters
from netd.ratelimit import TokenBuckets
from netd.throttled_log import ThrottledLog
from netd.transport.connections import ConnectionTable
from netd.transport.drain import IDrainable
from netd.transport.proxy_reader import ForgeryGuard, ProxyHeaderReader

_log = Logger()

BURST_SECONDS: Final = 2
"""A client network may open this many seconds' worth of connections at once."""


REASONS: Final = {
    "network": "its network may not connect",
    "rate": "too many connections a second",
    "tls": "its TLS handshake failed",
    "proxy-header": "no PROXY header, or a malformed or late one",
    "proxy-forged": "a PROXY header from a peer outside --proxy-from",
    "service": "too many connections to the service",
}
"""What the log says of the reasons, by their names in `Counters.refusals`."""


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
    """
    The access lists, token buckets and counters that all listeners of a daemon share.

    Refusals are counted, and logged once a minute for each reason.
    """

    def __init__(self, access: Access, clock: IReactorTime, counters: Counters) -> None:
        self.clock = clock
        self._counters = counters
        self._lines = ThrottledLog(clock, _write)
        self.change(access)

    def change(self, access: Access) -> None:
        """Apply other lists and another rate from now on."""
        self._access = access
        self._named = AccessList(deny=access.networks.deny)
        rate = access.rate
        self._buckets = TokenBuckets(rate, rate * BURST_SECONDS) if rate else None

    def refuse(self, reason: str, listener: str, peer: IAddress) -> None:
        """Count and log a connection of `peer` that `listener` refuses."""
        self._counters.refusals[reason] += 1
        self.log(reason, listener, peer)

    def log(self, reason: str, listener: str, peer: IAddress) -> None:
        """Log a connection of `peer` that `listener` refuses, and that is counted elsewhere."""
        self._lines.add(reason, (getattr(peer, "host", None) or "a UNIX socket", listener))

    def stop(self) -> None:
        """Log the refusals that no line has yet."""
        self._lines.stop()

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
        """The reason to refuse a connection from `address`; None to accept it."""
        host = getattr(address, "host", None)
        if host is None:
            # The mode of a UNIX socket's file decides.
            return None
        if not self._access.networks.allows(host):
            return "network"
        if self._buckets is None or not limit_rate:
            return None
        client = limited(address)
        allowed = client is None or self._buckets.take(client, self.clock.seconds())
        return None if allowed else "rate"


def _write(reason: str, count: int, latest: tuple[str, str]) -> None:
    """Log `count` refusals for one reason."""
    text = "refused {peer} at {listener}: {why}"
    if count > 1:
        text = "refused {peer} at {listener}, and {others} others: {why}"
    peer, listener = latest
    _log.warn(
        text,
        peer=peer,
        listener=listener,
        others=count - 1,
        why=REASONS[reason],
        refusal=reason,
    )


@implementer(IProtocolFactory, IDrainable, ILoggingContext)
class AccessFactory:
    """
    Builds protocols of `inner` for accepted clients, of `denied` for denied networks.

    `local` is for peers on loopback that the lists leave out; a client that is named
    in a PROXY header is no peer.  `listener` is the name of the one listener behind it.
    """

    noisy = False

    def __init__(
        self,
        policy: AccessPolicy,
        inner: IProtocolFactory,
        denied: IProtocolFactory | None = None,
        local: IProtocolFactory | None = None,
        listener: str = "-",
    ) -> None:
        self._policy = policy
        self.inner = inner
        self._denied = denied
        self._local = local
        self.listener = listener
        self._on_bad_header = partial(policy.refuse, "proxy-header", listener)
        self._on_forged_header = partial(policy.refuse, "proxy-forged", listener)
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
            return self._build(addr, is_proxy is not None, self._local)
        reason = policy.refusal(addr, limit_rate=False)
        if reason is not None:
            policy.refuse(reason, self.listener, addr)
            return None
        return ProxyHeaderReader(
            addr, policy.clock, self.readers, self._build, self._on_bad_header
        )

    def _build(
        self,
        client: IAddress,
        guarded: bool = False,
        local: IProtocolFactory | None = None,
    ) -> IProtocol | None:
        """The protocol for `client`; None to close its connection."""
        policy = self._policy
        reason = policy.refusal(client)
        if reason is not None:
            if local is not None and policy.only_local(client):
                return self._guard(local.buildProtocol(client), guarded, client)
            policy.refuse(reason, self.listener, client)
            denied = self._denied if reason == "network" else None
            return None if denied is None else denied.buildProtocol(client)
        protocol = self.inner.buildProtocol(client)
        if protocol is None:
            policy.log("service", self.listener, client)
        return self._guard(protocol, guarded, client) if guarded else protocol

    def _guard(
        self, protocol: IProtocol | None, guarded: bool, client: IAddress
    ) -> IProtocol | None:
        """`protocol`, where `guarded` behind what cuts peers that forge a PROXY header."""
        if guarded and protocol is not None:
            return ForgeryGuard(protocol, self._on_forged_header, client)
        return protocol

    def drain(self) -> Deferred[None]:
        """Cut the connections whose header is not complete; fires at once."""
        self.abort()
        return succeed(None)

    def abort(self) -> int:
        """Cut the connections whose header is not complete; returns their number."""
        return self.readers.abort()


def listener_of(transport: object) -> str | None:
    """The name of the listener that accepted `transport`; None where there is no policy."""
    factory = getattr(getattr(transport, "server", None), "factory", None)
    return factory.listener if isinstance(factory, AccessFactory) else None
