"""
ip.*.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.test.chance import by_chance
from netd.xmlrpc.faults import BadParameters
from netd.xmlrpc.methods.ip import MOST, MOST_COLLAPSED, PROCEDURES

BY_NAME = {each.name: each for each in PROCEDURES}
V4 = st.tuples(st.ip_addresses(v=4), st.integers(20, 32))
V6 = st.tuples(st.ip_addresses(v=6), st.integers(118, 128))


def ask(name: str, *values: Any) -> Any:
    """The result of ip.NAME."""
    method = BY_NAME[f"ip.{name}"]
    method.signature.check(name, values)
    return method.function(*values)


class SeedTests(SynchronousTestCase):
    """
    Addresses and networks described.
    """

    def test_address(self) -> None:
        """An address of either version is described."""
        four, six = ask("address", "192.168.0.1"), ask("address", "2001:db8::")
        self.assertEqual((four["version"], four["is_private"]), (4, True))
        self.assertEqual(four["packed"], bytes([192, 168, 0, 1]))
        self.assertEqual((six["version"], six["number"]), (6, str(0x20010DB8 << 96)))

    def test_network(self) -> None:
        """A network is described; its size is text, since no int holds it."""
        self.assertEqual(ask("network", "192.168.0.0/28")["num_addresses"], "16")
        self.assertEqual(ask("network", "::/0")["num_addresses"], str(2**128))
        self.assertEqual(ask("network", "192.0.2.5/24", False)["network"], "192.0.2.0/24")
        self.assertRaises(BadParameters, ask, "network", "192.0.2.5/24")

    def test_hosts(self) -> None:
        """The hosts of a /29 are its six addresses inside."""
        self.assertEqual(
            ask("hosts", "192.0.2.0/29"), [f"192.0.2.{number}" for number in range(1, 7)]
        )

    def test_contains(self) -> None:
        """A network contains an address or a network, or does not."""
        self.assertTrue(ask("contains", "192.0.2.0/28", "192.0.2.6"))
        self.assertFalse(ask("contains", "192.0.2.0/28", "192.0.3.6"))
        self.assertTrue(ask("contains", "192.0.2.0/28", "192.0.2.0/29"))
        self.assertRaises(BadParameters, ask, "contains", "192.0.2.0/28", "::1")


class BoundedTests(SynchronousTestCase):
    """
    Results are bounded, however large a network is.
    """

    @by_chance
    @given(V4 | V6, st.integers(0, 20), st.integers(0, 20))
    def test_hosts(self, where: Any, offset: int, limit: int) -> None:
        """A window of hosts equals the same window of ipaddress' list."""
        network = ipaddress.ip_network(where, strict=False)
        listed = [str(each) for each in network.hosts()]
        self.assertEqual(
            ask("hosts", str(network), offset, limit), listed[offset : offset + limit]
        )
        self.assertEqual(ask("network", str(network))["num_hosts"], str(len(listed)))

    @by_chance
    @given(V4 | V6, st.integers(0, 8), st.integers(0, 20), st.integers(0, 20))
    def test_subnets(self, where: Any, more: int, offset: int, limit: int) -> None:
        """A window of subnets equals the same window of ipaddress' list."""
        network = ipaddress.ip_network(where, strict=False)
        prefix = min(network.prefixlen + more, network.max_prefixlen)
        listed = [str(each) for each in network.subnets(new_prefix=prefix)]
        got = ask("subnets", str(network), prefix, offset, limit)
        self.assertEqual(got, listed[offset : offset + limit])

    def test_huge(self) -> None:
        """A window of all of IPv6 is given at once, even at a large offset."""
        self.assertEqual(len(ask("hosts", "::/0", 2**62, MOST)), MOST)
        self.assertEqual(ask("hosts", "::/0", 0, 1), ["::1"])
        self.assertEqual(
            ask("subnets", "::/0", 128, 2**63 - 1, 1), ["::7fff:ffff:ffff:ffff/128"]
        )
        self.assertEqual(ask("hosts", "192.0.2.0/24", 254), [])

    def test_windows(self) -> None:
        """Negative offsets and limits beyond 1000 are refused."""
        for offset, limit in ((-1, 1), (0, MOST + 1), (0, -1)):
            self.assertRaises(BadParameters, ask, "hosts", "::/0", offset, limit)
            self.assertRaises(BadParameters, ask, "subnets", "::/0", 1, offset, limit)

    def test_prefixes(self) -> None:
        """Prefixes outside of the network's range are refused."""
        for prefix in (23, 33, -1):
            self.assertRaises(BadParameters, ask, "subnets", "192.0.2.0/24", prefix)
        for prefix in (25, -1):
            self.assertRaises(BadParameters, ask, "supernet", "192.0.2.0/24", prefix)
        self.assertEqual(ask("supernet", "192.0.2.0/24", 22), "192.0.0.0/22")

    def test_overlaps(self) -> None:
        """Networks of different versions do not overlap."""
        self.assertTrue(ask("overlaps", "192.0.2.0/24", "192.0.2.128/25"))
        self.assertFalse(ask("overlaps", "192.0.2.0/24", "192.0.3.0/24"))
        self.assertFalse(ask("overlaps", "192.0.2.0/24", "::/0"))

    def test_collapse(self) -> None:
        """Neighbours collapse; more than 250 networks, or both versions, are refused."""
        halves = ["192.0.2.128/25", "192.0.2.0/25"]
        self.assertEqual(ask("collapse", halves), ["192.0.2.0/24"])
        self.assertEqual(ask("collapse", []), [])
        self.assertRaises(BadParameters, ask, "collapse", ["::1"] * (MOST_COLLAPSED + 1))
        self.assertRaises(BadParameters, ask, "collapse", ["::1", "192.0.2.1"])

    def test_exclude(self) -> None:
        """The rest is listed in order; a network that is not inside is refused."""
        self.assertEqual(
            ask("exclude", "192.0.2.0/24", "192.0.2.64/26"), ["192.0.2.0/26", "192.0.2.128/25"]
        )
        self.assertEqual(len(ask("exclude", "::/0", "::1")), 128)
        self.assertRaises(BadParameters, ask, "exclude", "192.0.2.0/24", "192.0.3.0/26")
        self.assertRaises(BadParameters, ask, "exclude", "192.0.2.0/24", "::1")

    def test_summarize(self) -> None:
        """A range becomes at most some hundred networks; a reversed range is refused."""
        self.assertEqual(
            ask("summarize", "192.0.2.0", "192.0.2.130"),
            ["192.0.2.0/25", "192.0.2.128/31", "192.0.2.130/32"],
        )
        last = str(ipaddress.IPv6Address(2**128 - 2))
        self.assertEqual(len(ask("summarize", "::1", last)), 254)
        self.assertRaises(BadParameters, ask, "summarize", "192.0.2.9", "192.0.2.1")
        self.assertRaises(BadParameters, ask, "summarize", "192.0.2.9", "::1")

    def test_noAddress(self) -> None:
        """A text that is no address is refused with a short fault."""
        for text in ("", "x", "1.2.3", "1.2.3.4/33", "9" * 1_000_000):
            for name in ("address", "network"):
                fault = self.assertRaises(BadParameters, ask, name, text)
                self.assertLess(len(fault.text), 200)

    def test_whoami(self) -> None:
        """The client's address is described; without an address the struct is empty."""
        method = BY_NAME["ip.whoami"]
        self.assertTrue(method.with_peer)
        self.assertEqual(method.signature.variants, (("struct",),))
        self.assertEqual(method.function("192.0.2.7"), ask("address", "192.0.2.7"))
        self.assertEqual(method.function(""), {})

    def test_described(self) -> None:
        """Each method has a help text and signatures."""
        for each in PROCEDURES:
            self.assertTrue(each.help, each.name)
            self.assertTrue(each.signature.variants, each.name)
