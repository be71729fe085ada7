"""
Tests of netd.ops.logging.line_writer.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import unittest
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.ops.logging import line_writer as module
from netd.ops.logging.access_log import TextLog
from netd.ops.logging.line_writer import BATCH_BYTES, MAX_BYTES, LineWriter

LINE = b"2026-07-06T08:49:37+0000 [-] a line about as long as lines of a log are\n"


class LineCase(SynchronousTestCase):
    """Writers with a clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.path = Path(self.mktemp())

    def make(self, target: Path | str | int) -> LineWriter:
        """A writer to `target`."""
        return LineWriter(target, self.clock, self.counters)

    def write(self, log: LineWriter) -> None:
        """Write one line."""
        log.write(LINE)

    def pipe(self) -> tuple[int, int]:
        """A blocking pipe, as standard output may be."""
        read, write = os.pipe()
        self.addCleanup(self.close, read)
        self.addCleanup(self.close, write)
        return read, write

    def close(self, descriptor: int) -> None:
        """Close a descriptor that may be closed already."""
        with contextlib.suppress(OSError):
            os.close(descriptor)


class BatchTests(LineCase):
    """Batches."""

    def test_windows(self) -> None:
        """Where nobody can tell whether a pipe has room, it gets all that there is."""
        self.patch(select, "poll", None)
        del select.poll
        read, write = self.pipe()
        self.make(write).write_now(LINE * 100)
        self.assertEqual(os.read(read, 10_000), LINE * 100)

    def test_period(self) -> None:
        """A line is written after a second, with all later lines."""
        log = self.make(self.path)
        self.write(log)
        self.clock.advance(0.9)
        self.write(log)
        self.assertEqual(self.path.read_bytes(), b"")
        self.clock.advance(0.1)
        self.assertEqual(self.path.read_bytes().count(b"\n"), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        log.stop()

    def test_batch(self) -> None:
        """A full batch is written at once."""
        log = self.make(self.path)
        for _ in range(BATCH_BYTES // len(LINE) + 1):
            self.write(log)
        self.assertGreaterEqual(self.path.stat().st_size, BATCH_BYTES)
        log.stop()

    def test_stop(self) -> None:
        """A stop writes everything and leaves no timer."""
        log = self.make(self.path)
        self.write(log)
        log.stop()
        self.assertEqual(self.path.read_bytes(), LINE)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_append(self) -> None:
        """The content of the file is kept."""
        self.path.write_bytes(b"before\n")
        log = self.make(str(self.path))
        self.write(log)
        log.stop()
        self.assertEqual(self.path.read_bytes(), b"before\n" + LINE)

    def test_writeNow(self) -> None:
        """`write_now` writes at once, after the waiting lines, and leaves no timer."""
        log = self.make(self.path)
        log.write_now(b"a\n")
        self.assertEqual(self.path.read_bytes(), b"a\n")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        log.write(b"b\n")
        log.write_now(b"c\n")
        self.assertEqual(self.path.read_bytes(), b"a\nb\nc\n")
        log.stop()

    def test_afterStop(self) -> None:
        """After a stop lines are still written, and no descriptor stays open."""
        log = self.make(self.path)
        log.stop()
        before = len(os.listdir("/proc/self/fd"))
        log.write_now(b"bye\n")
        self.assertEqual(self.path.read_bytes(), b"bye\n")
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        self.path.unlink()
        self.path.mkdir()
        log.write_now(b"bye\n")
        self.assertEqual(self.counters.log_drops, 1)

    def test_fullAfterStop(self) -> None:
        """After a stop lines for a full disk are counted as lost."""
        log = self.make(self.path)
        log.stop()

        self.patch(module, "_open", lambda path: os.open("/dev/full", os.O_WRONLY))
        log.write_now(b"bye\n")
        self.assertEqual(self.counters.log_drops, 1)


class ReopenTests(LineCase):
    """Rotation."""

    def test_reopen(self) -> None:
        """After a rotation lines are written to a new file."""
        log = self.make(self.path)
        self.write(log)
        old = self.path.rename(f"{self.path}.1")
        log.reopen()
        self.write(log)
        self.write(log)
        log.stop()
        self.assertEqual(old.read_bytes(), LINE)
        self.assertEqual(self.path.read_bytes(), LINE * 2)

    def test_impossible(self) -> None:
        """When the new file cannot be opened the old file stays, and that is logged."""
        self.path.mkdir()
        log = self.make(self.path / "log")
        (self.path / "log").unlink()
        self.path.rmdir()
        errors: list[object] = []
        self.patch(module._log, "error", lambda *args, **kwargs: errors.append(kwargs["error"]))
        log.reopen()
        self.assertEqual(errors, ["No such file or directory"])
        self.write(log)
        log.stop()
        self.assertEqual(self.counters.log_drops, 0)

    def test_descriptor(self) -> None:
        """A descriptor is neither reopened nor closed."""
        read, write = self.pipe()
        log = self.make(write)
        self.write(log)
        log.reopen()
        self.assertEqual(os.read(read, 1000), LINE)
        log.stop()
        os.fstat(write)

    def test_unopenable(self) -> None:
        """A path that cannot be opened is an OSError."""
        self.assertRaises(OSError, self.make, self.path / "nowhere" / "log")


class LossTests(LineCase):
    """Lines that cannot be written."""

    def test_slowReader(self) -> None:
        """A full pipe never blocks, and a slow reader gets every line."""
        read, write = self.pipe()
        log = self.make(write)
        count = 150_000 // len(LINE)
        for _ in range(count):
            self.write(log)
        self.clock.advance(1)
        received = b""
        while received.count(b"\n") < count:
            received += os.read(read, 1 << 20)
            self.clock.advance(1)
        self.assertEqual(received, LINE * count)
        self.assertEqual(self.counters.log_drops, 0)
        log.stop()

    def test_noReader(self) -> None:
        """The lines for a pipe without a reader are limited, and others are counted as lost."""
        read, write = self.pipe()
        log = self.make(write)
        for _ in range(10_000):
            self.write(log)
        self.assertLess(log._size, MAX_BYTES + 1000)
        self.assertGreater(self.counters.log_drops, 0)
        log.stop()
        received = b""
        os.set_blocking(read, False)
        try:
            while True:
                received += os.read(read, 1 << 20)
        except BlockingIOError:
            pass
        # Every line was received or counted; the last line may be cut in two.
        self.assertLessEqual(abs(received.count(b"\n") + self.counters.log_drops - 10_000), 1)

    def test_closedPipe(self) -> None:
        """A closed pipe loses lines, logs that once and never raises."""
        read, write = self.pipe()
        os.close(read)
        log = self.make(write)
        errors: list[object] = []
        self.patch(module._log, "warn", lambda *args, **kwargs: errors.append(kwargs["error"]))
        for _ in range(3):
            self.write(log)
            self.clock.advance(1)
        self.assertEqual((self.counters.log_drops, len(errors)), (3, 1))
        log.stop()

    def test_fullDisk(self) -> None:
        """A full disk loses lines."""
        try:
            log = self.make(Path("/dev/full"))
        except OSError:
            return
        self.write(log)
        self.clock.advance(1)
        self.assertEqual(self.counters.log_drops, 1)
        log.stop()

    def test_partWritten(self) -> None:
        """The rest of a partly written line is written next."""
        log = self.make(self.path)
        write = os.write
        self.patch(os, "write", lambda descriptor, data: write(descriptor, data[:10]))
        self.write(log)
        self.clock.advance(1)
        self.patch(os, "write", write)
        self.write(log)
        self.clock.advance(1)
        self.assertEqual(self.path.read_bytes(), LINE * 2)
        log.stop()

    def test_busy(self) -> None:
        """A busy descriptor is tried again."""
        log = self.make(self.path)
        write = os.write

        def busy(descriptor: int, data: bytes) -> int:
            raise BlockingIOError

        self.patch(os, "write", busy)
        self.write(log)
        self.clock.advance(1)
        self.patch(os, "write", write)
        self.clock.advance(1)
        self.assertEqual(self.path.read_bytes(), LINE)
        log.stop()

    def test_fifo(self) -> None:
        """A FIFO without a reader is an OSError, and is not waited for."""
        os.mkfifo(self.path)
        self.assertRaises(OSError, self.make, self.path)

    def test_writeNowLater(self) -> None:
        """A line that cannot be written now is tried again, up to the limit."""
        read, write = self.pipe()
        log = self.make(write)
        count = 0
        while not self.counters.log_drops:
            log.write_now(LINE)
            count += 1
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        received = b""
        while received.count(b"\n") < count - 1:
            received += os.read(read, 1 << 20)
            self.clock.advance(1)
        self.assertEqual(received, LINE * (count - 1))
        log.stop()

    def test_ownWarning(self) -> None:
        """The warning about a loss may itself be lost."""
        log = self.make(Path("/dev/full"))
        observer = TextLog(log)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.write(log)
        self.clock.advance(1)
        self.assertEqual(self.counters.log_drops, 2)
        log.stop()


class SharedTests(LineCase):
    """A pipe that several processes write to."""

    def test_whole(self) -> None:
        """Each write ends at the end of a line, and every line is written."""
        read, write = self.pipe()
        log = LineWriter(write, self.clock, self.counters, shared=True)
        lines = [b"%d %b\n" % (number, number * b"x") for number in range(1, 200)]
        pieces: list[bytes] = []
        real = os.write

        def note(descriptor: int, data: bytes) -> int:
            pieces.append(data)
            return real(descriptor, data)

        self.patch(os, "write", note)
        for line in lines:
            log.write(line)
        log.flush()
        self.assertGreater(len(pieces), 4)
        for piece in pieces:
            self.assertTrue(piece.endswith(b"\n"))
            self.assertLessEqual(len(piece), select.PIPE_BUF)
        self.assertEqual(os.read(read, 1 << 16), b"".join(lines))

    def test_long(self) -> None:
        """A line that is longer than a piece is cut, and those around it are whole."""
        read, write = self.pipe()
        log = LineWriter(write, self.clock, self.counters, shared=True)
        for line in (b"before\n", 3 * select.PIPE_BUF * b"x" + b"\n", b"after\n"):
            log.write(line)
        log.flush()
        cut = (select.PIPE_BUF - 1) * b"x" + b"\n"
        self.assertEqual(os.read(read, 1 << 16), b"before\n" + cut + b"after\n")

    def test_descriptor(self) -> None:
        """The descriptor is that of the open file."""
        log = self.make(self.path)
        self.addCleanup(log.stop)
        self.assertEqual(os.fstat(log.descriptor).st_ino, self.path.stat().st_ino)


class DiskTests(LineCase):
    """A real file system that is full."""

    def setUp(self) -> None:
        super().setUp()
        if os.geteuid():
            raise unittest.SkipTest("only root may mount a file system")
        if shutil.which("mount") is None:
            raise unittest.SkipTest("mount is not installed (Debian: mount)")
        self.path.mkdir()
        mount = ("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", self.path)
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            raise unittest.SkipTest("no file system may be mounted here")
        self.addCleanup(lambda: subprocess.run(["umount", self.path], check=True))

    def test_full(self) -> None:
        """Lines that do not fit are lost, and later ones are written."""
        ballast = self.path / "ballast"
        ballast.write_bytes(bytes(48 * 1024))
        log = self.make(self.path / "log")
        for _ in range(1000):
            self.write(log)
        self.clock.advance(1)
        self.clock.advance(1)
        self.assertGreater(self.counters.log_drops, 0)
        held = (self.path / "log").read_bytes()
        self.assertEqual(held.count(b"\n") + self.counters.log_drops, 1000)
        self.assertTrue(LINE.startswith(held.rpartition(b"\n")[2]))
        ballast.unlink()
        self.write(log)
        self.clock.advance(1)
        self.assertTrue((self.path / "log").read_bytes().endswith(LINE))
        log.stop()
