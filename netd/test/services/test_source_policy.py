"""
Whom datagram ports answer.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.acl import AccessList
from netd.addresses import Network
from netd.services.source_policy import RATE, TALKATIVE, Source, SourcePolicy

AFAR = ("192.0.2.1", "2001:db8::1", "10.0.0.1", "fe80::1%eth0")
LOOPBACK = ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")


def sources(any_source: bool = False, deny: str = "") -> SourcePolicy:
    """What a daemon that listens on 8000 knows."""
    made = SourcePolicy(AccessList(deny=map(Network.parse, deny.split())), any_source)
    made.listen(8000)
    return made


class SourcesTests(SynchronousTestCase):
    """
    The verdict on an address and a port.
    """

    def refuses(self, tested: SourcePolicy, host: str, port: int) -> str | None:
        """Why `host` is refused on `port`; None when it is not."""
        source = tested.judge(host, 0.0)
        return source.reason if port in source.ports else None

    def test_talkative(self) -> None:
        """Services that answer by themselves, port 0 and our own are refused from anywhere."""
        tested = sources()
        tested.listen(9000)
        for host in AFAR + LOOPBACK:
            for port in (0, 7, 13, 17, 19, 37, 8000, 9000):
                self.assertEqual(self.refuses(tested, host, port), "source port")
            self.assertIsNone(self.refuses(tested, host, 50_000))

    def test_afar(self) -> None:
        """From elsewhere than loopback privileged and often misused ports are refused too."""
        for port in (1, 53, 123, 161, 1023, 1900, 2049, 3702, 5353, 11211):
            for host in AFAR:
                self.assertEqual(self.refuses(sources(), host, port), "source port")
                self.assertIsNone(self.refuses(sources(any_source=True), host, port))
            for host in LOOPBACK:
                self.assertIsNone(self.refuses(sources(), host, port))

    def test_any_source(self) -> None:
        """In a lab too nobody answers what could go on for ever."""
        for port in (*TALKATIVE, 8000):
            self.assertEqual(
                self.refuses(sources(any_source=True), "192.0.2.1", port), "source port"
            )

    def test_nowhere(self) -> None:
        """Unspecified, multicast, broadcast and reserved addresses are refused on any port."""
        for host in ("0.0.0.0", "224.0.0.1", "239.1.2.3", "255.255.255.255", "240.0.0.1", "::",
                     "ff02::1", "::ffff:224.0.0.1"):  # fmt: skip
            for port in (1, 50_000, 65_535):
                self.assertEqual(self.refuses(sources(), host, port), "source address")

    def test_networks(self) -> None:
        """The lists hold for datagrams."""
        tested = sources(deny="10.0.0.0/8")
        self.assertEqual(self.refuses(tested, "10.1.2.3", 50_000), "network")
        self.assertIsNone(self.refuses(tested, "11.1.2.3", 50_000))

    def test_change(self) -> None:
        """Other lists hold at once for those who are known."""
        tested = sources()
        self.assertIsNone(self.refuses(tested, "10.1.2.3", 50_000))
        tested.change(AccessList(deny=[Network.parse("10.0.0.0/8")]))
        self.assertEqual(self.refuses(tested, "10.1.2.3", 50_000), "network")

    def test_buckets(self) -> None:
        """An IPv4 address and an IPv6 /64 have one bucket, full to begin with."""
        tested = sources()
        first = tested.judge("2001:db8::1", 5.0)
        self.assertEqual((first.tokens, first.at), (2000, 5.0))
        self.assertEqual((tested.rate, tested.burst), (RATE, 2000))
        self.assertIs(tested.judge("2001:db8::2", 6.0), first)
        self.assertIsNot(tested.judge("2001:db8:0:1::1", 6.0), first)
        self.assertIsNot(tested.judge("192.0.2.1", 6.0), tested.judge("192.0.2.2", 6.0))
        self.assertIs(tested.judge("192.0.2.1", 6.0), tested.judge("192.0.2.1", 7.0))

    def test_rate(self) -> None:
        """The burst is a fifth of a second's worth and a whole datagram; 0 is any number."""
        for rate, burst in ((1000, 200.0), (1, 1.0)):
            self.assertEqual(SourcePolicy(AccessList(), rate=rate).burst, burst)
        free = SourcePolicy(AccessList(), rate=0)
        source = free.judge("192.0.2.1", 0.0)
        self.assertTrue(all(source.take(free.rate, free.burst, 0.0) for _ in range(100_000)))

    def test_knows(self) -> None:
        """Loopback is known, and whom the allow list names; nobody else is."""
        lists = AccessList([Network.parse("10.0.0.0/8")], [Network.parse("10.6.0.0/16")])
        for host in LOOPBACK:
            self.assertTrue(sources().knows(host))
        for host in AFAR:
            self.assertFalse(sources().knows(host))
        for host, known in (("10.1.2.3", True), ("10.6.2.3", False), ("192.0.2.1", False)):
            self.assertEqual(SourcePolicy(lists).knows(host), known)

    def test_known(self) -> None:
        """What is judged once is known."""
        tested = sources()
        judged = tested.judge("192.0.2.1", 0.0)
        self.assertIs(tested.known.young["192.0.2.1"], judged)

    def test_bounded(self) -> None:
        """However many sources are forged, the tables are bounded."""
        tested = SourcePolicy(AccessList(), most=100)
        for number in range(1000):
            tested.judge(f"10.0.{number >> 8}.{number & 255}", 0.0)
            tested.judge(f"2001:db8:0:{number:x}::1", 0.0)
        self.assertLessEqual(len(tested.known), 100)
        self.assertLessEqual(len(tested._by_client), 100)

    def test_source(self) -> None:
        """A source is a bucket."""
        source = Source((), "", 1.0, 0.0)
        self.assertEqual([source.take(1.0, 1.0, 0.0) for _ in range(2)], [True, False])
