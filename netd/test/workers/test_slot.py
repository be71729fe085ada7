"""
Tests for netd.workers.slot.
"""

from __future__ import annotations

import os
import signal

from twisted.internet import defer
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.workers.link import Link
from netd.workers.messages import Snapshot
from netd.workers.slot import Slot

_TAKEN = Snapshot(Counters(), {"http": 2, "echo": 3}, {}, 0, 0, {})


class SlotTests(SynchronousTestCase):
    """
    A worker's place.
    """

    def linked(self) -> tuple[Slot, StringTransport]:
        """A slot with a link, and what carries that."""
        slot, transport = Slot(1), StringTransport()
        slot.link = Link(lambda _: None, lambda: None)
        slot.link.makeConnection(transport)
        slot.linked = True
        return slot, transport

    def test_name(self) -> None:
        """People count from 1."""
        self.assertEqual(Slot(1).name, "2")

    def test_send(self) -> None:
        """A message goes to a worker that is there."""
        slot, transport = self.linked()
        slot.send("a")
        self.assertNotEqual(transport.value(), b"")
        transport.clear()
        slot.linked = False
        slot.send("b")
        Slot(0).send("c")
        self.assertEqual(transport.value(), b"")

    def test_ask(self) -> None:
        """A question is given up in time."""
        slot, _ = self.linked()
        clock = Clock()
        asked = slot.ask("a", 2.0, clock)
        clock.advance(2.0)
        self.failureResultOf(asked, defer.TimeoutError)

    def test_ends(self) -> None:
        """The end of a worker is described for people and for metrics."""
        for status, failure, killed, words, reason in (
            (0, "", "", "ended with status 0", "exit"),
            (3 << 8, "", "", "ended with status 3", "exit"),
            (9, "", "", "ended by SIGKILL", "signal"),
            (9, "", "hung", "ended by SIGKILL", "hung"),
            (1 << 8, "--rpc x: no", "", "--rpc x: no", "failed"),
            (None, "", "", "ended with status 0", "exit"),
        ):
            slot = Slot(0, ended=status, failure=failure, killed=killed)
            self.assertEqual((slot.description(), slot.reason()), (words, reason))

    def test_connections(self) -> None:
        """The connections are those of the last snapshot."""
        slot = Slot(0)
        self.assertEqual(slot.open_connections(), 0)
        slot.snapshot = _TAKEN
        self.assertEqual(slot.open_connections(), 5)

    def test_clear(self) -> None:
        """What is forgotten is the worker's, and what stays the place's."""
        slot, _ = self.linked()
        slot.pid, slot.ready, slot.snapshot, slot.ended = 5, True, _TAKEN, 9
        slot.cpu_seconds = 2.0
        slot.restarts["exit"] += 1
        slot.clear()
        self.assertEqual((slot.link, slot.pid, slot.ready, slot.ended), (None, 0, False, None))
        self.assertEqual((slot.cpu_seconds, slot.restarts), (2.0, {"exit": 1}))

    def test_kill(self) -> None:
        """Only a process that is known and has not ended gets a signal."""
        sent: list[tuple[int, int]] = []

        def kill(pid: int, number: int) -> None:
            sent.append((pid, number))
            raise ProcessLookupError

        self.patch(os, "kill", kill)
        for slot in (Slot(0), Slot(0, pid=5, ended=0), Slot(0, pid=6)):
            slot.kill(signal.SIGQUIT)
        self.assertEqual(sent, [(6, signal.SIGQUIT)])
