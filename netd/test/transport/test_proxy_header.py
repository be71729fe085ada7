"""Tests for netd.transport.proxy_header: complete, split, overlong and malformed headers."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.test.chance import by_chance
from netd.transport.proxy_header import LONGEST, Header, forged, parse

# A busy machine is no failure, and each run is the same one.


SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(rest: bytes, command: int = 0x21, kind: int = 0x11, length: int | None = None) -> bytes:
    """A version 2 header."""
    size = len(rest) if length is None else length
    return SIGNATURE + bytes((command, kind)) + size.to_bytes(2, "big") + rest


INET = IPv4Address("192.0.2.1").packed + IPv4Address("192.0.2.2").packed + b"\x1f\x90\0\x50"
INET6 = (
    IPv6Address("2001:db8::1").packed + IPv6Address("2001:db8::2").packed + b"\x1f\x90\0\x50"
)
MAPPED = IPv6Address("::ffff:192.0.2.1").packed + INET6[16:]
# PP2_TYPE_NOOP and one of those that are for own use.
TLVS = b"\x04\0\3abc\xe0\0\0"

GOOD = (
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 8080 80\r\n", "192.0.2.1", 8080),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255", 65535),
    (b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0", 0),
    (b"PROXY TCP6 2001:DB8::1 2001:db8::2 8080 80\r\n", "2001:db8::1", 8080),
    (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 8080 80\r\n", "192.0.2.1", 8080),
    (b"PROXY TCP6" + b" ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" * 2 + b" 65535 65535\r\n",
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
    (b"PROXY UNKNOWN\r\n", None, 0),
    (b"PROXY UNKNOWN whatever stands here \xff\r\n", None, 0),
    (b"PROXY UNKNOWN" + b" ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" * 2 + b" 65535 65535\r\n",
     None, 0),
    (v2(INET), "192.0.2.1", 8080),
    (v2(INET + TLVS), "192.0.2.1", 8080),
    (v2(INET6, kind=0x21), "2001:db8::1", 8080),
    (v2(MAPPED, kind=0x21), "192.0.2.1", 8080),
    (v2(INET6 + bytes(LONGEST - 16 - 36), kind=0x21), "2001:db8::1", 8080),
    # LOCAL: a health check of the proxy itself; the addresses do not matter.
    (v2(b"", 0x20, 0x00), None, 0),
    (v2(INET, 0x20), None, 0),
    (v2(b"short", 0x20), None, 0),
    # LOCAL: the family is ignored, whatever it is.
    (v2(b"", 0x20, 0x01), None, 0),
    (v2(INET + TLVS, 0x20, 0xFF), None, 0),
    # UNSPEC, datagrams, UNIX sockets.
    (v2(b"", kind=0x00), None, 0),
    (v2(INET, kind=0x12), None, 0),
    (v2(INET6, kind=0x22), None, 0),
    (v2(bytes(216), kind=0x31), None, 0),
)  # fmt: skip

BAD = (
    b"GET / HTTP/1.1\r\n",
    b"\0",
    b"proxy TCP4 192.0.2.1 192.0.2.2 8080 80\r\n",
    b"PROXY\r\n",
    b"PROXY  TCP4 192.0.2.1 192.0.2.2 8080 80\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 8080\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 8080 80 \r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 8080 80 1\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 08080 80\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 -1 80\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 80\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 80 99999\r\n",
    b"PROXY TCP4 192.0.2.256 192.0.2.2 8080 80\r\n",
    b"PROXY TCP4 192.0.2 192.0.2.2 8080 80\r\n",
    b"PROXY TCP4 2001:db8::1 2001:db8::2 8080 80\r\n",
    b"PROXY TCP6 192.0.2.1 192.0.2.2 8080 80\r\n",
    b"PROXY TCP6 2001:db8:::1 2001:db8::2 8080 80\r\n",
    b"PROXY TCP6 fe80::1%eth0 2001:db8::2 8080 80\r\n",
    b"PROXY TCP5 192.0.2.1 192.0.2.2 8080 80\r\n",
    b"PROXY UDP4 192.0.2.1 192.0.2.2 8080 80\r\n",
    b"PROXY UNKNOWNS\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 8080 80\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 8080 80\r\r\n",
    b"PROXY TCP4 192.0.2.1\r192.0.2.2 8080 80\r\n",
    b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    b"PROXY UNKNOWN " + b"x" * 1000,
    b"\r\n\r\n\0\r\nQUIT\r",
    v2(INET, command=0x11),
    v2(INET, command=0x22),
    v2(INET, command=0x01),
    v2(INET, kind=0x10),
    v2(INET, kind=0x13),
    v2(INET, kind=0x41),
    v2(INET[:-1]),
    v2(b""),
    v2(INET6[:-1], kind=0x21),
    v2(bytes(215), kind=0x31),
    v2(INET, length=LONGEST - 15),
    v2(INET, length=65535),
    v2(INET, 0x20, length=65535),
)


class ParseTests(SynchronousTestCase):
    """A header, parsed as its bytes are received."""

    def test_good(self) -> None:
        """A header names the client; the bytes behind it do not matter."""
        for data, host, port in GOOD:
            self.assertEqual(parse(data), Header(len(data), host, port), data)
            self.assertEqual(parse(data + b"PROXY GET \r\n\0"), Header(len(data), host, port))

    def test_cut(self) -> None:
        """A prefix of a header is incomplete, and never malformed or complete."""
        for data, *_ in GOOD:
            for end in range(len(data)):
                self.assertIsNone(parse(data[:end]), data[:end])

    def test_bad(self) -> None:
        """Input that can be no header is refused at the byte that makes that certain."""
        for data in BAD:
            with self.assertRaises(ValueError, msg=repr(data)):
                parse(data)
            for end in range(len(data)):
                try:
                    self.assertIsNone(parse(data[:end]))
                except ValueError:
                    break

    def test_limits(self) -> None:
        """Version 1 ends within 107 bytes and version 2 within 536."""
        longest = b"PROXY UNKNOWN " + b"x" * 91
        self.assertEqual(parse(longest + b"\r\n"), Header(107))
        self.assertIsNone(parse(longest + b"\r"))
        with self.assertRaises(ValueError):
            parse(longest + b"xx")
        self.assertIsNone(parse(v2(b"", length=LONGEST - 16)))
        with self.assertRaises(ValueError):
            parse(v2(b"", length=LONGEST - 15))

    @by_chance
    @given(st.binary(max_size=600))
    def test_anything(self, data: bytes) -> None:
        """Any input is a header, incomplete or a ValueError."""
        for start in (b"", b"PROXY ", SIGNATURE, v2(b"")[:14]):
            try:
                header = parse(start + data)
            except ValueError:
                continue
            if header is None:
                self.assertLess(len(start + data), LONGEST)
            else:
                self.assertLessEqual(header.length, min(LONGEST, len(start + data)))

    @by_chance
    @given(st.ip_addresses(), st.integers(0, 65535), st.booleans())
    def test_anyClient(
        self, address: IPv4Address | IPv6Address, port: int, binary: bool
    ) -> None:
        """Any address is parsed as it was written, in either version."""
        four = address.version == 4
        if binary:
            rest = address.packed * 2 + port.to_bytes(2, "big") * 2
            data = v2(rest, kind=0x11 if four else 0x21)
        else:
            data = f"PROXY TCP{address.version} {address} {address} {port} 1\r\n".encode()
        header = parse(data)
        assert header is not None
        mapped = getattr(address, "ipv4_mapped", None)
        self.assertEqual((header.host, header.port), (str(mapped or address), port))


class ForgedTests(SynchronousTestCase):
    """Whether input begins with a header."""

    def test_forged(self) -> None:
        """The signature decides, even when the rest is malformed."""
        for data in (b"PROXY ", b"PROXY nonsense", SIGNATURE, SIGNATURE + b"x"):
            self.assertIs(forged(data), True)
        for data in (b"", b"P", b"PROXY", b"\r\n", SIGNATURE[:-1]):
            self.assertIsNone(forged(data))
        for data in (b"GET", b"PROXYS", b"POST", b"\r\n\r\n\r\n", b"\n"):
            self.assertIs(forged(data), False)
