"""Lines on files, pipes and full disks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import unittest
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.ops.logging import line_writer as module
from netd.ops.logging.access_log import Text
from netd.ops.logging.line_writer import BATCH, KEPT, LineWriter

LINE = b"2026-07-06T08:49:37+0000 [-] a line about as long as lines of a log are\n"


class LineCase(SynchronousTestCase):
    """Makes logs, and lines in them."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.path = Path(self.mktemp())

    def make(self, where: Path | str | int) -> LineWriter:
        """A log to `where`."""
        return LineWriter(where, self.clock, self.counters)

    def say(self, log: LineWriter) -> None:
        """One line."""
        log.put(LINE)

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


class BatchTests(LineCase):
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

    def test_say(self) -> None:
        """What must not wait is written at once, behind what waited, and leaves no timer."""
        log = self.make(self.path)
        log.say(b"a\n")
        self.assertEqual(self.path.read_bytes(), b"a\n")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        log.put(b"b\n")
        log.say(b"c\n")
        self.assertEqual(self.path.read_bytes(), b"a\nb\nc\n")
        log.stop()

    def test_last_words(self) -> None:
        """What is said after the end is in the file all the same, and keeps nothing open."""
        log = self.make(self.path)
        log.stop()
        before = len(os.listdir("/proc/self/fd"))
        log.say(b"bye\n")
        self.assertEqual(self.path.read_bytes(), b"bye\n")
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        self.path.unlink()
        self.path.mkdir()
        log.say(b"bye\n")
        self.assertEqual(self.counters.log_drops, 1)

    def test_last_words_unsaid(self) -> None:
        """When the disk is full by then they are counted."""
        log = self.make(self.path)
        log.stop()

        def full(descriptor: int, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        self.patch(os, "write", full)
        log.say(b"bye\n")
        self.assertEqual(self.counters.log_drops, 1)


class ReopenTests(LineCase):
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


class LossTests(LineCase):
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
        self.assertEqual(self.path.read_bytes(), LINE * 2)
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

    def test_sayLater(self) -> None:
        """What must not wait and cannot be written is tried again, until too much is kept."""
        read, write = self.pipe()
        log = self.make(write)
        count = 0
        while not self.counters.log_drops:
            log.say(LINE)
            count += 1
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        heard = b""
        while heard.count(b"\n") < count - 1:
            heard += os.read(read, 1 << 20)
            self.clock.advance(1)
        self.assertEqual(heard, LINE * (count - 1))
        log.stop()

    def test_own_words(self) -> None:
        """When its own words about a loss come back as a line, that one is lost too."""
        log = self.make(Path("/dev/full"))
        observer = Text(log)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.say(log)
        self.clock.advance(1)
        self.assertEqual(self.counters.log_drops, 2)
        log.stop()


class DiskTests(LineCase):
    """A real file system that is full."""

    def setUp(self) -> None:
        super().setUp()
        if os.geteuid():
            raise unittest.SkipTest("only root may mount a file system")
        self.path.mkdir()
        mount = ("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", self.path)
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            raise unittest.SkipTest("no file system may be mounted here")
        self.addCleanup(lambda: subprocess.run(["umount", self.path], check=True))

    def test_full(self) -> None:
        """It takes as many lines as fit, loses the others, and takes more when it can."""
        ballast = self.path / "ballast"
        ballast.write_bytes(bytes(48 * 1024))
        log = self.make(self.path / "log")
        for _ in range(1000):
            self.say(log)
        self.clock.advance(1)
        self.clock.advance(1)
        self.assertGreater(self.counters.log_drops, 0)
        held = (self.path / "log").read_bytes()
        self.assertEqual(held.count(b"\n") + self.counters.log_drops, 1000)
        self.assertTrue(LINE.startswith(held.rpartition(b"\n")[2]))
        ballast.unlink()
        self.say(log)
        self.clock.advance(1)
        self.assertTrue((self.path / "log").read_bytes().endswith(LINE))
        log.stop()
