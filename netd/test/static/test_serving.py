"""
Responses with files, on netd's server and on a stock site.
"""

from __future__ import annotations

import gzip
import os
from math import inf
from pathlib import Path
from unittest.mock import patch

from attrs import evolve
from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from netd.static import serving
from netd.static.sendfile import read
from netd.static.serving import KEPT, SMALL
from netd.test.http.stages import LIMITS, parse_responses
from netd.test.lab.sites import notes_of
from netd.test.static.stages import FileSite, SocketClient, request
from netd.test.static.test_tree import descriptors
from netd.transport.epoll import WriteBatch

LARGE = bytes(range(256)) * 1024
"""A body that is too large to be sent at once."""


class FileServerTests(SynchronousTestCase):
    """
    Files and parts of files.
    """

    stock = False

    def setUp(self) -> None:
        """Make a tree; no descriptor may stay open."""
        self.root = Path(self.mktemp())
        self.root.mkdir()
        self.put("a.txt", b"0123456789")
        self.put("empty", b"")
        self.put("large", LARGE)
        before = descriptors()
        self.addCleanup(lambda: self.assertEqual(descriptors(), before))
        self.site = FileSite(self.root, self.stock)
        self.addCleanup(self.site.forget)

    def put(self, name: str, data: bytes, mtime: int = 1_000_000_000) -> None:
        """Write a file with an old time stamp."""
        path = self.root / name
        path.write_bytes(data)
        os.utime(path, (mtime, mtime))

    def test_small(self) -> None:
        """A small file is sent whole, with all its header fields."""
        response = self.site.get("/a.txt")
        self.assertEqual((response.code, response.body), (200, b"0123456789"))
        self.assertEqual(response.field(b"content-length"), b"10")
        self.assertEqual(response.field(b"content-type"), b"text/plain; charset=utf-8")
        self.assertEqual(response.field(b"last-modified"), b"Sun, 09 Sep 2001 01:46:40 GMT")
        self.assertEqual(response.field(b"cache-control"), b"no-cache")
        self.assertEqual(response.field(b"accept-ranges"), b"bytes")
        self.assertEqual(response.field(b"x-content-type-options"), b"nosniff")
        self.assertRegex(response.field(b"etag") or b"", rb'\A"[0-9a-f-]+"\Z')

    def test_cached(self) -> None:
        """A cached response equals the first one; a changed file is read anew."""
        for target, fields, method in (
            ("/a.txt", (), "GET"),
            ("/a.txt", (), "HEAD"),
            ("/a.txt", ("Range: bytes=2-4",), "GET"),
            ("/a.txt", ("If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT",), "GET"),
            ("/a.txt?query", ("Accept-Encoding: gzip",), "GET"),
        ):
            fresh = FileSite(self.root, self.stock).get(target, *fields, method=method)
            self.site.get("/a.txt")
            cached = self.site.get(target, *fields, method=method)
            for response in (fresh, cached):
                response.fields.pop(b"date")
            self.assertEqual(cached, fresh)
        self.put("a.txt", b"other")
        self.assertEqual(self.site.get("/a.txt").body, b"other")
        (self.root / "a.txt").unlink()
        self.assertEqual(self.site.get("/a.txt").code, 404)

    def test_cachedRanges(self) -> None:
        """Several ranges of a cached file are its own bytes."""
        self.site.get("/a.txt")
        response = self.site.get("/a.txt", "Range: bytes=0-1,5-6")
        self.assertEqual(response.code, 206)
        self.assertEqual(response.body.count(b"Content-Range: bytes "), 2)
        self.assertIn(b"/10\r\n\r\n01\r\n--", response.body)
        self.assertIn(b"/10\r\n\r\n56\r\n--", response.body)

    def test_head(self) -> None:
        """The response to HEAD has the length of the whole file and no body."""
        for name, size in (("a.txt", b"10"), ("empty", b"0"), ("large", b"%d" % len(LARGE))):
            response = self.site.get(f"/{name}", "Range: bytes=0-0", method="HEAD")
            self.assertEqual((response.code, response.body), (200, b""))
            self.assertEqual(response.field(b"content-length"), size)

    def test_empty(self) -> None:
        """An empty file is an empty body, with a Range too."""
        for fields in ((), ("Range: bytes=0-",), ("Range: bytes=-5",)):
            response = self.site.get("/empty", *fields)
            self.assertEqual((response.code, response.body), (200, b""))

    def test_large(self) -> None:
        """A large file is sent in several turns, and the connection stays open."""
        client = self.site.connect()
        client.send("/large")
        client.turn(5)
        client.send("/a.txt")
        large, small = parse_responses(client.received())
        self.assertEqual(large.body, LARGE)
        self.assertEqual(small.body, b"0123456789")

    def test_largeCached(self) -> None:
        """A large file is sent in its current state, although its header is cached."""
        for data, mtime in ((LARGE, 1), (LARGE[::-1], 1), (LARGE + b"more", 2), (None, 3)):
            if data is None:
                (self.root / "large").unlink()
                self.assertEqual(self.site.get("/large").code, 404)
                continue
            self.put("large", data, mtime)
            for _ in range(2):
                client = self.site.connect()
                client.send("/large")
                client.turn(5)
                self.assertEqual(client.response().body, data)

    def test_hot(self) -> None:
        """A file of any size is the same each time: first, again, kept, in parts, replaced."""
        for size in (SMALL, SMALL + 1, KEPT, KEPT + 1):
            for data, mtime in ((LARGE[:size], 1), (LARGE[::-1][:size], 1)):
                self.put("hot", data, mtime)
                for fields, code, body in (
                    *[((), 200, data)] * 4,
                    (("Range: bytes=5-9",), 206, data[5:10]),
                    (("Range: bytes=5-",), 206, data[5:]),
                    (("If-None-Match: *",), 304, b""),
                    ((), 200, data),
                ):
                    client = self.site.connect()
                    client.send("/hot", *fields)
                    client.turn(5)
                    response = client.response()
                    self.assertEqual((response.code, response.body), (code, body))
                    if code == 200:
                        self.assertEqual(response.field(b"content-length"), b"%d" % size)

    def test_hotUncopied(self) -> None:
        """A file of which there can be no copy is opened each time."""
        self.put("hot", LARGE[: SMALL + 1])
        with patch.object(os, "memfd_create", side_effect=OSError):
            for _ in range(3):
                client = self.site.connect()
                client.send("/hot")
                client.turn(5)
                self.assertEqual(client.response().body, LARGE[: SMALL + 1])

    def test_unread(self) -> None:
        """A disk fault before the first byte is a 500."""
        with patch.object(os, "pread", side_effect=OSError(5, "Input/output error")):
            self.assertEqual(self.site.get("/a.txt").code, 500)

    def test_largeParts(self) -> None:
        """Several large ranges are exactly as long as promised."""
        client = self.site.connect()
        last = len(LARGE) - 1
        client.send("/large", f"Range: bytes=0-99999,150000-{last}")
        client.turn(5)
        response = client.response()
        kind = response.field(b"content-type") or b""
        boundary = kind.removeprefix(b"multipart/byteranges; boundary=")
        parts = response.body.split(b"--" + boundary)
        self.assertEqual(len(parts), 4)
        self.assertTrue(parts[1].endswith(b"\r\n\r\n" + LARGE[:100_000] + b"\r\n"))
        self.assertTrue(parts[2].endswith(b"\r\n\r\n" + LARGE[150_000:] + b"\r\n"))
        self.assertEqual(parts[3], b"--\r\n")

    def test_sparse(self) -> None:
        """A range beyond 4 GiB is sent."""
        path = self.root / "huge"
        with path.open("wb") as file:
            file.truncate(5 * 2**30)
            file.seek(2**32 + 5)
            file.write(b"needle")
        response = self.site.get("/huge", f"Range: bytes={2**32 + 5}-{2**32 + 10}")
        self.assertEqual((response.code, response.body), (206, b"needle"))
        where = b"bytes %d-%d/%d" % (2**32 + 5, 2**32 + 10, 5 * 2**30)
        self.assertEqual(response.field(b"content-range"), where)
        head = self.site.get("/huge", method="HEAD")
        self.assertEqual(head.field(b"content-length"), b"%d" % (5 * 2**30))

    def test_notModified(self) -> None:
        """A 304 has the validators, no body and no Content-Length; a wrong If-Match is 412."""
        etag = (self.site.get("/a.txt").field(b"etag") or b"").decode()
        response = self.site.get("/a.txt", f"If-None-Match: {etag}")
        self.assertEqual((response.code, response.body), (304, b""))
        self.assertEqual(
            set(response.fields) - {b"server", b"date"},
            {b"etag", b"last-modified", b"cache-control", b"x-content-type-options"},
        )
        self.assertEqual(self.site.get("/a.txt", 'If-Match: "other"').code, 412)
        self.assertEqual(self.site.get("/a.txt", f"If-Match: {etag}").code, 200)

    def test_ifRange(self) -> None:
        """With a stale If-Range the whole new file is sent."""
        etag = (self.site.get("/a.txt").field(b"etag") or b"").decode()
        fields = ("Range: bytes=5-", f"If-Range: {etag}")
        self.assertEqual(self.site.get("/a.txt", *fields).body, b"56789")
        self.put("a.txt", b"ABCDEFGHIJ", 1_000_000_001)
        response = self.site.get("/a.txt", *fields)
        self.assertEqual((response.code, response.body), (200, b"ABCDEFGHIJ"))

    def test_young(self) -> None:
        """A file that was just written has a weak tag and is not cached."""
        path = self.root / "a.txt"
        self.site.time = path.stat().st_mtime + 1.5
        self.assertTrue((self.site.get("/a.txt").field(b"etag") or b"").startswith(b"W/"))
        path.write_bytes(b"x" * 10)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        self.assertEqual(self.site.get("/a.txt").body, b"x" * 10)

    def test_shrinking(self) -> None:
        """A file that becomes shorter while it is read aborts the connection."""
        for fields in ((), ("Range: bytes=0-1,3-4,8-9",)):

            def truncate_first(fd: int, parts: object) -> bytes | None:
                os.truncate(self.root / "a.txt", 4)
                return read(fd, parts)  # type: ignore[arg-type]

            self.put("a.txt", b"0123456789")
            self.patch(serving, "read", truncate_first)
            client = FileSite(self.root, self.stock).connect()
            client.send("/a.txt", *fields)
            self.assertEqual(client.received(), b"")
            self.assertTrue(client.transport.aborted)

    def test_disconnected(self) -> None:
        """A large file is closed when the client disconnects."""
        for fields in ((), ("Range: bytes=0-99999,150000-",)):
            client = self.site.connect()
            client.send("/large", *fields)
            client.disconnect(ConnectionLost())

    def test_siblings(self) -> None:
        """A client that accepts its coding gets the sibling, with the type of the file."""
        coded = gzip.compress(b"0123456789")
        self.put("a.txt.gz", coded)
        response = self.site.get("/a.txt", "Accept-Encoding: gzip")
        self.assertEqual(response.body, coded)
        self.assertEqual(response.field(b"content-encoding"), b"gzip")
        self.assertEqual(response.field(b"content-type"), b"text/plain; charset=utf-8")
        plain = self.site.get("/a.txt")
        self.assertEqual(plain.body, b"0123456789")
        self.assertNotIn(b"content-encoding", plain.fields)
        for coded_or_plain in (response, plain):
            self.assertEqual(coded_or_plain.field(b"vary"), b"Accept-Encoding")
        self.assertNotEqual(plain.field(b"etag"), response.field(b"etag"))
        itself = self.site.get("/a.txt.gz", "Accept-Encoding: gzip")
        self.assertEqual(itself.body, coded)
        self.assertEqual(itself.field(b"content-type"), b"application/gzip")
        self.assertNotIn(b"content-encoding", itself.fields)

    def test_unusableSiblings(self) -> None:
        """A sibling that is older, a directory, or outside of the tree is not sent."""
        self.put("a.txt.gz", b"old", 999_999_999)
        (self.root / "a.txt.br").mkdir()
        (self.root / "a.txt.zst").symlink_to("/etc/passwd")
        response = self.site.get("/a.txt", "Accept-Encoding: gzip, br;q=0.9, zstd")
        self.assertEqual(response.body, b"0123456789")
        (self.root / "a.txt.zst").unlink()
        response = self.site.get("/a.txt", "Accept-Encoding: gzip, br, zstd")
        self.assertEqual(response.body, b"0123456789")

    def test_faultsAreOff(self) -> None:
        """Faults in a query are ignored unless the configuration allows them."""
        self.assertEqual(self.site.get("/a.txt?netd.truncate=1").body, b"0123456789")

    def test_exactlySmall(self) -> None:
        """Bodies of both sides of the limit are sent whole."""
        for size in (SMALL, SMALL + 1):
            self.put("edge", LARGE[:size])
            client = self.site.connect()
            client.send("/edge")
            self.assertEqual(client.response().body, LARGE[:size])


