"""
Tests for netd.workers.control.
"""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace

from twisted.internet.interfaces import IReadDescriptor
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netd.test.stages import Reactor
from netd.workers.control import Control, reap_orphans


class ControlTests(SynchronousTestCase):
    """
    The supervisor's end.
    """

    def setUp(self) -> None:
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self.addCleanup(ours.close)
        self.addCleanup(self.theirs.close)
        self.reactor = Reactor()
        self.received: list[list[str]] = []
        self.lost: list[str] = []
        self.control = Control(
            self.reactor, ours, self.received.append, lambda: self.lost.append("lost")
        )

    def test_reader(self) -> None:
        """The reactor reads it."""
        self.assertEqual(self.reactor.readers, [self.control])
        self.assertTrue(verifyObject(IReadDescriptor, self.control))
        self.assertEqual(self.control.logPrefix(), "template")

    def test_received(self) -> None:
        """All messages that have come are taken in one turn."""
        self.theirs.send(b"started 0 12")
        self.theirs.send(b"ended 0 12 0 0.5")
        self.control.doRead()
        self.assertEqual(
            self.received, [["started", "0", "12"], ["ended", "0", "12", "0", "0.5"]]
        )

    def test_sent(self) -> None:
        """Messages leave as they are, with a descriptor or without."""
        self.control.send("close")
        self.assertEqual(self.theirs.recv(100), b"close")
        with open(os.devnull) as null:
            self.control.send("start 1", null.fileno())
        message, (descriptor,), _, _ = socket.recv_fds(self.theirs, 100, 1)
        self.assertEqual(message, b"start 1")
        self.assertEqual(os.readlink(f"/proc/self/fd/{descriptor}"), os.devnull)
        os.close(descriptor)

    def test_lost(self) -> None:
        """The end of the template is told once, and later messages go nowhere."""
        self.theirs.close()
        self.control.doRead()
        self.control.connectionLost()
        self.assertEqual((self.lost, self.reactor.readers), (["lost"], []))
        self.control.send("close")
        self.control.close()

    def test_reset(self) -> None:
        """A socket that fails is a template that is gone."""
        self.theirs.send(b"unread")
        self.control.send("unread")
        self.theirs.close()
        self.control.doRead()
        self.assertEqual(self.lost, ["lost"])

    def test_close(self) -> None:
        """The template sees the end."""
        self.control.close()
        self.assertEqual(self.theirs.recv(1), b"")


class OrphanTests(SynchronousTestCase):
    """
    Processes whose parents are gone.
    """

    def setUp(self) -> None:
        self.waiting = [7, 8, 50]
        self.reaped: list[int] = []
        self.patch(os, "waitid", self.waitid)
        self.patch(os, "waitpid", self.waitpid)

    def waitid(self, *_: object) -> object:
        """The first that waits; None when there is none that has ended."""
        if not self.waiting:
            raise ChildProcessError
        return SimpleNamespace(si_pid=self.waiting[0]) if self.waiting[0] else None

    def waitpid(self, pid: int, _: int) -> None:
        """Note who was waited for."""
        self.waiting.remove(pid)
        self.reaped.append(pid)

    def test_others(self) -> None:
        """Another process than 1 leaves them to it."""
        reap_orphans(50)
        self.assertEqual(self.reaped, [])

    def test_first(self) -> None:
        """Process 1 waits for all of them, but for the template."""
        self.patch(os, "getpid", lambda: 1)
        for waiting in ([7, 8, 50], [7, 8], [7, 8, 0]):
            self.waiting, self.reaped = waiting, []
            reap_orphans(50)
            self.assertEqual(self.reaped, [7, 8])
