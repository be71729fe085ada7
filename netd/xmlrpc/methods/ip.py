"""
ip.*: questions about IP addresses and networks.

Rules: pure.  Every result is bounded: at most `MOST` items of a network are
returned at a time, found by counting and never by listing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias, TypeVar

from netd.xmlrpc.faults import BadParameters
from netd.xmlrpc.registry import Procedure, procedure
from netd.xmlrpc.scalars import Value, shown

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
T = TypeVar("T")

MOST: Final = 1000
"""Items of one result."""
MOST_COLLAPSED: Final = 250
"""Networks that `ip.collapse` takes; the standard library needs 60 µs for each."""

_FLAGS: Final = (
    *("is_global", "is_link_local", "is_loopback", "is_multicast"),
    *("is_private", "is_reserved", "is_unspecified"),
)
_LONGEST: Final = 100
"""Characters of an address with its scope."""


def _parse(parser: Callable[[str], T], text: str) -> T:
    if len(text) > _LONGEST:
        raise BadParameters(f"{shown(text)} is too long for an address")
    try:
        return parser(text)
    except ValueError as error:
        raise BadParameters(str(error)) from None


def _address(text: str) -> Address:
    return _parse(ipaddress.ip_address, text)


def _network(text: str, strict: bool = True) -> Network:
    return _parse(lambda text: ipaddress.ip_network(text, strict), text)


def _check_versions(first: Address | Network, second: Address | Network) -> None:
    if first.version != second.version:
        raise BadParameters(f"{first} and {second} are not of the same version of IP")


def _window(offset: int, limit: int) -> slice:
    if offset < 0:
        raise BadParameters(f"the offset {offset} is negative")
    if not 0 <= limit <= MOST:
        raise BadParameters(f"the limit {limit} is not within 0 and {MOST}")
    return slice(offset, offset + limit)


def address(address: str) -> dict[str, Value]:
    """What an IP address is: its forms and what it is set aside for; the number as text."""
    parsed = _address(address)
    return {
        "address": str(parsed),
        "version": parsed.version,
        "exploded": parsed.exploded,
        "number": str(int(parsed)),
        "packed": parsed.packed,
        "reverse_pointer": parsed.reverse_pointer,
        **{flag: getattr(parsed, flag) for flag in _FLAGS},
    }


def network(network: str, strict: bool = True) -> dict[str, Value]:
    """
    What an IP network is: its ends, masks and size; num_addresses as text.

    With strict, the default, the address must be the network's first.
    """
    parsed = _network(network, strict)
    hosts = _host_range(parsed)
    return {
        "network": str(parsed),
        "version": parsed.version,
        "prefixlen": parsed.prefixlen,
        "netmask": str(parsed.netmask),
        "hostmask": str(parsed.hostmask),
        "network_address": str(parsed.network_address),
        "broadcast_address": str(parsed.broadcast_address),
        "num_addresses": str(parsed.num_addresses),
        "num_hosts": str(hosts.stop - hosts.start),
        "is_global": parsed.is_global,
        "is_private": parsed.is_private,
    }


def _host_range(network: Network) -> range:
    """The indices of a network's hosts, as in ipaddress' `hosts()`."""
    if network.max_prefixlen - network.prefixlen <= 1:
        return range(network.num_addresses)
    # IPv6 has no broadcast address, but its first one is the routers' (RFC 4291 2.6.1).
    return range(1, network.num_addresses - (network.version == 4))


def hosts(network: str, offset: int = 0, limit: int = 100) -> list[str]:
    """The host addresses of a network: `limit` (100; at most 1000) from the `offset`-th."""
    window = _window(offset, limit)
    parsed = _network(network)
    return [str(parsed[number]) for number in _host_range(parsed)[window]]


def subnets(network: str, prefix: int, offset: int = 0, limit: int = 100) -> list[str]:
    """The subnets of a network with a longer prefix: `limit` (100; at most 1000) of them."""
    window = _window(offset, limit)
    parsed = _network(network)
    shortest, longest = parsed.prefixlen, parsed.max_prefixlen
    if not shortest <= prefix <= longest:
        raise BadParameters(f"/{prefix} is not within /{shortest} and /{longest}")
    size = 1 << longest - prefix
    numbers = range(1 << prefix - shortest)[window]
    return [f"{parsed[number * size]}/{prefix}" for number in numbers]


def supernet(network: str, prefix: int) -> str:
    """The network of a shorter prefix that a network is in."""
    parsed = _network(network)
    if not 0 <= prefix <= parsed.prefixlen:
        raise BadParameters(f"/{prefix} is not within /0 and /{parsed.prefixlen}")
    return str(parsed.supernet(new_prefix=prefix))


def contains(network: str, other: str) -> bool:
    """Whether a network holds an address or a whole other network."""
    outer, inner = _network(network), _network(other)
    _check_versions(outer, inner)
    return bool(inner.subnet_of(outer))  # type: ignore[arg-type]  # of one version


def overlaps(network: str, other: str) -> bool:
    """Whether two networks have an address in common."""
    return _network(network).overlaps(_network(other))


def collapse(networks: list[str]) -> list[str]:
    """The fewest networks that hold the same addresses as the given ones, at most 250."""
    if len(networks) > MOST_COLLAPSED:
        raise BadParameters(f"{len(networks)} networks, at most {MOST_COLLAPSED} are taken")
    parsed = list(map(_network, networks))
    for network in parsed:
        _check_versions(parsed[0], network)
    collapsed = ipaddress.collapse_addresses(parsed)  # type: ignore[type-var]  # of one version
    return list(map(str, collapsed))


def exclude(network: str, other: str) -> list[str]:
    """The networks that are left of a network without another one that it holds."""
    outer, inner = _network(network), _network(other)
    _check_versions(outer, inner)
    if not inner.subnet_of(outer):  # type: ignore[arg-type]  # of one version
        raise BadParameters(f"{inner} is not in {outer}")
    rest = outer.address_exclude(inner)  # type: ignore[arg-type]  # of one version
    return list(map(str, sorted(rest)))


def summarize(first: str, last: str) -> list[str]:
    """The fewest networks that hold just the addresses from the first to the last."""
    start, end = _address(first), _address(last)
    _check_versions(start, end)
    if end < start:  # type: ignore[operator]  # of one version
        raise BadParameters(f"{last} comes before {first}")
    return list(map(str, ipaddress.summarize_address_range(start, end)))


def whoami(peer: str) -> dict[str, Value]:
    """The address that you call from, as ip.address describes it; empty when there is none."""
    return address(peer) if peer else {}


_FUNCTIONS: Final[tuple[Callable[..., object], ...]] = (
    *(address, network, hosts, subnets, supernet, contains, overlaps),
    *(collapse, exclude, summarize),
)

PROCEDURES: Final[tuple[Procedure, ...]] = (
    *(procedure(function, f"ip.{function.__name__}") for function in _FUNCTIONS),
    procedure(whoami, "ip.whoami", with_peer=True),
)
