"""
What the daemon is doing, for whoever asks with SIGUSR2 or `systemctl status`.

Rules: knows numbers and names that are handed in; every line has a limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from attrs import asdict
from twisted.logger import Logger

from netd.counters import Counters

_log = Logger()

MOST: Final = 20
"""Items of one line; of the rest only the number is said."""


def bounded(items: Mapping[Any, Any]) -> str:
    """`name=value`, the first `MOST` of them."""
    said = [f"{name}={value}" for name, value in list(items.items())[:MOST]]
    more = len(items) - len(said)
    return " ".join([*said, f"and {more} more"] if more else said) or "none"


def timers(clock: Any) -> str:
    """How many delayed calls there are, when the next is due, and of what most of them are."""
    calls = clock.getDelayedCalls()
    if not calls:
        return "0"
    now = clock.seconds()
    kinds = Counter(getattr(call.func, "__qualname__", "other") for call in calls)
    nearest = min(call.getTime() for call in calls) - now
    often = bounded(dict(kinds.most_common()))
    return f"{len(calls)}, the next in {max(0.0, nearest):.3f} s ({often})"


def _tallies(counters: Counters) -> dict[str, Any]:
    """Every counter but those of nothing; tables by their keys."""
    found: dict[str, Any] = {}
    for name, value in asdict(counters).items():
        if isinstance(value, dict):
            found |= {f"{name}[{key}]": each for key, each in value.items() if each}
        elif value:
            found[name] = round(value, 6)
    return found


class Status:
    """The moment, in lines."""

    def __init__(
        self,
        clock: Any,
        counters: Counters,
        services: Callable[[], Mapping[str, str]],
        facts: Mapping[str, Callable[[], Mapping[str, int]]],
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._services = services
        self._facts = facts

    def lines(self) -> Iterator[str]:
        """Services, the facts, timers and counters, a line each."""
        yield f"services: {bounded(self._services())}"
        for name, count in self._facts.items():
            counted = count()
            yield f"{name}: {sum(counted.values())} ({bounded(counted)})"
        yield f"timers: {timers(self._clock)}"
        yield f"counters: {bounded(_tallies(self._counters))}"

    def dump(self) -> None:
        """Write them into the log."""
        for line in self.lines():
            _log.info("state: {line}", line=line)

    def summary(self) -> str:
        """The shortest of it, for `systemctl status`."""
        totals = [f"{sum(count().values())} {name}" for name, count in self._facts.items()]
        counters = self._counters
        return (
            f"Serving: {', '.join(totals)}; so far {sum(counters.responses.values())} answers, "
            f"{sum(counters.refusals.values())} refusals, {counters.datagrams} datagrams"
        )
