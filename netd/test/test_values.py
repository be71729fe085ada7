"""
Tests for netd.values.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any

from attrs.exceptions import FrozenInstanceError
from hypothesis import example, given
from hypothesis import strategies as st

from netd.test.chance import by_chance
from netd.test.grammars import DURATIONS, TEXT, YEAR, Refusing
from netd.values import (
    Distribution,
    Duration,
    Endpoint,
    Size,
    delay,
    escape_unprintable,
    host,
    integer,
    port,
    quote_unprintable,
    share,
    switch,
)

_SIZES = st.integers(0, 10**15 - 1).map(Size)
_HOSTS = st.sampled_from(
    ["127.0.0.1", "10.0.0.1", "::1", "::", "fe80::1%eth0", "localhost", "a-b.example", "x_y"]
) | st.ip_addresses().map(str)


@st.composite
def _endpoints(draw: st.DrawFn) -> Endpoint:
    family = draw(st.sampled_from(["tcp", "udp"]))
    return Endpoint(
        family + draw(st.sampled_from(["", "6"])),
        draw(_HOSTS),
        draw(st.integers(0, 65535)),
        draw(st.integers(1, 65535)) if family == "tcp" else 4096,
    )


_LONG = st.integers(1, YEAR).map(Duration)


@st.composite
def _distributions(draw: st.DrawFn) -> Distribution:
    shape = draw(st.sampled_from(["uniform", "normal", "lognormal", "exponential"]))
    first, second = sorted([draw(_LONG), draw(_LONG)])
    return Distribution(shape, first, None if shape == "exponential" else second)


class DurationTests(Refusing):
    """Durations, exact to the microsecond."""

    def test_said(self) -> None:
        """
        Bare numbers are seconds; units add up in falling order.
        """
        for text, microseconds in (
            ("0", 0),
            ("3", 3_000_000),
            ("3.", 3_000_000),
            (".5", 500_000),
            ("0.25", 250_000),
            ("3s", 3_000_000),
            ("250ms", 250_000),
            ("1.5ms", 1_500),
            ("7us", 7),
            ("1m", 60_000_000),
            ("1m30s", 90_000_000),
            ("1h2m3s4ms5us", 3_723_004_005),
            ("1.5h", 5_400_000_000),
            ("2d", 172_800_000_000),
            ("0d0h0m0s", 0),
            ("007", 7_000_000),
            ("0.0000014", 1),
            ("365d", YEAR),
            ("31536000", YEAR),
        ):
            self.assertEqual(Duration.parse(text), Duration(microseconds), text)

    def test_seconds(self) -> None:
        """A duration is available in seconds."""
        self.assertEqual(Duration.parse("1m30s250ms").seconds, 90.25)
        self.assertEqual(Duration(0).seconds, 0.0)

    def test_written(self) -> None:
        """A duration is written in readable units."""
        for text, written in (
            ("0", "0s"),
            ("3", "3s"),
            ("0.25", "250ms"),
            ("0.0015", "1.5ms"),
            ("0.000999", "999us"),
            ("90", "1m30s"),
            ("3600", "1h"),
            ("90061.5", "1d1h1m1.5s"),
            ("1s1us", "1.000001s"),
            ("365d", "365d"),
        ):
            self.assertEqual(str(Duration.parse(text)), written)

    def test_refused(self) -> None:
        """
        No sign, exponent, nan, inf, underscore, space, foreign digit or unknown unit passes.
        """
        self.refused(
            Duration.parse,
            *("", " ", "-1", "+1", "-0", "nan", "inf", "Infinity", "1e3", "1E3", "1_0", "0x10"),
            *("3 s", " 3", "3 ", "3\n", "3s\n", "\t3", "٣", "²", "1,5", "."),
            *("s", "ms", "3x", "3S", "3 ms", "3sec", "1w", "1.2.3", "1s2", "1m30"),
        )

    def test_order(self) -> None:
        """Units that rise or repeat are refused, and the error shows the right way."""
        for text in ("30s1m", "1s1s", "1ms1s", "1h1m1h", "1us1ms", "5m5m"):
            caught = self.assertRaises(ValueError, Duration.parse, text)
            self.assertIn("1h2m3s", str(caught))

    def test_longest(self) -> None:
        """The longest duration is a year."""
        for text in ("366d", "365d1us", "31536001", "9" * 15, "999999999999999h"):
            caught = self.assertRaises(ValueError, Duration.parse, text)
            self.assertEqual(str(caught), "not a duration of at most 365 days")

    def test_longText(self) -> None:
        """An overlong text is refused before it is converted."""
        self.refused(Duration.parse, "1" * 16, "0" * 65, "1." + "0" * 16, "0." + "1" * 10_000)

    def test_ordered(self) -> None:
        """Durations compare by their length."""
        self.assertLess(Duration.parse("999ms"), Duration.parse("1s"))
        self.assertEqual(Duration.parse("60s"), Duration.parse("1m"))

    def test_frozen(self) -> None:
        """A duration is immutable."""
        three: Any = Duration.parse("3s")
        with self.assertRaises(FrozenInstanceError):
            three.microseconds = 1

    @by_chance
    @given(DURATIONS)
    def test_roundTrip(self, duration: Duration) -> None:
        """A duration's text parses to the same duration."""
        self.assertEqual(Duration.parse(str(duration)), duration)

    @by_chance
    @given(st.integers(0, 999_999_999), st.integers(0, 999_999))
    def test_decimal(self, whole: int, fraction: int) -> None:
        """
        A decimal number of seconds loses nothing down to a microsecond.
        """
        if whole <= YEAR // 1_000_000 - 1:
            parsed = Duration.parse(f"{whole}.{fraction:06}")
            self.assertEqual(parsed.microseconds, whole * 1_000_000 + fraction)

    @by_chance
    @given(TEXT)
    @example("1s.5ms")
    @example("\ud800")
    def test_anyText(self, text: str) -> None:
        """
        No text raises anything but ValueError.
        """
        self.only_value_errors(Duration.parse, text)


