"""
What the daemon counts, in the form that Prometheus reads.

Rules: reads plain integers and gauges that are handed in; nothing here is
called before somebody asks, so that metrics cost no request anything.

Formats: <https://prometheus.io/docs/instrumenting/exposition_formats/> and
<https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, Final

from attrs import frozen
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics

import twisted
from netd.counters import DELAYS, LATE, Counters
from netd.http.negotiation import weights

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@frozen
class Gauges:
    """What is so at the moment, each looked up when somebody asks."""

    connections: Callable[[], Mapping[str, int]]
    """Open connections by listener."""
    waiting: Callable[[], Mapping[str, int]]
    """Answers being waited for by site."""
    calls_queued: Callable[[], int]
    """Calls that wait for a worker process."""
    workers_busy: Callable[[], int]
    """Worker processes that run a call."""
    certificates: Callable[[], Mapping[str, float]]
    """Seconds for which each certificate is good still, by server name."""


class Netd:
    """A collector over one daemon's counters and gauges."""

    def __init__(self, version: str, counters: Counters, gauges: Gauges) -> None:
        self._version = version
        self._counters = counters
        self._gauges = gauges

    def describe(self) -> list[Metric]:
        """Nothing: what there is shows when it is collected."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric of the moment."""
        versions = {
            "version": self._version,
            "twisted": twisted.__version__,
            "python": platform.python_version(),
        }
        yield InfoMetricFamily("netd_build", "What runs here.", versions)
        yield from self._http()
        yield from self._calls()
        yield from self._rest()

    def _http(self) -> Iterator[Metric]:
        counters, gauges = self._counters, self._gauges
        answers = {str(code): count for code, count in counters.answers.items()}
        yield _by("netd_http_requests", "HTTP requests answered.", "code", answers)
        yield _one("netd_http_response_bytes", "Bytes of HTTP bodies sent.", counters.sent)
        yield _histogram(
            "netd_http_delay_requested_seconds",
            "How long a delayed answer was asked to wait.",
            DELAYS,
            counters.delays,
            counters.delay_seconds,
        )
        yield _histogram(
            "netd_http_delay_lateness_seconds",
            "How much later than asked for a delayed answer left.",
            LATE,
            counters.waits,
            counters.late_seconds,
        )
        yield _one("netd_http_connections", "HTTP connections accepted.", counters.connections)
        yield _one("netd_http_stalled", "Connections cut for not reading.", counters.stalled)
        yield _gauge(
            "netd_connections_open", "Connections open now.", "listener", gauges.connections()
        )
        yield _gauge(
            "netd_http_answers_waiting", "Answers waited for now.", "site", gauges.waiting()
        )
        yield _by(
            "netd_refusals", "Requests and connections refused.", "reason", counters.refusals
        )
        yield _one(
            "netd_connections_aborted",
            "Connections cut at the end of a grace.",
            counters.aborted,
        )
        yield _by(
            "netd_service_connections",
            "Connections to the small services.",
            "service",
            counters.services,
        )

    def _calls(self) -> Iterator[Metric]:
        gauges = self._gauges
        calls = CounterMetricFamily(
            "netd_rpc_calls",
            "XML-RPC calls by method, and by fault code or 0.",
            labels=("method", "fault"),
        )
        for (method, fault), count in self._counters.calls.items():
            calls.add_metric((method, str(fault)), count)
        yield calls
        yield GaugeMetricFamily(
            "netd_rpc_calls_queued", "Calls waiting for a worker.", gauges.calls_queued()
        )
        yield GaugeMetricFamily(
            "netd_rpc_workers_busy", "Workers with a call.", gauges.workers_busy()
        )

    def _rest(self) -> Iterator[Metric]:
        counters = self._counters
        yield _one("netd_udp_datagrams", "UDP datagrams received.", counters.datagrams)
        yield _one("netd_udp_answers", "UDP datagrams sent.", counters.echoes)
        yield _by("netd_udp_drops", "UDP datagrams not answered.", "reason", counters.drops)
        yield GaugeMetricFamily(
            "netd_reactor_lag_seconds", "How late the reactor was of late.", counters.lag
        )
        yield GaugeMetricFamily(
            "netd_reactor_lag_worst_seconds", "How late it ever was.", counters.worst_lag
        )
        yield _gauge(
            "netd_tls_certificate_left_seconds",
            "How long a certificate is good still.",
            "certificate",
            self._gauges.certificates(),
        )
        yield _one("netd_log_drops", "Log lines lost.", counters.log_drops)


def _one(name: str, help_text: str, value: float) -> Metric:
    return CounterMetricFamily(name, help_text, value=value)


def _by(name: str, help_text: str, label: str, values: Mapping[str, int]) -> Metric:
    made = CounterMetricFamily(name, help_text, labels=(label,))
    # A copy: the families are read one by one, but never while they change.
    for key, value in sorted(values.items()):
        made.add_metric((key,), value)
    return made


def _gauge(name: str, help_text: str, label: str, values: Mapping[str, float]) -> Metric:
    made = GaugeMetricFamily(name, help_text, labels=(label,))
    for key, value in values.items():
        made.add_metric((key,), value)
    return made


def _histogram(
    name: str,
    help_text: str,
    bounds: Sequence[float],
    counted: Mapping[float, int],
    total_seconds: float,
) -> Metric:
    """`counted` has each answer under one of `bounds`; a histogram cumulates."""
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound in bounds:
        total += counted.get(bound, 0)
        buckets.append(("+Inf" if bound == inf else str(bound), total))
    return HistogramMetricFamily(name, help_text, buckets=buckets, sum_value=total_seconds)


def exposition(collectors: Iterable[Any], process: bool = True) -> Callable[[str], Any]:
    """
    From what a client accepts to the content type and the text of all metrics.

    With `process` those of the process are among them, as far as /proc tells.
    """
    registry = CollectorRegistry(auto_describe=False)
    for each in collectors:
        registry.register(each)
    if process:
        ProcessCollector(registry=registry)

    def said(accept: str) -> tuple[str, bytes]:
        if weights([accept.encode()]).get(b"application/openmetrics-text"):
            written = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
            return OPENMETRICS, written
        return TEXT, generate_latest(registry)

    return said
