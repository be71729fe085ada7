"""
Tests for netd.workers.metrics.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters, Tally
from netd.ops.metrics import exposition
from netd.workers.messages import Snapshot
from netd.workers.metrics import GroupCollector, process_figures
from netd.workers.slot import Slot

_TOTAL = Snapshot(Counters(sent=7), {"http": 3}, {"http": 1}, 4, 2, {"default": 9.0})


def figures(pid: int) -> Mapping[str, Metric]:
    """Figures of a process that are easy to add up; 99 is gone."""
    if pid == 99:
        return {}
    return {
        "process_cpu_seconds_total": CounterMetricFamily("process_cpu_seconds", "CPU.", pid),
        "process_resident_memory_bytes": GaugeMetricFamily(
            "process_resident_memory_bytes", "Memory.", 1000 * pid
        ),
        "process_start_time_seconds": GaugeMetricFamily(
            "process_start_time_seconds", "Start.", 50 - pid
        ),
    }


class GroupTests(SynchronousTestCase):
    """
    The metrics of a supervisor with three workers.
    """

    def setUp(self) -> None:
        restarts = Tally({"hung": 1, "exit": 2})
        slots = (
            Slot(0, pid=2, ready=True, snapshot=_TOTAL, cpu_seconds=0.5, restarts=restarts),
            Slot(1, cpu_seconds=0.25),
            Slot(2, pid=99),
        )
        collector = GroupCollector(_TOTAL, slots, 1, figures)
        _, text = exposition(collector, process=False)("")
        self.lines = text.decode().splitlines()

    def test_total(self) -> None:
        """Counters and gauges are those of the total."""
        for line in (
            "netd_http_response_bytes_total 7.0",
            'netd_connections_open{listener="http"} 3.0',
            'netd_http_responses_waiting{site="http"} 1.0',
            "netd_rpc_calls_queued 4.0",
            "netd_rpc_workers_busy 2.0",
            'netd_tls_certificate_left_seconds{certificate="default"} 9.0',
        ):
            self.assertIn(line, self.lines)

    def test_workers(self) -> None:
        """Each slot has its figures, those of earlier workers included."""
        for line in (
            "netd_workers 3.0",
            'netd_worker_up{worker="1"} 1.0',
            'netd_worker_up{worker="2"} 0.0',
            'netd_worker_connections_open{worker="1"} 3.0',
            'netd_worker_restarts_total{reason="exit",worker="1"} 2.0',
            'netd_worker_restarts_total{reason="hung",worker="1"} 1.0',
            'netd_worker_cpu_seconds_total{worker="1"} 2.5',
            'netd_worker_cpu_seconds_total{worker="2"} 0.25',
            'netd_worker_resident_memory_bytes{worker="1"} 2000.0',
            'netd_worker_resident_memory_bytes{worker="3"} 0.0',
        ):
            self.assertIn(line, [_sorted(each) for each in self.lines])

    def test_process(self) -> None:
        """Figures of processes are added up; the first start counts."""
        for line in (
            "process_cpu_seconds_total 3.75",
            "process_resident_memory_bytes 3000.0",
            "process_start_time_seconds 48.0",
        ):
            self.assertIn(line, self.lines)

    def test_here(self) -> None:
        """The figures of this process are found, and none of one that is gone."""
        found = process_figures(os.getpid())
        self.assertGreater(found["process_resident_memory_bytes"].samples[0].value, 1e6)
        self.assertEqual(process_figures(2**22 + 1), {})


def _sorted(line: str) -> str:
    """A sample with its labels in the order of their names."""
    name, brace, rest = line.partition("{")
    labels, _, value = rest.partition("}")
    ordered = ",".join(sorted(labels.split(",")))
    return f"{name}{{{ordered}}}{value}" if brace else line
