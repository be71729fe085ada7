"""
Tests of netd.services.source_policy.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.acl import AccessList
from netd.addresses import Network
from netd.services.source_policy import RATE, RESPONDING_PORTS, Source, SourcePolicy

REMOTE = ("192.0.2.1", "2001:db8::1", "10.0.0.1", "fe80::1%eth0")
LOOPBACK = ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")


def sources(any_source: bool = False, deny: str = "") -> SourcePolicy:
    """The policy of a daemon that listens on port 8000."""
    policy = SourcePolicy(AccessList(deny=map(Network.parse, deny.split())), any_source)
    policy.add_port(8000)
    return policy


class SourcePolicyTests(SynchronousTestCase):
    """
    The verdict on an address and a port.
    """

    def refuses(self, tested: SourcePolicy, host: str, port: int) -> str | None:
        """The reason why `port` of `host` gets no response; None when it does."""
        source = tested.source(host, 0.0)
        return source.reason if port in source.ports else None

    def test_respondingPorts(self) -> None:
        """Responding ports, port 0 and the ports of netd are refused from every address."""
        tested = sources()
        tested.add_port(9000)
        for host in REMOTE + LOOPBACK:
            for port in (0, 7, 13, 17, 19, 37, 8000, 9000):
                self.assertEqual(self.refuses(tested, host, port), "source port")
            self.assertIsNone(self.refuses(tested, host, 50_000))

    def test_remote(self) -> None:
        """Privileged and often misused ports are refused except on loopback."""
        for port in (1, 53, 123, 161, 1023, 1900, 2049, 3702, 5353, 11211):
            for host in REMOTE:
                self.assertEqual(self.refuses(sources(), host, port), "source port")
                self.assertIsNone(self.refuses(sources(any_source=True), host, port))
            for host in LOOPBACK:
                self.assertIsNone(self.refuses(sources(), host, port))

    def test_anySource(self) -> None:
        """Responding ports are refused with `any_source`, too."""
        for port in (*RESPONDING_PORTS, 8000):
            self.assertEqual(
                self.refuses(sources(any_source=True), "192.0.2.1", port), "source port"
            )

    def test_noSource(self) -> None:
        """Unspecified, multicast, broadcast and reserved addresses are always refused."""
        for host in ("0.0.0.0", "224.0.0.1", "239.1.2.3", "255.255.255.255", "240.0.0.1", "::",
                     "ff02::1", "::ffff:224.0.0.1"):  # fmt: skip
            for port in (1, 50_000, 65_535):
                self.assertEqual(self.refuses(sources(), host, port), "source address")

    def test_networks(self) -> None:
        """The access lists apply to datagrams."""
        tested = sources(deny="10.0.0.0/8")
        self.assertEqual(self.refuses(tested, "10.1.2.3", 50_000), "network")
        self.assertIsNone(self.refuses(tested, "11.1.2.3", 50_000))

    def test_change(self) -> None:
        """New access lists apply at once to known sources."""
        tested = sources()
        self.assertIsNone(self.refuses(tested, "10.1.2.3", 50_000))
        tested.change(AccessList(deny=[Network.parse("10.0.0.0/8")]))
        self.assertEqual(self.refuses(tested, "10.1.2.3", 50_000), "network")

    def test_buckets(self) -> None:
        """An IPv4 address and an IPv6 /64 each have one bucket, which begins full."""
        tested = sources()
        first = tested.source("2001:db8::1", 5.0)
        self.assertEqual((first.tokens, first.at), (2000, 5.0))
        self.assertEqual((tested.rate, tested.burst), (RATE, 2000))
        self.assertIs(tested.source("2001:db8::2", 6.0), first)
        self.assertIsNot(tested.source("2001:db8:0:1::1", 6.0), first)
        self.assertIsNot(tested.source("192.0.2.1", 6.0), tested.source("192.0.2.2", 6.0))
        self.assertIs(tested.source("192.0.2.1", 6.0), tested.source("192.0.2.1", 7.0))

    def test_rate(self) -> None:
        """The burst is 0.2 s of the rate and at least one datagram; rate 0 is unlimited."""
        for rate, burst in ((1000, 200.0), (1, 1.0)):
            self.assertEqual(SourcePolicy(AccessList(), rate=rate).burst, burst)
        free = SourcePolicy(AccessList(), rate=0)
        source = free.source("192.0.2.1", 0.0)
        self.assertTrue(all(source.take(free.rate, free.burst, 0.0) for _ in range(100_000)))

    def test_trusts(self) -> None:
        """Loopback and the networks of the allow list are trusted, and no others."""
        lists = AccessList([Network.parse("10.0.0.0/8")], [Network.parse("10.6.0.0/16")])
        for host in LOOPBACK:
            self.assertTrue(sources().trusts(host))
        for host in REMOTE:
            self.assertFalse(sources().trusts(host))
        for host, known in (("10.1.2.3", True), ("10.6.2.3", False), ("192.0.2.1", False)):
            self.assertEqual(SourcePolicy(lists).trusts(host), known)

    def test_known(self) -> None:
        """A source is known after its first datagram."""
        tested = sources()
        source = tested.source("192.0.2.1", 0.0)
        self.assertIs(tested.known.young["192.0.2.1"], source)

    def test_bounded(self) -> None:
        """The tables are bounded, however many sources are forged."""
        tested = SourcePolicy(AccessList(), most=100)
        for number in range(1000):
            tested.source(f"10.0.{number >> 8}.{number & 255}", 0.0)
            tested.source(f"2001:db8:0:{number:x}::1", 0.0)
        self.assertLessEqual(len(tested.known), 100)
        self.assertLessEqual(len(tested._by_client), 100)

    def test_source(self) -> None:
        """A source is a token bucket."""
        source = Source((), "", 1.0, 0.0)
        self.assertEqual([source.take(1.0, 1.0, 0.0) for _ in range(2)], [True, False])
