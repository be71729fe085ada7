"""
Tests for netd.addresses.
"""

from __future__ import annotations

from ipaddress import IPv6Address as Address6
from ipaddress import ip_network
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from netd.addresses import (
    Network,
    client,
    foreign_name,
    host_names,
    limited,
    loopback,
    pack,
    unmapped,
)
from netd.test.chance import by_chance
from netd.test.grammars import TEXT, Refusing


class NetworkTests(Refusing):
    """The addresses with one prefix."""

    def test_said(self) -> None:
        """A network is an address with a length, or a single address."""
        for text, packed, length in (
            ("10.0.0.0/8", b"\x0a\0\0\0", 8),
            ("192.0.2.7", b"\xc0\0\x02\x07", 32),
            ("0.0.0.0/0", bytes(4), 0),
            ("::/0", bytes(16), 0),
            ("::1", bytes(15) + b"\1", 128),
            ("2001:db8::/32", b"\x20\x01\x0d\xb8" + bytes(12), 32),
        ):
            self.assertEqual(Network.parse(text), Network(packed, length))

    def test_mapped(self) -> None:
        """An IPv4-mapped IPv6 network is IPv4 if its prefix covers the mapping."""
        for text, written in (
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
            ("::/95", "::/95"),
        ):
            self.assertEqual(str(Network.parse(text)), written)

    def test_refused(self) -> None:
        """Text that is no address, a long prefix, and bits behind the prefix are refused."""
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
        """The error for bits behind the prefix names the network."""
        caught = self.assertRaises(ValueError, Network.parse, "10.1.2.3/8")
        self.assertIn("10.0.0.0/8", str(caught))

    def test_prefix(self) -> None:
        """The error for a prefix that is too long names the longest one."""
        for text, longest in (("10.0.0.0/33", 32), ("::/129", 128), ("10.0.0.0/x", 32)):
            caught = self.assertRaises(ValueError, Network.parse, text)
            self.assertEqual(
                str(caught),
                f"not an IP network, because its prefix is not from /0 to /{longest}",
            )

    @by_chance
    @given(
        st.ip_addresses().flatmap(
            lambda address: st.tuples(st.just(address), st.integers(0, address.max_prefixlen))
        )
    )
    def test_roundTrip(self, prefix: tuple[Any, int]) -> None:
        """A network's text parses to the same network."""
        address, length = prefix
        network = Network.parse(str(ip_network((address.packed, length), strict=False)))
        self.assertEqual(Network.parse(str(network)), network)

    @by_chance
    @given(TEXT | st.text(st.sampled_from("0123456789abcdef:./%")))
    @example("10.0.0.0/8%eth0")
    @example("fe80::1%eth0/64")
    @example("::1%\n")
    def test_anyText(self, text: str) -> None:
        """
        No text raises anything but ValueError.
        """
        self.only_value_errors(Network.parse, text)


class ClientTests(SynchronousTestCase):
    """Packed addresses and clients."""

    def test_pack(self) -> None:
        """An address is packed to 4 or 16 bytes, 4 if mapped, without its scope."""
        self.assertEqual(pack("1.2.3.4"), bytes((1, 2, 3, 4)))
        self.assertEqual(pack("::ffff:1.2.3.4"), bytes((1, 2, 3, 4)))
        self.assertEqual(pack("fe80::1%2"), Address6("fe80::1").packed)

    def test_unmapped(self) -> None:
        """Only an IPv4-mapped IPv6 address becomes another one."""
        for host, expected in (
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("::ffff:7f00:1", "127.0.0.1"),
            ("1.2.3.4", "1.2.3.4"),
            ("::1", "::1"),
            ("::ffff:0:1.2.3.4", "::ffff:0:1.2.3.4"),
            ("2001:db8::1", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1%eth0"),
        ):
            self.assertEqual(unmapped(host), expected)

    def test_client(self) -> None:
        """An IPv4 address, an IPv6 /64 and ::1 are clients."""
        self.assertEqual(client("192.0.2.1"), bytes((192, 0, 2, 1)))
        self.assertEqual(client("2001:db8::1"), client("2001:db8::ffff:0:0:1"))
        self.assertNotEqual(client("2001:db8::1"), client("2001:db8:0:1::1"))
        self.assertNotEqual(client("::1"), client("::2"))


class LimitedTests(SynchronousTestCase):
    """The client that limits count an address for."""

    def test_table(self) -> None:
        """Loopback addresses and UNIX sockets have no limits."""
        for host, expected in (
            ("192.0.2.1", "c0000201"),
            ("127.0.0.1", None),
            ("127.9.9.9", None),
            ("::1", None),
            ("2001:db8:1:2:3::4", "20010db800010002"),
            ("2001:db8:1:2::", "20010db800010002"),
            ("2001:db8:1:3::", "20010db800010003"),
            ("fe80::1%eth0", "fe80000000000000"),
            ("::ffff:192.0.2.1", "c0000201"),
            ("::ffff:127.0.0.1", None),
        ):
            kind = IPv6Address if ":" in host else IPv4Address
            counted = limited(kind("TCP", host, 1))
            self.assertEqual(counted and counted.hex(), expected, host)
            self.assertEqual(loopback(host), expected is None, host)
        self.assertIsNone(limited(UNIXAddress(b"/x")))
        self.assertIsNone(limited(None))


class NameTests(SynchronousTestCase):
    """
    Which hosts are foreign.
    """

    def test_local(self) -> None:
        """IP addresses, localhost and what is below it are local, with a port or without."""
        for host in (
            *("", "127.0.0.1", "192.0.2.7", "[::1]", "[2001:db8::1]", "[::ffff:7f00:1]"),
            *("localhost", "LocalHost", "localhost.", "a.localhost", "a.b.LOCALHOST."),
        ):
            for port in ("", ":", ":8000"):
                self.assertEqual(foreign_name(f"{host}{port}".encode(), ()), "", host)

    def test_foreign(self) -> None:
        """Every other host is foreign, however much it looks like a local one."""
        for host, name in (
            ("evil.example", "evil.example"),
            ("Evil.Example.:8000", "evil.example"),
            ("127.0.0.1.evil.example", "127.0.0.1.evil.example"),
            ("localhost.evil.example:80", "localhost.evil.example"),
            ("notlocalhost", "notlocalhost"),
            ("%6cocalhost", "%6cocalhost"),
            ("1.evil", "1.evil"),
            ("netd", "netd"),
        ):
            self.assertEqual(foreign_name(host.encode(), ("foo.example",)), name)

    def test_names(self) -> None:
        """A name of --host is local, a name below it is not; `*` makes every name local."""
        for host in ("foo.example", "FOO.example:8000", "foo.example."):
            self.assertEqual(foreign_name(host.encode(), ("foo.example",)), "")
        self.assertEqual(foreign_name(b"a.foo.example", ("foo.example",)), "a.foo.example")
        self.assertEqual(foreign_name(b"a.foo.example", ("*",)), "")

    def test_ports(self) -> None:
        """The names of an option may have ports and capitals."""
        self.assertEqual(host_names(("A.Example:8443", "b.", "*")), {"a.example", "b", "*"})
