"""
Long work in short turns: `Steps` performed between the reactor's other business.

Rules: knows the clock only.  All the work that is under way shares one turn,
so that ten large bodies hold the reactor no longer at a time than one does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

from netd.xmlrpc.steps import Steps

T = TypeVar("T")

TURN: Final = 0.008
"""Seconds of the reactor's time that a turn takes, with the step that it ends in."""


class Cooperative:
    """Everything long that is under way."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._cooperator = Cooperator(
            terminationPredicateFactory=self._turn,
            scheduler=lambda call: clock.callLater(0, call),
        )

    def _turn(self) -> Callable[[], bool]:
        end = self._clock.seconds() + TURN
        return lambda: self._clock.seconds() >= end

    async def finish(self, steps: Steps[T]) -> T:
        """What `steps` come to, after no turn at all when the first step is the last."""
        try:
            next(steps)
        except StopIteration as end:
            run_now: T = end.value
            return run_now
        return await self._rest(steps)

    def _rest(self, steps: Steps[T]) -> Deferred[T]:
        results: list[T] = []

        def work() -> Steps[None]:
            results.append((yield from steps))

        task = self._cooperator.cooperate(work())

        def cancel(given_up: Deferred[T]) -> None:
            given_up.errback(CancelledError())
            task.stop()

        done: Deferred[T] = Deferred(cancel)

        def ended(outcome: object) -> None:
            if results:
                done.callback(results[0])
            elif not done.called:
                done.errback(outcome)  # type: ignore[arg-type]  # a Failure: there is no result

        task.whenDone().addBoth(ended)
        return done
