"""
IP addresses: those that share a prefix, and which of them are one client.

Rules: pure; as in `values`, text is parsed once, and `str` gives it back.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final, Self

from attrs import frozen

from netd.values import integer

_MAPPED: Final = bytes(10) + b"\xff\xff"
_LOOPBACK6: Final = bytes(15) + b"\1"


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


def pack(host: str) -> bytes:
    """
    The 4 or 16 bytes of an IP address, whose scope (`%eth0`) does not matter.

    An IPv4 address in IPv6 clothes (`::ffff:192.0.2.1`) is an IPv4 address.
    ValueError when `host` is no address.
    """
    try:
        if ":" not in host:
            return inet_pton(AF_INET, host)
        packed = inet_pton(AF_INET6, host.partition("%")[0])
    except OSError:
        raise ValueError(f"{host!r} is not an IP address") from None
    return packed[12:] if packed.startswith(_MAPPED) else packed


def client(host: str) -> bytes:
    """What counts as one client: an IPv4 address, an IPv6 /64; loopback is not taken apart."""
    packed = pack(host)
    return packed if len(packed) == 4 or packed == _LOOPBACK6 else packed[:8]


def limited(address: object) -> bytes | None:
    """
    Whom limits by client take who is at `address` for, as `client` has it.

    None on loopback, however it is written, and for what has no IP address,
    such as a UNIX socket: those are not limited.
    """
    host = getattr(address, "host", None)
    if not isinstance(host, str):
        return None
    found = client(host)
    return None if found == _LOOPBACK6 or (len(found) == 4 and found[0] == 127) else found
