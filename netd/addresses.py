"""
IP networks, packed addresses, which addresses count as one client, which names are foreign.

Rules: pure; as in `values`, text is parsed once, and `str` gives it back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final, Self

from attrs import frozen

from netd.values import integer

_MAPPED: Final = bytes(10) + b"\xff\xff"
_LOOPBACK6: Final = bytes(15) + b"\1"


@frozen(order=True)
class Network:
    """
    The IP addresses with one prefix: `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`.

    An IPv4-mapped IPv6 address (`::ffff:10.0.0.0/104`) is treated as IPv4.
    """

    packed: bytes
    """The first address, 4 or 16 bytes."""
    length: int
    """Bits of the prefix."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The network written as `text`; bits behind the prefix are refused."""
        first, slash, bits = text.partition("/")
        try:
            address = ip_address(first.partition("%")[0])
        except ValueError:
            raise ValueError("not an IP network such as 10.0.0.0/8") from None
        most: int = address.max_prefixlen
        length = most
        if slash:
            try:
                length = integer(bits, 0, most)
            except ValueError:
                raise ValueError(
                    f"not an IP network, because its prefix is not from /0 to /{most}"
                ) from None
        if isinstance(address, IPv6Address) and address.ipv4_mapped and length >= 96:
            address, length = address.ipv4_mapped, length - 96
        network = ip_network((address.packed, length), strict=False)
        if network.network_address.packed != address.packed:
            raise ValueError(
                "not an IP network, because bits behind its prefix are set; "
                f"did you mean {network}?"
            )
        return cls(address.packed, length)

    def __str__(self) -> str:
        return str(ip_network((self.packed, self.length)))


def pack(host: str) -> bytes:
    """The 4 or 16 bytes of an IP address, 4 if IPv4-mapped, without scope; or ValueError."""
    try:
        if ":" not in host:
            return inet_pton(AF_INET, host)
        packed = inet_pton(AF_INET6, host.partition("%")[0])
    except OSError:
        raise ValueError(f"{host!r} is not an IP address") from None
    return packed[12:] if packed.startswith(_MAPPED) else packed


def unmapped(host: str) -> str:
    """`host`, where an IPv4-mapped IPv6 address becomes an IPv4 address."""
    # All others, which most are, need no look at their bytes.
    packed = pack(host) if host.startswith("::") else b""
    return inet_ntop(AF_INET, packed) if len(packed) == 4 else host


def client(host: str) -> bytes:
    """The network that counts as one client: an IPv4 address, an IPv6 /64, or `::1`."""
    packed = pack(host)
    return packed if len(packed) == 4 or packed == _LOOPBACK6 else packed[:8]


def loopback(host: str) -> bool:
    """Whether the IP address `host` is one of loopback."""
    packed = pack(host)
    return packed == _LOOPBACK6 or (len(packed) == 4 and packed[0] == 127)


def foreign_name(authority: bytes, names: Collection[str]) -> str:
    """The host of `authority`; empty if it is an IP address, localhost or one of `names`."""
    host = authority.decode().lower().partition(":")[0].removesuffix(".")
    # No top-level domain is a number.
    address = host.startswith("[") or host.rpartition(".")[2].isdigit()
    local = address or f".{host}".endswith(".localhost") or host in names or "*" in names
    return "" if local else host


def host_names(hosts: Iterable[str]) -> frozenset[str]:
    """The `names` of `foreign_name`: those in `hosts`, which may have ports."""
    return frozenset(each.lower().split(":")[0].removesuffix(".") for each in hosts)


def limited(address: object) -> bytes | None:
    """The client that limits count `address` for; None for loopback and UNIX sockets."""
    host = getattr(address, "host", None)
    return _limited(host) if isinstance(host, str) else None


@lru_cache(maxsize=1024)
def _limited(host: str) -> bytes | None:
    return None if loopback(host) else client(host)
