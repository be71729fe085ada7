"""
The counters and gauges of a daemon in the formats that Prometheus reads.

Rules: values are read when metrics are requested, so that they cost other
requests nothing.

Formats: <https://prometheus.io/docs/instrumenting/exposition_formats/> and
<https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from typing import Final

from attrs import frozen
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily as Counter
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import HistogramMetricFamily as Histogram
from prometheus_client.core import InfoMetricFamily as Info
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

import twisted
from netd.counters import DELAY_BOUNDS, LATENESS_BOUNDS, Counters

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@frozen
class Gauges:
    """Functions that return the present value of each gauge."""

    connections: Callable[[], Mapping[str, int]]
    """Open connections by listener."""
    waiting: Callable[[], Mapping[str, int]]
    """Responses in progress by site."""
    calls_queued: Callable[[], int]
    """Calls that wait for a worker process."""
    workers_busy: Callable[[], int]
    """Worker processes that run a call."""
    certificates: Callable[[], Mapping[str, float]]
    """Seconds until each certificate expires, by server name."""


class Collector:
    """Collects the metrics of one daemon."""

    def __init__(self, version: str, counters: Counters, gauges: Gauges) -> None:
        self._version = version
        self._counters = counters
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """Every metric with its present value."""
        versions = {
            "version": self._version,
            "twisted": twisted.__version__,
            "python": platform.python_version(),
        }
        yield Info("netd_build", "Versions of netd, Twisted and Python.", versions)
        yield from self._http()
        yield from self._connections()
        yield from self._calls()
        yield from self._datagrams()
        yield from self._process()

    def _http(self) -> Iterator[Metric]:
        counters = self._counters
        codes = {str(code): count for code, count in counters.responses.items()}
        yield _table(Counter, "netd_http_requests", "HTTP responses by status.", "code", codes)
        yield Counter("netd_http_response_bytes", "Bytes of response bodies.", counters.sent)
        yield _histogram(
            "netd_http_delay_requested_seconds",
            "Requested delays of responses.",
            DELAY_BOUNDS,
            counters.delays,
            counters.delay_seconds,
        )
        yield _histogram(
            "netd_http_delay_lateness_seconds",
            "Seconds by which delayed responses were late.",
            LATENESS_BOUNDS,
            counters.lateness,
            counters.lateness_seconds,
        )
        yield Counter(
            "netd_http_connections", "Accepted HTTP connections.", counters.connections
        )
        yield Counter("netd_http_stalled", "Connections cut for not reading.", counters.stalled)

    def _connections(self) -> Iterator[Metric]:
        counters, gauges = self._counters, self._gauges
        yield _table(
            Gauge,
            "netd_connections_open",
            "Open connections.",
            "listener",
            gauges.connections(),
        )
        yield _table(
            Gauge,
            "netd_http_answers_waiting",
            "Responses in progress.",
            "site",
            gauges.waiting(),
        )
        yield _table(
            Counter,
            "netd_refusals",
            "Refused requests and connections.",
            "reason",
            counters.refusals,
        )
        yield Counter(
            "netd_connections_aborted", "Connections cut by a stop.", counters.aborted
        )
        yield _table(
            Counter,
            "netd_service_connections",
            "Connections to small services.",
            "service",
            counters.services,
        )

    def _calls(self) -> Iterator[Metric]:
        gauges = self._gauges
        calls = Counter(
            "netd_rpc_calls",
            "XML-RPC calls by method and fault code, 0 for a result.",
            labels=("method", "fault"),
        )
        for (method, fault), count in self._counters.calls.items():
            calls.add_metric((method, str(fault)), count)
        yield calls
        yield Gauge(
            "netd_rpc_calls_queued", "Calls that wait for a worker.", gauges.calls_queued()
        )
        yield Gauge("netd_rpc_workers_busy", "Workers that run a call.", gauges.workers_busy())

    def _datagrams(self) -> Iterator[Metric]:
        counters = self._counters
        yield Counter("netd_udp_datagrams", "Received UDP datagrams.", counters.datagrams)
        yield Counter("netd_udp_answers", "Sent UDP datagrams.", counters.datagrams_sent)
        yield _table(
            Counter,
            "netd_udp_drops",
            "UDP datagrams without a response.",
            "reason",
            counters.drops,
        )

    def _process(self) -> Iterator[Metric]:
        counters = self._counters
        yield Gauge("netd_reactor_lag_seconds", "Latest lag of the reactor.", counters.lag)
        yield Gauge(
            "netd_reactor_lag_worst_seconds", "Largest lag of the reactor.", counters.worst_lag
        )
        yield _table(
            Gauge,
            "netd_tls_certificate_left_seconds",
            "Seconds until a certificate expires.",
            "certificate",
            self._gauges.certificates(),
        )
        yield Counter("netd_log_drops", "Lost log lines.", counters.log_drops)


def _table(
    kind: type[Counter | Gauge],
    name: str,
    help_text: str,
    label: str,
    values: Mapping[str, float],
) -> Metric:
    family = kind(name, help_text, labels=(label,))
    for key, value in sorted(values.items()):
        family.add_metric((key,), value)
    return family


def _histogram(
    name: str,
    help_text: str,
    bounds: Sequence[float],
    counts: Mapping[float, int],
    total_seconds: float,
) -> Metric:
    """A histogram, whose buckets are cumulative; `counts` are not."""
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound in bounds:
        total += counts.get(bound, 0)
        buckets.append(("+Inf" if bound == inf else str(bound), total))
    return Histogram(name, help_text, buckets=buckets, sum_value=total_seconds)


def exposition(
    collector: Collector, process: bool = True
) -> Callable[[str], tuple[str, bytes]]:
    """
    A function from an Accept field to the content type and the text of all metrics.

    With `process` the metrics of the process are included, where there is a /proc.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    if process:
        ProcessCollector(registry=registry)

    def expose(accept: str) -> tuple[str, bytes]:
        if "application/openmetrics-text" in accept.lower():
            text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
            return OPENMETRICS, text
        return TEXT, generate_latest(registry)

    return expose
