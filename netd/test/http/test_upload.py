"""
Tests of netd.http.upload.
"""

from __future__ import annotations

import errno
import os
import tempfile
from io import BytesIO
from typing import Any

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from netd.http.body import Chunked, Sized
from netd.http.errors import RequestError
from netd.http.request_head import parse
from netd.http.upload import BodyBuffer, BodyBuffers, Upload
from netd.test.http.stages import LIMITS


class UploadTests(SynchronousTestCase):
    """
    A request body arrives, in either framing.
    """

    def upload(self, field: bytes) -> Upload:
        """A request whose body is announced by `field`."""
        head = parse(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % field, 100, 10)
        return Upload(head, LIMITS, BodyBuffers(), 5.0)

    def test_sized(self) -> None:
        """A body of known length is taken in, and the bytes after it are left."""
        upload = self.upload(b"Content-Length: 3")
        self.assertIsInstance(upload.decoder, Sized)
        self.assertIsNone(upload.feed(b"a"))
        self.assertEqual(upload.feed(b"bcde"), b"de")
        self.assertEqual(upload.body.rewound().read(), b"abc")

    def test_chunked(self) -> None:
        """A body in chunks is taken in, and its trailers are kept."""
        upload = self.upload(b"Transfer-Encoding: chunked")
        self.assertIsInstance(upload.decoder, Chunked)
        self.assertIsNone(upload.feed(b"3\r\nabc\r"))
        self.assertEqual(upload.feed(b"\n0\r\na: b\r\n\r\nde"), b"de")
        self.assertEqual(upload.body.rewound().read(), b"abc")
        self.assertEqual(upload.decoder.trailers, {b"a": (b"b",)})

    def test_received(self) -> None:
        """The bytes of the wire are counted, because the time limit depends on them."""
        upload = self.upload(b"Transfer-Encoding: chunked")
        upload.feed(b"1\r\na\r\n")
        self.assertEqual((upload.received, upload.begun), (6, 5.0))
        self.assertEqual(upload.deadline, 5.0 + upload.limits.body_seconds(6))

    def test_close(self) -> None:
        """A closed upload holds nothing."""
        upload = self.upload(b"Content-Length: 3")
        upload.feed(b"ab")
        upload.close()
        upload.close()
        self.assertEqual(upload.body.size, 0)


class BodyBufferTests(SynchronousTestCase):
    """
    A body lies in memory, then in a file; all together stay below a limit.
    """

    def setUp(self) -> None:
        self.all = BodyBuffers()

    def buffer(self, *pieces: bytes, memory: int = 4, most: int = 100) -> BodyBuffer:
        """A buffer that holds `pieces`."""
        buffer = BodyBuffer(self.all, memory, most)
        self.addCleanup(buffer.close)
        for piece in pieces:
            buffer.write(piece)
        return buffer

    def test_memory(self) -> None:
        """Up to the limit a body stays in memory."""
        for pieces in ((), (b"abcd",), (b"ab", b"cd")):
            buffer = self.buffer(*pieces)
            self.assertIsInstance(buffer.file, BytesIO)
            self.assertEqual(buffer.rewound().read(), b"".join(pieces))

    def test_file(self) -> None:
        """Beyond the limit the whole body is in a file."""
        for pieces in ((b"abcde",), (b"abcd", b"e"), (b"ab", b"cde", b"f" * 50)):
            buffer = self.buffer(*pieces)
            self.assertNotIsInstance(buffer.file, BytesIO)
            self.assertEqual(buffer.rewound().read(), b"".join(pieces))
            self.assertEqual(buffer.size, len(b"".join(pieces)))

    def test_room(self) -> None:
        """All buffers share one limit, and give back their bytes once."""
        first = self.buffer(b"a" * 60)
        second = self.buffer(b"b" * 40)
        self.assertEqual(self.all.held, 100)
        caught = self.assertRaises(RequestError, second.write, b"c")
        self.assertEqual(caught.key, "spool")
        first.close()
        first.close()
        self.assertEqual(self.all.held, 40)
        second.write(b"c" * 60)
        second.close()
        self.assertEqual(self.all.held, 0)

    def test_closed(self) -> None:
        """A closed buffer has closed its file."""
        for data in (b"a", b"a" * 10):
            buffer = self.buffer(data)
            buffer.close()
            self.assertTrue(buffer.file.closed)

    def test_noFile(self) -> None:
        """A file that cannot be made is a lack of room."""

        def fail(*args: object, **kwargs: object) -> Any:
            raise OSError(errno.EMFILE, "none")

        self.patch(tempfile, "TemporaryFile", fail)
        with capturedLogs(), self.assertRaises(RequestError):
            self.buffer(b"abcde")

    def test_fullDisk(self) -> None:
        """A short write is a lack of room."""

        class Full(BytesIO):
            def write(self, data: Any) -> int:
                return 1

        self.patch(tempfile, "TemporaryFile", lambda **kwargs: Full())
        with capturedLogs(), self.assertRaises(RequestError):
            self.buffer(b"abcde")
        self.assertEqual(self.all.held, 0)

    def test_fullAtFirst(self) -> None:
        """A short write of what was in memory is a lack of room, even if more fits later."""

        class Full(BytesIO):
            def write(self, data: Any) -> int:
                written = BytesIO.write(self, data[:3])
                return len(data) if len(data) == 1 else written

        self.patch(tempfile, "TemporaryFile", lambda **kwargs: Full())
        with capturedLogs(), self.assertRaises(RequestError):
            self.buffer(b"abcd", b"e")

    def test_directory(self) -> None:
        """Files are in the directory that is given, even when that is missing."""
        self.all = BodyBuffers(os.path.abspath(self.mktemp()))
        with capturedLogs() as events:
            for _ in range(2):
                with self.assertRaises(RequestError):
                    self.buffer(b"abcde")
        (line,) = map(formatEvent, events)
        self.assertEqual(
            line,
            f"no room for request bodies in {self.all.directory}: No such file or directory",
        )
        assert self.all.directory is not None
        os.mkdir(self.all.directory)
        self.assertEqual(self.buffer(b"abcde").rewound().read(), b"abcde")
