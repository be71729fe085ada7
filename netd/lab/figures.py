"""
Figures of the daemon: a frame a second while somebody watches, and the frames so far.

Rules: pure.  Nothing is counted here and no timer runs: the first watcher who looks in a
second has a sample taken for all.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final, TypeAlias

from attrs import define, field, frozen

from netd.counters import LATENESS_BOUNDS, Counters

MAX_FRAMES: Final = 300
"""Frames that are kept for newcomers: five minutes."""
_APART: Final = 0.9
"""Seconds between samples at least; watchers look once a second, each a little late."""
_GAP: Final = 10.0
"""Seconds without a sample after which the next one begins anew."""

_Totals: TypeAlias = tuple[list[int], list[int], list[int], dict[str, int]]
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


@frozen
class Reading:
    """What the daemon has counted, and its gauges, at one moment."""

    counters: Counters
    connections: int
    waiting: int
    """Responses in progress."""
    memory: int
    """Bytes in RAM."""


Read: TypeAlias = Callable[[Callable[[Reading], None]], None]
"""Passes a reading to its argument, now or soon."""


@define(eq=False)
class Figures:
    """The frames of one daemon."""

    _read: Read
    _seconds: Callable[[], float] = time.monotonic
    _now: Callable[[], float] = time.time
    """The time of day."""
    frames: deque[bytes] = field(init=False, factory=lambda: deque(maxlen=MAX_FRAMES))
    """The latest frames, each an object in JSON."""
    count: int = field(init=False, default=0)
    """How many frames there ever were."""
    _looked: float = field(init=False, default=-inf)
    _sampled: float = field(init=False, default=-inf)
    _totals: _Totals = field(init=False, factory=lambda: _totals(Counters()))

    def look(self) -> None:
        """Take a sample, unless there is one of this second."""
        now = self._seconds()
        if now - self._looked >= _APART:
            self._looked = now
            self._read(partial(self._add, now))

    def begin(self) -> None:
        """Take a sample to count from, where there is no recent one; it makes no frame."""
        if self._seconds() - self._sampled > _GAP:
            self.look()

    def since(self, count: int) -> list[bytes]:
        """The frames that were added since there were `count`, as far as they are kept."""
        fresh = min(self.count - count, len(self.frames))
        return [self.frames[index] for index in range(-fresh, 0)]

    def _add(self, now: float, reading: Reading) -> None:
        """Add a frame: what was counted since the sample before, where that is recent."""
        totals, before = _totals(reading.counters), self._totals
        span, self._sampled, self._totals = now - self._sampled, now, totals
        if span > _GAP:
            return
        http, late, udp = (
            [new - old for new, old in zip(*pair, strict=True)]
            for pair in zip(totals[:3], before[:3], strict=True)
        )
        refused = {
            reason: count - before[3].get(reason, 0)
            for reason, count in totals[3].items()
            if count != before[3].get(reason, 0)
        }
        frame = {
            "at": round(self._now(), 2),
            "span": round(span, 3),
            "http": http,
            "late": late,
            "udp": udp,
            "refused": refused,
            "waiting": reading.waiting,
            "connections": reading.connections,
            "lag": round(reading.counters.lag, 5),
            "memory": reading.memory,
        }
        self.frames.append(_encode(frame).encode())
        self.count += 1


def _totals(counters: Counters) -> _Totals:
    """Responses by class (2xx to 5xx), lateness by bound, UDP in, out, dropped; refusals."""
    classes = [0, 0, 0, 0]
    for status, count in counters.responses.items():
        classes[min(max(status // 100, 2), 5) - 2] += count
    late = [counters.lateness.counts[bound] for bound in LATENESS_BOUNDS]
    udp = [counters.datagrams, counters.datagrams_sent, sum(counters.drops.values())]
    return classes, late, udp, dict(counters.refusals)
