"""
Tests for netd.ops.metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from attrs import fields
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import DELAY_BOUNDS, LATENESS_BOUNDS, Counters
from netd.ops.metrics import OPENMETRICS, TEXT, Gauges, Netd, exposition

Samples: TypeAlias = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


def nothing() -> dict[str, Any]:
    """No gauge of this kind."""
    return {}


def zero() -> int:
    """A gauge at rest."""
    return 0


def gauges(**more: Callable[[], Any]) -> Gauges:
    """Gauges at rest, but for those given."""
    still = {
        "connections": nothing,
        "waiting": nothing,
        "calls_queued": zero,
        "workers_busy": zero,
        "certificates": nothing,
    }
    return Gauges(**{**still, **more})


class MetricsTests(SynchronousTestCase):
    """
    The counters of a daemon as a parser of Prometheus reads them.
    """

    def setUp(self) -> None:
        self.counters = Counters()

    def read(self, now: Gauges | None = None, process: bool = True) -> Samples:
        """Every sample by its name and labels."""
        collector = Netd("1.2", self.counters, gauges() if now is None else now)
        _, said = exposition([collector], process)("")
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families(said.decode())
            for sample in family.samples
        }

    def value(self, name: str, now: Gauges | None = None, **labels: str) -> float:
        """One sample."""
        return self.read(now)[name, tuple(sorted(labels.items()))]

    def test_build(self) -> None:
        """
        The version of netd is told, with those of what it stands on.
        """
        ((labels, value),) = [
            (dict(labels), value)
            for (name, labels), value in self.read().items()
            if name == "netd_build_info"
        ]
        self.assertEqual((labels["version"], value), ("1.2", 1))
        self.assertEqual(set(labels), {"version", "twisted", "python"})

    def test_numbers(self) -> None:
        """
        Every plain counter stands under a name of its own.
        """
        for field, name in (
            ("sent", "netd_http_response_bytes_total"),
            ("stalled", "netd_http_stalled_total"),
            ("connections", "netd_http_connections_total"),
            ("aborted", "netd_connections_aborted_total"),
            ("datagrams", "netd_udp_datagrams_total"),
            ("datagrams_sent", "netd_udp_answers_total"),
            ("log_drops", "netd_log_drops_total"),
            ("lag", "netd_reactor_lag_seconds"),
            ("worst_lag", "netd_reactor_lag_worst_seconds"),
        ):
            self.assertEqual(self.value(name), 0)
            setattr(self.counters, field, 7)
            self.assertEqual(self.value(name), 7, field)

    def test_tables(self) -> None:
        """
        Every table is one metric whose label is the key.
        """
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
        """
        Calls are told apart by method and by how they ended.
        """
        self.counters.calls["pow", 0] = 8
        self.counters.calls["", -32601] = 1
        name = "netd_rpc_calls_total"
        self.assertEqual(self.value(name, method="pow", fault="0"), 8)
        self.assertEqual(self.value(name, method="", fault="-32601"), 1)

    def test_all(self) -> None:
        """
        No counter is forgotten: whichever changes, the text does.
        """
        keys: dict[str, Any] = {
            "lateness": 1.0,
            "delays": 1.0,
            "responses": 200,
            "calls": ("a", 0),
        }
        for field in fields(Counters):
            before = self.read(process=False)
            value = getattr(self.counters, field.name)
            if isinstance(value, dict):
                value[keys.get(field.name, "a")] = 1
            else:
                setattr(self.counters, field.name, 1)
            self.assertNotEqual(self.read(process=False), before, field.name)

    def test_lateness(self) -> None:
        """
        Late answers are a histogram: each bucket holds those before it, the last holds all.
        """
        for seconds in (0.0, 0.0005, 0.003, 0.3, 5.0):
            self.counters.add_lateness(seconds)
        name = "netd_http_delay_lateness_seconds"
        for bound, count in (("0.001", 2), ("0.005", 3), ("0.15", 3), ("0.5", 4), ("+Inf", 5)):
            self.assertEqual(self.value(f"{name}_bucket", le=bound), count, bound)
        self.assertEqual(self.value(f"{name}_count"), 5)
        self.assertAlmostEqual(self.value(f"{name}_sum"), 5.3035)
        buckets = [labels for each, labels in self.read() if each == f"{name}_bucket"]
        self.assertEqual(len(buckets), len(LATENESS_BOUNDS))

    def test_delays(self) -> None:
        """
        So are those that were asked to wait, by how long that was.
        """
        for seconds in (0.05, 3.0, 3.0, 90.0):
            self.counters.add_delay(seconds)
        name = "netd_http_delay_requested_seconds"
        for bound, count in (("0.025", 0), ("0.05", 1), ("2.0", 1), ("3.0", 3), ("+Inf", 4)):
            self.assertEqual(self.value(f"{name}_bucket", le=bound), count, bound)
        self.assertEqual(self.value(f"{name}_count"), 4)
        self.assertAlmostEqual(self.value(f"{name}_sum"), 96.05)
        buckets = [labels for each, labels in self.read() if each == f"{name}_bucket"]
        self.assertEqual(len(buckets), len(DELAY_BOUNDS))

    def test_gauges(self) -> None:
        """
        What is so at the moment is looked up when it is asked for, each time.
        """
        now = {"http": 3}
        seen = gauges(
            connections=lambda: now,
            waiting=lambda: {"rpc-http": 2},
            calls_queued=lambda: 5,
            workers_busy=lambda: 1,
            certificates=lambda: {"a.example": -1.5},
        )
        self.assertEqual(self.value("netd_connections_open", seen, listener="http"), 3)
        now["http"] = 4
        self.assertEqual(self.value("netd_connections_open", seen, listener="http"), 4)
        self.assertEqual(self.value("netd_http_answers_waiting", seen, site="rpc-http"), 2)
        self.assertEqual(self.value("netd_rpc_calls_queued", seen), 5)
        self.assertEqual(self.value("netd_rpc_workers_busy", seen), 1)
        name = "netd_tls_certificate_left_seconds"
        self.assertEqual(self.value(name, seen, certificate="a.example"), -1.5)

    def test_process(self) -> None:
        """
        The process itself is among them, when it is wanted.
        """
        self.assertGreater(self.value("process_resident_memory_bytes"), 1_000_000)
        self.assertNotIn(("process_open_fds", ()), self.read(process=False))

    def test_forms(self) -> None:
        """
        Who accepts OpenMetrics gets it, everybody else the text form, whatever they say.
        """
        self.counters.responses[200] = 1
        said = exposition([Netd("1", self.counters, gauges())])
        for accept, kind in (
            ("", TEXT),
            ("*/*", TEXT),
            ("text/plain;version=0.0.4", TEXT),
            ("text/plain;version=junk", TEXT),
            ("application/openmetrics-text", OPENMETRICS),
            ("application/openmetrics-text;version=junk;q=0.1,text/plain", OPENMETRICS),
            ("Application/OpenMetrics-Text;version=1.0.0,*/*;q=0.1", OPENMETRICS),
        ):
            self.assertEqual(said(accept)[0], kind, accept)
        names = {
            sample.name
            for family in open_families(said("application/openmetrics-text")[1].decode())
            for sample in family.samples
        }
        self.assertIn("netd_http_requests_total", names)

    def test_labels(self) -> None:
        """
        A name that an operator chose is quoted as the format wants it.
        """
        self.counters.calls['a"b\\c\nd', 0] = 1
        self.assertEqual(self.value("netd_rpc_calls_total", method='a"b\\c\nd', fault="0"), 1)

    def test_described(self) -> None:
        """
        Nothing is promised before it is collected.
        """
        self.assertEqual(Netd("1", self.counters, gauges()).describe(), [])