class DistributionTests(Refusing):
    """Random lengths of time."""

    def test_said(self) -> None:
        """Each shape is parsed with its durations, and written in the same way."""
        for text in (
            *("uniform:1s-3s", "normal:1s,200ms", "lognormal:1s,200ms", "exponential:1s"),
            *("uniform:0s-0s", "normal:0s,0s", "lognormal:1s,0s", "exponential:0s"),
        ):
            self.assertEqual(str(Distribution.parse(text)), text)
        self.assertEqual(
            Distribution.parse("uniform:1-250000ms"),
            Distribution("uniform", Duration(1_000_000), Duration(250_000_000)),
        )

    def test_refused(self) -> None:
        """Another shape, a wrong number of durations and impossible values are refused."""
        self.refused(
            Distribution.parse,
            *("", "uniform", "uniform:", "uniform:1s", "uniform:1s,3s", "uniform:3s-1s"),
            *(
                "uniform:1s-2s-3s",
                "normal:1s",
                "normal:1s-2s",
                "normal:1s,2s,3s",
                "normal:-1s,1s",
            ),
            *("lognormal:0s,1s", "exponential:", "exponential:1s,2s", "Uniform:1s-3s"),
            *("cauchy:1s", "uniform:1s- 3s", "exponential:nan", ":1s"),
        )

    def test_explained(self) -> None:
        """The error shows how the shape is written."""
        for text in ("uniform:1s", "uniform:x-y", "uniform:1s,3s"):
            caught = self.assertRaises(ValueError, Distribution.parse, text)
            self.assertEqual(str(caught), "not a distribution such as uniform:1s-3s")
        for text, reason in (
            ("uniform:3s-1s", ", the longer duration last"),
            ("lognormal:0s,1s", ", with a mean above zero"),
            ("exponential:x", "such as exponential:1s"),
        ):
            caught = self.assertRaises(ValueError, Distribution.parse, text)
            self.assertTrue(str(caught).endswith(reason), text)

    @by_chance
    @given(_distributions())
    def test_roundTrip(self, distribution: Distribution) -> None:
        """A distribution's text parses to the same distribution."""
        self.assertEqual(Distribution.parse(str(distribution)), distribution)

    @by_chance
    @given(_distributions(), st.integers())
    def test_draw(self, distribution: Distribution, seed: int) -> None:
        """A drawn length is finite, not negative, and the same for the same seed."""
        drawn = distribution.draw(Random(seed))
        self.assertTrue(0 <= drawn < math.inf, drawn)
        self.assertEqual(distribution.draw(Random(seed)), drawn)
        if distribution.shape == "uniform" and distribution.second is not None:
            self.assertLessEqual(distribution.first.seconds, drawn)
            self.assertLessEqual(drawn, distribution.second.seconds)

    def test_means(self) -> None:
        """The drawn lengths have the mean of the distribution."""
        random = Random(1)
        for text, mean in (
            ("uniform:1s-3s", 2.0),
            ("normal:2s,200ms", 2.0),
            ("lognormal:2s,1s", 2.0),
            ("exponential:2s", 2.0),
        ):
            distribution = Distribution.parse(text)
            drawn = [distribution.draw(random) for _ in range(20_000)]
            self.assertApproximates(sum(drawn) / len(drawn), mean, 0.05)

    def test_nothing(self) -> None:
        """Distributions of zero length draw zero."""
        for text in ("uniform:0s-0s", "normal:0s,0s", "exponential:0s"):
            self.assertEqual(Distribution.parse(text).draw(Random(1)), 0.0)

    @by_chance
    @given(TEXT | TEXT.map("uniform:{}".format) | TEXT.map("normal:{}".format))
    def test_anyText(self, text: str) -> None:
        """
        No text raises anything but ValueError.
        """
        self.only_value_errors(Distribution.parse, text)