class StockFileServerTests(FileServerTests):
    """
    The same on a stock site.
    """

    stock = True


class FaultTests(SynchronousTestCase):
    """
    Faults in a query.
    """

    stock = False

    def setUp(self) -> None:
        """Make a tree, and allow faults."""
        self.root = Path(self.mktemp())
        self.root.mkdir()
        (self.root / "a").write_bytes(b"0123456789")
        before = descriptors()
        self.addCleanup(lambda: self.assertEqual(descriptors(), before))
        self.site = FileSite(self.root, self.stock, faults=True)

    def test_delay(self) -> None:
        """No byte is sent before the delay is over."""
        client = self.site.connect()
        client.send("/a?netd.delay=2s")
        self.site.clock.advance(1.9)
        self.assertEqual(client.received(), b"")
        self.site.clock.advance(0.2)
        self.assertEqual(client.response().body, b"0123456789")

    def test_unlimitedDelay(self) -> None:
        """Without a limit on delays (`--max-delay 0`) any delay is allowed."""
        limits = evolve(LIMITS, max_delay=inf)
        client = FileSite(self.root, self.stock, limits, faults=True).connect()
        client.send("/a?netd.delay=1s")
        self.assertEqual(client.received(), b"")
        client.clock.advance(1)
        self.assertEqual(client.response().body, b"0123456789")

    def test_rate(self) -> None:
        """The rate limits the bytes a second, of a range, too."""
        client = self.site.connect()
        client.send("/a?netd.rate=2", "Range: bytes=0-3")
        for count in (1, 2, 3, 4):
            self.assertEqual(len(client.received().partition(b"\r\n\r\n")[2]), count)
            self.site.clock.advance(0.5)
        self.assertEqual(client.response().code, 206)

    def test_truncate(self) -> None:
        """The connection is closed after so many bytes, although more were promised."""
        client = self.site.connect()
        client.send("/a?netd.truncate=4")
        head, _, body = client.received().partition(b"\r\n\r\n")
        self.assertIn(b"Content-Length: 10", head)
        self.assertEqual(body, b"0123")
        self.assertTrue(client.transport.disconnecting)
        client.disconnect(ConnectionLost())

    def test_disconnected(self) -> None:
        """The file is closed when the client disconnects."""
        client = self.site.connect()
        client.send("/a?netd.delay=2s")
        client.disconnect(ConnectionLost())

    def test_refused(self) -> None:
        """An impossible fault is a 400."""
        self.assertEqual(self.site.get("/a?netd.rate=0").code, 400)

    def test_disk(self) -> None:
        """A disk fault aborts the connection."""
        client = self.site.connect()

        def broken(*_: object) -> bytes:
            raise OSError(5, "Input/output error")

        client.send("/a?netd.delay=1")
        self.patch(os, "pread", broken)
        self.site.clock.advance(1)
        self.assertTrue(client.transport.aborted)


