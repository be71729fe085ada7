"""
The counters and gauges of several processes as one.

Rules: pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from attrs import fields

from netd.counters import Counters, Histogram, Tally
from netd.workers.messages import Snapshot

_LARGEST: Final = frozenset({"lag", "worst_lag"})


def counters(parts: Iterable[Counters]) -> Counters:
    """The sums of all counters, and the largest lags."""
    total = Counters()
    for part in parts:
        for field in fields(Counters):
            name = field.name
            value, more = getattr(total, name), getattr(part, name)
            if isinstance(more, dict):
                add(value, more)
            elif isinstance(more, Histogram):
                add(value.counts, more.counts)
                value.seconds += more.seconds
            else:
                setattr(total, name, max(value, more) if name in _LARGEST else value + more)
    return total


def add(total: Tally[Any], more: Mapping[Any, int]) -> None:
    """Add the counts of `more` to `total`."""
    for key, count in more.items():
        total[key] += count


def settled(part: Counters) -> Counters:
    """What stays of `part` when its process is gone: the sums without the lags."""
    total = counters([part])
    total.lag = total.worst_lag = 0.0
    return total


def by_key(
    parts: Iterable[Mapping[str, float]], join: Callable[[list[float]], float]
) -> dict[str, float]:
    """The values of each key, joined."""
    values: dict[str, list[float]] = {}
    for part in parts:
        for key, value in part.items():
            values.setdefault(key, []).append(value)
    return {key: join(each) for key, each in values.items()}


def known(values: Iterable[int | None]) -> Iterable[int]:
    """The values that are there."""
    return (value for value in values if value is not None)


def snapshots(parts: Iterable[Snapshot]) -> Snapshot:
    """
    One snapshot of all: sums, but for certificates the least time that is left.

    Processes see the same queue: it can be reached if each one reaches it.
    """
    all_parts = list(parts)
    connections = by_key([each.connections for each in all_parts], sum)
    waiting = by_key([each.waiting for each in all_parts], sum)
    depths = by_key([each.queue_depth for each in all_parts], max)
    return Snapshot(
        counters(each.counters for each in all_parts),
        {key: int(value) for key, value in connections.items()},
        {key: int(value) for key, value in waiting.items()},
        sum(each.calls_queued for each in all_parts),
        sum(each.workers_busy for each in all_parts),
        by_key([each.certificates for each in all_parts], min),
        min(known(each.queue_up for each in all_parts), default=None),
        max(known(each.queue_workers for each in all_parts), default=None),
        {key: int(value) for key, value in depths.items()},
    )
