"""
What has to wait for another turn of the reactor, so that all get their share.

Rules: knows no protocol.  Everything that may take more than a moment waits in one
queue: the requests that a connection sent ahead, scripts that have much to send, work
in steps.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Final, Generic, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from netd.steps import Steps, T

SLICE_REQUESTS: Final = 16
"""Requests that one connection gets responses to without a break."""
SLICE_SECONDS: Final = 0.005
"""How long a turn begins more than one thing for each connection."""

_ATTRIBUTE: Final = "netd_turns"


class Waiting(Protocol):
    """What has something left to do."""

    queued: bool
    """Whether `proceed` will be called."""

    def proceed(self) -> None:
        """Do a slice of it."""


class Turns:
    """What waits for its turn; `of` gives the one of a clock."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._queue: deque[Waiting] = deque()
        self._next: IDelayedCall | None = None
        self._until = inf  # when this turn ends; finite while `_next` is due

    @staticmethod
    def of(clock: IReactorTime) -> Turns:
        """The turns of the reactor whose clock this is: one for all that runs on it."""
        turns: Turns | None = getattr(clock, _ATTRIBUTE, None)
        if turns is None:
            turns = Turns(clock)
            # There, so that it goes with the clock.
            vars(clock)[_ATTRIBUTE] = turns
        return turns

    def in_time(self) -> bool:
        """Whether this turn may do more at once; its time begins with the first call."""
        if self._next is None:
            self._schedule()
        return self._clock.seconds() < self._until

    def until(self) -> float:
        """Until when something may go on that begins now; does not begin the turn's time."""
        return min(self._until, self._clock.seconds() + SLICE_SECONDS)

    def wait(self, waiting: Waiting) -> None:
        """Let `waiting` proceed in a later turn, after those that wait already."""
        if not waiting.queued:
            waiting.queued = True
            self._queue.append(waiting)
            if self._next is None:
                self._schedule()

    def begin(self, waiting: Waiting) -> None:
        """Let `waiting` proceed at once if there is time, or else in a later turn."""
        if self.in_time():
            waiting.proceed()
        else:
            self.wait(waiting)

    def finish(self, steps: Steps[T]) -> Deferred[T]:
        """
        The result of `steps`, the first of which is taken at once if there is time.

        Cancelled, it takes no more of them.
        """
        work = _Work(self, steps)
        self.begin(work)
        return work.result

    def _schedule(self) -> None:
        self._until = self._clock.seconds() + SLICE_SECONDS
        self._next = self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        """Let all that waits proceed, each once at most, until the time is up."""
        self._until = self._clock.seconds() + SLICE_SECONDS
        try:
            for _ in range(len(self._queue)):
                waiting = self._queue.popleft()
                waiting.queued = False
                waiting.proceed()
                if self._clock.seconds() >= self._until:
                    break
        finally:
            self._next, self._until = None, inf
            if self._queue:
                self._schedule()


class _Work(Generic[T]):
    """Steps that are taken one in a turn."""

    __slots__ = ("_steps", "_turns", "queued", "result")

    def __init__(self, turns: Turns, steps: Steps[T]) -> None:
        self._turns = turns
        self._steps = steps
        self.queued = False
        self.result: Deferred[T] = Deferred()

    def proceed(self) -> None:
        """Take a step."""
        if self.result.called:  # cancelled
            self._steps.close()
            return
        try:
            next(self._steps)
        except StopIteration as end:
            self.result.callback(end.value)
        except Exception:
            self.result.errback(Failure())
        else:
            self._turns.wait(self)
