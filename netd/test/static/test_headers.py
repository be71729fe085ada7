"""
What is said about a file.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.static.headers import HeaderTable, validators

NOW = 1_700_000_000.5


def stat(mtime_ns: int = 1_600_000_000_900_000_000, size: int = 255) -> os.stat_result:
    """The state of a file."""
    whole = [0o100644, 171, 1, 1, 0, 0, size, 0, mtime_ns // 10**9, 0]
    return os.stat_result(whole, {"st_mtime_ns": mtime_ns, "st_mtime": mtime_ns / 1e9})


def sheets(**config: object) -> HeaderTable:
    """The sheets of a tree so configured."""
    return HeaderTable(settings.Files(Path("/"), **config))  # type: ignore[arg-type]


class ValidatorsTests(SynchronousTestCase):
    """
    ETag and Last-Modified.
    """

    def test_strong(self) -> None:
        """The tag is made of time, size and inode; the time is floored."""
        here = validators(stat(), NOW)
        self.assertEqual(here.etag, b'"%x-ff-ab"' % 1_600_000_000_900_000_000)
        self.assertEqual(here.modified, 1_600_000_000)
        self.assertTrue(here.steady)

    def test_each(self) -> None:
        """Another time, if only by a nanosecond, size or coding is another tag."""
        tags = {
            validators(stat(), NOW).etag,
            validators(stat(1_600_000_000_900_000_001), NOW).etag,
            validators(stat(size=256), NOW).etag,
            validators(stat(), NOW, b"gzip").etag,
            validators(stat(), NOW, b"br").etag,
        }
        self.assertEqual(len(tags), 5)

    def test_young(self) -> None:
        """For two seconds the tag is weak, as a later write may leave the same time."""
        at = 1_700_000_000_000_000_000
        for now, weak in (
            (1_700_000_000.0, True),
            (1_700_000_001.9, True),
            (1_700_000_002.0, False),
            (1_699_999_000.0, True),
        ):
            here = validators(stat(at), now)
            self.assertEqual(here.etag.startswith(b'W/"'), weak)
            self.assertEqual(here.steady, not weak)

    def test_bounds(self) -> None:
        """Last-Modified is never after Date, and always a date."""
        self.assertEqual(validators(stat(2**62), NOW).modified, int(NOW))
        self.assertEqual(validators(stat(-1), NOW).modified, 0)
        self.assertEqual(validators(stat(-(2**62)), NOW).modified, 0)


class SheetTests(SynchronousTestCase):
    """
    The fields of a file's answer.
    """

    def test_plain(self) -> None:
        """Without settings: validators, type, ranges, revalidation."""
        made = sheets().sheet((b"a.txt",), stat(), NOW, None, False)
        self.assertEqual(
            dict(made.lines),
            {
                b"Content-Type": b"text/plain; charset=utf-8",
                b"ETag": made.here.etag,
                b"Last-Modified": b"Sun, 13 Sep 2020 12:26:40 GMT",
                b"Accept-Ranges": b"bytes",
                b"Cache-Control": b"no-cache",
                b"X-Content-Type-Options": b"nosniff",
            },
        )

    def test_coded(self) -> None:
        """A coded sibling keeps the type of what is in it."""
        lines = dict(sheets().sheet((b"a.js",), stat(), NOW, b"gzip", True).lines)
        self.assertEqual(lines[b"Content-Type"], b"text/javascript; charset=utf-8")
        self.assertEqual(lines[b"Content-Encoding"], b"gzip")
        self.assertEqual(lines[b"Vary"], b"Accept-Encoding")
        self.assertTrue(lines[b"ETag"].endswith(b'-gz"'))

    def test_short(self) -> None:
        """A 304 repeats what concerns caches (RFC 9110 15.4.5)."""
        short = dict(sheets().sheet((b"a",), stat(), NOW, b"br", True).short)
        self.assertEqual(
            set(short),
            {b"ETag", b"Last-Modified", b"Cache-Control", b"Vary", b"X-Content-Type-Options"},
        )

    def test_cache(self) -> None:
        """The first glob that fits counts: with a slash for the path, else for the name."""
        made = sheets(
            cache=(("assets/*.css", "max-age=1"), ("*.css", "max-age=2"), ("[ab]", "max-age=3"))
        )
        for names, meant in (
            ((b"assets", b"x.css"), b"max-age=1"),
            ((b"x.css",), b"max-age=2"),
            ((b"other", b"x.css"), b"max-age=2"),
            ((b"a",), b"max-age=3"),
            ((b"c",), b"no-cache"),
            ((b"\xff.css",), b"max-age=2"),
        ):
            self.assertEqual(made.cache(names), meant)

    def test_configured(self) -> None:
        """Fields of the operator's and of CORS go with every file."""
        made = sheets(headers=(("X-One", "1"),), cors="https://a.example")
        lines = dict(made.sheet((b"a",), stat(), NOW, None, True).lines)
        self.assertEqual(lines[b"X-One"], b"1")
        self.assertEqual(lines[b"Access-Control-Allow-Origin"], b"https://a.example")
        self.assertEqual(lines[b"Vary"], b"Accept-Encoding, Origin")
        self.assertEqual(sheets(cors="*").vary(), ())


class PreflightTests(SynchronousTestCase):
    """
    What OPTIONS says to a browser.
    """

    def test_rows(self) -> None:
        """Nothing without CORS; with it the methods, and the fields asked about."""
        self.assertEqual(sheets().preflight([b"x"]), ())
        self.assertEqual(
            [name for name, _ in sheets(cors="*").preflight([])],
            [b"Access-Control-Allow-Methods", b"Access-Control-Max-Age"],
        )
        self.assertIn(
            (b"Access-Control-Allow-Headers", b"range"), sheets(cors="*").preflight([b"range"])
        )
