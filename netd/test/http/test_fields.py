"""Field lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.http.errors import RequestError
from netd.http.fields import parameters, split, trailers
from netd.test.options.examples import by_chance


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


class ParameterTests(SynchronousTestCase):
    """
    The parameters of a field.
    """

    def test_names(self) -> None:
        """Only the parameters of forms are there, in any case."""
        self.assertEqual(
            parameters("x; NAME=\"a b\";other=1; FileName*=UTF-8''%e2%82%ac"),
            {"name": "a b", "filename": "€"},
        )
        for value in ("", "name=a", "x; name", "x; name=", 'x; name="a', "x; name = a"):
            self.assertEqual(parameters(value), {}, value)

    def test_inQuotes(self) -> None:
        """No parameter comes from inside a quoted string."""
        value = 'text/xml; x="; charset=a"; charset="b\\"; charset=c"'
        self.assertEqual(parameters(value), {"charset": 'b"; charset=c'})

    def test_openQuote(self) -> None:
        """An open quote goes to the end of the value: what comes before it counts."""
        self.assertEqual(parameters('form-data; name=a; b="c; filename=d'), {"name": "a"})
        self.assertEqual(parameters('form-data; b="c\\'), {})

    def test_extended(self) -> None:
        """An extended value is decoded; of other charsets it stays encoded."""
        for value, name in (
            ("utf-8'de'%C3%BC", "ü"),
            ("ISO-8859-1''%FC", "ü"),
            ("utf-8''%FF", "\ufffd"),
            ("koi8-r''%C3", "%C3"),
            ("utf-8'%C3", "utf-8'%C3"),
        ):
            self.assertEqual(parameters(f"x; name*={value}"), {"name": name})

    @by_chance
    @given(st.text())
    def test_quoted(self, name: str) -> None:
        """Any text comes back from a quoted string."""
        quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("%22", "%2522")
        self.assertEqual(
            parameters(f'x; name="{quoted}"'), {"name": name.replace("%22", "%2522")}
        )
