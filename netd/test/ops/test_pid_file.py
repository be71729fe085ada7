"""
Tests of netd.ops.pid_file.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd.ops.pid_file import check, claim
from netd.test.stages import usage_error


class PidFileTests(SynchronousTestCase):
    """A file that twistd is about to read, and then to write."""

    def setUp(self) -> None:
        self.path = os.path.abspath(self.mktemp())

    def refused(self, reason: str) -> None:
        """Assert that the check fails for this reason."""
        line = usage_error(self, check, self.path)
        self.assertEqual(line, f"--pidfile {self.path}: {reason}")

    def cannot(self, path: str, reason: str) -> None:
        """Assert that `path` cannot be claimed for this reason."""
        line = usage_error(self, claim, path, 0o027)
        self.assertEqual(line, f"--pidfile {path}: {reason}")

    def test_none(self) -> None:
        """No file is as it should be."""
        check(self.path)

    def test_own(self) -> None:
        """A file of this user, such as a stale one, is left to twistd."""
        Path(self.path).write_text("1")
        check(self.path)

    def test_link(self) -> None:
        """A link is refused, whether or not there is something behind it."""
        os.symlink(self.path + "-target", self.path)
        self.refused("not a regular file")
        Path(self.path + "-target").touch()
        self.refused("not a regular file")

    def test_fifo(self) -> None:
        """A FIFO is refused without waiting."""
        os.mkfifo(self.path)
        self.refused("not a regular file")

    def test_foreign(self) -> None:
        """A file of another user is refused, one of root is not."""
        Path(self.path).touch()
        owner = [os.getuid() + 1]
        lstat = os.lstat

        def owned(path: str) -> os.stat_result:
            found = list(lstat(path))
            found[stat.ST_UID] = owner[0]
            return os.stat_result(found)

        self.patch(os, "lstat", owned)
        self.refused("belongs to another user")
        owner[0] = 0
        check(self.path)

    def test_claim(self) -> None:
        """The file has the process id, and the mode that the umask leaves."""
        for umask, mode in ((0o027, 0o640), (0o077, 0o600), (0o022, 0o644)):
            claim(self.path, umask)
            self.assertEqual(Path(self.path).read_text(), str(os.getpid()))
            self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), mode)
            os.unlink(self.path)

    def test_taken(self) -> None:
        """What is there is neither written nor followed."""
        Path(self.path).write_text("1")
        self.cannot(self.path, "another daemon has just made it")
        self.assertEqual(Path(self.path).read_text(), "1")
        os.symlink(self.path + "-target", self.path + "-link")
        self.cannot(self.path + "-link", "another daemon has just made it")
        self.assertFalse(os.path.exists(self.path + "-target"))

    def test_nowhere(self) -> None:
        """A directory that does not exist is named."""
        self.cannot(f"{self.path}/pid", "No such file or directory")