class DelayTests(Refusing):
    """A duration or a distribution."""

    def test_said(self) -> None:
        """A colon makes a text a distribution."""
        self.assertEqual(delay("3s"), Duration(3_000_000))
        self.assertEqual(delay("exponential:1s"), Distribution.parse("exponential:1s"))

    def test_refused(self) -> None:
        """Any other text is refused."""
        self.refused(delay, "", ":", "3x", "uniform", "uniform:")

    @by_chance
    @given(DURATIONS | _distributions())
    def test_roundTrip(self, value: Duration | Distribution) -> None:
        """A delay's text parses to the same delay."""
        self.assertEqual(delay(str(value)), value)


class SizeTests(Refusing):
    """
    A size is a whole number of bytes.
    """

    def test_said(self) -> None:
        """
        Decimal units count thousands and binary ones 1024s.
        """
        for text, count in (
            ("0", 0),
            ("1024", 1024),
            ("1B", 1),
            ("10kB", 10_000),
            ("10KB", 10_000),
            ("64KiB", 65_536),
            ("10MB", 10_000_000),
            ("10MiB", 10_485_760),
            ("1GB", 10**9),
            ("1GiB", 2**30),
            ("1TB", 10**12),
            ("1TiB", 2**40),
            ("1.5KiB", 1536),
            ("0.001kB", 1),
            (".5KiB", 512),
            ("2.", 2),
            ("8388607TiB", 8388607 * 2**40),
        ):
            self.assertEqual(Size.parse(text), Size(count), text)

    def test_written(self) -> None:
        """A size is written in the largest binary unit that divides it."""
        for count, written in (
            (0, "0"),
            (1, "1"),
            (1023, "1023"),
            (1024, "1KiB"),
            (1025, "1025"),
            (10_485_760, "10MiB"),
            (10_000_000, "10000000"),
            (3 * 2**40, "3TiB"),
            (2**63 - 1, "9223372036854775807"),
        ):
            self.assertEqual(str(Size(count)), written)

    def test_refused(self) -> None:
        """
        No sign, exponent, space, underscore or foreign digit passes.
        """
        self.refused(
            Size.parse,
            *("", " ", "-1", "+1", "1e3", "1_000", "nan", "inf", "0x10", "1,5", "."),
            *("10 MB", " 10", "10\n", "10MB\n", "٣", "B", "MB", "10mb", "10M", "10K"),
            *("10MBs", "1MB1kB", "1" * 20, "1." + "1" * 16),
        )

    def test_units(self) -> None:
        """The error for an unknown unit lists the known units."""
        for text in ("1kiB", "1iB"):
            caught = self.assertRaises(ValueError, Size.parse, text)
            self.assertIn("not a size in one of the units B, kB, ", str(caught))
            self.assertIn("KiB", str(caught))

    def test_whole(self) -> None:
        """A fraction of a byte is refused and never rounded."""
        for text in ("0.5", "1.5B", "0.0001kB", "1.1KiB", "0.000000000000001"):
            caught = self.assertRaises(ValueError, Size.parse, text)
            self.assertEqual(str(caught), "not a whole number of bytes")

    def test_largest(self) -> None:
        """A size fits into the 63 bits of file sizes."""
        self.assertEqual(Size.parse("8388607.5TiB").count, 8388607 * 2**40 + 2**39)
        for text in ("8388608TiB", "999999999999999TB", "9223372.036854775808TB"):
            caught = self.assertRaises(ValueError, Size.parse, text)
            self.assertEqual(str(caught), "not a size of at most 2**63-1 bytes")

    @by_chance
    @given(_SIZES)
    def test_roundTrip(self, size: Size) -> None:
        """A size's text parses to the same size."""
        self.assertEqual(Size.parse(str(size)), size)

    def test_largestRoundTrip(self) -> None:
        """The largest sizes, which have no unit, parse from their text."""
        for size in (Size(2**63 - 1), Size(10**15 + 1), Size.parse("1000.000000000001TB")):
            self.assertEqual(Size.parse(str(size)), size)

    def test_tinyFraction(self) -> None:
        """The smallest fraction of a byte is not rounded."""
        self.refused(Size.parse, "123456789012345.000000000000001")

    @by_chance
    @given(TEXT)
    def test_anyText(self, text: str) -> None:
        """
        No text raises anything but ValueError.
        """
        self.only_value_errors(Size.parse, text)


