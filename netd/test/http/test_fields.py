"""Field lines."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.http.errors import RequestError
from netd.http.fields import split, trailers


class SplitTests(SynchronousTestCase):
    """Lines become values by name."""

    def test_split(self) -> None:
        """Names are lower case, values bare, and in the order they came."""
        for block, fields in (
            (b"", {}),
            (b"A:b", {b"a": (b"b",)}),
            (b"A: \t b \t", {b"a": (b"b",)}),
            (b"a:", {b"a": (b"",)}),
            (b"a: b: c", {b"a": (b"b: c",)}),
            (b"a: 1\r\nB: 2\r\nA: 3", {b"a": (b"1", b"3"), b"b": (b"2",)}),
        ):
            self.assertEqual(split(block), fields)


class TrailerTests(SynchronousTestCase):
    """Trailer sections obey the rules of header fields."""

    def test_split(self) -> None:
        """Values are found by lower-case name."""
        self.assertEqual(trailers(b"A: b\r\na: c\r\n\r\n", 2), {b"a": (b"b", b"c")})
        self.assertEqual(trailers(b"\r\n", 0), {})
        self.assertEqual(split(b""), {})

    def test_refused(self) -> None:
        """A malformed field line and too many fields are refused."""
        for key, block in (
            ("trailer", b"a b: c\r\n\r\n"),
            ("trailer", b"a: b\nc: d\r\n\r\n"),
            ("fields", b"a: b\r\n" * 3 + b"\r\n"),
        ):
            with self.assertRaises(RequestError) as caught:
                trailers(block, 2)
            self.assertEqual(caught.exception.key, key)
