"""
Directories as pages.
"""

from __future__ import annotations

import json
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.static.listing import POLICY, Entry, Listing, Order, as_html, as_json, size
from netd.test.chance import by_chance

ENTRIES = (
    Entry(b"b.txt", False, 2048, 1_700_000_000.9),
    Entry(b"a <i>&\"'\n.txt", False, 5, 1_600_000_000.0),
    Entry(b"\xff", False, 0, 1e300),
    Entry(b"z", True, 4096, 1_500_000_000.0),
    Entry(b"y", True, 8192, 1_400_000_000.0),
)
LISTING = Listing(ENTRIES, True)


class Page(HTMLParser):
    """The tags, the links and the text of a page."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(data.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag, and its link."""
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if tag == "a" and name == "href"]

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.text += data


def names(key: str, direction: str) -> list[bytes]:
    """The names of the entries in this order."""
    return [entry.name for entry in Order.parse(key, direction).sorted(ENTRIES)]


class OrderTests(SynchronousTestCase):
    """
    Sorting.
    """

    def test_rows(self) -> None:
        """Directories come first, in both directions."""
        a, b, c, y, z = b"a <i>&\"'\n.txt", b"b.txt", b"\xff", b"y", b"z"
        for key, direction, expected in (
            ("name", "asc", [y, z, a, b, c]),
            ("name", "desc", [z, y, c, b, a]),
            ("size", "asc", [y, z, c, a, b]),
            ("size", "desc", [y, z, b, a, c]),
            ("time", "asc", [y, z, a, b, c]),
            ("time", "desc", [z, y, c, b, a]),
        ):
            with self.subTest(key=key, direction=direction):
                self.assertEqual(names(key, direction), expected)

    def test_refused(self) -> None:
        """An unknown order is a ValueError."""
        self.assertRaises(ValueError, Order.parse, "colour", "asc")
        self.assertRaises(ValueError, Order.parse, "name", "up")


class SizeTests(SynchronousTestCase):
    """
    Sizes for a reader.
    """

    def test_rows(self) -> None:
        """A size has at most four digits."""
        for count, expected in (
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (5 * 2**30, "5.0 GiB"),
            (2**63 - 1, "8192.0 PiB"),
        ):
            self.assertEqual(size(count), expected)


class HTMLTests(SynchronousTestCase):
    """
    The page.
    """

    def test_links(self) -> None:
        """Every entry is linked by its exact name, relative to the directory."""
        page = Page(as_html((b"sub",), LISTING, Order()))
        self.assertEqual(
            page.links,
            [
                "?sort=name&order=desc",
                "?sort=size&order=asc",
                "?sort=time&order=asc",
                "../",
                "y/",
                "z/",
                "a%20%3Ci%3E%26%22%27%0A.txt",
                "b.txt",
                "%FF",
                "?format=json",
            ],
        )

    def test_escaped(self) -> None:
        """Every name is escaped; the page has neither script nor image."""
        page = Page(as_html((b"<script>",), LISTING, Order()))
        self.assertTrue({"script", "i", "img"}.isdisjoint(page.tags))
        self.assertIn("/<script>/", page.text)
        self.assertIn("a <i>&\"'\\n.txt", page.text)
        self.assertIn("\\xff", page.text)
        self.assertIn("2.0 KiB", page.text)
        self.assertIn("2023-11-14 22:13", page.text)

    def test_heading(self) -> None:
        """The heading is the path of the URL, from the root of the site."""
        for names, above, heading in (
            ((), (), "/"),
            ((), (b"files",), "/files/"),
            ((b"a", b"b"), (b"files",), "/files/a/b/"),
        ):
            page = as_html(names, LISTING, Order(), above).decode()
            self.assertIn(f"<title>{heading}</title>", page)
            self.assertIn(f"<h1><bdi>{heading}</bdi></h1>", page)

    def test_root(self) -> None:
        """The page of the root has no link to a parent."""
        self.assertNotIn("../", Page(as_html((), LISTING, Order(), (b"files",))).links)

    def test_sorted(self) -> None:
        """The heading of the current order shows it and links to the reverse."""
        page = as_html((), LISTING, Order("size", "asc"))
        self.assertIn("?sort=size&amp;order=desc", page.decode())
        self.assertIn('aria-sort="ascending"', page.decode())
        self.assertIn("Size \u2191", Page(page).text)

    def test_count(self) -> None:
        """The page says how many entries are listed, and when there are more."""
        self.assertIn("5 entries.", Page(as_html((), LISTING, Order())).text)
        single = Listing(ENTRIES[:1], True)
        self.assertIn("1 entry.", Page(as_html((), single, Order())).text)
        more = Listing(ENTRIES, False)
        self.assertIn(
            "Only the first 5 entries are shown", Page(as_html((), more, Order())).text
        )

    def test_policy(self) -> None:
        """The policy allows the page's style and no script."""
        self.assertIn(b"default-src 'none'; style-src 'sha256-", POLICY)
        self.assertNotIn(b"unsafe", POLICY)

    @by_chance
    @given(st.lists(st.binary(min_size=1, max_size=20), max_size=5))
    def test_anything(self, names: list[bytes]) -> None:
        """A page with any names has one link for each entry."""
        entries = tuple(Entry(name, False, 1, 0.0) for name in names)
        page = Page(as_html((), Listing(entries, True), Order()))
        self.assertEqual(len(page.links), 4 + len(names))


class JSONTests(SynchronousTestCase):
    """
    The listing as JSON.
    """

    def test_document(self) -> None:
        """Names are readable, links exact, times in UTC."""
        document = json.loads(as_json((b"a", b"b"), Listing(ENTRIES[2:4], False), Order()))
        self.assertEqual(
            document,
            {
                "path": "/a/b/",
                "complete": False,
                "entries": [
                    {
                        "name": "z",
                        "href": "z/",
                        "type": "directory",
                        "size": None,
                        "modified": "2017-07-14T02:40:00Z",
                    },
                    {
                        "name": "\\xff",
                        "href": "%FF",
                        "type": "file",
                        "size": 0,
                        "modified": None,
                    },
                ],
            },
        )
