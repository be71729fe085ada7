"""
Sockets with a path, on a real file system.
"""

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
    """
    Taking a path, and giving it back.
    """

    def setUp(self) -> None:
        # mktemp's own paths are longer than a socket's may be.
        self.room = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="netd-")))
        self.path = str(self.room / "socket")

    def socket(self) -> socket.socket:
        """A socket, closed when the test is over."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(sock.close)
        return sock

    def listen(self, mode: int = 0o600) -> unix.Identity:
        """Somebody listens at the path."""
        sock = self.socket()
        identity = unix.bind(sock, self.path, mode)
        sock.listen()
        return identity

    def test_mode(self) -> None:
        """The mode is what was asked for, whatever the umask, which stays."""
        before = os.umask(0o027)
        self.addCleanup(os.umask, before)
        for mode in (0o600, 0o660, 0o666, 0o777):
            unix.remove(self.path, self.listen(mode))
            identity = self.listen(mode)
            self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), mode)
            unix.remove(self.path, identity)
        self.assertEqual(os.umask(0o027), 0o027)

    def test_connect(self) -> None:
        """Who connects to the path is there."""
        self.listen()
        self.socket().connect(self.path)

    def test_taken(self) -> None:
        """A path where somebody listens is not taken, a full queue notwithstanding."""
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

    def test_left_behind(self) -> None:
        """A socket whose owner died is replaced."""
        sock = self.socket()
        unix.bind(sock, self.path, 0o600)
        sock.close()
        self.listen()
        self.socket().connect(self.path)

    def test_file(self) -> None:
        """What is no socket is never removed."""
        Path(self.path).write_text("precious")
        with self.assertRaises(OSError):
            self.listen()
        self.assertEqual(Path(self.path).read_text(), "precious")

    def test_too_long(self) -> None:
        """A path that is too long is an error with a name."""
        with self.assertRaises(OSError) as caught:
            unix.bind(self.socket(), "/" + "x" * 107, 0o600)
        self.assertEqual(caught.exception.strerror, "File name too long")

    def test_remove(self) -> None:
        """It is removed when it is ours, left alone when it is not, or is gone already."""
        identity = self.listen()
        unix.remove(self.path, (identity[0], identity[1] + 1))
        self.assertTrue(os.path.exists(self.path))
        unix.remove(self.path, identity)
        self.assertFalse(os.path.exists(self.path))
        unix.remove(self.path, identity)


class PortTests(TestCase):
    """
    Twisted's port on such a socket.
    """

    async def test_served(self) -> None:
        """It changes neither the mode nor the length of the queue, and takes no descriptor."""
        room = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="netd-")))
        where = Endpoint("unix", str(room / "socket"), 0, 17, 0o640)
        made = stream(where, Factory.forProtocol(Protocol), reactor)
        made.startService()
        self.assertEqual(stat.S_IMODE((room / "socket").stat().st_mode), 0o640)
        (port,) = made._ports
        self.assertEqual((port.mode, port.backlog), (0o640, 17))  # type: ignore[attr-defined]  # Twisted's own
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(where.host)
        await made.stopService()
        self.assertFalse((room / "socket").exists())

    async def test_lent(self) -> None:
        """A file that is somebody else's keeps its mode, and stays when the port is closed."""
        room = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="netd-")))
        path = room / "socket"
        with socket.socket(socket.AF_UNIX) as sock, socket.socket(socket.AF_UNIX) as client:
            unix.bind(sock, str(path), 0o604)
            sock.listen()
            sock.setblocking(False)
            made = stream(
                Endpoint("tcp", "127.0.0.1", 1), Factory.forProtocol(Protocol), reactor
            )
            made.inherit([sock.dup()])
            self.assertEqual(str(made.bound), f"unix:{path}:mode=660")
            made.startService()
            client.connect(str(path))
            await made.stopService()
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o604)
            # Still somebody's: the next process serves whoever comes meanwhile.
            with socket.socket(socket.AF_UNIX) as later:
                later.connect(str(path))
