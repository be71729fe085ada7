"""The access log, on files, pipes and full disks."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.ops import log as module
from netd.ops.log import BATCH, KEPT, AccessLog, escape

# Sunday, 6 November 1994, as in RFC 9110 5.6.7
NOW = 784111777.0
LINE = (
    b'192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "GET / HTTP/1.1" 200 58 "http://a/" "curl/8"\n'
)


class LogCase(SynchronousTestCase):
    """Makes logs, and lines in them."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.path = Path(self.mktemp())

    def make(self, where: Path | str | int) -> AccessLog:
        """A log to `where`."""
        return AccessLog(where, self.clock, self.counters, self.now)

    def now(self) -> float:
        """The time of day."""
        return NOW + self.clock.seconds()

    def say(self, log: AccessLog, agent: bytes = b"curl/8") -> None:
        """One line."""
        log.record(b"192.0.2.1", b"GET / HTTP/1.1", 200, 58, b"http://a/", agent)

    def pipe(self) -> tuple[int, int]:
        """A pipe that blocks, as standard output may be."""
        read, write = os.pipe()
        self.addCleanup(self.close, read)
        self.addCleanup(self.close, write)
        return read, write

    def close(self, descriptor: int) -> None:
        """Close what may be closed already."""
        with contextlib.suppress(OSError):
            os.close(descriptor)


class FormatTests(LogCase):
    """The combined format."""

    def test_line(self) -> None:
        """A line has all that the format wants, in its order."""
        log = self.make(self.path)
        self.say(log)
        log.stop()
        self.assertEqual(self.path.read_bytes(), LINE)

    def test_user(self) -> None:
        """Whom a certificate names stands in the third field, which no space ends early."""
        log = self.make(self.path)
        log.record(b"::1", b"GET /", 200, 0, b"-", b"-", b"Alice Smith\n\xd0")
        log.stop()
        self.assertTrue(self.path.read_bytes().startswith(b"::1 - Alice\\x20Smith\\x0A\\xD0 ["))

    def test_dashes(self) -> None:
        """What is not known is a dash."""
        log = self.make(self.path)
        log.record(b"-", b"-", 400, 0, b"-", b"-")
        log.stop()
        self.assertEqual(
            self.path.read_bytes(), b'- - - [06/Nov/1994:08:49:37 +0000] "-" 400 0 "-" "-"\n'
        )

    def test_escape(self) -> None:
        """No byte of a client ends a field, a line, or plays tricks on a terminal."""
        for field, expected in (
            (b'a"b', b"a\\x22b"),
            (b"a\\b", b"a\\x5Cb"),
            (b"a\nb\r", b"a\\x0Ab\\x0D"),
            (b"\x1b[2J\x7f", b"\\x1B[2J\\x7F"),
            (b"\xe4", b"\\xE4"),
            (b"plain ~!#[]", b"plain ~!#[]"),
        ):
            self.assertEqual(escape(field), expected)
            log = self.make(self.path)
            self.say(log, field)
            log.stop()
            self.assertTrue(self.path.read_bytes().endswith(b'"' + expected + b'"\n'))

    def test_everyByte(self) -> None:
        """Whatever the bytes, the line is one line with six quotes."""
        log = self.make(self.path)
        every = bytes(range(256))
        log.record(b"-", every, 200, 0, every, every)
        log.stop()
        data = self.path.read_bytes()
        self.assertEqual((data.count(b"\n"), data.count(b'"')), (1, 6))

    def test_stamp(self) -> None:
        """The time is that of the line, and made once a second."""
        log = self.make(self.path)
        made: list[int] = []
        stamp = module._stamp

        def count(now: int) -> bytes:
            made.append(now)
            return stamp(now)

        self.patch(module, "_stamp", count)
        for _ in range(3):
            self.say(log)
        self.clock.advance(1)
        self.say(log)
        log.stop()
        self.assertEqual(made, [int(NOW), int(NOW) + 1])
        self.assertIn(b":38 +0000", self.path.read_bytes())

    def test_months(self) -> None:
        """Every month has the name that strftime gives it in English."""
        for month in range(1, 13):
            when = int(time.mktime((2024, month, 15, 12, 0, 0, 0, 0, 0)))
            name = time.strftime("%b", time.gmtime(when)).encode()
            self.assertIn(b"/" + name + b"/2024", module._stamp(when))


