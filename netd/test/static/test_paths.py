"""
File names in URLs, links and texts.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.static.paths import display, link, location, resolve, servable
from netd.test.chance import by_chance


class ResolveTests(SynchronousTestCase):
    """
    From the segments of a URL to names.
    """

    def test_rows(self) -> None:
        """Names and the slash at the end are separated, and names are decoded once."""
        rows: tuple[tuple[bytes, tuple[bytes, ...], bool], ...] = (
            (b"", (), False),
            (b"/", (), True),
            (b"/a", (b"a",), False),
            (b"/a/", (b"a",), True),
            (b"/a/b", (b"a", b"b"), False),
            (b"/.well-known/x", (b".well-known", b"x"), False),
            (b"/%ff%0a\"'%20%2541", (b"\xff\n\"' %41",), False),
            (b"/a..", (b"a..",), False),
        )
        for path, names, slash in rows:
            self.assertEqual(resolve(b"/files" + path, 1), (names, slash), path)

    def test_dots(self) -> None:
        """Literal dot segments are removed, as RFC 3986 5.2.4 does it, up to the root."""
        rows: tuple[tuple[bytes, tuple[bytes, ...], bool], ...] = (
            (b"/./a", (b"a",), False),
            (b"/a/.", (b"a",), True),
            (b"/a/./", (b"a",), True),
            (b"/x/../a", (b"a",), False),
            (b"/a/b/..", (b"a",), True),
            (b"/.git/../a", (b"a",), False),
            (b"/a//../b", (b"a", b"b"), False),
            (b"/..", (), True),
            (b"/../../a", (b"a",), False),
            (b"/a/../../b/", (b"b",), True),
            # The example of RFC 3986 5.2.4.
            (b"/a/b/c/./../../g", (b"a", b"g"), False),
        )
        for path, names, slash in rows:
            self.assertEqual(resolve(path, 0), (names, slash), path)
        self.assertEqual(resolve(b"/files/x/../a", 1), ((b"a",), False))

    def test_refused(self) -> None:
        """An impossible name is a 400; a hidden or empty one is a 404."""
        rows: tuple[tuple[bytes, int], ...] = (
            (b"/a%00b", 400),
            (b"/a%2fb", 400),
            (b"/a\\b", 400),
            (b"/%2e", 400),
            (b"/.%2E/etc", 400),
            (b"/a/%2e%2e/b", 400),
            (b"/a/%2e", 400),
            (b"/..", 400),
            (b"/../ip", 400),
            (b"/a/../../ip", 400),
            (b"/.git/config", 404),
            (b"/...", 404),
            (b"/a/.well-known", 404),
            (b"/.well-known/.x", 404),
            (b"//evil", 404),
            (b"/a//", 404),
        )
        for path, status in rows:
            with self.subTest(path=path):
                error = self.assertRaises(BadCall, resolve, b"/files" + path, 1)
                self.assertEqual(error.status, status)

    @by_chance
    @given(
        st.lists(st.sampled_from([b".", b"..", b"%2e", b"", b"a", b"%2F", b"%"]) | st.binary())
    )
    def test_anything(self, segments: list[bytes]) -> None:
        """Any path is a 4xx or stays below the root."""
        try:
            names, _ = resolve(b"/" + b"/".join(segments), len(segments) % 2)
        except BadCall as bad:
            self.assertIn(bad.status, (400, 404))
        else:
            for name in names:
                self.assertNotIn(name, (b"", b".", b".."))
                self.assertNotIn(b"/", name)
                self.assertNotIn(b"\0", name)


class ServableTests(SynchronousTestCase):
    """
    Which entries of a directory are listed.
    """

    def test_rows(self) -> None:
        """Only an entry that a URL can name is servable."""
        for name, top, expected in (
            (b"a", True, True),
            (b".a", True, False),
            (b".well-known", True, True),
            (b".well-known", False, False),
            (b"a\\b", True, False),
            (b"\xff", False, True),
        ):
            self.assertEqual(servable(name, top), expected)


class LinkTests(SynchronousTestCase):
    """
    References and redirects.
    """

    @by_chance
    @given(st.binary(min_size=1, max_size=20))
    def test_exact(self, name: bytes) -> None:
        """A link decodes to exactly the name, and is never a scheme, a query or a host."""
        text = link(name)
        self.assertEqual(unquote_to_bytes(text), name)
        self.assertTrue(set(text).isdisjoint(":/?#\\\"<>&' "))

    def test_directory(self) -> None:
        """The link to a directory ends with a slash."""
        self.assertEqual(link(b"a b", directory=True), "a%20b/")

    def test_location(self) -> None:
        """A location is a path with the query, never a host."""
        self.assertEqual(location([b"files", b"a b"], b""), b"/files/a%20b/")
        self.assertEqual(location([b"a"], b"x=1&y=%20"), b"/a/?x=1&y=%20")
        self.assertEqual(location([b"a"], b"\r\nX: 1\xff"), b"/a/?%0D%0AX:%201%FF")
        self.assertEqual(location([b"\\evil.com"], b""), b"/%5Cevil.com/")


class DisplayTests(SynchronousTestCase):
    """
    Names for a reader.
    """

    def test_rows(self) -> None:
        """Invisible characters and direction marks are escaped."""
        for name, shown in (
            (b"plain name", "plain name"),
            ("Grüße 日本".encode(), "Grüße 日本"),
            (b"a\nb\tc\rd", "a\\nb\\tc\\rd"),
            (b"\xff\xfe", "\\xff\\xfe"),
            (b"\x01\x7f", "\\x01\\x7f"),
            ("gpj.\u202eexe".encode(), "gpj.\\u202eexe"),
            ("\u200f".encode(), "\\u200f"),
            ("a\u3000b\u00a0\n".encode(), "a\u3000b\u00a0\\n"),
            ("\U000e0001".encode(), "\\U000e0001"),
        ):
            self.assertEqual(display(name), shown)

    @by_chance
    @given(st.binary(max_size=20))
    def test_anything(self, name: bytes) -> None:
        """Any name is displayed as valid UTF-8."""
        display(name).encode()
