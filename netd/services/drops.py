"""
Dropped datagrams: counted by reason, and logged at most once a minute for each reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from attrs import Factory, define
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from netd.counters import Counters

_log = Logger()

DELAY_SECONDS: Final = 1.0
"""Time from the first drop to its log line."""
INTERVAL_SECONDS: Final = 60.0
"""Time between two log lines for the same reason."""


@define(eq=False)
class Drops:
    """The drops of one port."""

    _name: str
    """The address of the port."""
    _counters: Counters
    _clock: IReactorTime
    _kernel_drops: Callable[[], int]
    """How many datagrams the kernel has dropped so far, its receive buffer being full."""
    _counted_kernel_drops: int = 0
    _unlogged: Counter[str] = Factory(Counter)
    _not_before: dict[str, float] = Factory(dict)
    _timer: IDelayedCall | None = None

    def add(self, drops: Mapping[str, int]) -> None:
        """Count `drops`; the kernel's own are counted with the next log line."""
        for reason, count in drops.items():
            self._count(reason, count)
        if self._timer is None:
            self._timer = self._clock.callLater(DELAY_SECONDS, self._report)

    def _count(self, reason: str, count: int) -> None:
        self._counters.drops[reason] += count
        self._unlogged[reason] += count

    def _report(self) -> None:
        self._timer = None
        self._count_kernel_drops()
        now = self._clock.seconds()
        for reason, count in list(self._unlogged.items()):
            if now >= self._not_before.get(reason, now):
                del self._unlogged[reason]
                self._not_before[reason] = now + INTERVAL_SECONDS
                _log.warn(
                    "{name}: dropped {count} datagrams: {reason}",
                    name=self._name,
                    count=count,
                    reason=reason,
                )
        if self._unlogged:
            due = min(self._not_before[reason] for reason in self._unlogged)
            self._timer = self._clock.callLater(due - now, self._report)

    def _count_kernel_drops(self) -> None:
        drops = self._kernel_drops()
        if drops > self._counted_kernel_drops:
            self._count("receive buffer", drops - self._counted_kernel_drops)
            self._counted_kernel_drops = drops

    def stop(self) -> None:
        """Log nothing more; drops of the kernel are still counted."""
        self._count_kernel_drops()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
