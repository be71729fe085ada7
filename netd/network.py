"""
IP addresses that share a prefix.

Rules: pure; as in `values`, text is parsed once, and `str` gives it back.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Self

from attrs import frozen

from netd.values import integer


@frozen(order=True)
class Network:
    """
    The IP addresses that share a prefix: `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`.

    IPv4 in IPv6 clothes (`::ffff:10.0.0.0/104`) is IPv4.
    """

    packed: bytes
    """The first address, 4 or 16 bytes."""
    length: int
    """Bits of the prefix."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The network that `text` says; bits behind the prefix are refused."""
        said, slash, bits = text.partition("/")
        try:
            address = ip_address(said.partition("%")[0])
        except ValueError:
            raise ValueError("not an IP network such as 10.0.0.0/8") from None
        length = integer(bits, 0, address.max_prefixlen) if slash else address.max_prefixlen
        if isinstance(address, IPv6Address) and address.ipv4_mapped and length >= 96:
            address, length = address.ipv4_mapped, length - 96
        network = ip_network((address.packed, length), strict=False)
        if network.network_address.packed != address.packed:
            raise ValueError(f"has bits behind its prefix, the network is {network}")
        return cls(address.packed, length)

    def __str__(self) -> str:
        return str(ip_network((self.packed, self.length)))
