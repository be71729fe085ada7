"""
What became of datagrams that got no answer: counted by reason, seldom said.

Rules: says one line a reason and a minute at most, whatever is dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from netd.counters import Counters

_log = Logger()

SOON_SECONDS: Final = 1.0
"""How long after the first drop something is said."""
QUIET_SECONDS: Final = 60.0
"""How long nothing more is said of the same reason."""


class Drops:
    """
    The drops of one port; `name` is its address.

    `lost` tells how many datagrams the kernel has dropped so far because the
    receive buffer was full.
    """

    def __init__(
        self, name: str, counters: Counters, clock: IReactorTime, lost: Callable[[], int]
    ) -> None:
        self._name = name
        self._counters = counters
        self._clock = clock
        self._lost = lost
        self._seen = 0
        self._unsaid: Counter[str] = Counter()
        self._quiet: dict[str, float] = {}
        self._next: IDelayedCall | None = None

    def add(self, drops: Mapping[str, int]) -> None:
        """Count what one turn dropped; called with nothing it only looks at the kernel soon."""
        for reason, count in drops.items():
            self._counters.drops[reason] += count
            self._unsaid[reason] += count
        if self._next is None:
            self._next = self._clock.callLater(SOON_SECONDS, self._say)

    def _say(self) -> None:
        self._next = None
        self._look()
        now = self._clock.seconds()
        for reason, count in list(self._unsaid.items()):
            if now >= self._quiet.get(reason, now):
                del self._unsaid[reason]
                self._quiet[reason] = now + QUIET_SECONDS
                _log.warn(
                    "{name}: dropped {count} datagrams: {reason}",
                    name=self._name,
                    count=count,
                    reason=reason,
                )
        if self._unsaid:
            due = min(self._quiet[reason] for reason in self._unsaid)
            self._next = self._clock.callLater(due - now, self._say)

    def _look(self) -> None:
        """Count what the kernel dropped since the last look."""
        lost = self._lost()
        if lost > self._seen:
            self._counters.drops["receive buffer"] += lost - self._seen
            self._unsaid["receive buffer"] += lost - self._seen
            self._seen = lost

    def stop(self) -> None:
        """Say nothing more; what the kernel dropped is still counted."""
        self._look()
        if self._next is not None:
            self._next.cancel()
            self._next = None
