"""
Log lines for what happens often: each reason in one line a minute, with its count.

Rules: knows no reason.  Callers keep the number of reasons small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from attrs import Factory, define
from twisted.internet.interfaces import IDelayedCall, IReactorTime

DELAY_SECONDS: Final = 1.0
"""Time from the first event to its log line."""
INTERVAL_SECONDS: Final = 60.0
"""Time between two log lines for the same reason."""

T = TypeVar("T")


def _nothing() -> None:
    """Collect nothing."""


@define(eq=False)
class ThrottledLog(Generic[T]):
    """
    Collects events and writes each reason at most once in `INTERVAL_SECONDS`.

    `write(reason, count, latest)` logs the events of one reason since its last line, of
    which `latest` is an example.  `collect()` is called before; it may `add`.
    """

    _clock: IReactorTime
    _write: Callable[[str, int, T], None]
    _collect: Callable[[], None] = _nothing
    _unlogged: dict[str, tuple[int, T]] = Factory(dict)
    _not_before: dict[str, float] = Factory(dict)
    _timer: IDelayedCall | None = None

    def add(self, reason: str, latest: T, count: int = 1) -> None:
        """Count `count` events, and write them as soon as the reason may be written."""
        before = self._unlogged.get(reason)
        if before is not None:
            count += before[0]
        self._unlogged[reason] = count, latest
        if before is None:
            now = self._clock.seconds()
            self.report_within(max(DELAY_SECONDS, self._not_before.get(reason, now) - now))

    def report_within(self, seconds: float = DELAY_SECONDS) -> None:
        """Write what may be written after `seconds` at the latest."""
        if self._timer is None:
            self._timer = self._clock.callLater(seconds, self._report)
        elif self._timer.getTime() > self._clock.seconds() + seconds:
            self._timer.reset(seconds)

    def _report(self) -> None:
        # Until `_timer` is None, `add` starts no other.
        self._collect()
        self._timer = None
        now = self._clock.seconds()
        for reason in list(self._unlogged):
            if now >= self._not_before.get(reason, now):
                self._not_before[reason] = now + INTERVAL_SECONDS
                self._write(reason, *self._unlogged.pop(reason))
        if self._unlogged:
            due = min(self._not_before[reason] for reason in self._unlogged)
            self.report_within(due - now)

    def stop(self) -> None:
        """Write what no line has yet, and leave no timer; harmless when done twice."""
        self._collect()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._unlogged:
            reason, (count, latest) = self._unlogged.popitem()
            self._write(reason, count, latest)
