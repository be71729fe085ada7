"""
A pull producer, pulled once a reactor turn.

Rules: knows no HTTP.  A transport that sends at once never reports that it has
sent, which is what a pull producer registered with it would wait for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.interfaces import (
    IDelayedCall,
    IProducer,
    IPullProducer,
    IPushProducer,
    IReactorTime,
)
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IPushProducer)
class PullToPush:
    """`producer` as a push producer that can be paused."""

    __slots__ = ("_clock", "_fail", "_next", "_producer")

    def __init__(
        self, producer: IProducer, fail: Callable[[Failure], None], clock: IReactorTime
    ) -> None:
        self._producer = cast(IPullProducer, producer)
        self._fail = fail
        self._clock = clock
        self._next: IDelayedCall | None = None
        self.resumeProducing()

    def _pull(self) -> None:
        self._next = self._clock.callLater(0, self._pull)
        try:
            self._producer.resumeProducing()
        except Exception:
            # It gets no second chance; whoever is asked logs it.
            self.rest()
            self._fail(Failure())

    def resumeProducing(self) -> None:
        """Pull in the next turn and in those after it."""
        if self._next is None:
            self._next = self._clock.callLater(0, self._pull)

    def pauseProducing(self) -> None:
        """Pull no more for now."""
        self.rest()

    def stopProducing(self) -> None:
        """Pull no more, and tell the producer."""
        self.rest()
        self._producer.stopProducing()

    def rest(self) -> None:
        """Leave no call behind."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
