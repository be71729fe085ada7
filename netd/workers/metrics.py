"""
One exposition of the metrics of all processes.

Rules: reads slots and sends their workers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from attrs import fields, frozen
from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily as Counter
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import Metric

from netd import __version__
from netd.ops.metrics import Collector, Gauges
from netd.workers.messages import Snapshot
from netd.workers.slot import Slot

_CPU: Final = "process_cpu_seconds_total"
_MEMORY: Final = "process_resident_memory_bytes"
_START: Final = "process_start_time_seconds"


def process_figures(pid: int) -> dict[str, Metric]:
    """The `process_` metrics of a process by name; none when it is gone."""
    collected = ProcessCollector(pid=lambda: pid, registry=None).collect()
    return {metric.samples[0].name: metric for metric in collected}


@frozen(eq=False)
class GroupCollector:
    """Collects the metrics of a supervisor and its workers."""

    _total: Snapshot
    _slots: Sequence[Slot]
    _supervisor: int
    """The process id."""
    _figures: Callable[[int], Mapping[str, Metric]] = process_figures

    def collect(self) -> Iterator[Metric]:
        """Every metric with its present value."""
        total = self._total
        gauges = Gauges(
            **{each.name: partial(getattr, total, each.name) for each in fields(Gauges)}
        )
        yield from Collector(__version__, total.counters, gauges).collect()
        figures = {each.name: self._figures(each.pid) for each in self._slots if each.pid}
        yield from self._by_worker(figures)
        before = sum(each.cpu_seconds for each in self._slots)
        yield from _sums([self._figures(self._supervisor), *figures.values()], before)

    def _by_worker(self, figures: Mapping[str, Mapping[str, Metric]]) -> Iterator[Metric]:
        label = ("worker",)
        yield Gauge("netd_workers", "Configured workers.", len(self._slots))
        up = Gauge("netd_worker_up", "Whether a worker serves.", labels=label)
        connections = Gauge(
            "netd_worker_connections_open", "Open connections of a worker.", labels=label
        )
        restarts = Counter(
            "netd_worker_restarts",
            "Replaced workers by reason: exit, signal, hung, start (too slow), failed.",
            labels=("worker", "reason"),
        )
        cpu = Counter("netd_worker_cpu_seconds", "CPU time of a slot's workers.", labels=label)
        memory = Gauge(
            "netd_worker_resident_memory_bytes", "Resident memory of a worker.", labels=label
        )
        for each in self._slots:
            up.add_metric((each.name,), each.ready)
            connections.add_metric((each.name,), each.open_connections())
            for reason, count in sorted(each.restarts.items()):
                restarts.add_metric((each.name, reason), count)
            now = figures.get(each.name, {})
            cpu.add_metric((each.name,), each.cpu_seconds + _value(now, _CPU))
            memory.add_metric((each.name,), _value(now, _MEMORY))
        yield from (up, connections, restarts, cpu, memory)


def _value(figures: Mapping[str, Metric], name: str) -> float:
    metric = figures.get(name)
    return 0.0 if metric is None else metric.samples[0].value


def _sums(processes: Sequence[Mapping[str, Metric]], before: float) -> Iterator[Metric]:
    """The sums of the processes' figures, `before` added to the CPU time; the first start."""
    for name, metric in processes[0].items():
        values = [each[name].samples[0].value for each in processes if name in each]
        value = min(values) if name == _START else sum(values)
        kind = Counter if metric.type == "counter" else Gauge
        yield kind(metric.name, metric.documentation, value + before * (name == _CPU))
