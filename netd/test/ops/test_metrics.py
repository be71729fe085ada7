"""
Tests of netd.ops.metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from attrs import fields
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import DELAY_BOUNDS, LATENESS_BOUNDS, Counters, Histogram
from netd.ops.metrics import OPENMETRICS, TEXT, Collector, Gauges, exposition

Samples: TypeAlias = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


def nothing() -> dict[str, Any]:
    """A gauge without values."""
    return {}


def zero() -> int:
    """A gauge of zero."""
    return 0


def gauges(**more: Callable[[], Any]) -> Gauges:
    """Gauges without values, except for `more`."""
    zeros = {
        "connections": nothing,
        "waiting": nothing,
        "calls_queued": zero,
        "workers_busy": zero,
        "certificates": nothing,
    }
    return Gauges(**{**zeros, **more})


class MetricsTests(SynchronousTestCase):
    """
    The metrics of a daemon as the parser of prometheus_client reads them.
    """

    def setUp(self) -> None:
        self.counters = Counters()

    def read(self, now: Gauges | None = None, process: bool = True) -> Samples:
        """Every sample by name and labels."""
        collector = Collector("1.2", self.counters, gauges() if now is None else now)
        _, text = exposition(collector, process)("")
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families(text.decode())
            for sample in family.samples
        }

    def value(self, name: str, now: Gauges | None = None, **labels: str) -> float:
        """The value of one sample."""
        return self.read(now)[name, tuple(sorted(labels.items()))]

    def test_build(self) -> None:
        """The versions of netd, Twisted and Python are labels of netd_build_info."""
        ((labels, value),) = [
            (dict(labels), value)
            for (name, labels), value in self.read().items()
            if name == "netd_build_info"
        ]
        self.assertEqual((labels["version"], value), ("1.2", 1))
        self.assertEqual(set(labels), {"version", "twisted", "python"})

    def test_numbers(self) -> None:
        """Every plain counter has a metric of its own."""
        for field, name in (
            ("sent", "netd_http_response_bytes_total"),
            ("stalled", "netd_http_stalled_total"),
            ("connections", "netd_http_connections_total"),
            ("aborted", "netd_connections_aborted_total"),
            ("datagrams", "netd_udp_datagrams_total"),
            ("datagrams_sent", "netd_udp_datagrams_sent_total"),
            ("log_drops", "netd_log_drops_total"),
            ("lag", "netd_reactor_lag_seconds"),
            ("worst_lag", "netd_reactor_lag_worst_seconds"),
        ):
            self.assertEqual(self.value(name), 0)
            setattr(self.counters, field, 7)
            self.assertEqual(self.value(name), 7, field)

    def test_tables(self) -> None:
        """Every table is one metric with the key as its label."""
        self.counters.responses[404] = 2
        self.counters.refusals["rate"] = 3
        self.counters.drops["loop"] = 4
        self.counters.services["echo"] = 5
        for name, label, key, count in (
            ("netd_http_requests_total", "code", "404", 2),
            ("netd_refusals_total", "reason", "rate", 3),
            ("netd_udp_drops_total", "reason", "loop", 4),
            ("netd_service_connections_total", "service", "echo", 5),
        ):
            self.assertEqual(self.read()[name, ((label, key),)], count)

    def test_calls(self) -> None:
        """Calls are counted by method and by fault code."""
        self.counters.calls["pow", 0] = 8
        self.counters.calls["", -32601] = 1
        name = "netd_rpc_calls_total"
        self.assertEqual(self.value(name, method="pow", fault="0"), 8)
        self.assertEqual(self.value(name, method="", fault="-32601"), 1)

    def test_all(self) -> None:
        """Every counter changes the text."""
        keys: dict[str, Any] = {"responses": 200, "calls": ("a", 0)}
        for field in fields(Counters):
            before = self.read(process=False)
            value = getattr(self.counters, field.name)
            if isinstance(value, dict):
                value[keys.get(field.name, "a")] = 1
            elif isinstance(value, Histogram):
                value.add(1.0)
            else:
                setattr(self.counters, field.name, 1)
            self.assertNotEqual(self.read(process=False), before, field.name)

    def test_lateness(self) -> None:
        """Lateness is a histogram with cumulative buckets."""
        for seconds in (0.0, 0.0005, 0.003, 0.3, 5.0):
            self.counters.lateness.add(seconds)
        name = "netd_http_delay_lateness_seconds"
        for bound, count in (("0.001", 2), ("0.005", 3), ("0.15", 3), ("0.5", 4), ("+Inf", 5)):
            self.assertEqual(self.value(f"{name}_bucket", le=bound), count, bound)
        self.assertEqual(self.value(f"{name}_count"), 5)
        self.assertAlmostEqual(self.value(f"{name}_sum"), 5.3035)
        buckets = [labels for sample, labels in self.read() if sample == f"{name}_bucket"]
        self.assertEqual(len(buckets), len(LATENESS_BOUNDS))

    def test_delays(self) -> None:
        """Requested delays are a histogram with cumulative buckets."""
        for seconds in (0.05, 3.0, 3.0, 90.0):
            self.counters.delays.add(seconds)
        name = "netd_http_delay_requested_seconds"
        for bound, count in (("0.025", 0), ("0.05", 1), ("2.0", 1), ("3.0", 3), ("+Inf", 4)):
            self.assertEqual(self.value(f"{name}_bucket", le=bound), count, bound)
        self.assertEqual(self.value(f"{name}_count"), 4)
        self.assertAlmostEqual(self.value(f"{name}_sum"), 96.05)
        buckets = [labels for sample, labels in self.read() if sample == f"{name}_bucket"]
        self.assertEqual(len(buckets), len(DELAY_BOUNDS))

    def test_gauges(self) -> None:
        """Gauges are read anew for each response."""
        now = {"http": 3}
        tested = gauges(
            connections=lambda: now,
            waiting=lambda: {"rpc-http": 2},
            calls_queued=lambda: 5,
            workers_busy=lambda: 1,
            certificates=lambda: {"a.example": -1.5},
        )
        self.assertEqual(self.value("netd_connections_open", tested, listener="http"), 3)
        now["http"] = 4
        self.assertEqual(self.value("netd_connections_open", tested, listener="http"), 4)
        self.assertEqual(self.value("netd_http_responses_waiting", tested, site="rpc-http"), 2)
        self.assertEqual(self.value("netd_rpc_calls_queued", tested), 5)
        self.assertEqual(self.value("netd_rpc_workers_busy", tested), 1)
        name = "netd_tls_certificate_left_seconds"
        self.assertEqual(self.value(name, tested, certificate="a.example"), -1.5)

    def test_process(self) -> None:
        """The metrics of the process are optional."""
        self.assertGreater(self.value("process_resident_memory_bytes"), 1_000_000)
        self.assertNotIn(("process_open_fds", ()), self.read(process=False))

    def test_forms(self) -> None:
        """An Accept field with OpenMetrics selects it, and any other the text format."""
        self.counters.responses[200] = 1
        expose = exposition(Collector("1", self.counters, gauges()))
        for accept, kind in (
            ("", TEXT),
            ("*/*", TEXT),
            ("text/plain;version=0.0.4", TEXT),
            ("text/plain;version=junk", TEXT),
            ("application/openmetrics-text", OPENMETRICS),
            ("application/openmetrics-text;q=0,text/plain", TEXT),
            ("application/openmetrics-text;version=1.0.0;q=0.1,text/plain", TEXT),
            ("application/openmetrics-text;q=0.5,text/plain;version=0.0.4;q=0.2", OPENMETRICS),
            ("application/*", OPENMETRICS),
            ("image/png", TEXT),
            ("Application/OpenMetrics-Text;version=1.0.0,*/*;q=0.1", OPENMETRICS),
        ):
            self.assertEqual(expose(accept)[0], kind, accept)
        names = {
            sample.name
            for family in open_families(expose("application/openmetrics-text")[1].decode())
            for sample in family.samples
        }
        self.assertIn("netd_http_requests_total", names)

    def test_labels(self) -> None:
        """The name of a method is escaped as a label."""
        self.counters.calls['a"b\\c\nd', 0] = 1
        self.assertEqual(self.value("netd_rpc_calls_total", method='a"b\\c\nd', fault="0"), 1)
