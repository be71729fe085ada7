"""
Tests of netd.ops.announce.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from twisted.application.service import IService
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netd.ops.announce import Announcer
from netd.test.stages import NotRunning, Reactor, usage_error

LISTEN = {"http": "tcp:40123:interface=127.0.0.1", "udp": "udp:40124:interface=127.0.0.1"}
LINE = f"READY {json.dumps({'pid': os.getpid(), 'listen': LISTEN})}\n"


class AnnouncerTests(SynchronousTestCase):
    """
    One line, where the starter looks for it.
    """

    def announcer(self, target: str | Path, stdout: int = 1) -> Announcer:
        """An announcer of `LISTEN`."""
        return Announcer(Reactor(), Path(target), lambda: LISTEN, stdout)

    def complains(self, target: str | Path) -> str:
        """What the operator is told."""
        return usage_error(self, self.announcer, target)

    def file(self) -> Path:
        """A path without a file in a directory of its own."""
        room = Path(self.mktemp())
        room.mkdir()
        return room / "ready"

    def test_service(self) -> None:
        """It is a service of the daemon."""
        verifyObject(IService, self.announcer("-"))

    def test_stdout(self) -> None:
        """The line is the whole of what comes through a pipe."""
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.announcer("-", write).startService()
        os.close(write)
        with open(read, closefd=False) as pipe:
            self.assertEqual(pipe.read(), LINE)

    def test_closed(self) -> None:
        """Without a standard output the daemon serves, and its log says what is missing."""
        read, write = os.pipe()
        os.close(read)
        os.close(write)
        with capturedLogs() as events:
            self.announcer("-", write).startService()
        self.assertEqual(
            [formatEvent(each) for each in events], ["--announce stdout: Bad file descriptor"]
        )

    def test_file(self) -> None:
        """The file has the line, nothing is beside it, and a stop removes it."""
        path = self.file()
        announcer = self.announcer(path)
        announcer.startService()
        self.assertEqual(path.read_text(), LINE)
        self.assertEqual(list(path.parent.iterdir()), [path])
        announcer.stopService()
        self.assertEqual(list(path.parent.iterdir()), [])

    def test_stale(self) -> None:
        """The file of a run before is gone before anything can be announced."""
        path = self.file()
        path.write_text("READY of long ago")
        announcer = self.announcer(path)
        self.patch(announcer, "_reactor", NotRunning())
        announcer.startService()
        self.assertFalse(path.exists())

    def test_stopped(self) -> None:
        """A daemon that stops before the reactor runs announces nothing."""
        path, reactor = self.file(), NotRunning()
        announcer = Announcer(reactor, path, lambda: LISTEN)
        announcer.startService()
        announcer.stopService()
        reactor.run()
        self.assertFalse(path.exists())

    def test_lost(self) -> None:
        """A directory that is gone meanwhile is one warning."""
        path = self.file()
        announcer = self.announcer(path)
        path.parent.rmdir()
        with capturedLogs() as events:
            announcer.startService()
        self.assertEqual(
            [formatEvent(each) for each in events],
            [f"--announce {path.absolute()}: No such file or directory"],
        )

    def test_directory(self) -> None:
        """A directory, a device and a path in no directory are refused at once."""
        path = self.file()
        self.assertEqual(
            self.complains(path.parent), f"--announce {path.parent}: is no regular file"
        )
        self.assertEqual(
            self.complains("/dev/null"), "--announce /dev/null: is no regular file"
        )
        missing = path / "x"
        self.assertEqual(
            self.complains(missing),
            f"--announce {missing}: no file can be made in {missing.parent.absolute()}",
        )
