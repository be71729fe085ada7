"""Field lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.http.errors import RequestError
from netd.http.fields import (
    MAX_KNOWN,
    MAX_LINE,
    Known,
    KnownFields,
    begins,
    parameters,
    parse_fields,
    trailers,
)
from netd.test.chance import by_chance


class ParseTests(SynchronousTestCase):
    """Lines become values by name."""

    def test_parse(self) -> None:
        """Names are lower case, values bare, and in the order they came."""
        for lines, fields in (
            ([], {}),
            ([b"A:b"], {b"a": (b"b",)}),
            ([b"A: \t b \t"], {b"a": (b"b",)}),
            ([b"a:"], {b"a": (b"",)}),
            ([b"a: b: c"], {b"a": (b"b: c",)}),
            ([b"a: 1", b"B: 2", b"A: 3"], {b"a": (b"1", b"3"), b"b": (b"2",)}),
        ):
            self.assertEqual(parse_fields(lines), fields)

    def test_refused(self) -> None:
        """A line that is no field is refused, however often it comes."""
        for line in (b"", b"a", b": b", b"a b: c", b" a: b", b"a: b\nc: d", b"a: \x00"):
            for _ in range(2):
                with self.assertRaises(RequestError) as caught:
                    parse_fields([b"a: b", line])
                self.assertEqual(caught.exception.key, "field")


class KnownTests(SynchronousTestCase):
    """What is kept of lines."""

    def test_once(self) -> None:
        """A line is parsed once; a long one, or one that is refused, each time."""
        parsed: list[bytes] = []

        def function(line: bytes) -> int:
            parsed.append(line)
            return 1 // len(line)

        known, longest = Known(function), b"a" * MAX_LINE
        for _ in range(2):
            self.assertEqual(
                [known[line] for line in (b"a", longest, longest + b"a")], [1, 0, 0]
            )
            with self.assertRaises(ZeroDivisionError):
                known[b""]
        self.assertEqual(parsed, [b"a", longest, longest + b"a", b"", longest + b"a", b""])

    def test_bounded(self) -> None:
        """Never more than so many lines are kept, and the newest is among them."""
        known = Known(int)
        for number in range(3 * MAX_KNOWN):
            line = b"%d" % number
            self.assertEqual(known[line], number)
            self.assertIn(line, known)
            self.assertLessEqual(len(known), MAX_KNOWN)

    def test_secrets(self) -> None:
        """Lines with credentials are not kept, whatever the case of their names."""
        known = KnownFields(lambda line: (line.partition(b":")[0].lower(), (b"",)))
        lines = [b"AUTHORIZATION: a", b"Cookie: b", b"proxy-authorization: c", b"Accept: d"]
        self.assertEqual(
            [known[line][0] for line in lines],
            [b"authorization", b"cookie", b"proxy-authorization", b"accept"],
        )
        self.assertEqual(list(known), lines[-1:])


class BeginsTests(SynchronousTestCase):
    """Fields whose names have something in common."""

    @by_chance
    @given(st.lists(st.sampled_from([b"x", b"x-a", b"x-ab", b"x-b", b"y", b"host"])))
    def test_begins(self, names: list[bytes]) -> None:
        """One name is enough, wherever it is among the others."""
        expected = any(name.startswith(b"x-a") for name in names)
        self.assertEqual(begins(dict.fromkeys(names, (b"",)), b"x-a"), expected)


class TrailerTests(SynchronousTestCase):
    """Trailer sections obey the rules of header fields."""

    def test_split(self) -> None:
        """Values are found by lower-case name."""
        self.assertEqual(trailers(b"A: b\r\na: c\r\n\r\n", 2), {b"a": (b"b", b"c")})
        self.assertEqual(trailers(b"\r\n", 0), {})

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
