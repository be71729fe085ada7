"""
What the daemon is doing, for SIGUSR2 and `systemctl status`.

Rules: every line has a limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from mmap import PAGESIZE
from pathlib import Path
from typing import Final

from attrs import asdict, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from netd.counters import Counters, Histogram

_log = Logger()

MAX_ITEMS: Final = 20
"""Items of one line; of the others only the number is shown."""


def bounded(items: Collection[tuple[object, object]]) -> str:
    """`name=value` for the first `MAX_ITEMS` of `items`."""
    words = [f"{name}={value}" for name, value in list(items)[:MAX_ITEMS]]
    if len(items) > MAX_ITEMS:
        words.append(f"and {len(items) - MAX_ITEMS} more")
    return " ".join(words) or "none"


def timers(clock: IReactorTime) -> str:
    """The number of delayed calls, the time to the next, and the most frequent functions."""
    calls = clock.getDelayedCalls()
    if not calls:
        return "0"
    functions = (getattr(call, "func", None) for call in calls)
    kinds = Counter(getattr(function, "__qualname__", "other") for function in functions)
    seconds = min(call.getTime() for call in calls) - clock.seconds()
    frequent = bounded(kinds.most_common())
    return f"{len(calls)}, the next in {max(0.0, seconds):.3f} s ({frequent})"


def resident_bytes(pid: int | str = "self") -> int:
    """The memory of a process in RAM; 0 where there is no /proc or no such process."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGESIZE
    except OSError:
        return 0


def _tallies(counters: Counters) -> dict[str, float]:
    """Every counter that is not 0; those of a table or a histogram as `name[key]`."""
    tallies: dict[str, float] = {}
    for name, value in asdict(counters, recurse=False).items():
        table = value.counts if isinstance(value, Histogram) else value
        if isinstance(table, dict):
            tallies |= {f"{name}[{key}]": count for key, count in table.items() if count}
        elif value:
            tallies[name] = round(value, 6)
        if isinstance(value, Histogram) and value.seconds:
            # The sum of the delays is delay_seconds, that of the lateness lateness_seconds.
            of_one = name if name.endswith("ss") else name.removesuffix("s")
            tallies[f"{of_one}_seconds"] = round(value.seconds, 6)
    return tallies


@frozen(eq=False)
class Status:
    """The status of one daemon."""

    _clock: IReactorTime
    _counters: Counters
    _services: Callable[[], Mapping[str, str]]
    _gauges: Mapping[str, Callable[[], Mapping[str, int]]]
    """Numbers by listener or site."""

    def lines(self) -> Iterator[str]:
        """A line each for the services, every gauge, the timers and the counters."""
        yield f"services: {bounded(self._services().items())}"
        for name, gauge in self._gauges.items():
            values = gauge()
            yield f"{name}: {sum(values.values())} ({bounded(values.items())})"
        yield f"timers: {timers(self._clock)}"
        yield f"counters: {bounded(_tallies(self._counters).items())}"

    def dump(self) -> None:
        """Log every line."""
        for line in self.lines():
            _log.info("state: {line}", line=line)

    def summary(self) -> str:
        """One line, for `systemctl status`."""
        totals = [f"{sum(gauge().values())} {name}" for name, gauge in self._gauges.items()]
        counters = self._counters
        return (
            f"Serving: {', '.join(totals)}; {sum(counters.responses.values())} responses, "
            f"{sum(counters.refusals.values())} refusals, {counters.datagrams} datagrams so far"
        )
