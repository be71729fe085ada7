"""
Tests for netd.workers.watchdog.
"""

from __future__ import annotations

import os
import signal

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from netd.workers.link import Link
from netd.workers.scoreboard import Column, Scoreboard
from netd.workers.slot import Slot
from netd.workers.watchdog import STACK_SECONDS, START_SECONDS, Watchdog


class WatchTests(SynchronousTestCase):
    """
    The heartbeats of two workers, 100 and 101.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.board = Scoreboard(2)
        self.slots = [Slot(index, pid=100 + index, ready=True) for index in range(2)]
        self.sent: list[tuple[int, signal.Signals]] = []
        self.patch(os, "kill", lambda pid, number: self.sent.append((pid, number)))
        self.watchdog = Watchdog(self.slots, self.board, 30.0, self.clock)
        self.watchdog.start()
        self.beat(0, 1)

    def beat(self, *indexes: int) -> None:
        """The reactors of some workers turn."""
        for index in indexes:
            self.board.set(index, Column.HEARTBEAT, self.clock.seconds())

    def pass_seconds(self, seconds: int, *live: int) -> list[str]:
        """Time passes in small steps; what is logged."""
        with capturedLogs() as events:
            for _ in range(4 * seconds):
                self.clock.advance(0.25)
                self.beat(*live)
        return [str(formatEvent(event)) for event in events]

    def test_hung(self) -> None:
        """A heartbeat that is too old ends a worker once, after its stack is written."""
        self.assertEqual(self.pass_seconds(30, 1), [])
        self.assertEqual(self.pass_seconds(1, 1), ["worker 1 stands still (hung)"])
        self.assertEqual(self.sent, [(100, signal.SIGQUIT)])
        self.assertEqual(self.pass_seconds(10, 1), [])
        self.assertEqual(self.sent[1:], [(100, signal.SIGKILL)])
        self.assertEqual(self.slots[0].killed, "hung")

    def test_successor(self) -> None:
        """A successor is not killed for the worker before it."""
        with capturedLogs():
            self.watchdog.end(self.slots[0], "hung")
        self.slots[0].link = Link(lambda _: None, lambda: None)
        self.clock.advance(STACK_SECONDS)
        self.assertEqual(self.sent, [(100, signal.SIGQUIT)])

    def test_late(self) -> None:
        """When this process itself stood still nobody is judged."""
        self.clock.advance(100)
        self.beat(0, 1)
        self.assertEqual(self.pass_seconds(2, 0, 1), [])
        self.assertEqual(self.sent, [])

    def test_start(self) -> None:
        """A start has a time of its own, which begins with the fork."""
        self.slots[0].ready = False
        self.assertEqual(self.pass_seconds(int(START_SECONDS), 1), [])
        self.assertEqual(self.pass_seconds(1, 1), ["worker 1 stands still (start)"])
        self.slots[1].ready, self.slots[1].pid = False, 0
        self.assertEqual(self.pass_seconds(60), [])

    def test_off(self) -> None:
        """With 0, and after the end, there is no look."""
        self.watchdog.stop()
        self.watchdog.stop()
        off = Watchdog(self.slots, self.board, 0.0, self.clock)
        off.start()
        self.assertEqual(self.clock.getDelayedCalls(), [])