class IntegerTests(Refusing):
    """
    A whole number in ASCII digits.
    """

    def test_bounds(self) -> None:
        """Both bounds are allowed; the error beyond them names both."""
        self.assertEqual([integer(text, 1, 3) for text in ("1", "2", "3", "03")], [1, 2, 3, 3])
        for text in ("0", "4"):
            caught = self.assertRaises(ValueError, integer, text, 1, 3)
            self.assertEqual(str(caught), "not a whole number from 1 to 3")

    def test_refused(self) -> None:
        """Only a limited number of ASCII digits is accepted."""
        self.refused(
            lambda text: integer(text, 0, 10**20),
            *("", " ", "1 ", "-1", "+1", "1.0", "1_0", "0x1", "1e1", "٣", "²", "1\n"),
            *("1" * 19, "1" * 5000),
        )

    @by_chance
    @given(st.integers(0, 10**18 - 1))
    def test_roundTrip(self, number: int) -> None:
        """Every number of up to 18 digits is parsed."""
        self.assertEqual(integer(str(number), 0, 10**18), number)


class PortTests(Refusing):
    """
    A port number.
    """

    def test_said(self) -> None:
        """Every port number passes, and 0 for the kernel's choice."""
        self.assertEqual([port(text) for text in ("0", "80", "65535")], [0, 80, 65535])

    def test_refused(self) -> None:
        """The error for any other text says what a port number is."""
        for text in ("", "65536", "-1", "http", "80 ", "8_0", "1e3", "99999999999999999999"):
            caught = self.assertRaises(ValueError, port, text)
            self.assertEqual(str(caught), "not a port number from 0 to 65535")
            self.assertIsNone(caught.__cause__)


