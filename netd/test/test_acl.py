"""
Tests for netd.acl, with the standard library's `ipaddress` as oracle.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.acl import AccessList
from netd.addresses import Network
from netd.test.chance import by_chance
from netd.test.transport.recording import networks

# A busy machine is no failure, and each run is the same one.


def oracle(allow: list[Network], deny: list[Network], host: str) -> bool:
    """The same verdict by trying all networks."""
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    longest, verdict = -1, not allow
    # Denied networks come last: they win a tie.
    networks = [(network, True) for network in allow] + [(network, False) for network in deny]
    for prefix, allowed in networks:
        network = ip_network(str(prefix))
        if address in network and network.prefixlen >= longest:
            longest, verdict = network.prefixlen, allowed
    return verdict


# Few distinct bits, so that networks lie within and beside one another.
_V4 = st.integers(0, 255).map(lambda number: (number & 0xF0) << 24 | (number & 0x0F) << 4)
_V6 = st.integers(0, 255).map(lambda number: (number & 0xF0) << 120 | (number & 0x0F) << 4)


@st.composite
def _network(draw: st.DrawFn) -> Network:
    number, bits = draw(st.one_of(_V4.map(lambda n: (n, 32)), _V6.map(lambda n: (n, 128))))
    length = draw(st.integers(0, bits))
    start = number >> (bits - length) << (bits - length)
    return Network(start.to_bytes(bits // 8, "big"), length)


_HOSTS = st.one_of(
    _V4.map(lambda number: str(IPv4Address(number))),
    _V6.map(lambda number: str(IPv6Address(number))),
    st.ip_addresses().map(str),
    st.ip_addresses(v=4).map(lambda address: f"::ffff:{address}"),
)


class AccessListTests(SynchronousTestCase):
    """The verdicts of two lists."""

    @by_chance
    @given(
        st.lists(_network(), max_size=8),
        st.lists(_network(), max_size=8),
        st.lists(_HOSTS, max_size=8),
    )
    def test_oracle(self, allow: list[Network], deny: list[Network], hosts: list[str]) -> None:
        """The verdict for any address is that of the oracle."""
        tested = AccessList(allow, deny)
        edges = [
            str(ip_address(ip_network(str(each))[place]))
            for each in allow + deny
            for place in (0, -1)
        ]
        for host in hosts + edges:
            self.assertEqual(tested.allows(host), oracle(allow, deny, host), host)

    def test_neither(self) -> None:
        """Without lists every address is allowed."""
        for host in ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0"):
            self.assertTrue(networks().allows(host))

    def test_allow(self) -> None:
        """With an allow list no other address is allowed, of either family."""
        tested = networks(allow="10.0.0.0/8")
        self.assertTrue(tested.allows("10.255.255.255"))
        for host in ("11.0.0.0", "9.255.255.255", "::1", "::10.0.0.1"):
            self.assertFalse(tested.allows(host))

    def test_deny(self) -> None:
        """With only a deny list every other address is allowed."""
        tested = networks(deny="10.0.0.0/8 2001:db8::/32")
        self.assertFalse(tested.allows("10.0.0.0"))
        self.assertFalse(tested.allows("2001:db8:ffff::"))
        self.assertTrue(tested.allows("2001:db9::"))

    def test_longest(self) -> None:
        """The longest prefix wins, in whichever list it is."""
        tested = networks(allow="10.0.0.0/8 10.1.2.3", deny="10.1.0.0/16")
        for host, verdict in (
            ("10.0.255.255", True),
            ("10.1.0.0", False),
            ("10.1.2.2", False),
            ("10.1.2.3", True),
            ("10.1.2.4", False),
            ("10.2.0.0", True),
            ("11.0.0.0", False),
        ):
            self.assertEqual(tested.allows(host), verdict, host)

    def test_tie(self) -> None:
        """A network in both lists is denied."""
        self.assertFalse(networks("192.0.2.0/24", "192.0.2.0/24").allows("192.0.2.1"))

    def test_mapped(self) -> None:
        """An IPv4-mapped IPv6 address or network is treated as IPv4."""
        self.assertFalse(networks(deny="192.0.2.0/24").allows("::ffff:192.0.2.1"))
        self.assertFalse(networks(deny="::ffff:192.0.2.0/120").allows("192.0.2.1"))

    def test_scope(self) -> None:
        """The scope of a link-local address does not matter."""
        self.assertFalse(networks(deny="fe80::/10").allows("fe80::1%eth0"))

    def test_memo(self) -> None:
        """A cached verdict is the same."""
        tested = networks(deny="10.0.0.0/8")
        for _ in range(2):
            self.assertFalse(tested.allows("10.0.0.1"))
            self.assertTrue(tested.allows("11.0.0.1"))

    def test_noAddress(self) -> None:
        """Text that is no address is a ValueError."""
        for host in ("", "localhost", "1.2.3", "1.2.3.4.5", "::g", "/run/socket"):
            with self.assertRaises(ValueError):
                networks().allows(host)

    def test_shown(self) -> None:
        """The representation has both lists."""
        self.assertEqual(
            repr(networks("10.0.0.0/8", "::1")),
            "<AccessList allow ['10.0.0.0/8'] deny ['::1/128']>",
        )
