"""Requests whose body is on its way."""

from __future__ import annotations

import errno
import tempfile
from io import BytesIO
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netd.http.body import Chunked, Sized
from netd.http.errors import RequestError
from netd.http.request_head import parse
from netd.http.upload import BodyBuffer, BodyBuffers, Upload
from netd.test.http.stages import LIMITS


class IntakeTests(SynchronousTestCase):
    """Both framings, one way in."""

    def intake(self, field: bytes) -> Upload:
        """A request whose body is announced by `field`."""
        head = parse(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % field, 100, 10)
        return Upload(head, LIMITS, BodyBuffers(), 5.0)

    def test_sized(self) -> None:
        """A body by length is taken in, and what follows is left."""
        intake = self.intake(b"Content-Length: 3")
        self.assertIsInstance(intake.decoder, Sized)
        self.assertIsNone(intake.feed(b"a"))
        self.assertEqual(intake.feed(b"bcde"), b"de")
        self.assertEqual(intake.body.rewound().read(), b"abc")

    def test_chunked(self) -> None:
        """A body in chunks is taken in, its trailers are kept."""
        intake = self.intake(b"Transfer-Encoding: chunked")
        self.assertIsInstance(intake.decoder, Chunked)
        self.assertIsNone(intake.feed(b"3\r\nabc\r"))
        self.assertEqual(intake.feed(b"\n0\r\na: b\r\n\r\nde"), b"de")
        self.assertEqual(intake.body.rewound().read(), b"abc")
        self.assertEqual(intake.decoder.trailers, {b"a": (b"b",)})

    def test_received(self) -> None:
        """What came over the wire is counted, for the time it may take."""
        intake = self.intake(b"Transfer-Encoding: chunked")
        intake.feed(b"1\r\na\r\n")
        self.assertEqual((intake.received, intake.begun), (6, 5.0))


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
            self.assertEqual(spool.rewound().read(), b"".join(pieces))

    def test_file(self) -> None:
        """Beyond it all of a body is in a file, and none of it in memory."""
        for pieces in ((b"abcde",), (b"abcd", b"e"), (b"ab", b"cde", b"f" * 50)):
            spool = self.spool(*pieces)
            self.assertNotIsInstance(spool.file, BytesIO)
            self.assertEqual(spool.rewound().read(), b"".join(pieces))
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
