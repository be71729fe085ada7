"""
Scalars from text and to text.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.test.chance import by_chance
from netd.xmlrpc.faults import NOT_XMLRPC, Fault
from netd.xmlrpc.scalars import (
    READ,
    base64,
    base64_text,
    date_time,
    double,
    escaped,
    integer,
    sendable,
    shown,
)

NOON = datetime(2026, 11, 22, 14, 8, 55)
ARABIC_TWO = "\u0662"
NO_BREAK_SPACE = "\u00a0"


class ReadTests(SynchronousTestCase):
    """
    Texts that netd reads, and those that only the standard library reads.
    """

    def refused(self, kind: str, text: str) -> None:
        """`text` is no `kind`."""
        fault = self.assertRaises(Fault, READ[kind], text)
        self.assertEqual(fault.code, NOT_XMLRPC, (kind, text))

    def test_good(self) -> None:
        """Texts of the grammar and of the extensions have values."""
        cases: list[tuple[str, str, Any]] = [
            ("int", "41", 41),
            ("i4", "-2147483648", -(2**31)),
            ("int", "+2147483647", 2**31 - 1),
            ("int", " 7\r\n", 7),
            ("int", "007", 7),
            ("i8", "9223372036854775807", 2**63 - 1),
            ("ex:i8", "-9223372036854775808", -(2**63)),
            ("boolean", "1", True),
            ("boolean", "0", False),
            ("double", "-12.214", -12.214),
            ("double", ".5", 0.5),
            ("double", "5.", 5.0),
            ("double", "1e+16", 1e16),
            ("string", " as it is ", " as it is "),
            ("base64", "eW91IGNhbid0\r\n IHJlYWQh", b"you can't read!"),
            ("base64", "", b""),
            ("dateTime.iso8601", "20261122T14:08:55", NOON),
            ("dateTime.iso8601", "2026-11-22T14:08:55", NOON),
            ("dateTime.iso8601", "20261122T140855Z", NOON.replace(tzinfo=UTC)),
            (
                "dateTime.iso8601",
                "20261122T14:08:55-0330",
                NOON.replace(tzinfo=timezone(-timedelta(hours=3, minutes=30))),
            ),
            # JavaScript's toISOString, Python's isoformat, PostgreSQL.
            (
                "dateTime.iso8601",
                "2026-11-22T14:08:55.123Z",
                NOON.replace(microsecond=123_000, tzinfo=UTC),
            ),
            (
                "dateTime.iso8601",
                "2026-11-22T14:08:55.000001+00:00",
                NOON.replace(microsecond=1, tzinfo=UTC),
            ),
            (
                "dateTime.iso8601",
                "20261122T140855,5+02",
                NOON.replace(microsecond=500_000, tzinfo=timezone(timedelta(hours=2))),
            ),
            (
                "dateTime.iso8601",
                "20261122T14:08:55.123456789",
                NOON.replace(microsecond=123_456),
            ),
            ("nil", "", None),
            ("ex:nil", "", None),
        ]
        for kind, text, value in cases:
            got = READ[kind](text)
            self.assertEqual((type(got), got), (type(value), value), (kind, text))

    def test_integers(self) -> None:
        """Underscores, other digits, other white space, fractions and overflow are refused."""
        for text in ("1_000", ARABIC_TWO, f"{NO_BREAK_SPACE}1", "", " ", "1 2", "0x1", "1.0",
                     "--1", "2147483648", "-2147483649", "1" * 5000):  # fmt: skip
            self.refused("int", text)
        for text in ("9223372036854775808", "-9223372036854775809", "1" * 1_000_000):
            self.refused("i8", text)

    def test_booleans(self) -> None:
        """Only 0 and 1 are booleans."""
        for text in ("", "2", "true", "True", "00", "01"):
            self.refused("boolean", text)

    def test_doubles(self) -> None:
        """nan, inf, underscores, hexadecimals and overflow are refused."""
        for text in ("nan", "inf", "-Infinity", "1_0.0", "0x1p3", "", ".", "1e", "1e999",
                     f"{ARABIC_TWO}.0", "1,5", "1" * 1101):  # fmt: skip
            self.refused("double", text)

    def test_base64(self) -> None:
        """Other characters, and missing or misplaced padding, are refused."""
        for text in ("QQ", "Q", "Q=Q=", "=QQ=", "QQ==QQ==", "QQ==!", f"QQ{NO_BREAK_SPACE}==",
                     "\u00e9"):  # fmt: skip
            self.refused("base64", text)

    def test_dates(self) -> None:
        """Impossible dates and times are refused."""
        for text in ("", "20261322T14:08:55", "20260230T00:00:00", "20261122T24:00:00",
                     "20261122 14:08:55", "2026-1122T14:08:55", "20261122T14:08:55.",
                     "20261122T14:08:55+2400", f"2026112{ARABIC_TWO}T14:08:55",
                     "00000101T00:00:00", "20261122T14:08:55.5.5", "20261122T14:08:55+1:00",
                     "2026-W47-7T14:08:55", "20261122T14:0855", "yesterday"):  # fmt: skip
            self.refused("dateTime.iso8601", text)

    def test_nil(self) -> None:
        """A nil with text is refused."""
        self.refused("nil", "x")


class WriteTests(SynchronousTestCase):
    """
    Text of values.
    """

    def test_integers(self) -> None:
        """An integer of 32 bits is an int, of 64 bits an i8, and a larger one a Fault."""
        self.assertEqual(integer(2**31 - 1), "<int>2147483647</int>")
        self.assertEqual(integer(2**31), "<i8>2147483648</i8>")
        self.assertEqual(integer(-(2**31) - 1), "<i8>-2147483649</i8>")
        self.assertEqual(integer(-(2**63)), "<i8>-9223372036854775808</i8>")
        for value in (2**63, -(2**63) - 1, 10**100):
            self.assertRaises(Fault, integer, value)

    def test_doubles(self) -> None:
        """Doubles are written without an exponent; nan and inf are Faults."""
        self.assertEqual(double(0.1), "<double>0.1</double>")
        self.assertEqual(double(1e22), "<double>10000000000000000000000</double>")
        self.assertEqual(double(1.5e-7), "<double>0.00000015</double>")
        for value in (math.nan, math.inf, -math.inf):
            self.assertRaises(Fault, double, value)

    @by_chance
    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_everyDouble(self, value: float) -> None:
        """Every finite double is written in plain digits and read back exactly."""
        text = double(value)[8:-9]
        self.assertEqual(repr(READ["double"](text)), repr(value))
        self.assertRegex(text, r"\A-?[0-9]+(\.[0-9]+)?\Z")

    @by_chance
    @given(st.binary(max_size=200))
    def test_base64(self, value: bytes) -> None:
        """Bytes are written in one line and read back."""
        self.assertEqual(READ["base64"](base64(value)[8:-9]), value)
        self.assertNotIn("\n", base64_text(value))

    @by_chance
    @given(
        st.datetimes(timezones=st.none() | st.timezones().map(lambda _: UTC))
        | st.datetimes().map(lambda d: d.replace(tzinfo=timezone(timedelta(minutes=-210))))
    )
    def test_dates(self, value: datetime) -> None:
        """A dateTime is read back to the second, with its offset from UTC if any."""
        text = date_time(value)[18:-19]
        got = READ["dateTime.iso8601"](text)
        self.assertEqual(got, value.replace(microsecond=0))
        assert isinstance(got, datetime)
        self.assertEqual(got.utcoffset(), value.utcoffset())

    def test_dateForms(self) -> None:
        """Years have four digits, UTC is Z."""
        early = datetime(1, 2, 3)
        self.assertEqual(
            date_time(early), "<dateTime.iso8601>00010203T00:00:00</dateTime.iso8601>"
        )
        self.assertIn("55Z<", date_time(NOON.replace(tzinfo=UTC)))

    def test_escaping(self) -> None:
        """Markup is escaped, and so is a CR, which XML turns into a LF."""
        self.assertEqual(escaped("a<b>&c]]>"), "a&lt;b&gt;&amp;c]]&gt;")
        self.assertEqual(escaped("\t\r\n&"), "\t&#13;\n&amp;")
        self.assertEqual(escaped("\U0001f40d"), "\U0001f40d")

    def test_unsendable(self) -> None:
        """Characters outside XML 1.0 are a Fault, or `?` in the text of a fault."""
        for character in "\x00\x08\x0b\x0c\x1f\ufffe\uffff\ud800\udfff":
            self.assertRaises(Fault, escaped, f"a{character}b")
            self.assertEqual(sendable(f"a{character}b"), "a?b")

    def test_shown(self) -> None:
        """The text of a fault shows values shortened and printable."""
        self.assertEqual(shown("a\n\u00e9"), r"'a\n\xe9'")
        self.assertEqual(shown("x" * 41), ascii("x" * 40 + "..."))
