"""
Whom a datagram port answers, and how often: a verdict and a bucket for each source.

Rules: pure; the time is an argument.  A source address may be forged, and is
then somebody else's; what is decided here protects them as well.
"""

from __future__ import annotations

from collections.abc import Container
from math import inf
from typing import Final

from netd.acl import AccessList
from netd.addresses import Network, client
from netd.lru import LRU
from netd.ratelimit import MOST, TokenBucket

RATE: Final = 10_000
"""Datagrams a second that one source is answered."""
BURST_SECONDS: Final = 0.2
"""So many seconds' worth may come at once, and at least one datagram."""

# Ports that answer whatever they are told (RFC 862 to 868), and 0, which
# cannot be answered: a spoofed source there would start a conversation.
TALKATIVE: Final = frozenset({0, 7, 13, 17, 19, 37})

# From afar also what answers by itself and is often misused: privileged ports,
# SSDP, NFS, WS-Discovery, mDNS, memcached.
_AFAR: Final = frozenset(range(1024)) | {1900, 2049, 3702, 5353, 11211}

_LOOPBACK: Final = AccessList(allow=[Network.parse("127.0.0.0/8"), Network.parse("::1")])

# Unspecified, multicast, broadcast and reserved: nobody can be there.
_NOWHERE: Final = AccessList(
    deny=map(Network.parse, ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::", "ff00::/8"))
)


class Source(TokenBucket):
    """One source, or all that are refused for one reason."""

    __slots__ = ("ports", "reason")

    def __init__(self, ports: Container[int], reason: str, tokens: float, at: float) -> None:
        TokenBucket.__init__(self, tokens, at)
        self.ports = ports
        """Source ports that get no answer."""
        self.reason = reason
        """Why."""


class SourcePolicy:
    """What all datagram ports of one daemon know of whom they hear."""

    def __init__(
        self,
        networks: AccessList,
        any_source: bool = False,
        rate: float = RATE,
        most: int = MOST,
    ) -> None:
        self.rate = rate
        # What is taken from an endless burst leaves it endless.
        self.burst = max(1.0, rate * BURST_SECONDS) if rate else inf
        self.known: LRU[str, Source] = LRU(most)
        """By address; `judge` makes what is missing."""
        self._by_client: LRU[bytes, Source] = LRU(most)
        self._any_source = any_source
        self._networks = networks
        self._near: frozenset[int] = TALKATIVE
        self._afar: frozenset[int] = TALKATIVE

    def listen(self, port: int) -> None:
        """netd listens on `port` of some address: nothing that comes from one is answered."""
        # Any of this host's addresses may be forged, hence the port decides.
        self._near |= {port}
        self._afar = self._near if self._any_source else self._near | _AFAR
        self._forget()

    def change(self, networks: AccessList) -> None:
        """Other lists from now on."""
        self._networks = networks
        self._forget()

    def judge(self, host: str, now: float) -> Source:
        """What `known` does not have of `host`; it has it afterwards."""
        source = self.known.get(host)
        if source is None:
            if not _NOWHERE.allows(host):
                source = Source(range(65_536), "source address", 0.0, now)
            elif not self._networks.allows(host):
                source = Source(range(65_536), "network", 0.0, now)
            else:
                source = self._admit(host, now)
            self.known.put(host, source)
        return source

    def knows(self, host: str) -> bool:
        """
        Whether an answer to `host` may be larger than the question.

        On loopback nobody from elsewhere can be meant by a forged address, and
        whom the operator's allow list names is the operator's own.
        """
        return _LOOPBACK.allows(host) or self._networks.names(host)

    def _admit(self, host: str, now: float) -> Source:
        key = client(host)
        source = self._by_client.get(key)
        if source is None:
            ports = self._near if _LOOPBACK.allows(host) else self._afar
            source = Source(ports, "source port", self.burst, now)
            self._by_client.put(key, source)
        return source

    def _forget(self) -> None:
        self.known.clear()
        self._by_client.clear()
