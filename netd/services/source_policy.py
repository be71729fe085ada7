"""
Which datagrams get a response: a verdict and a token bucket for each source.

Rules: pure; the time is an argument.  A source address may be forged; the policy
protects the owner of that address as well.
"""

from __future__ import annotations

from collections.abc import Container
from math import inf
from typing import Final

from netd.acl import AccessList
from netd.addresses import Network, client
from netd.ratelimit import LRU, MOST, TokenBucket

RATE: Final = 10_000
"""Responses to one source in a second."""
BURST_SECONDS: Final = 0.2
"""A burst is the responses of this time, and at least one."""

# Services that respond to every datagram (RFC 862 to 868), and port 0, to which nothing
# can be sent: a response to a forged source there could loop for ever.
RESPONDING_PORTS: Final = frozenset({0, 7, 13, 17, 19, 37})

# Except on loopback also ports that are often misused for reflection: privileged ones,
# SSDP, NFS, WS-Discovery, mDNS, memcached.
_REFLECTING_PORTS: Final = frozenset(range(1024)) | {1900, 2049, 3702, 5353, 11211}

_LOOPBACK: Final = AccessList(allow=[Network.parse("127.0.0.0/8"), Network.parse("::1")])

# Unspecified, multicast, broadcast and reserved addresses, which are no sources.
_NO_SOURCE: Final = AccessList(
    deny=map(Network.parse, ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::", "ff00::/8"))
)
_ALL_PORTS: Final = range(65_536)


class Source(TokenBucket):
    """The bucket of a client, and the ports of it that get no response."""

    __slots__ = ("ports", "reason")

    def __init__(self, ports: Container[int], reason: str, tokens: float, at: float) -> None:
        TokenBucket.__init__(self, tokens, at)
        self.ports = ports
        self.reason = reason
        """Why `ports` get no response."""


class SourcePolicy:
    """The policy of all datagram ports of one daemon."""

    def __init__(
        self,
        networks: AccessList,
        any_source: bool = False,
        rate: float = RATE,
        most: int = MOST,
    ) -> None:
        self.rate = rate
        # Subtraction leaves an infinite burst infinite.
        self.burst = max(1.0, rate * BURST_SECONDS) if rate else inf
        self.known: LRU[str, Source] = LRU(most)
        """By address; `source` adds what is missing."""
        self._by_client: LRU[bytes, Source] = LRU(most)
        self._any_source = any_source
        self._networks = networks
        self._loopback_ports: frozenset[int] = RESPONDING_PORTS
        self._remote_ports: frozenset[int] = RESPONDING_PORTS

    def add_port(self, port: int) -> None:
        """Refuse datagrams from `port`, on which netd itself listens."""
        # On any address, as each address of this host may be forged.
        self._loopback_ports |= {port}
        reflecting = frozenset() if self._any_source else _REFLECTING_PORTS
        self._remote_ports = self._loopback_ports | reflecting
        self._forget()

    def change(self, networks: AccessList) -> None:
        """Apply other access lists from now on."""
        self._networks = networks
        self._forget()

    def source(self, host: str, now: float) -> Source:
        """The source at `host`, which is in `known` afterwards."""
        source = self.known.get(host)
        if source is None:
            if not _NO_SOURCE.allows(host):
                source = Source(_ALL_PORTS, "source address", 0.0, now)
            elif not self._networks.allows(host):
                source = Source(_ALL_PORTS, "network", 0.0, now)
            elif (source := self._by_client.get(key := client(host))) is None:
                loopback = _LOOPBACK.allows(host)
                ports = self._loopback_ports if loopback else self._remote_ports
                source = Source(ports, "source port", self.burst, now)
                self._by_client.put(key, source)
            self.known.put(host, source)
        return source

    def trusts(self, host: str) -> bool:
        """
        Whether a response to `host` may be larger than the request.

        True for loopback, whose address cannot be forged from elsewhere, and for
        the networks that the operator allowed explicitly.
        """
        return _LOOPBACK.allows(host) or self._networks.names(host)

    def _forget(self) -> None:
        self.known.clear()
        self._by_client.clear()