class LogTests(SynchronousTestCase):
    """
    What the log has of a file's faults.
    """

    def test_notes(self) -> None:
        """The kind of the fault and its delay are noted, of a client that left early too."""
        root = Path(self.mktemp())
        root.mkdir()
        (root / "a").write_bytes(b"0123456789")
        site = FileSite(root, faults=True)
        client = site.connect()
        notes = notes_of(site.site)
        client.send("/a")
        client.send("/a?netd.truncate=20&netd.delay=2s")
        client.disconnect(ConnectionLost())
        self.assertEqual(notes, [{}, {"fault": "truncate", "delay": 2.0}])


class StockFaultTests(FaultTests):
    """
    The same on a stock site.
    """

    stock = True


class HotTests(SynchronousTestCase):
    """
    Files in memory over a real connection.
    """

    def setUp(self) -> None:
        """Make a file, and a connection on which it was requested twice."""
        self.file = Path(self.mktemp())
        self.file.mkdir()
        self.file /= "hot"
        before = descriptors()
        self.addCleanup(lambda: self.assertEqual(descriptors(), before))

    def connect(self, size: int, sendfile: bool = True) -> SocketClient:
        """A connection to a site that keeps a file of `size` bytes."""
        self.data = LARGE[:size]
        self.file.write_bytes(self.data)
        os.utime(self.file, (1, 1))
        site = FileSite(self.file.parent, sendfile=sendfile)
        self.addCleanup(site.forget)
        line = SocketClient(site)
        self.addCleanup(line.close)
        self.batch = WriteBatch()
        line.__dict__["write_batch"] = self.batch
        for _ in range(2):
            self.assertEqual(self.get(line), self.data)
        return line

    def get(self, line: SocketClient) -> bytes:
        """The body of the response to another request."""
        line.send(request("/hot"))
        return self.rest(line)

    def rest(self, line: SocketClient, received: bytes = b"") -> bytes:
        """The body of the response that has begun, of which so much was `received`."""
        for _ in range(200):
            self.batch.flush()
            line.turn()
            received += line.receive()
        (response,) = parse_responses(received)
        return response.body

    def test_whole(self) -> None:
        """A kept file is sent at once with its header, as far as the kernel takes it."""
        for size in (SMALL + 1, KEPT):
            line = self.connect(size)
            self.assertEqual(self.get(line), self.data)

    def test_unopened(self) -> None:
        """A kept file is neither opened nor read, and counts as sent."""
        line = self.connect(SMALL + 1)
        sent = line.site._counters.sent
        with (
            patch.object(os, "open", side_effect=AssertionError),
            patch.object(os, "pread", side_effect=AssertionError),
        ):
            self.assertEqual(self.get(line), self.data)
        self.assertEqual(line.site._counters.sent - sent, SMALL + 1)

    def test_switchedOff(self) -> None:
        """Without sendfile a kept file is read from its copy."""
        line = self.connect(KEPT, sendfile=False)
        with patch.object(os, "open", side_effect=AssertionError):
            self.assertEqual(self.get(line), self.data)

    def test_rest(self) -> None:
        """What the kernel does not take at once is of the same state, whatever happens then."""
        line = self.connect(KEPT)
        line.send(request("/hot"))
        received = line.receive()
        self.assertLess(len(received), KEPT)
        self.file.write_bytes(b"new")
        self.assertEqual(self.rest(line, received), self.data)
        line.send(request("/hot"))
        self.assertEqual(self.rest(line), b"new")

    def test_exhausted(self) -> None:
        """A response is cut when there is no descriptor for the rest of it."""
        line = self.connect(KEPT)
        with patch.object(os, "dup", side_effect=OSError):
            line.send(request("/hot"))
        line.turn()
        self.assertFalse(line.transport.connected)
