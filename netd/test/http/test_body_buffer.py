"""Where bodies are kept."""

from __future__ import annotations

import errno
import tempfile
from io import BytesIO
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netd.http.body_buffer import BodyBuffer, BodyBuffers
from netd.http.errors import RequestError


class SpoolTests(SynchronousTestCase):
    """Memory, then a file; together below a limit."""

    def setUp(self) -> None:
        self.all = BodyBuffers()

    def spool(self, *pieces: bytes, memory: int = 4, most: int = 100) -> BodyBuffer:
        """A spool that holds `pieces`."""
        spool = BodyBuffer(self.all, memory, most)
        self.addCleanup(spool.close)
        for each in pieces:
            spool.write(each)
        return spool

    def test_memory(self) -> None:
        """Up to the limit a body stays in memory."""
        for pieces in ((), (b"abcd",), (b"ab", b"cd")):
            spool = self.spool(*pieces)
            self.assertIsInstance(spool.file, BytesIO)
            self.assertEqual(spool.whole().read(), b"".join(pieces))

    def test_file(self) -> None:
        """Beyond it all of a body is in a file, and none of it in memory."""
        for pieces in ((b"abcde",), (b"abcd", b"e"), (b"ab", b"cde", b"f" * 50)):
            spool = self.spool(*pieces)
            self.assertNotIsInstance(spool.file, BytesIO)
            self.assertEqual(spool.whole().read(), b"".join(pieces))
            self.assertEqual(spool.size, len(b"".join(pieces)))

    def test_room(self) -> None:
        """All spools share one room, and give back what they took, once."""
        first = self.spool(b"a" * 60)
        second = self.spool(b"b" * 40)
        self.assertEqual(self.all.held, 100)
        with self.assertRaises(RequestError) as caught:
            second.write(b"c")
        self.assertEqual(caught.exception.key, "spool")
        first.close()
        first.close()
        self.assertEqual(self.all.held, 40)
        second.write(b"c" * 60)
        second.close()
        self.assertEqual(self.all.held, 0)

    def test_closed(self) -> None:
        """A spool that is closed has closed its file."""
        for data in (b"a", b"a" * 10):
            spool = self.spool(data)
            spool.close()
            self.assertTrue(spool.file.closed)

    def test_noFile(self) -> None:
        """Without a descriptor, or room on the disk, there is no room."""

        def fail(*args: object, **kwargs: object) -> Any:
            raise OSError(errno.EMFILE, "none")

        self.patch(tempfile, "TemporaryFile", fail)
        with self.assertRaises(RequestError):
            self.spool(b"abcde")

    def test_fullDisk(self) -> None:
        """A disk that takes only a part has no room."""

        class Full(BytesIO):
            def write(self, data: Any) -> int:
                return 1

        self.patch(tempfile, "TemporaryFile", lambda **kwargs: Full())
        with self.assertRaises(RequestError):
            self.spool(b"abcde")
        self.assertEqual(self.all.held, 0)
