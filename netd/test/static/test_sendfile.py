"""
Bodies that are files.
"""

from __future__ import annotations

import errno
import os
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from netd.http.ranges import ByteRange, Part, length
from netd.static import sendfile
from netd.static.sendfile import BURST, FileProducer, read, send_at_once
from netd.test.http.stages import parse_responses
from netd.test.static.stages import Client, FileSite, SocketClient, request
from netd.transport.epoll import WriteBatch

SIZE = 3 * BURST + 17
BODY = bytes(range(256)) * (SIZE // 256 + 1)


class FileResource(Resource):
    """Responds to every request with parts of a file."""

    isLeaf = True

    def __init__(self, file: Path, clock: Clock, **how: Any) -> None:
        Resource.__init__(self)
        self.file = file
        self.clock = clock
        self.parts: list[Part] = [ByteRange(0, file.stat().st_size)]
        self.how = how
        self.fd = -1

    def render(self, request: Any) -> int:
        """Start sending."""
        self.fd = os.open(self.file, os.O_RDONLY)
        request.setHeader(b"Content-Length", b"%d" % length(self.parts))
        request.setHeader(b"Content-Type", b"text/plain")
        FileProducer(request, self.fd, self.parts, self.clock, **self.how).start()
        return NOT_DONE_YET


def opened(fd: int) -> bool:
    """Whether `fd` is open."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


class _Tests(SynchronousTestCase):
    """A file, and a Resource that sends it."""

    def setUp(self) -> None:
        """Make a file of several bursts."""
        self.file = Path(self.mktemp())
        self.file.write_bytes(BODY[:SIZE])

    def mount(self, site: FileSite, clock: Clock, **how: Any) -> FileResource:
        """Let `site` respond with the file."""
        resource = FileResource(self.file, clock, **how)
        site.site.resource = resource
        return resource

    def connect(self, **how: Any) -> tuple[SocketClient, FileResource]:
        """A real connection to a site with the file."""
        site = FileSite(Path())
        line = SocketClient(site)
        self.addCleanup(line.close)
        resource = self.mount(site, line, **how)
        return line, resource


class ReadTests(_Tests):
    """
    Small bodies.
    """

    def test_parts(self) -> None:
        """The bytes of all parts are joined; a short file is None."""
        fd = os.open(self.file, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        self.assertEqual(read(fd, [b"<", ByteRange(65, 68), b">"]), b"<ABC>")
        self.assertEqual(read(fd, [ByteRange(65, 68)]), b"ABC")
        self.assertIsNone(read(fd, [ByteRange(SIZE - 1, SIZE + 1)]))


class AtOnce(Resource):
    """Responds with a part of a file that is sent at once, and notes how much of it was."""

    isLeaf = True

    def __init__(self, file: Path, size: int, secure: bool = False) -> None:
        Resource.__init__(self)
        self.body = file.read_bytes()[:size]
        self.file = file
        self.secure = secure
        self.sent: list[int] = []

    def render(self, request: Any) -> int:
        """Send at once what the kernel takes, and the rest as usual."""
        request.isSecure = lambda: self.secure
        size = len(self.body)
        request.begin(size)
        with self.file.open("rb") as file:
            self.sent.append(send_at_once(request, file.fileno(), size))
        request.write(self.body[self.sent[-1] :])
        request.finish()
        return NOT_DONE_YET


class AtOnceTests(_Tests):
    """
    Files behind their header, without a producer.
    """

    def ask(self, size: int, secure: bool = False) -> int:
        """How much of a body of `size` bytes is sent at once over a socket; all arrives."""
        site = FileSite(Path())
        line = SocketClient(site)
        self.addCleanup(line.close)
        batch = line.__dict__["write_batch"] = WriteBatch()
        site.site.resource = resource = AtOnce(self.file, size, secure)
        line.send(request("/"))
        batch.flush()
        (response,) = parse_responses(line.receive_all(size + 91 + len(str(size))))
        self.assertEqual(response.body, BODY[:size])
        self.assertEqual(line.site._counters.sent, size)
        (sent,) = resource.sent
        return sent

    def test_socket(self) -> None:
        """Over plain TCP the body leaves behind its header; the rest is the caller's."""
        self.assertEqual(self.ask(10), 10)
        self.assertGreater(self.ask(2**20), 0)
        self.assertLess(self.ask(2**20), 2**20)

    def test_full(self) -> None:
        """Nothing is sent at once where the header waits, or the kernel takes no file."""
        with patch.object(sendfile, "flush", return_value=False):
            self.assertEqual(self.ask(10), 0)
        for code in (errno.EAGAIN, errno.EINVAL, errno.EPIPE):
            with patch.object(os, "sendfile", side_effect=OSError(code, "")):
                self.assertEqual(self.ask(10), 0)

    def test_elsewhere(self) -> None:
        """Over TLS, and on another transport, nothing is sent at once."""
        self.assertEqual(self.ask(10, secure=True), 0)
        site = FileSite(Path())
        site.site.resource = resource = AtOnce(self.file, 10)
        self.assertEqual(site.get("/").body, BODY[:10])
        self.assertEqual(resource.sent, [0])


class SendfileTests(_Tests):
    """
    os.sendfile over a real connection.
    """

    def test_whole(self) -> None:
        """The client gets exactly the file, and the connection stays open."""
        line, resource = self.connect()
        line.send(request("/") * 2)
        received = line.receive_all(2 * (SIZE + 119))
        first, second = parse_responses(received)
        self.assertEqual(first.body, BODY[:SIZE])
        self.assertEqual(second.body, BODY[:SIZE])
        self.assertFalse(opened(resource.fd))
        self.assertTrue(line.transport.connected)
        self.assertEqual(line.getDelayedCalls(), [])

    def test_counted(self) -> None:
        """Bytes that the kernel sent are counted."""
        line, _ = self.connect()
        line.send(request("/"))
        line.receive_all(SIZE)
        line.turn()
        self.assertEqual(line.site._counters.sent, SIZE)

    def test_parts(self) -> None:
        """ByteRanges and what is between them come in their order."""
        line, resource = self.connect()
        resource.parts = [b"<<", ByteRange(1, BURST + 5), b"|" * 70_000, ByteRange(0, 3), b">>"]
        line.send(request("/"))
        body = b"<<" + BODY[1 : BURST + 5] + b"|" * 70_000 + BODY[:3] + b">>"
        (response,) = parse_responses(line.receive_all(len(body) + 150))
        self.assertEqual(response.body, body)

    def test_burst(self) -> None:
        """One turn of the reactor moves at most a burst, however fast the client is."""
        line, _ = self.connect()
        moved: list[int] = []

        def quick(out: int, fd: int, offset: int, count: int) -> int:
            moved[-1] += count
            return count

        self.patch(os, "sendfile", quick)
        moved.append(0)
        line.send(request("/"))
        while line.channel.request is not None:
            moved.append(0)
            line.turn()
        self.assertEqual(moved, [BURST, BURST, BURST, 17])

    def test_slow(self) -> None:
        """While the client reads nothing, the kernel is not called."""
        line, resource = self.connect()
        line.send(request("/"))
        for _ in range(5):
            line.turn()
        calls: list[int] = []
        real = os.sendfile

        def counted(*rest: int) -> int:
            calls.append(1)
            return real(*rest)

        self.patch(os, "sendfile", counted)
        for _ in range(10):
            line.turn()
        self.assertEqual(calls, [])
        self.assertTrue(opened(resource.fd))

    def test_shrunk(self) -> None:
        """A file that becomes shorter meanwhile aborts the connection."""
        line, resource = self.connect()
        line.send(request("/"))
        os.truncate(self.file, BURST)
        received = line.receive_all(SIZE + 400)
        self.assertLess(len(received), SIZE)
        self.assertFalse(opened(resource.fd))
        line.turn()
        self.assertFalse(line.transport.connected)

    def test_grown(self) -> None:
        """Of a file that grows meanwhile, exactly the promised bytes are sent."""
        line, _ = self.connect()
        line.send(request("/"))
        with self.file.open("ab") as file:
            file.write(b"more" * 1000)
        (response,) = parse_responses(line.receive_all(SIZE + 200))
        self.assertEqual(response.body, BODY[:SIZE])

    def test_replaced(self) -> None:
        """A file that is replaced or deleted meanwhile is sent unchanged."""
        for change in (
            self.file.unlink,
            self.file.touch,
        ):
            line, _ = self.connect()
            line.send(request("/"))
            other = self.file.with_name("other")
            other.write_bytes(b"other")
            change()
            other.rename(self.file)
            (response,) = parse_responses(line.receive_all(SIZE + 200))
            self.assertEqual(response.body, BODY[:SIZE])
            self.file.write_bytes(BODY[:SIZE])

    def test_disconnected(self) -> None:
        """The file is closed when the client disconnects; no timer is left."""
        line, resource = self.connect(stall=30.0)
        line.send(request("/"))
        self.assertTrue(opened(resource.fd))
        self.assertEqual(len(line.getDelayedCalls()), 1)
        line.client.close()
        for _ in range(5):
            line.turn()
        self.assertFalse(opened(resource.fd))
        self.assertEqual(line.getDelayedCalls(), [])

    def test_reset(self) -> None:
        """A broken connection is left for the reactor to find."""
        line, resource = self.connect()
        line.send(request("/"))
        line.receive(1000)

        def broken(*_: int) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

        self.patch(os, "sendfile", broken)
        line.receive_all(SIZE)
        self.assertFalse(opened(resource.fd))
        self.assertIn(line.transport, line.writers | line.readers)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_disk(self) -> None:
        """A disk fault aborts the connection."""
        line, resource = self.connect()

        def broken(*_: int) -> int:
            raise OSError(errno.EIO, "Input/output error")

        self.patch(os, "sendfile", broken)
        line.send(request("/"))
        line.turn()
        self.assertFalse(line.transport.connected)
        self.assertFalse(opened(resource.fd))

    def test_unsupported(self) -> None:
        """Without support of the file system, the file is read and written."""
        line, _ = self.connect(stall=30.0)
        real = os.sendfile
        calls: list[int] = []

        def once(*rest: int) -> int:
            calls.append(1)
            if len(calls) == 1:
                return real(rest[0], rest[1], rest[2], 100)
            raise OSError(errno.EINVAL, "Invalid argument")

        self.patch(os, "sendfile", once)
        line.send(request("/"))
        # The check of the client's progress ends then.
        line.advance(31)
        (response,) = parse_responses(line.receive_all(SIZE + 200))
        self.assertEqual(response.body, BODY[:SIZE])
        self.assertEqual(len(calls), 2)
        self.assertEqual(line.getDelayedCalls(), [])

    def test_stalled(self) -> None:
        """Only a client that acknowledges no byte at all is disconnected."""
        line, resource = self.connect(stall=30.0)
        line.send(request("/"))
        for _ in range(4):
            line.advance(30)
            self.assertTrue(opened(resource.fd))
            line.receive_all(60_000)
        line.advance(30)
        line.advance(30)
        self.assertFalse(opened(resource.fd))
        line.turn()
        self.assertFalse(line.transport.connected)
        self.assertEqual(line.getDelayedCalls(), [])

    def test_unknown(self) -> None:
        """Without numbers from the kernel no client is disconnected."""

        def unable(*_: object) -> int:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

        self.patch(sendfile, "ioctl", unable)
        line, resource = self.connect(stall=30.0)
        line.send(request("/"))
        for _ in range(5):
            line.advance(30)
        self.assertTrue(opened(resource.fd))


class ReadAndWriteTests(_Tests):
    """
    Read and write.
    """

    stock = False

    def client(self, **how: Any) -> tuple[Client, FileResource]:
        """A client without a socket."""
        site = FileSite(Path(), self.stock)
        resource = self.mount(site, site.clock, **how)
        return site.connect(), resource

    def test_whole(self) -> None:
        """Each turn sends one burst, and no timer is left."""
        client, resource = self.client(stall=inf)
        client.send("/")
        counts = [len(client.received())]
        for _ in range(3):
            self.assertTrue(opened(resource.fd))
            client.turn()
            counts.append(len(client.received()))
        self.assertFalse(opened(resource.fd))
        self.assertEqual([b - a for a, b in pairwise(counts)], [BURST, BURST, 17])
        self.assertEqual(client.response().body, BODY[:SIZE])
        self.assertEqual(client.clock.getDelayedCalls()[1:], [])

    def test_switchedOff(self) -> None:
        """With zero copy switched off a file on plain TCP is read and written."""
        line, _ = self.connect(zero_copy=False)
        self.patch(os, "sendfile", None)
        line.send(request("/"))
        (response,) = parse_responses(line.receive_all(SIZE + 200))
        self.assertEqual(response.body, BODY[:SIZE])

    def test_paused(self) -> None:
        """A paused producer sends nothing and then goes on where it stopped."""
        client, resource = self.client()
        client.send("/")
        producer = client.transport.producer
        producer.pauseProducing()
        before = len(client.received())
        client.turn(10)
        self.assertEqual(len(client.received()), before)
        producer.resumeProducing()
        producer.pauseProducing()
        client.turn(10)
        producer.resumeProducing()
        client.turn(10)
        self.assertEqual(client.response().body, BODY[:SIZE])
        self.assertFalse(opened(resource.fd))

    def test_shrunk(self) -> None:
        """A file that becomes shorter meanwhile aborts the connection."""
        client, resource = self.client()
        client.send("/")
        os.truncate(self.file, BURST + 10)
        client.turn(3)
        self.assertTrue(client.transport.aborted)
        self.assertFalse(opened(resource.fd))

    def test_disk(self) -> None:
        """A disk fault aborts the connection."""
        client, resource = self.client()
        client.send("/")

        def broken(*_: int) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

        self.patch(os, "pread", broken)
        client.turn()
        self.assertTrue(client.transport.aborted)
        self.assertFalse(opened(resource.fd))

    def test_disconnected(self) -> None:
        """The file is closed and the next turn cancelled when the client disconnects."""
        client, resource = self.client()
        client.send("/")
        self.assertTrue(opened(resource.fd))
        client.disconnect(ConnectionLost())
        self.assertFalse(opened(resource.fd))
        times = [call.getTime() for call in client.clock.getDelayedCalls()]
        self.assertNotIn(0, times)


class StockTests(ReadAndWriteTests):
    """
    The same on a stock site.
    """

    stock = True
