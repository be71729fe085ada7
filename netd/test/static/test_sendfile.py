"""
Files on their way to clients.
"""

from __future__ import annotations

import errno
import os
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from netd.http.ranges import Part, Span, length
from netd.static import sendfile
from netd.static.sendfile import BURST, Sender, read
from netd.test.http.stages import parse_responses as answers
from netd.test.static.stages import Client, Line, Room, request

SIZE = 3 * BURST + 17
BODY = bytes(range(256)) * (SIZE // 256 + 1)


class Sends(Resource):
    """Answers everything with parts of a file."""

    isLeaf = True

    def __init__(self, file: Path, clock: Clock, **how: Any) -> None:
        Resource.__init__(self)
        self.file = file
        self.clock = clock
        self.parts: list[Part] = [Span(0, file.stat().st_size)]
        self.how = how
        self.fd = -1

    def render(self, request: Any) -> int:
        """Start sending."""
        self.fd = os.open(self.file, os.O_RDONLY)
        request.setHeader(b"Content-Length", b"%d" % length(self.parts))
        request.setHeader(b"Content-Type", b"text/plain")
        Sender(request, self.fd, self.parts, self.clock, **self.how).start()
        return NOT_DONE_YET


def opened(fd: int) -> bool:
    """Whether `fd` is open."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


class SenderCase(SynchronousTestCase):
    """A file, and a Resource that sends it."""

    def setUp(self) -> None:
        """A file of several bursts."""
        self.file = Path(self.mktemp())
        self.file.write_bytes(BODY[:SIZE])

    def sends(self, room: Room, clock: Clock, **how: Any) -> Sends:
        """Let `room` answer with the file."""
        resource = Sends(self.file, clock, **how)
        room.site.resource = resource
        return resource

    def line(self, **how: Any) -> tuple[Line, Sends]:
        """A real connection that was asked for the file."""
        room = Room(Path())
        line = Line(room)
        self.addCleanup(line.close)
        resource = self.sends(room, line, **how)
        return line, resource


class ReadTests(SenderCase):
    """
    Small answers.
    """

    def test_parts(self) -> None:
        """What is said and what is read come as one; a short file is None."""
        fd = os.open(self.file, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        self.assertEqual(read(fd, [b"<", Span(65, 68), b">"]), b"<ABC>")
        self.assertEqual(read(fd, [Span(65, 68)]), b"ABC")
        self.assertIsNone(read(fd, [Span(SIZE - 1, SIZE + 1)]))


class KernelTests(SenderCase):
    """
    By os.sendfile, over a real connection.
    """

    def test_whole(self) -> None:
        """The client gets exactly the file, and the connection goes on."""
        line, resource = self.line()
        line.say(request("/") * 2)
        heard = line.hear_all(2 * (SIZE + 119))
        first, second = answers(heard)
        self.assertEqual(first.body, BODY[:SIZE])
        self.assertEqual(second.body, BODY[:SIZE])
        self.assertFalse(opened(resource.fd))
        self.assertTrue(line.transport.connected)
        self.assertEqual(line.getDelayedCalls(), [])

    def test_counted(self) -> None:
        """What the kernel sent is counted as sent."""
        line, _ = self.line()
        line.say(request("/"))
        line.hear_all(SIZE)
        line.turn()
        self.assertEqual(line.room.site._counters.sent, SIZE)

    def test_parts(self) -> None:
        """Spans and what is between them come in their order."""
        line, resource = self.line()
        resource.parts = [b"<<", Span(1, BURST + 5), b"|" * 70_000, Span(0, 3), b">>"]
        line.say(request("/"))
        meant = b"<<" + BODY[1 : BURST + 5] + b"|" * 70_000 + BODY[:3] + b">>"
        (answer,) = answers(line.hear_all(len(meant) + 150))
        self.assertEqual(answer.body, meant)

    def test_burst(self) -> None:
        """One turn of the reactor moves at most a burst, however fast the client is."""
        line, _ = self.line()
        moved: list[int] = []

        def quick(out: int, fd: int, offset: int, count: int) -> int:
            moved[-1] += count
            return count

        self.patch(os, "sendfile", quick)
        moved.append(0)
        line.say(request("/"))
        while line.channel.request is not None:
            moved.append(0)
            line.turn()
        self.assertEqual(moved, [BURST, BURST, BURST, 17])

    def test_slow(self) -> None:
        """While the client reads nothing, nothing is sent and nothing spins."""
        line, resource = self.line()
        line.say(request("/"))
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
        """A file that is cut short meanwhile ends the connection, not the answer."""
        line, resource = self.line()
        line.say(request("/"))
        os.truncate(self.file, BURST)
        heard = line.hear_all(SIZE + 400)
        self.assertLess(len(heard), SIZE)
        self.assertFalse(opened(resource.fd))
        line.turn()
        self.assertFalse(line.transport.connected)

    def test_grown(self) -> None:
        """Of a file that grows meanwhile, exactly what was promised is sent."""
        line, _ = self.line()
        line.say(request("/"))
        with self.file.open("ab") as file:
            file.write(b"more" * 1000)
        (answer,) = answers(line.hear_all(SIZE + 200))
        self.assertEqual(answer.body, BODY[:SIZE])

    def test_replaced(self) -> None:
        """A file that is replaced or deleted meanwhile is sent as it was."""
        for change in (
            self.file.unlink,
            self.file.touch,
        ):
            line, _ = self.line()
            line.say(request("/"))
            other = self.file.with_name("other")
            other.write_bytes(b"other")
            change()
            other.rename(self.file)
            (answer,) = answers(line.hear_all(SIZE + 200))
            self.assertEqual(answer.body, BODY[:SIZE])
            self.file.write_bytes(BODY[:SIZE])

    def test_left(self) -> None:
        """A client that leaves closes the file; no timer is left."""
        line, resource = self.line(stall=30.0)
        line.say(request("/"))
        self.assertTrue(opened(resource.fd))
        self.assertEqual(len(line.getDelayedCalls()), 1)
        line.client.close()
        for _ in range(5):
            line.turn()
        self.assertFalse(opened(resource.fd))
        self.assertEqual(line.getDelayedCalls(), [])

    def test_reset(self) -> None:
        """A connection that breaks while it is sent to is found by the reactor."""
        line, resource = self.line()
        line.say(request("/"))
        line.hear(1000)

        def broken(*_: int) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

        self.patch(os, "sendfile", broken)
        line.hear_all(SIZE)
        self.assertFalse(opened(resource.fd))
        self.assertIn(line.transport, line.writers | line.readers)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_disk(self) -> None:
        """A fault of the disk cuts the connection."""
        line, resource = self.line()

        def broken(*_: int) -> int:
            raise OSError(errno.EIO, "Input/output error")

        self.patch(os, "sendfile", broken)
        line.say(request("/"))
        line.turn()
        self.assertFalse(line.transport.connected)
        self.assertFalse(opened(resource.fd))

    def test_cannot(self) -> None:
        """Where a file system has no sendfile, the file is read and written."""
        line, _ = self.line(stall=30.0)
        real = os.sendfile
        calls: list[int] = []

        def once(*rest: int) -> int:
            calls.append(1)
            if len(calls) == 1:
                return real(rest[0], rest[1], rest[2], 100)
            raise OSError(errno.EINVAL, "Invalid argument")

        self.patch(os, "sendfile", once)
        line.say(request("/"))
        # The watch has nothing to look at any more.
        line.advance(31)
        (answer,) = answers(line.hear_all(SIZE + 200))
        self.assertEqual(answer.body, BODY[:SIZE])
        self.assertEqual(len(calls), 2)
        self.assertEqual(line.getDelayedCalls(), [])

    def test_stalled(self) -> None:
        """A client that takes nothing is cut off; one that takes a little is not."""
        line, resource = self.line(stall=30.0)
        line.say(request("/"))
        for _ in range(4):
            line.advance(30)
            # However little: it is what the client has acknowledged that counts.
            self.assertTrue(opened(resource.fd))
            line.hear_all(60_000)
        line.advance(30)
        line.advance(30)
        self.assertFalse(opened(resource.fd))
        line.turn()
        self.assertFalse(line.transport.connected)
        self.assertEqual(line.getDelayedCalls(), [])

    def test_unknown(self) -> None:
        """Where the kernel does not tell what is acknowledged, nobody is cut off."""

        def unable(*_: object) -> int:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

        self.patch(sendfile, "ioctl", unable)
        line, resource = self.line(stall=30.0)
        line.say(request("/"))
        for _ in range(5):
            line.advance(30)
        self.assertTrue(opened(resource.fd))


class ReadAndWriteTests(SenderCase):
    """
    Everywhere else.
    """

    engine = True

    def client(self, **how: Any) -> tuple[Client, Sends]:
        """A client without a socket."""
        room = Room(Path(), self.engine)
        resource = self.sends(room, room.clock, **how)
        return room.connect(), resource

    def test_whole(self) -> None:
        """A burst at a time, one a turn, and nothing after the end."""
        client, resource = self.client(stall=inf)
        client.ask("/")
        seen = [len(client.said())]
        while opened(resource.fd):
            client.turn()
            seen.append(len(client.said()))
        self.assertEqual([b - a for a, b in pairwise(seen)], [BURST, BURST, 17])
        self.assertEqual(client.answer().body, BODY[:SIZE])
        self.assertEqual(client.room.clock.getDelayedCalls()[1:], [])

    def test_asked(self) -> None:
        """Without zero copy a plain connection is written to as well."""
        line, _ = self.line(zero_copy=False)
        self.patch(os, "sendfile", None)
        line.say(request("/"))
        (answer,) = answers(line.hear_all(SIZE + 200))
        self.assertEqual(answer.body, BODY[:SIZE])

    def test_paused(self) -> None:
        """While the client is slow nothing is read; afterwards it goes on where it was."""
        client, resource = self.client()
        client.ask("/")
        producer = client.transport.producer
        producer.pauseProducing()
        before = len(client.said())
        client.turn(10)
        self.assertEqual(len(client.said()), before)
        producer.resumeProducing()
        producer.pauseProducing()
        client.turn(10)
        producer.resumeProducing()
        client.turn(10)
        self.assertEqual(client.answer().body, BODY[:SIZE])
        self.assertFalse(opened(resource.fd))

    def test_shrunk(self) -> None:
        """A file that is cut short meanwhile ends the connection."""
        client, resource = self.client()
        client.ask("/")
        os.truncate(self.file, BURST + 10)
        client.turn(3)
        self.assertTrue(client.transport.aborted)
        self.assertFalse(opened(resource.fd))

    def test_disk(self) -> None:
        """So does a fault of the disk."""
        client, resource = self.client()
        client.ask("/")

        def broken(*_: int) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

        self.patch(os, "pread", broken)
        client.turn()
        self.assertTrue(client.transport.aborted)
        self.assertFalse(opened(resource.fd))

    def test_left(self) -> None:
        """A client that leaves closes the file and cancels the next turn."""
        client, resource = self.client()
        client.ask("/")
        self.assertTrue(opened(resource.fd))
        client.leave(ConnectionLost())
        self.assertFalse(opened(resource.fd))
        times = [call.getTime() for call in client.room.clock.getDelayedCalls()]
        self.assertNotIn(0, times)


class StockTests(ReadAndWriteTests):
    """
    Under a stock site.
    """

    engine = False
