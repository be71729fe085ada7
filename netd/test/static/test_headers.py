"""
The header fields of a file.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.http.conditional import Validators
from netd.http.ranges import ByteRange, length
from netd.lab.call import BadCall
from netd.static.headers import FileHeaders, HeaderRules, Selection, select, validators_of

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


FIELDS = ((b"Content-Type", b"text/plain"), (b"ETag", b'"a"'), (b"Accept-Ranges", b"bytes"))
HEADERS = FileHeaders(FIELDS, Validators(b'"a"', 1000), b"text/plain")


def selected(method: bytes = b"GET", size: int = 100, **fields: bytes) -> Selection:
    """The selection of a request with these fields."""
    values = {name.replace("_", "-").encode(): (value,) for name, value in fields.items()}
    return select(method, values, HEADERS, size, 2e9)


class SelectTests(SynchronousTestCase):
    """
    Status, fields and parts.
    """

    def test_whole(self) -> None:
        """The whole file is selected by HEAD, and where no Range applies."""
        whole = Selection(200, FIELDS, (ByteRange(0, 100),))
        self.assertEqual(selected(), whole)
        self.assertEqual(selected(b"HEAD", range=b"bytes=0-1"), whole)
        self.assertEqual(selected(range=b"lines=0-1"), whole)
        self.assertEqual(selected(range=b"bytes=0-1", if_range=b'"b"'), whole)
        twice = {b"range": (b"bytes=0-1", b"bytes=2-3")}
        self.assertEqual(select(b"GET", twice, HEADERS, 100, 2e9), whole)

    def test_partial(self) -> None:
        """One range, or several that merge into one, is a plain 206."""
        for value in (b"bytes=10-19", b"bytes=10-14,15-19"):
            selection = selected(range=value, if_range=b'"a"')
            self.assertEqual(selection.code, 206)
            self.assertEqual(selection.parts, (ByteRange(10, 20),))
            self.assertEqual(
                selection.fields, (*FIELDS, (b"Content-Range", b"bytes 10-19/100"))
            )

    def test_multipart(self) -> None:
        """Several ranges are parts with a boundary that nobody can predict."""
        first, second = selected(range=b"bytes=0-0,2-2"), selected(range=b"bytes=0-0,2-2")
        self.assertEqual(first.code, 206)
        kind = dict(first.fields)[b"Content-Type"]
        self.assertTrue(kind.startswith(b"multipart/byteranges; boundary="))
        self.assertNotEqual(kind, dict(second.fields)[b"Content-Type"])
        self.assertNotIn(b"Content-Range", dict(first.fields))
        self.assertEqual(len(first.parts), 5)
        self.assertGreater(length(first.parts), 2)

    def test_unsatisfiable(self) -> None:
        """A 416 has the size of the file; an empty file is sent whole."""
        caught = self.assertRaises(BadCall, selected, size=100, range=b"bytes=100-")
        self.assertEqual(caught.status, 416)
        self.assertEqual(caught.headers, (("Content-Range", "bytes */100"),))
        for value in (b"bytes=0-", b"bytes=-5", b"bytes=1-2"):
            self.assertEqual(selected(size=0, range=value).code, 200)

    def test_conditions(self) -> None:
        """Preconditions are evaluated before ranges."""
        selection = selected(if_none_match=b'"a"', range=b"bytes=0-1")
        self.assertEqual(selection, Selection(304, ((b"ETag", b'"a"'),), ()))
        caught = self.assertRaises(BadCall, selected, if_match=b'"b"', range=b"bytes=0-1")
        self.assertEqual(caught.status, 412)
