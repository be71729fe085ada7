"""
Tests for netd.network.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from netd.network import Network
from netd.test.grammars import TEXT, Refusing, by_chance


class NetworkTests(Refusing):
    """
    The addresses that share a prefix.
    """

    def test_said(self) -> None:
        """
        A network is an address and a length; without one it is the address alone.
        """
        for text, packed, length in (
            ("10.0.0.0/8", b"\x0a\0\0\0", 8),
            ("192.0.2.7", b"\xc0\0\x02\x07", 32),
            ("0.0.0.0/0", bytes(4), 0),
            ("::/0", bytes(16), 0),
            ("::1", bytes(15) + b"\1", 128),
            ("2001:db8::/32", b"\x20\x01\x0d\xb8" + bytes(12), 32),
        ):
            self.assertEqual(Network.parse(text), Network(packed, length))

    def test_clothes(self) -> None:
        """
        IPv4 in IPv6 clothes is IPv4, as long as all of it is.
        """
        for text, said in (
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
            ("::/95", "::/95"),
        ):
            self.assertEqual(str(Network.parse(text)), said)

    def test_refused(self) -> None:
        """
        What is no address, a length beyond it, and bits behind the prefix are refused.
        """
        self.refused(
            Network.parse,
            *(
                "",
                "x",
                "localhost",
                "10.0.0",
                "010.0.0.1",
                "10.0.0.0/",
                "10.0.0.0/33",
                "::/129",
            ),
            *("10.0.0.0/-1", "10.0.0.0/255.0.0.0", "10.0.0.1/8", "::1/64", "10.0.0.0/8/8"),
            *("10.0.0.0 /8", " 10.0.0.0/8", "10.0.0.0/8\n", "[::1]", "/8"),
        )

    def test_explained(self) -> None:
        """
        Bits behind the prefix are answered with the network that was meant.
        """
        with self.assertRaises(ValueError) as caught:
            Network.parse("10.1.2.3/8")
        self.assertIn("10.0.0.0/8", str(caught.exception))

    @by_chance
    @given(
        st.ip_addresses().flatmap(
            lambda address: st.tuples(st.just(address), st.integers(0, address.max_prefixlen))
        )
    )
    def test_round_trip(self, prefix: tuple[Any, int]) -> None:
        """
        What is written parses to the same network.
        """
        address, length = prefix
        network = Network.parse(str(ip_network((address.packed, length), strict=False)))
        self.assertEqual(Network.parse(str(network)), network)

    @by_chance
    @given(TEXT | st.text(st.sampled_from("0123456789abcdef:./%")))
    @example("10.0.0.0/8%eth0")
    @example("fe80::1%eth0/64")
    @example("::1%\n")
    def test_any_text(self, text: str) -> None:
        """
        No text raises anything but ValueError.
        """
        self.only_value_errors(Network.parse, text)
