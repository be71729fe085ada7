"""Tests for netd.transport.unix, on a real file system."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import tempfile
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase, TestCase

from netd.transport import unix
from netd.transport.listener import stream
from netd.values import Endpoint


class BindTests(SynchronousTestCase):
    """Binding and removing a path."""

    def setUp(self) -> None:
        # A path of mktemp() may be too long for a socket.
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="netd-")))
        self.path = str(self.directory / "socket")

    def socket(self) -> socket.socket:
        """A socket that is closed after the test."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(sock.close)
        return sock

    def listen(self, mode: int = 0o600) -> unix.Identity:
        """Listen at the path."""
        sock = self.socket()
        identity = unix.bind(sock, self.path, mode)
        sock.listen()
        return identity

    def test_mode(self) -> None:
        """The file has the mode asked for, whatever the umask, which is restored."""
        before = os.umask(0o027)
        self.addCleanup(os.umask, before)
        for mode in (0o600, 0o660, 0o666, 0o777):
            unix.remove(self.path, self.listen(mode))
            identity = self.listen(mode)
            self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), mode)
            unix.remove(self.path, identity)
        self.assertEqual(os.umask(0o027), 0o027)

    def test_connect(self) -> None:
        """A client can connect to the path."""
        self.listen()
        self.socket().connect(self.path)

    def test_taken(self) -> None:
        """A path with a listener is refused, even when its queue is full."""
        first = self.socket()
        unix.bind(first, self.path, 0o600)
        first.listen(0)
        for _ in range(3):
            with self.assertRaises(OSError):
                unix.bind(self.socket(), self.path, 0o600)
            client = self.socket()
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(self.path)
        self.assertTrue(os.path.exists(self.path))

    def test_leftBehind(self) -> None:
        """A socket without a process is replaced."""
        sock = self.socket()
        unix.bind(sock, self.path, 0o600)
        sock.close()
        self.listen()
        self.socket().connect(self.path)

    def test_file(self) -> None:
        """A file that is no socket is never removed."""
        Path(self.path).write_text("precious")
        with self.assertRaises(OSError):
            self.listen()
        self.assertEqual(Path(self.path).read_text(), "precious")

    def test_tooLong(self) -> None:
        """A path that is too long is an OSError with a message."""
        caught = self.assertRaises(OSError, unix.bind, self.socket(), "/" + "x" * 107, 0o600)
        self.assertEqual(caught.strerror, "File name too long")

    def test_remove(self) -> None:
        """The path is removed only while it is the same socket."""
        identity = self.listen()
        unix.remove(self.path, (identity[0], identity[1] + 1))
        self.assertTrue(os.path.exists(self.path))
        unix.remove(self.path, identity)
        self.assertFalse(os.path.exists(self.path))
        unix.remove(self.path, identity)


class PortTests(TestCase):
    """Twisted's port on a bound socket."""

    async def test_served(self) -> None:
        """The port changes neither the mode nor the backlog, and has its own descriptor."""
        directory = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="netd-")))
        endpoint = Endpoint("unix", str(directory / "socket"), 0, 17, 0o640)
        listener = stream(endpoint, Factory.forProtocol(Protocol), reactor)
        listener.startService()
        self.assertEqual(stat.S_IMODE((directory / "socket").stat().st_mode), 0o640)
        (port,) = listener._ports
        self.assertEqual((port.mode, port.backlog), (0o640, 17))  # type: ignore[attr-defined]  # Twisted's own
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(endpoint.host)
        await listener.stopService()
        self.assertFalse((directory / "socket").exists())

    async def test_inherited(self) -> None:
        """An inherited socket keeps the mode of its file, and the file stays after a stop."""
        directory = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="netd-")))
        path = directory / "socket"
        with socket.socket(socket.AF_UNIX) as sock, socket.socket(socket.AF_UNIX) as client:
            unix.bind(sock, str(path), 0o604)
            sock.listen()
            sock.setblocking(False)
            listener = stream(
                Endpoint("tcp", "127.0.0.1", 1), Factory.forProtocol(Protocol), reactor
            )
            listener.inherit([sock.dup()])
            self.assertEqual(str(listener.bound), f"unix:{path}:mode=660")
            listener.startService()
            client.connect(str(path))
            await listener.stopService()
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o604)
            # Other processes with the socket can still accept clients.
            with socket.socket(socket.AF_UNIX) as later:
                later.connect(str(path))
