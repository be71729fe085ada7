"""
Dropped datagrams: counted by reason, and logged at most once a minute for each reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from netd.counters import Counters
from netd.throttled_log import ThrottledLog

_log = Logger()


class Drops:
    """
    The drops of one port, which is called `name`.

    `kernel_drops` gives how many datagrams the kernel has dropped so far, its receive
    buffer being full.
    """

    def __init__(
        self,
        name: str,
        counters: Counters,
        clock: IReactorTime,
        kernel_drops: Callable[[], int],
    ) -> None:
        self._name = name
        self._counters = counters
        self._kernel_drops = kernel_drops
        self._counted_kernel_drops = 0
        self._lines = ThrottledLog(clock, self._write, self._count_kernel_drops)

    def add(self, drops: Mapping[str, int]) -> None:
        """Count `drops`; the kernel's own are counted with the next log line."""
        for reason, count in drops.items():
            self._count(reason, count)
        self._lines.report_within()

    def _count(self, reason: str, count: int) -> None:
        self._counters.drops[reason] += count
        self._lines.add(reason, None, count)

    def _write(self, reason: str, count: int, _: None) -> None:
        text = "{name}: dropped {count} datagrams: {reason}"
        _log.warn(text, name=self._name, count=count, reason=reason)

    def _count_kernel_drops(self) -> None:
        drops = self._kernel_drops()
        if drops > self._counted_kernel_drops:
            self._count("receive buffer", drops - self._counted_kernel_drops)
            self._counted_kernel_drops = drops

    def stop(self) -> None:
        """Count the kernel's last drops, and log what no line has yet."""
        self._lines.stop()
