"""
Tests of netd.regular_file.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd.regular_file import MAX_BYTES, read_file


class ReadTests(SynchronousTestCase):
    """
    The bytes of a file.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def error(self, path: str | Path) -> str:
        """Why there are no bytes."""
        before = len(os.listdir("/dev/fd"))
        error = self.assertRaises(ValueError, read_file, path)
        self.assertEqual(len(os.listdir("/dev/fd")), before)
        return str(error)

    def test_regular(self) -> None:
        """A regular file is read, also through a symlink."""
        self.path.write_bytes(b"\x00\xff")
        link = Path(self.mktemp())
        link.symlink_to(self.path.absolute())
        self.assertEqual((read_file(self.path), read_file(str(link))), (b"\x00\xff",) * 2)

    def test_fifo(self) -> None:
        """A FIFO is refused at once, and so are devices, sockets and directories."""
        os.mkfifo(self.path)
        for path in (self.path, "/dev/null", "/dev/zero"):
            self.assertEqual(self.error(path), "not a regular file")
        self.assertEqual(self.error("."), "Is a directory")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind("socket")
            self.addCleanup(os.unlink, "socket")
            self.assertEqual(self.error("socket"), "No such device or address")
        self.assertEqual(self.error(self.mktemp()), "No such file or directory")

    def test_bounded(self) -> None:
        """A file over 16 MiB is refused after so many bytes."""
        self.path.touch()
        for length in (2**40, MAX_BYTES + 1):
            os.truncate(self.path, length)
            self.assertEqual(self.error(self.path), "not a file of at most 16777216 bytes")
        os.truncate(self.path, MAX_BYTES)
        self.assertEqual(len(read_file(self.path)), MAX_BYTES)