class ShareTests(Refusing):
    """A share of the whole."""

    def test_said(self) -> None:
        """A share is written as a fraction or in percent."""
        for text, expected in (
            *(("0", 0.0), ("1", 1.0), ("0.05", 0.05), (".5", 0.5), ("5%", 0.05)),
            *(("0%", 0.0), ("100%", 1.0), ("12.5%", 0.125), ("1.", 1.0), ("0.1%", 0.001)),
        ):
            self.assertEqual(share(text), expected)

    def test_refused(self) -> None:
        """More than the whole, a negative share and text that is no number are refused."""
        self.refused(
            share,
            *("", "%", "-1", "+1", "1.01", "101%", "2", "nan", "inf", "1e-3", "1_0", "5 %"),
            *("5%%", "0,5", "٣%", "0.5\n"),
        )

    @by_chance
    @given(TEXT)
    def test_anyText(self, text: str) -> None:
        """No text raises anything but ValueError, and no share is outside of 0 to 1."""
        try:
            self.assertTrue(0 <= share(text) <= 1, text)
        except ValueError as wrong:
            self.assertTrue(str(wrong).isprintable())


class SwitchTests(Refusing):
    """
    Yes or no.
    """

    def test_said(self) -> None:
        """Each value has three words, in any case."""
        for text in ("yes", "true", "on", "YES", "True"):
            self.assertIs(switch(text), True)
        for text in ("no", "false", "off", "No", "OFF"):
            self.assertIs(switch(text), False)

    def test_refused(self) -> None:
        """Any other text is refused."""
        self.refused(switch, "", "y", "n", "1", "0", "yes ", " no", "maybe", "\0")


class HostTests(Refusing):
    """A host name or an address."""

    def test_said(self) -> None:
        """Names and addresses are unchanged, except for the brackets of an IPv6 address."""
        for text, expected in (
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("fe80::1%eth0", "fe80::1%eth0"),
            ("localhost", "localhost"),
            ("my_host-1.example.", "my_host-1.example."),
            ("a" * 253, "a" * 253),
            ("*", "*"),
        ):
            self.assertEqual(host(text), expected)

    def test_refused(self) -> None:
        """Characters that could end a line, start a path or hide in a log are refused."""
        self.refused(
            host,
            *("", " ", "a b", "a\n", "a/b", "a\\b", "[::1", "::1]", "[]", "[[::1]]", "ä"),
            *("a\0", "http://a", "a" * 254, "a,b", "**", "*.a", "\u202e"),
        )


