"""
HTTP dates (RFC 9110 5.6.7).
"""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.http.dates import MONTHS, http_date, parse
from netd.test.chance import by_chance

EXAMPLE = 784111777
NOW = 1_795_000_000.0


class FormatTests(SynchronousTestCase):
    """
    From seconds to text.
    """

    def test_example(self) -> None:
        """The example of the RFC has its IMF-fixdate; fractions are cut off."""
        self.assertEqual(http_date(EXAMPLE), "Sun, 06 Nov 1994 08:49:37 GMT")
        self.assertEqual(http_date(EXAMPLE + 0.9), "Sun, 06 Nov 1994 08:49:37 GMT")

    def test_months(self) -> None:
        """Every month has the name that strftime gives it in English."""
        for number, name in enumerate(MONTHS):
            moment = time.gmtime((number * 30.5 + 15) * 86400)
            self.assertEqual(name, time.strftime("%b", moment))

    @by_chance
    @given(st.integers(0, 2**35))
    def test_back(self, seconds: int) -> None:
        """The text of a time is parsed to the same time."""
        self.assertEqual(parse(http_date(seconds).encode(), NOW), seconds)


class ParseTests(SynchronousTestCase):
    """
    From text to seconds.
    """

    def test_rows(self) -> None:
        """The three forms of the RFC are parsed, and nothing else is."""
        rows = (
            (b"Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE),
            (b"Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE),
            (b"Sun Nov  6 08:49:37 1994", EXAMPLE),
            (b"Sun Nov 06 08:49:37 1994", EXAMPLE),
            (b"Thu, 01 Jan 1970 00:00:00 GMT", 0),
            (b"Wed, 31 Dec 1969 23:59:59 GMT", -1),
            (b"Tue, 30 Jun 2015 23:59:60 GMT", 1435708800),
            (b"Tue, 29 Feb 2028 00:00:00 GMT", 1835395200),
            (b"Thu, 29 Feb 2029 00:00:00 GMT", None),
            (b"Sun, 06 Nov 1994 24:00:00 GMT", None),
            (b"Sun, 06 Nov 1994 08:60:00 GMT", None),
            (b"Sun, 06 Nov 1994 08:49:61 GMT", None),
            (b"Sun, 00 Nov 1994 08:49:37 GMT", None),
            (b"Sun, 06 Nov 0000 08:49:37 GMT", None),
            (b"sun, 06 nov 1994 08:49:37 gmt", None),
            (b"Sun, 6 Nov 1994 08:49:37 GMT", None),
            (b"Sun, 06 Nov 1994 08:49:37 UTC", None),
            (b"Sun, 06 Nov 1994 08:49:37 +0100", None),
            (b"Sun, 06 Nov 1994 08:49:37", None),
            (b"784111777", None),
            (b"Sun Nov    08:49:37 1994", None),
        )
        for text, seconds in rows:
            with self.subTest(text=text):
                self.assertEqual(parse(text, NOW), seconds)

    def test_century(self) -> None:
        """A year of two digits is at most 50 years ahead."""
        for text, year in ((b"26", 2026), (b"76", 2076), (b"77", 1977), (b"99", 1999)):
            seconds = parse(b"Sunday, 01-Jan-" + text + b" 00:00:00 GMT", NOW)
            self.assertEqual(seconds, parse(b"Sun, 01 Jan %d 00:00:00 GMT" % year, NOW))

    @by_chance
    @given(st.binary(max_size=40))
    def test_anything(self, text: bytes) -> None:
        """Any text is parsed to a number or None, without an exception."""
        self.assertIsInstance(parse(text, NOW), (int, type(None)))
