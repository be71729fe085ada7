"""
Files kept in memory.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.http.conditional import Validators
from netd.static.cache import LOOK_SECONDS, OVERHEAD, FileCache, steady
from netd.static.headers import FileHeaders
from netd.static.tree import Missing
from netd.test.static.test_tree import descriptors

SHEET = FileHeaders((), Validators(b'"a"', 0), b"text/plain")


class ShelfTests(SynchronousTestCase):
    """
    What is kept, and for how long.
    """

    def setUp(self) -> None:
        """A shelf for two small files, and one file."""
        self.clock = Clock()
        self.shelf = FileCache(self.clock.seconds, 2 * (OVERHEAD + 10))
        self.file = Path(self.mktemp())
        self.file.write_bytes(b"0123456789")

    def put(self, key: bytes, body: bytes | None = b"0123456789") -> None:
        """Put the file there."""
        path = os.fsencode(self.file)
        self.shelf.put(key, path, os.stat(path), SHEET, body)

    def test_kept(self) -> None:
        """What was put there is there."""
        self.put(b"/a")
        kept = self.shelf.get(b"/a")
        self.assertEqual(kept and kept.body, b"0123456789")
        self.assertIsNone(self.shelf.get(b"/b"))

    def test_changed(self) -> None:
        """A file that changed in any way is forgotten."""

        def replace() -> None:
            other = self.file.with_name(self.file.name + "-other")
            other.write_bytes(b"9876543210")
            stat = self.file.stat()
            os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            other.rename(self.file)

        for change in (
            lambda: self.file.write_bytes(b"01234"),
            lambda: os.utime(self.file, (1, 1)),
            replace,
            self.file.unlink,
        ):
            self.put(b"/a", self.file.read_bytes())
            self.assertIsNotNone(self.shelf.get(b"/a"))
            change()
            self.assertIsNone(self.shelf.get(b"/a"))
            self.assertIsNone(self.shelf.get(b"/a"))

    def test_looked(self) -> None:
        """After a second the way to the file is looked at anew."""
        self.put(b"/a")
        self.clock.advance(LOOK_SECONDS - 0.01)
        self.assertIsNotNone(self.shelf.get(b"/a"))
        self.clock.advance(0.01)
        self.assertIsNone(self.shelf.get(b"/a"))

    def test_steady(self) -> None:
        """What was written or changed a moment ago is not to be kept."""
        now = time.time()
        stat = self.file.stat()
        self.assertFalse(steady(stat, now + 1))
        self.assertTrue(steady(stat, now + 3))
        os.utime(self.file, (1, 1))
        self.assertFalse(steady(self.file.stat(), now + 1))

    def test_large(self) -> None:
        """Of a large file only what is said is kept; it is opened, if it is still the same."""
        before = descriptors()
        self.put(b"/a", None)
        kept = self.shelf.get(b"/a")
        assert kept is not None
        found = kept.open()
        self.assertEqual(os.read(found.fd, 100), b"0123456789")
        os.close(found.fd)
        self.file.write_bytes(b"01234")
        self.assertRaises(Missing, kept.open)
        self.file.unlink()
        self.assertRaises(Missing, kept.open)
        self.assertEqual(descriptors(), before)

    def test_full(self) -> None:
        """When there is no room the oldest leaves; the same file takes its place only once."""
        for key in (b"/a", b"/a", b"/b"):
            self.put(key)
        self.assertIsNotNone(self.shelf.get(b"/a"))
        self.put(b"/c")
        self.assertIsNone(self.shelf.get(b"/a"))
        self.assertIsNotNone(self.shelf.get(b"/b"))
        self.assertIsNotNone(self.shelf.get(b"/c"))
