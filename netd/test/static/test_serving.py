"""
Files on their way into answers, under both engines.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from unittest.mock import patch

from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from netd.static import serving
from netd.static.sendfile import read
from netd.static.serving import SMALL
from netd.test.http.stages import parse_responses as answers
from netd.test.static.stages import Room
from netd.test.static.test_tree import descriptors

LARGE = bytes(range(256)) * 1024
"""More than is sent at once."""


class DeliveryTests(SynchronousTestCase):
    """
    What a client gets of a file.
    """

    engine = True

    def setUp(self) -> None:
        """A tree; no descriptor may stay open."""
        self.root = Path(self.mktemp())
        self.root.mkdir()
        self.put("a.txt", b"0123456789")
        self.put("empty", b"")
        self.put("large", LARGE)
        before = descriptors()
        self.addCleanup(lambda: self.assertEqual(descriptors(), before))
        self.room = Room(self.root, self.engine)

    def put(self, name: str, data: bytes, mtime: int = 1_000_000_000) -> None:
        """Write a file as it was long ago."""
        path = self.root / name
        path.write_bytes(data)
        os.utime(path, (mtime, mtime))

    def test_small(self) -> None:
        """A small file comes whole, with all that is said of it."""
        answer = self.room.ask("/a.txt")
        self.assertEqual((answer.code, answer.body), (200, b"0123456789"))
        self.assertEqual(answer.field(b"content-length"), b"10")
        self.assertEqual(answer.field(b"content-type"), b"text/plain; charset=utf-8")
        self.assertEqual(answer.field(b"last-modified"), b"Sun, 09 Sep 2001 01:46:40 GMT")
        self.assertEqual(answer.field(b"cache-control"), b"no-cache")
        self.assertEqual(answer.field(b"accept-ranges"), b"bytes")
        self.assertEqual(answer.field(b"x-content-type-options"), b"nosniff")
        self.assertRegex(answer.field(b"etag") or b"", rb'\A"[0-9a-f-]+"\Z')

    def test_again(self) -> None:
        """From memory it comes the same in every way, and anew once it changed."""
        for target, fields, method in (
            ("/a.txt", (), "GET"),
            ("/a.txt", (), "HEAD"),
            ("/a.txt", ("Range: bytes=2-4",), "GET"),
            ("/a.txt", ("If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT",), "GET"),
            ("/a.txt?query", ("Accept-Encoding: gzip",), "GET"),
        ):
            fresh = Room(self.root, self.engine).ask(target, *fields, method=method)
            self.room.ask("/a.txt")
            kept = self.room.ask(target, *fields, method=method)
            for answer in (fresh, kept):
                answer.fields.pop(b"date")
            self.assertEqual(kept, fresh)
        self.put("a.txt", b"other")
        self.assertEqual(self.room.ask("/a.txt").body, b"other")
        (self.root / "a.txt").unlink()
        self.assertEqual(self.room.ask("/a.txt").code, 404)

    def test_keptParts(self) -> None:
        """Several ranges of a file in memory are right as well."""
        self.room.ask("/a.txt")
        answer = self.room.ask("/a.txt", "Range: bytes=0-1,5-6")
        self.assertEqual(answer.code, 206)
        self.assertEqual(answer.body.count(b"Content-Range: bytes "), 2)
        self.assertIn(b"/10\r\n\r\n01\r\n--", answer.body)
        self.assertIn(b"/10\r\n\r\n56\r\n--", answer.body)

    def test_head(self) -> None:
        """HEAD says the length and nothing more, whatever ranges it asks for."""
        for name, size in (("a.txt", b"10"), ("empty", b"0"), ("large", b"%d" % len(LARGE))):
            answer = self.room.ask(f"/{name}", "Range: bytes=0-0", method="HEAD")
            self.assertEqual((answer.code, answer.body), (200, b""))
            self.assertEqual(answer.field(b"content-length"), size)

    def test_empty(self) -> None:
        """An empty file is nothing at all, and has no ranges."""
        self.assertEqual(self.room.ask("/empty").body, b"")
        answer = self.room.ask("/empty", "Range: bytes=0-")
        self.assertEqual(answer.code, 416)
        self.assertEqual(answer.field(b"content-range"), b"bytes */0")

    def test_large(self) -> None:
        """A large file comes in turns, and the connection goes on."""
        client = self.room.connect()
        client.ask("/large")
        client.turn(5)
        client.ask("/a.txt")
        large, small = answers(client.said())
        self.assertEqual(large.body, LARGE)
        self.assertEqual(small.body, b"0123456789")

    def test_largeAgain(self) -> None:
        """A large file that was asked for before comes as it is now."""
        for data, mtime in ((LARGE, 1), (LARGE[::-1], 1), (LARGE + b"more", 2), (None, 3)):
            if data is None:
                (self.root / "large").unlink()
                self.assertEqual(self.room.ask("/large").code, 404)
                continue
            self.put("large", data, mtime)
            for _ in range(2):
                client = self.room.connect()
                client.ask("/large")
                client.turn(5)
                self.assertEqual(client.answer().body, data)

    def test_unread(self) -> None:
        """A fault of the disk is told before anything was said."""
        with patch.object(os, "pread", side_effect=OSError(5, "Input/output error")):
            self.assertEqual(self.room.ask("/a.txt").code, 500)

    def test_largeParts(self) -> None:
        """Several large ranges are exactly as long as was said."""
        client = self.room.connect()
        last = len(LARGE) - 1
        client.ask("/large", f"Range: bytes=0-99999,150000-{last}")
        client.turn(5)
        answer = client.answer()
        kind = answer.field(b"content-type") or b""
        boundary = kind.removeprefix(b"multipart/byteranges; boundary=")
        parts = answer.body.split(b"--" + boundary)
        self.assertEqual(len(parts), 4)
        self.assertTrue(parts[1].endswith(b"\r\n\r\n" + LARGE[:100_000] + b"\r\n"))
        self.assertTrue(parts[2].endswith(b"\r\n\r\n" + LARGE[150_000:] + b"\r\n"))
        self.assertEqual(parts[3], b"--\r\n")

    def test_sparse(self) -> None:
        """Ranges past 4 GiB of a file that is longer."""
        path = self.root / "huge"
        with path.open("wb") as file:
            file.truncate(5 * 2**30)
            file.seek(2**32 + 5)
            file.write(b"needle")
        answer = self.room.ask("/huge", f"Range: bytes={2**32 + 5}-{2**32 + 10}")
        self.assertEqual((answer.code, answer.body), (206, b"needle"))
        where = b"bytes %d-%d/%d" % (2**32 + 5, 2**32 + 10, 5 * 2**30)
        self.assertEqual(answer.field(b"content-range"), where)
        head = self.room.ask("/huge", method="HEAD")
        self.assertEqual(head.field(b"content-length"), b"%d" % (5 * 2**30))

    def test_notModified(self) -> None:
        """A 304 has the validators, no body and no Content-Length; a wrong If-Match is 412."""
        etag = (self.room.ask("/a.txt").field(b"etag") or b"").decode()
        answer = self.room.ask("/a.txt", f"If-None-Match: {etag}")
        self.assertEqual((answer.code, answer.body), (304, b""))
        self.assertEqual(
            set(answer.fields) - {b"server", b"date"},
            {b"etag", b"last-modified", b"cache-control", b"x-content-type-options"},
        )
        self.assertEqual(self.room.ask("/a.txt", 'If-Match: "other"').code, 412)
        self.assertEqual(self.room.ask("/a.txt", f"If-Match: {etag}").code, 200)

    def test_ifRange(self) -> None:
        """A part of a file that was replaced is the whole new one."""
        etag = (self.room.ask("/a.txt").field(b"etag") or b"").decode()
        fields = ("Range: bytes=5-", f"If-Range: {etag}")
        self.assertEqual(self.room.ask("/a.txt", *fields).body, b"56789")
        self.put("a.txt", b"ABCDEFGHIJ", 1_000_000_001)
        answer = self.room.ask("/a.txt", *fields)
        self.assertEqual((answer.code, answer.body), (200, b"ABCDEFGHIJ"))

    def test_young(self) -> None:
        """What was written just now has a weak tag, and is not served from memory."""
        path = self.root / "a.txt"
        self.room.wall = path.stat().st_mtime + 1.5
        self.assertTrue((self.room.ask("/a.txt").field(b"etag") or b"").startswith(b"W/"))
        path.write_bytes(b"x" * 10)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        self.assertEqual(self.room.ask("/a.txt").body, b"x" * 10)

    def test_shrinking(self) -> None:
        """A file that shrinks as it is read ends the connection; no range hangs."""
        for fields in ((), ("Range: bytes=0-1,3-4,8-9",)):

            def late(fd: int, parts: object) -> bytes | None:
                os.truncate(self.root / "a.txt", 4)
                return read(fd, parts)  # type: ignore[arg-type]

            self.put("a.txt", b"0123456789")
            self.patch(serving, "read", late)
            client = Room(self.root, self.engine).connect()
            client.ask("/a.txt", *fields)
            self.assertEqual(client.said(), b"")
            self.assertTrue(client.transport.aborted)

    def test_left(self) -> None:
        """A client that leaves a large file closes it."""
        for fields in ((), ("Range: bytes=0-99999,150000-",)):
            client = self.room.connect()
            client.ask("/large", *fields)
            client.leave(ConnectionLost())

    def test_siblings(self) -> None:
        """A coded sibling goes to whoever takes it, under the file's own name and type."""
        coded = gzip.compress(b"0123456789")
        self.put("a.txt.gz", coded)
        answer = self.room.ask("/a.txt", "Accept-Encoding: gzip")
        self.assertEqual(answer.body, coded)
        self.assertEqual(answer.field(b"content-encoding"), b"gzip")
        self.assertEqual(answer.field(b"content-type"), b"text/plain; charset=utf-8")
        plain = self.room.ask("/a.txt")
        self.assertEqual(plain.body, b"0123456789")
        self.assertNotIn(b"content-encoding", plain.fields)
        for each in (answer, plain):
            self.assertEqual(each.field(b"vary"), b"Accept-Encoding")
        self.assertNotEqual(plain.field(b"etag"), answer.field(b"etag"))
        itself = self.room.ask("/a.txt.gz", "Accept-Encoding: gzip")
        self.assertEqual(itself.body, coded)
        self.assertEqual(itself.field(b"content-type"), b"application/gzip")
        self.assertNotIn(b"content-encoding", itself.fields)

    def test_unusableSiblings(self) -> None:
        """A sibling that is older, no file, or outside the tree is none."""
        self.put("a.txt.gz", b"old", 999_999_999)
        (self.root / "a.txt.br").mkdir()
        (self.root / "a.txt.zst").symlink_to("/etc/passwd")
        answer = self.room.ask("/a.txt", "Accept-Encoding: gzip, br;q=0.9, zstd")
        self.assertEqual(answer.body, b"0123456789")
        (self.root / "a.txt.zst").unlink()
        answer = self.room.ask("/a.txt", "Accept-Encoding: gzip, br, zstd")
        self.assertEqual(answer.body, b"0123456789")

    def test_faultsAreOff(self) -> None:
        """A query asks for faults in vain unless they were allowed."""
        self.assertEqual(self.room.ask("/a.txt?netd.truncate=1").body, b"0123456789")

    def test_exactlySmall(self) -> None:
        """The largest body that is sent at once, and the smallest that is not."""
        for size in (SMALL, SMALL + 1):
            self.put("edge", LARGE[:size])
            client = self.room.connect()
            client.ask("/edge")
            self.assertEqual(client.answer().body, LARGE[:size])