class BatchTests(LogCase):
    """When lines are written."""

    def test_period(self) -> None:
        """A line is written after a second, with all that came meanwhile."""
        log = self.make(self.path)
        self.say(log)
        self.clock.advance(0.9)
        self.say(log)
        self.assertEqual(self.path.read_bytes(), b"")
        self.clock.advance(0.1)
        self.assertEqual(self.path.read_bytes().count(b"\n"), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        log.stop()

    def test_batch(self) -> None:
        """Very many lines are not kept that long."""
        log = self.make(self.path)
        for _ in range(BATCH // len(LINE) + 1):
            self.say(log)
        self.assertGreaterEqual(self.path.stat().st_size, BATCH)
        log.stop()

    def test_stop(self) -> None:
        """At the end everything is written, and no timer is left."""
        log = self.make(self.path)
        self.say(log)
        log.stop()
        self.assertEqual(self.path.read_bytes(), LINE)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_append(self) -> None:
        """What is in the file stays there."""
        self.path.write_bytes(b"before\n")
        log = self.make(str(self.path))
        self.say(log)
        log.stop()
        self.assertEqual(self.path.read_bytes(), b"before\n" + LINE)


class ReopenTests(LogCase):
    """Rotation."""

    def test_reopen(self) -> None:
        """After a rotation lines go into a new file, those before it into the old."""
        log = self.make(self.path)
        self.say(log)
        old = self.path.rename(f"{self.path}.1")
        log.reopen()
        self.say(log)
        self.say(log)
        log.stop()
        self.assertEqual(old.read_bytes(), LINE)
        self.assertEqual(self.path.read_bytes(), LINE * 2)

    def test_impossible(self) -> None:
        """When the new file cannot be opened the old one is kept, and that is said."""
        self.path.mkdir()
        log = self.make(self.path / "log")
        (self.path / "log").unlink()
        self.path.rmdir()
        said: list[object] = []
        self.patch(module._log, "error", lambda *args, **kwargs: said.append(kwargs["error"]))
        log.reopen()
        self.assertEqual(said, ["No such file or directory"])
        self.say(log)
        log.stop()
        self.assertEqual(self.counters.log_drops, 0)

    def test_descriptor(self) -> None:
        """A descriptor has no name to open again, and is not closed."""
        read, write = self.pipe()
        log = self.make(write)
        self.say(log)
        log.reopen()
        self.assertEqual(os.read(read, 1000), LINE)
        log.stop()
        os.fstat(write)

    def test_unopenable(self) -> None:
        """A path that cannot be opened is an error at the start."""
        self.assertRaises(OSError, self.make, self.path / "nowhere" / "log")


class LossTests(LogCase):
    """Lines that cannot be written."""

    def test_slowReader(self) -> None:
        """A pipe that is full never blocks; its reader gets all lines when it reads again."""
        read, write = self.pipe()
        log = self.make(write)
        count = 150_000 // len(LINE)
        for _ in range(count):
            self.say(log)
        self.clock.advance(1)
        heard = b""
        while heard.count(b"\n") < count:
            heard += os.read(read, 1 << 20)
            self.clock.advance(1)
        self.assertEqual(heard, LINE * count)
        self.assertEqual(self.counters.log_drops, 0)
        log.stop()

    def test_noReader(self) -> None:
        """For a pipe that nobody reads a few lines are kept, the others counted."""
        read, write = self.pipe()
        log = self.make(write)
        for _ in range(10_000):
            self.say(log)
        self.assertLess(log._size, KEPT + 1000)
        self.assertGreater(self.counters.log_drops, 0)
        log.stop()
        heard = b""
        os.set_blocking(read, False)
        try:
            while True:
                heard += os.read(read, 1 << 20)
        except BlockingIOError:
            pass
        # Every line was either heard or counted; the last one may be cut in two.
        self.assertLessEqual(abs(heard.count(b"\n") + self.counters.log_drops - 10_000), 1)

    def test_closedPipe(self) -> None:
        """A pipe whose reader is gone loses lines, says so once and never raises."""
        read, write = self.pipe()
        os.close(read)
        log = self.make(write)
        said: list[object] = []
        self.patch(module._log, "warn", lambda *args, **kwargs: said.append(kwargs["error"]))
        for _ in range(3):
            self.say(log)
            self.clock.advance(1)
        self.assertEqual((self.counters.log_drops, len(said)), (3, 1))
        log.stop()

    def test_fullDisk(self) -> None:
        """A full disk loses lines, and goes on when there is room again."""
        try:
            log = self.make(Path("/dev/full"))
        except OSError:
            return
        self.say(log)
        self.clock.advance(1)
        self.assertEqual(self.counters.log_drops, 1)
        log.stop()

    def test_partWritten(self) -> None:
        """When a disk takes half a line the other half follows, not another line."""
        log = self.make(self.path)
        write = os.write
        self.patch(os, "write", lambda descriptor, data: write(descriptor, data[:10]))
        self.say(log)
        self.clock.advance(1)
        self.patch(os, "write", write)
        self.say(log)
        self.clock.advance(1)
        self.assertEqual(self.path.read_bytes(), LINE + LINE.replace(b":37 ", b":38 "))
        log.stop()

    def test_busy(self) -> None:
        """A descriptor that says it would block is tried again."""
        log = self.make(self.path)
        write = os.write

        def busy(descriptor: int, data: bytes) -> int:
            raise BlockingIOError

        self.patch(os, "write", busy)
        self.say(log)
        self.clock.advance(1)
        self.patch(os, "write", write)
        self.clock.advance(1)
        self.assertEqual(self.path.read_bytes(), LINE)
        log.stop()

    def test_fifo(self) -> None:
        """A FIFO that nobody reads does not hold the daemon up at the start."""
        os.mkfifo(self.path)
        self.assertRaises(OSError, self.make, self.path)