class EndpointTests(Refusing):
    """An address to listen on."""

    def test_bare(self) -> None:
        """A bare port number has the kind and the host asked for."""
        self.assertEqual(Endpoint.parse("8000"), Endpoint("tcp", "127.0.0.1", 8000))
        self.assertEqual(Endpoint.parse("0", "udp", "::1"), Endpoint("udp", "::1", 0))

    def test_said(self) -> None:
        """Twisted's endpoint syntax for listening is supported."""
        for text, kind, endpoint in (
            ("tcp:80", "tcp", Endpoint("tcp", "10.1.1.1", 80)),
            ("tcp:80:interface=10.0.0.1", "tcp", Endpoint("tcp", "10.0.0.1", 80)),
            (r"tcp6:80:interface=\:\:1", "tcp", Endpoint("tcp6", "::1", 80)),
            (r"tcp:80:interface=[\:\:1]", "tcp", Endpoint("tcp", "::1", 80)),
            ("tcp:80:backlog=128", "tcp", Endpoint("tcp", "10.1.1.1", 80, 128)),
            ("tcp:80:backlog=1:interface=a", "tcp", Endpoint("tcp", "a", 80, 1)),
            ("udp:7", "udp", Endpoint("udp", "10.1.1.1", 7)),
            ("udp6:7", "udp", Endpoint("udp6", "::1", 7)),
            (r"t\cp:80", "tcp", Endpoint("tcp", "10.1.1.1", 80)),
        ):
            self.assertEqual(Endpoint.parse(text, kind, "10.1.1.1"), endpoint, text)

    def test_defaultHost(self) -> None:
        """The default host of a kind with a 6 is IPv6."""
        self.assertEqual(Endpoint.parse("tcp6:1", "tcp", "fd00::1").host, "fd00::1")
        self.assertEqual(Endpoint.parse("tcp6:1", "tcp", "127.0.0.1").host, "::1")
        self.assertEqual(Endpoint.parse("tcp:1", "tcp", "fd00::1").host, "fd00::1")

    def test_written(self) -> None:
        """An endpoint is written with the colons of its host escaped."""
        self.assertEqual(str(Endpoint("tcp", "127.0.0.1", 80)), "tcp:80:interface=127.0.0.1")
        self.assertEqual(str(Endpoint("tcp6", "::1", 80)), r"tcp6:80:interface=\:\:1")
        self.assertEqual(str(Endpoint("tcp", "a", 80, 5)), "tcp:80:interface=a:backlog=5")

    def test_refused(self) -> None:
        """Another kind, a missing port and every unknown, repeated or bad key are refused."""
        self.refused(
            Endpoint.parse,
            *("", "http", "tcp", "tcp:", "tcp:x", "tcp:65536", "tcp: 80", "TCP:80", "-1"),
            *("udp:80", "unix:", "ssl:443", "tcp4:80", "65536", "٣", "²"),
            *("tcp:80:", "tcp:80:x", "tcp:80:x=1", "tcp:80:interface", "tcp:80:interface="),
            *("tcp:80:interface=::1", "tcp:80:interface=a:interface=b", "tcp:80:backlog=0"),
            *("tcp:80:backlog=65536", "tcp:80:backlog=x", "tcp:80:backlog=-1"),
            *("tcp:80:backlog=1:backlog=1", "tcp:80\\", "\\", "tcp:80:interface=a b"),
        )
        self.refused(
            lambda text: Endpoint.parse(text, "udp"),
            *("tcp:7", "udp:7:backlog=1", "udp", "unix:/tmp/a", "udp:7:mode=660"),
        )

    def test_unix(self) -> None:
        """A UNIX socket is an endpoint for streams, with a mode."""
        for text, endpoint in (
            ("unix:/run/a", Endpoint("unix", "/run/a", 0, mode=0o660)),
            ("unix:a:mode=600", Endpoint("unix", "a", 0, mode=0o600)),
            ("unix:a:mode=0777:backlog=5", Endpoint("unix", "a", 0, 5, 0o777)),
            (r"unix:/a\:b\\c", Endpoint("unix", "/a:b\\c", 0)),
        ):
            self.assertEqual(Endpoint.parse(text), endpoint)
            self.assertEqual(Endpoint.parse(str(endpoint)), endpoint)

    def test_noUnix(self) -> None:
        """A missing path, a NUL and a bad mode are refused."""
        self.refused(
            Endpoint.parse,
            *(
                "unix",
                "unix:",
                "unix::mode=600",
                "unix:a\0b",
                "unix:a:mode=",
                "unix:a:mode=888",
            ),
            *("unix:a:mode=6600", "unix:a:mode=rw", "unix:a:interface=b", "unix:a:backlog=0"),
            *("unix:a:mode=600:mode=600", "unix:a:b"),
        )

    def test_everyAddress(self) -> None:
        """`*` is every address of both families, given or as the default."""
        self.assertEqual(Endpoint.parse("tcp:80:interface=*"), Endpoint("tcp", "*", 80))
        self.assertEqual(Endpoint.parse("80", "udp", "*"), Endpoint("udp", "*", 80))
        self.assertEqual(str(Endpoint("tcp", "*", 80)), "tcp:80:interface=*")

    def test_explained(self) -> None:
        """The error says what is expected."""
        for text, kind, expected in (
            ("ssl:1", "tcp", "not a port number, tcp:PORT, tcp6:PORT or unix:PATH"),
            ("tcp:7", "udp", "not a port number, udp:PORT or udp6:PORT"),
            ("tcp", "tcp", "not tcp:PORT, because the port is missing"),
            ("tcp:80:interface=::1", "tcp", "a colon inside needs a backslash"),
            ("tcp:80:x=1", "tcp", "interface= or backlog="),
            ("udp:80:x=1", "udp", "'x=1' is not interface= (a"),
            ("tcp:80\\", "tcp", "ends in a lone backslash"),
            (
                "tcp:80:backlog=0",
                "tcp",
                "because backlog=0 is not a whole number from 1 to 65535",
            ),
            ("unix:", "tcp", "not unix:PATH, because the path is missing"),
        ):
            caught = self.assertRaises(ValueError, Endpoint.parse, text, kind)
            self.assertIn(expected, str(caught))

    def test_authority(self) -> None:
        """The authority of a URL has an IPv6 address in brackets, and its scope escaped."""
        for address, text in (
            ("127.0.0.1", "127.0.0.1:80"),
            ("::1", "[::1]:80"),
            ("fe80::1%eth0", "[fe80::1%25eth0]:80"),
            ("*", "*:80"),
        ):
            self.assertEqual(Endpoint("tcp", address, 80).authority, text)

    def test_option(self) -> None:
        """The option does not matter for equality."""
        self.assertEqual(
            Endpoint("tcp", "a", 1, option="--http tcp:1"),
            Endpoint("tcp", "a", 1, option="--port 1"),
        )

    @by_chance
    @given(_endpoints())
    def test_roundTrip(self, endpoint: Endpoint) -> None:
        """An endpoint's text parses to the same endpoint."""
        self.assertEqual(Endpoint.parse(str(endpoint), endpoint.kind.rstrip("6")), endpoint)

    @by_chance
    @given(TEXT, st.sampled_from(["tcp", "udp"]))
    @example("tcp:80:\x1b=1", "tcp")
    @example("tcp:80:\ud800", "tcp")
    def test_anyText(self, text: str, kind: str) -> None:
        """
        No text raises anything but ValueError.
        """
        self.only_value_errors(lambda text: Endpoint.parse(text, kind), text)

    @by_chance
    @given(st.lists(st.sampled_from(["tcp", "tcp6", "80", "interface=a", "backlog=9", "x"])))
    def test_anyFields(self, fields: list[str]) -> None:
        """Any sequence of known words parses, or raises ValueError."""
        self.only_value_errors(Endpoint.parse, ":".join(fields))


class LineTests(Refusing):
    """
    Text that fits into a message of one line.
    """

    def test_quoted(self) -> None:
        """
        An empty or unprintable text is quoted as in Python.
        """
        for text in ("", "a\nb", "\x1b[2J", "\u202e", "\udcff"):
            self.assertEqual(quote_unprintable(text), repr(text))
        self.assertEqual(quote_unprintable("a b"), "a b")

    def test_escapeUnprintable(self) -> None:
        """
        Only unprintable characters of a message are escaped.
        """
        self.assertEqual(escape_unprintable("a 'b'\n\x1bc"), "a 'b'\\n\\x1bc")
        self.assertEqual(escape_unprintable(""), "")
        self.assertEqual(escape_unprintable("a\n\x1b", keep="\n"), "a\n\\x1b")