class StockDeliveryTests(DeliveryTests):
    """
    The same under a stock site.
    """

    engine = False


class FaultTests(SynchronousTestCase):
    """
    Faults that a client asks for.
    """

    engine = True

    def setUp(self) -> None:
        """A tree with faults allowed."""
        root = Path(self.mktemp())
        root.mkdir()
        (root / "a").write_bytes(b"0123456789")
        before = descriptors()
        self.addCleanup(lambda: self.assertEqual(descriptors(), before))
        self.room = Room(root, self.engine, faults=True)

    def test_delay(self) -> None:
        """Nothing comes before the delay is over."""
        client = self.room.connect()
        client.ask("/a?netd.delay=2s")
        self.room.clock.advance(1.9)
        self.assertEqual(client.said(), b"")
        self.room.clock.advance(0.2)
        self.assertEqual(client.answer().body, b"0123456789")

    def test_rate(self) -> None:
        """So many bytes a second, ranges included."""
        client = self.room.connect()
        client.ask("/a?netd.rate=2", "Range: bytes=0-3")
        for count in (1, 2, 3, 4):
            self.assertEqual(len(client.said().partition(b"\r\n\r\n")[2]), count)
            self.room.clock.advance(0.5)
        self.assertEqual(client.answer().code, 206)

    def test_truncate(self) -> None:
        """After so many bytes the connection ends, though more were promised."""
        client = self.room.connect()
        client.ask("/a?netd.truncate=4")
        head, _, body = client.said().partition(b"\r\n\r\n")
        self.assertIn(b"Content-Length: 10", head)
        self.assertEqual(body, b"0123")
        self.assertTrue(client.transport.disconnecting)
        client.leave(ConnectionLost())

    def test_left(self) -> None:
        """A client that leaves stops it and closes the file."""
        client = self.room.connect()
        client.ask("/a?netd.delay=2s")
        client.leave(ConnectionLost())

    def test_refused(self) -> None:
        """What cannot be is a 400."""
        self.assertEqual(self.room.ask("/a?netd.rate=0").code, 400)

    def test_disk(self) -> None:
        """A fault of the disk ends the connection."""
        client = self.room.connect()

        def broken(*_: object) -> bytes:
            raise OSError(5, "Input/output error")

        client.ask("/a?netd.delay=1")
        self.patch(os, "pread", broken)
        self.room.clock.advance(1)
        self.assertTrue(client.transport.aborted)


class StockFaultTests(FaultTests):
    """
    The same under a stock site.
    """

    engine = False
