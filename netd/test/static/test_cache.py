"""
Files in memory.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.http.conditional import Validators
from netd.static.cache import (
    COPY_BYTES,
    MAX_AGE_SECONDS,
    OVERHEAD_BYTES,
    FileCache,
    MemoryCopy,
    cacheable,
)
from netd.static.headers import FileHeaders
from netd.static.tree import Missing
from netd.test.static.test_tree import descriptors

HEADERS = FileHeaders((), Validators(b'"a"', 0), b"text/plain")


class FileCacheTests(SynchronousTestCase):
    """
    Which files are cached, and for how long.
    """

    def setUp(self) -> None:
        """Make a cache for two small files, and one file."""
        self.clock = Clock()
        self.cache = FileCache(self.clock.seconds, 2 * (OVERHEAD_BYTES + 10))
        self.copies = FileCache(self.clock.seconds, 2 * (OVERHEAD_BYTES + COPY_BYTES))
        self.file = Path(self.mktemp())
        self.file.write_bytes(b"0123456789")
        before = descriptors()
        self.addCleanup(lambda: self.assertEqual(descriptors(), before))
        self.addCleanup(self.cache._files.clear)
        self.addCleanup(self.copies._files.clear)

    def put(self, key: bytes, body: bytes | None = b"0123456789") -> None:
        """Cache the file."""
        path = os.fsencode(self.file)
        self.cache.put(key, path, os.stat(path), HEADERS, body)

    def test_cached(self) -> None:
        """A cached file is found by its key."""
        self.put(b"/a")
        cached = self.cache.get(b"/a")
        self.assertEqual(cached and cached.body, b"0123456789")
        self.assertIsNone(self.cache.get(b"/b"))

    def test_changed(self) -> None:
        """A file that has changed in any way is dropped."""

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
            self.assertIsNotNone(self.cache.get(b"/a"))
            change()
            self.assertIsNone(self.cache.get(b"/a"))
            self.assertIsNone(self.cache.get(b"/a"))

    def test_expired(self) -> None:
        """A file is dropped after a second."""
        self.put(b"/a")
        self.clock.advance(MAX_AGE_SECONDS - 0.01)
        self.assertIsNotNone(self.cache.get(b"/a"))
        self.clock.advance(0.01)
        self.assertIsNone(self.cache.get(b"/a"))

    def test_cacheable(self) -> None:
        """A file that was written or changed a moment ago is not cacheable."""
        stat = self.file.stat()
        self.assertFalse(cacheable(stat, stat.st_ctime + 1))
        self.assertTrue(cacheable(stat, stat.st_ctime + 3))
        os.utime(self.file, (1, 1))
        stat = self.file.stat()
        self.assertFalse(cacheable(stat, stat.st_ctime + 1))

    def test_large(self) -> None:
        """A file that is cached without its body is opened, unless it has changed."""
        self.put(b"/a", None)
        cached = self.cache.get(b"/a")
        assert cached is not None
        file = cached.open()
        self.assertEqual(os.read(file.fd, 100), b"0123456789")
        os.close(file.fd)
        self.file.write_bytes(b"01234")
        self.assertRaises(Missing, cached.open)
        self.file.unlink()
        self.assertRaises(Missing, cached.open)

    def test_full(self) -> None:
        """A full cache drops the oldest file; putting a file again takes no more room."""
        for key in (b"/a", b"/a", b"/b"):
            self.put(key)
        self.assertIsNotNone(self.cache.get(b"/a"))
        self.put(b"/c")
        self.assertIsNone(self.cache.get(b"/a"))
        self.assertIsNotNone(self.cache.get(b"/b"))
        self.assertIsNotNone(self.cache.get(b"/c"))

    def keep(self, key: bytes) -> bytes | MemoryCopy | None:
        """Keep a copy of the file, which is cached without one; what is cached then."""
        path = os.fsencode(self.file)
        self.copies.put(key, path, os.stat(path), HEADERS, None)
        with self.file.open("rb") as file:
            self.copies.keep(key, file.fileno())
        cached = self.copies.get(key)
        return None if cached is None else cached.body

    def test_keep(self) -> None:
        """A copy has the bytes of the file, is dropped with it, and can be opened."""
        copy = self.keep(b"/a")
        assert isinstance(copy, MemoryCopy)
        self.assertEqual(os.pread(copy.fd, 100, 0), b"0123456789")
        cached = self.copies.get(b"/a")
        assert cached is not None
        self.file.write_bytes(b"9876543210")
        self.assertIsNone(self.copies.get(b"/a"))
        file = cached.open()
        self.assertEqual((os.pread(file.fd, 100, 0), file.stat.st_size), (b"0123456789", 10))
        os.close(file.fd)
        with patch.object(os, "dup", side_effect=OSError), self.assertRaises(Missing):
            cached.open()

    def test_keepFew(self) -> None:
        """A copy counts much more than its bytes, and closes its descriptor in the end."""
        before = len(descriptors())
        for key in (b"/a", b"/b", b"/b", b"/c"):
            self.assertIsInstance(self.keep(key), MemoryCopy)
        self.assertEqual(len(descriptors()), before + 2)
        self.assertIsNone(self.copies.get(b"/a"))
        self.clock.advance(MAX_AGE_SECONDS)
        self.assertIsNone(self.copies.get(b"/b"))
        self.assertEqual(len(descriptors()), before + 1)
        for key in (b"/b", b"/c"):
            self.copies.drop(key)
        self.assertEqual((len(descriptors()), self.copies._bytes), (before, 0))

    def test_keepNone(self) -> None:
        """A file that cannot be copied, or has become shorter, stays cached without a copy."""
        for patching in (
            patch.object(os, "sendfile", return_value=9),
            patch.object(os, "sendfile", side_effect=OSError),
            patch.object(os, "memfd_create", side_effect=OSError),
        ):
            with patching:
                self.assertIsNone(self.keep(b"/a"))
            self.assertIsNotNone(self.copies.get(b"/a"))
        memfd_create = os.memfd_create
        del os.memfd_create
        self.addCleanup(setattr, os, "memfd_create", memfd_create)
        self.assertIsNone(self.keep(b"/a"))
