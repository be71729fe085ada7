"""
ip.*: questions about IP addresses and networks.

Rules: pure.  Every answer is bounded: of what a network holds at most `MOST`
items are given at a time, found by counting and never by listing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final, TypeAlias

from netd.xmlrpc.faults import BadParameters
from netd.xmlrpc.registry import Procedure, procedure
from netd.xmlrpc.scalars import Value, shown

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MOST: Final = 1000
MOST_COLLAPSED: Final = 250
"""The standard library takes 60 µs for each."""
"""The items of one answer, and of `ip.collapse`'s question."""

_LONGEST: Final = 100
"""The characters of an address, its scope included."""


def _read(make: Callable[[str], Any], text: str) -> Any:
    if len(text) > _LONGEST:
        raise BadParameters(f"{shown(text)} is too long for an address")
    try:
        return make(text)
    except ValueError as wrong:
        raise BadParameters(str(wrong)) from None


def _address(text: str) -> Address:
    found: Address = _read(ipaddress.ip_address, text)
    return found


def _network(text: str) -> Network:
    found: Network = _read(ipaddress.ip_network, text)
    return found


def _same(one: Address | Network, other: Address | Network) -> None:
    if one.version != other.version:
        raise BadParameters(f"{one} and {other} are not of the same version of IP")


def _window(offset: int, limit: int) -> None:
    if offset < 0:
        raise BadParameters(f"the offset {offset} is negative")
    if not 0 <= limit <= MOST:
        raise BadParameters(f"the limit {limit} is not within 0 and {MOST}")


def _at(network: Network, number: int) -> str:
    return str(network[number])


def address(address: str) -> dict[str, Value]:
    """What an IP address is: its forms and what it is set aside for; the number as text."""
    one = _address(address)
    return {
        "address": str(one),
        "version": one.version,
        "exploded": one.exploded,
        "number": str(int(one)),
        "packed": one.packed,
        "reverse_pointer": one.reverse_pointer,
        "is_global": one.is_global,
        "is_link_local": one.is_link_local,
        "is_loopback": one.is_loopback,
        "is_multicast": one.is_multicast,
        "is_private": one.is_private,
        "is_reserved": one.is_reserved,
        "is_unspecified": one.is_unspecified,
    }


def network(network: str, strict: bool = True) -> dict[str, Value]:
    """
    What an IP network is: its ends, masks and size; num_addresses as text.

    With strict the address must be the network's first.
    """
    one: Network = _read(lambda text: ipaddress.ip_network(text, strict), network)
    first, stop = _host_range(one)
    return {
        "network": str(one),
        "version": one.version,
        "prefixlen": one.prefixlen,
        "netmask": str(one.netmask),
        "hostmask": str(one.hostmask),
        "network_address": str(one.network_address),
        "broadcast_address": str(one.broadcast_address),
        "num_addresses": str(one.num_addresses),
        "num_hosts": str(stop - first),
        "is_global": one.is_global,
        "is_private": one.is_private,
    }


def _host_range(one: Network) -> tuple[int, int]:
    """Where the hosts of a network start and stop, as ipaddress' `hosts()` lists them."""
    if one.max_prefixlen - one.prefixlen <= 1:
        return 0, one.num_addresses
    # IPv6 has no broadcast address, but its first one is the routers' (RFC 4291 2.6.1).
    return 1, one.num_addresses - (one.version == 4)


def hosts(network: str, offset: int = 0, limit: int = 100) -> list[str]:
    """The host addresses of a network: `limit` of them, at most 1000, from the `offset`-th."""
    _window(offset, limit)
    one = _network(network)
    first, stop = _host_range(one)
    return [_at(one, n) for n in range(first + offset, min(first + offset + limit, stop))]


def subnets(network: str, prefix: int, offset: int = 0, limit: int = 100) -> list[str]:
    """The parts of a network that have a longer prefix: `limit`, at most 1000, of them."""
    _window(offset, limit)
    one = _network(network)
    if not one.prefixlen <= prefix <= one.max_prefixlen:
        raise BadParameters(
            f"/{prefix} is not within /{one.prefixlen} and /{one.max_prefixlen}"
        )
    size = 1 << one.max_prefixlen - prefix
    count = 1 << prefix - one.prefixlen
    return [f"{_at(one, n * size)}/{prefix}" for n in range(offset, min(offset + limit, count))]


def supernet(network: str, prefix: int) -> str:
    """The network of a shorter prefix that a network is in."""
    one = _network(network)
    if not 0 <= prefix <= one.prefixlen:
        raise BadParameters(f"/{prefix} is not within /0 and /{one.prefixlen}")
    return str(one.supernet(new_prefix=prefix))


def contains(network: str, other: str) -> bool:
    """Whether a network holds an address or a whole other network."""
    one, two = _network(network), _network(other)
    _same(one, two)
    return bool(two.subnet_of(one))  # type: ignore[arg-type]  # of one version


def overlaps(network: str, other: str) -> bool:
    """Whether two networks have an address in common."""
    one, two = _network(network), _network(other)
    return one.overlaps(two)


def collapse(networks: list[str]) -> list[str]:
    """The fewest networks that hold the same addresses as the given ones, at most 250."""
    if len(networks) > MOST_COLLAPSED:
        raise BadParameters(f"{len(networks)} networks, at most {MOST_COLLAPSED} are taken")
    found = [_network(each) for each in networks]
    for each in found:
        _same(found[0], each)
    return [str(each) for each in ipaddress.collapse_addresses(found)]  # type: ignore[type-var]


def exclude(network: str, other: str) -> list[str]:
    """The networks that are left of a network without another one that it holds."""
    one, two = _network(network), _network(other)
    _same(one, two)
    if not two.subnet_of(one):  # type: ignore[arg-type]  # of one version
        raise BadParameters(f"{two} is not in {one}")
    left = one.address_exclude(two)  # type: ignore[arg-type]
    return [str(each) for each in sorted(left)]


def summarize(first: str, last: str) -> list[str]:
    """The fewest networks that hold just the addresses from the first to the last."""
    one, two = _address(first), _address(last)
    _same(one, two)
    if two < one:  # type: ignore[operator]  # of one version
        raise BadParameters(f"{last} comes before {first}")
    return [str(each) for each in ipaddress.summarize_address_range(one, two)]


def whoami(peer: str) -> dict[str, Value]:
    """The address that you call from, as ip.address describes it; empty when there is none."""
    return address(peer) if peer else {}


PROCEDURES: Final[tuple[Procedure, ...]] = (
    *(
        procedure(each, f"ip.{each.__name__}")
        for each in (
            address,
            network,
            hosts,
            subnets,
            supernet,
            contains,
            overlaps,
            collapse,
            exclude,
            summarize,
        )
    ),
    procedure(whoami, "ip.whoami", with_peer=True),
)
