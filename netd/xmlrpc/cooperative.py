"""
Steps taken in short turns between the reactor's other work.

Rules: knows only the clock.  All work in progress shares one turn, so that ten
large bodies hold the reactor no longer at a time than one does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

from netd.xmlrpc.steps import Steps, T

TURN: Final = 0.008
"""Seconds after which a turn ends with the step it is at."""


class Cooperative:
    """All steps in progress on one clock."""

    def __init__(self, clock: IReactorTime) -> None:
        def turn() -> Callable[[], bool]:
            end = clock.seconds() + TURN
            return lambda: clock.seconds() >= end

        self._cooperator = Cooperator(turn, lambda call: clock.callLater(0, call))

    async def finish(self, steps: Steps[T]) -> T:
        """The result of `steps`; it is there at once when the first step is the last."""
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        results: list[T] = []

        def work() -> Steps[None]:
            results.append((yield from steps))

        task = self._cooperator.cooperate(work())
        try:
            await task.whenDone()
        except CancelledError:
            task.stop()
            raise
        return results[0]
