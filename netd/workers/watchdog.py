"""
Finds workers whose reactors do not turn, and ends them.

Rules: a look that is late judges nobody, as this process stood still itself.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from netd.workers.scoreboard import Column, Scoreboard
from netd.workers.slot import Slot

_log = Logger()

START_SECONDS: Final = 30.0
"""Time from the fork of a worker until it serves."""
CHECK_SECONDS: Final = 1.0
"""Interval at which heartbeats are looked at."""
LATE_SECONDS: Final = 1.0
"""How late a look may be."""
STACK_SECONDS: Final = 0.5
"""Time for a worker that stands still to write its stack."""


class Watchdog:
    """Looks at the heartbeats of the workers in `slots`; older than `timeout` is too old."""

    def __init__(
        self, slots: Sequence[Slot], board: Scoreboard, timeout: float, clock: IReactorTime
    ) -> None:
        self._slots = slots
        self._board = board
        self._timeout = timeout
        self._clock = clock
        self._checked = 0.0
        self._checks = LoopingCall(self._check)
        self._checks.clock = clock

    def start(self) -> None:
        """Look regularly, unless the timeout is 0."""
        if self._timeout:
            self._checks.start(CHECK_SECONDS, now=False)

    def stop(self) -> None:
        """Look no more."""
        if self._checks.running:
            self._checks.stop()

    def _check(self) -> None:
        now, before = self._clock.seconds(), self._checked
        self._checked = now
        if now - before > CHECK_SECONDS + LATE_SECONDS:
            return
        for slot in self._slots:
            if slot.killed or not slot.pid:
                continue
            beat = self._board.get(slot.index, Column.HEARTBEAT)
            if slot.ready and now - beat > self._timeout:
                self.end(slot, "hung")
            elif not slot.ready and now - slot.started > START_SECONDS:
                self.end(slot, "start")

    def end(self, slot: Slot, reason: str) -> None:
        """Kill a worker, after it has written its stack to stderr."""
        slot.killed = reason
        _log.error(
            "worker {worker} stands still ({reason})", worker=slot.index + 1, reason=reason
        )
        slot.kill(signal.SIGQUIT)
        link = slot.link

        def kill() -> None:
            if slot.link is link:
                slot.kill(signal.SIGKILL)

        self._clock.callLater(STACK_SECONDS, kill)
