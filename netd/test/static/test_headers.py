"""
The header fields of a file.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.static.headers import HeaderRules, validators_of

NOW = 1_700_000_000.5


def stat(mtime_ns: int = 1_600_000_000_900_000_000, size: int = 255) -> os.stat_result:
    """The state of a file."""
    fields = [0o100644, 171, 1, 1, 0, 0, size, 0, mtime_ns // 10**9, 0]
    return os.stat_result(fields, {"st_mtime_ns": mtime_ns, "st_mtime": mtime_ns / 1e9})


def rules(**config: object) -> HeaderRules:
    """The rules of a tree with this configuration."""
    return HeaderRules(settings.Files(Path("/"), **config))  # type: ignore[arg-type]


class ValidatorsTests(SynchronousTestCase):
    """
    ETag and Last-Modified.
    """

    def test_strong(self) -> None:
        """The tag is made of time, size and inode; Last-Modified is rounded down."""
        validators = validators_of(stat(), NOW)
        self.assertEqual(validators.etag, b'"%x-ff-ab"' % 1_600_000_000_900_000_000)
        self.assertEqual(validators.modified, 1_600_000_000)
        self.assertTrue(validators.strong)

    def test_distinct(self) -> None:
        """The tag differs by time, to the nanosecond, by size and by coding."""
        tags = {
            validators_of(stat(), NOW).etag,
            validators_of(stat(1_600_000_000_900_000_001), NOW).etag,
            validators_of(stat(size=256), NOW).etag,
            validators_of(stat(), NOW, b"gzip").etag,
            validators_of(stat(), NOW, b"br").etag,
        }
        self.assertEqual(len(tags), 5)

    def test_young(self) -> None:
        """The tag is weak for two seconds, as a later write may leave the same time."""
        at = 1_700_000_000_000_000_000
        for now, weak in (
            (1_700_000_000.0, True),
            (1_700_000_001.9, True),
            (1_700_000_002.0, False),
            (1_699_999_000.0, True),
        ):
            validators = validators_of(stat(at), now)
            self.assertEqual(validators.etag.startswith(b'W/"'), weak)
            self.assertEqual(validators.strong, not weak)

    def test_bounds(self) -> None:
        """Last-Modified is never after Date, and always a date."""
        self.assertEqual(validators_of(stat(2**62), NOW).modified, int(NOW))
        self.assertEqual(validators_of(stat(-1), NOW).modified, 0)
        self.assertEqual(validators_of(stat(-(2**62)), NOW).modified, 0)


class HeaderRulesTests(SynchronousTestCase):
    """
    The header fields of a response with a file.
    """

    def test_plain(self) -> None:
        """Without settings there are type, validators, ranges and revalidation."""
        headers = rules().headers((b"a.txt",), stat(), NOW, None, False)
        self.assertEqual(
            dict(headers.fields),
            {
                b"Content-Type": b"text/plain; charset=utf-8",
                b"ETag": headers.validators.etag,
                b"Last-Modified": b"Sun, 13 Sep 2020 12:26:40 GMT",
                b"Accept-Ranges": b"bytes",
                b"Cache-Control": b"no-cache",
                b"X-Content-Type-Options": b"nosniff",
            },
        )

    def test_coded(self) -> None:
        """A coded sibling has the type of the file itself."""
        fields = dict(rules().headers((b"a.js",), stat(), NOW, b"gzip", True).fields)
        self.assertEqual(fields[b"Content-Type"], b"text/javascript; charset=utf-8")
        self.assertEqual(fields[b"Content-Encoding"], b"gzip")
        self.assertEqual(fields[b"Vary"], b"Accept-Encoding")
        self.assertTrue(fields[b"ETag"].endswith(b'-gz"'))

    def test_notModified(self) -> None:
        """A 304 has the fields that matter to caches (RFC 9110 15.4.5)."""
        fields = dict(rules().headers((b"a",), stat(), NOW, b"br", True).not_modified)
        self.assertEqual(
            set(fields),
            {b"ETag", b"Last-Modified", b"Cache-Control", b"Vary", b"X-Content-Type-Options"},
        )

    def test_cache(self) -> None:
        """The first glob that fits decides: one with a slash by the path, else by the name."""
        configured = rules(
            cache=(("assets/*.css", "max-age=1"), ("*.css", "max-age=2"), ("[ab]", "max-age=3"))
        )
        for names, value in (
            ((b"assets", b"x.css"), b"max-age=1"),
            ((b"x.css",), b"max-age=2"),
            ((b"other", b"x.css"), b"max-age=2"),
            ((b"a",), b"max-age=3"),
            ((b"c",), b"no-cache"),
            ((b"\xff.css",), b"max-age=2"),
        ):
            self.assertEqual(configured.cache_control(names), value)

    def test_configured(self) -> None:
        """Configured fields and those of CORS are in the header of every file."""
        configured = rules(headers=(("X-One", "1"),), cors="https://a.example")
        fields = dict(configured.headers((b"a",), stat(), NOW, None, True).fields)
        self.assertEqual(fields[b"X-One"], b"1")
        self.assertEqual(fields[b"Access-Control-Allow-Origin"], b"https://a.example")
        self.assertEqual(fields[b"Vary"], b"Accept-Encoding, Origin")
        self.assertEqual(rules(cors="*").vary(), ())


class PreflightTests(SynchronousTestCase):
    """
    The response to OPTIONS.
    """

    def test_rows(self) -> None:
        """With CORS there are the methods, and the fields that were requested."""
        self.assertEqual(rules().preflight([b"x"]), ())
        self.assertEqual(
            [name for name, _ in rules(cors="*").preflight([])],
            [b"Access-Control-Allow-Methods", b"Access-Control-Max-Age"],
        )
        self.assertIn(
            (b"Access-Control-Allow-Headers", b"range"), rules(cors="*").preflight([b"range"])
        )
