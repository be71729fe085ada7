"""
The counters and gauges of a daemon in the formats that Prometheus reads.

Rules: values are read when metrics are requested, so that they cost other
requests nothing.

Formats: <https://prometheus.io/docs/instrumenting/exposition_formats/> and
<https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import Any, Final, Protocol

from attrs import frozen
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily as Counter
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.core import InfoMetricFamily as Info
from prometheus_client.openmetrics import exposition as openmetrics

import twisted
from netd.counters import Counters, Histogram
from netd.http.negotiation import choose_media

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_OFFERED: Final = (b"text/plain", b"application/openmetrics-text")


@frozen
class Gauges:
    """Functions that return the present values of `_GAUGES`."""

    connections: Callable[[], Mapping[str, int]]
    waiting: Callable[[], Mapping[str, int]]
    calls_queued: Callable[[], int]
    workers_busy: Callable[[], int]
    certificates: Callable[[], Mapping[str, float]]
    queue_up: Callable[[], int | None] = lambda: None
    queue_workers: Callable[[], int | None] = lambda: None
    queue_depth: Callable[[], Mapping[str, int]] = dict


# Name, description, label (empty: a single value) and field of `Counters`.
_COUNTERS: Final = (
    (
        "netd_http_response_bytes",
        "Bytes of response bodies, and all bytes of responses that are not HTTP.",
        "",
        "sent",
    ),
    ("netd_http_connections", "Accepted HTTP connections.", "", "connections"),
    (
        "netd_http_stalled",
        "HTTP connections cut because the client did not read.",
        "",
        "stalled",
    ),
    (
        "netd_connections_aborted",
        "Connections cut at the end of a grace period.",
        "",
        "aborted",
    ),
    ("netd_udp_datagrams", "Received UDP datagrams.", "", "datagrams"),
    ("netd_udp_datagrams_sent", "Sent UDP datagrams.", "", "datagrams_sent"),
    ("netd_log_drops", "Lost log lines.", "", "log_drops"),
    (
        "netd_rpc_queue_resent",
        "Messages sent again because nobody began their XML-RPC calls.",
        "",
        "queue_resent",
    ),
    (
        "netd_rpc_queue_lost",
        "XML-RPC calls that queue (Redis) or worker (its machine) lost: they ended in a fault.",
        "why",
        "queue_lost",
    ),
    (
        "netd_rpc_queue_drops",
        "Workers' entries without a call: late (the client had left), too large, unreadable.",
        "reason",
        "queue_drops",
    ),
    (
        "netd_http_requests",
        "HTTP responses by status; 499: the client left, 444: cut on purpose.",
        "code",
        "responses",
    ),
    ("netd_refusals", "Refused requests and connections.", "reason", "refusals"),
    ("netd_service_connections", "Connections to small services.", "service", "services"),
    ("netd_udp_drops", "UDP datagrams without a response.", "reason", "drops"),
)
_LAGS: Final = (
    ("netd_reactor_lag_seconds", "How late the reactor was in the last seconds.", "", "lag"),
    ("netd_reactor_lag_worst_seconds", "How late the reactor was at worst.", "", "worst_lag"),
)
# The same, with a field of `Gauges`.
_GAUGES: Final = (
    ("netd_rpc_calls_queued", "XML-RPC calls that wait for a worker.", "", "calls_queued"),
    ("netd_rpc_workers_busy", "Workers that run an XML-RPC call.", "", "workers_busy"),
    ("netd_rpc_queue_up", "Whether Redis and the broker can be reached.", "", "queue_up"),
    ("netd_rpc_queue_workers", "Celery workers with a heartbeat.", "", "queue_workers"),
    (
        "netd_rpc_queue_depth",
        "Messages of all netds that wait for a worker.",
        "queue",
        "queue_depth",
    ),
    ("netd_connections_open", "Open connections.", "listener", "connections"),
    ("netd_http_responses_waiting", "HTTP responses in progress.", "site", "waiting"),
    (
        "netd_tls_certificate_left_seconds",
        "Seconds until the first certificate of a chain expires; negative afterwards.",
        "certificate",
        "certificates",
    ),
)
# Name, description and field of `Counters`.
_HISTOGRAMS: Final = (
    (
        "netd_http_delay_requested_seconds",
        "Delays asked for before the first bytes, whether or not the client waited.",
        "delays",
    ),
    (
        "netd_http_delay_lateness_seconds",
        "How much later than asked for delayed responses left.",
        "lateness",
    ),
    (
        "netd_rpc_queue_wait_seconds",
        "Seconds that distributed XML-RPC calls waited for a worker.",
        "queue_waits",
    ),
    ("netd_rpc_queue_run_seconds", "Seconds that distributed XML-RPC calls ran.", "queue_runs"),
)


class Collects(Protocol):
    """What an exposition consists of."""

    def collect(self) -> Iterator[Metric]:
        """Every metric with its present value."""


@frozen(eq=False)
class Collector:
    """Collects the metrics of one daemon."""

    _version: str
    _counters: Counters
    _gauges: Gauges

    def collect(self) -> Iterator[Metric]:
        """Every metric with its present value."""
        versions = {
            "version": self._version,
            "twisted": twisted.__version__,
            "python": platform.python_version(),
        }
        yield Info("netd_build", "Versions of netd, Twisted and Python.", versions)
        counters, gauges = self._counters, self._gauges
        for name, text, label, field in _COUNTERS:
            yield _family(Counter, name, text, label, getattr(counters, field))
        for name, text, field in _HISTOGRAMS:
            yield _histogram(name, text, getattr(counters, field))
        yield self._calls()
        for name, text, label, field in _LAGS:
            yield _family(Gauge, name, text, label, getattr(counters, field))
        for name, text, label, field in _GAUGES:
            yield _family(Gauge, name, text, label, getattr(gauges, field)())

    def _calls(self) -> Metric:
        text = "XML-RPC calls by method, empty if unknown, and fault code, 0 for a result."
        calls = Counter("netd_rpc_calls", text, labels=("method", "fault"))
        for (method, fault), count in self._counters.calls.items():
            calls.add_metric((method, str(fault)), count)
        return calls


def _family(
    kind: type[Counter | Gauge], name: str, text: str, label: str, value: Any
) -> Metric:
    """A counter or gauge with `value`; with a `label`, with those of a mapping."""
    if not label:
        return kind(name, text, value)
    family = kind(name, text, labels=(label,))
    for key, number in sorted(value.items()):
        family.add_metric((str(key),), number)
    return family


def _histogram(name: str, text: str, value: Histogram) -> Metric:
    """A histogram, whose buckets are cumulative; the counts of `value` are not."""
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound in value.bounds:
        total += value.counts[bound]
        buckets.append(("+Inf" if bound == inf else str(bound), total))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=value.seconds)


def exposition(collector: Collects, process: bool = True) -> Callable[[str], tuple[str, bytes]]:
    """
    A function from an Accept field to the content type and the text of all metrics.

    With `process` the metrics of the process are included, where there is a /proc.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    if process:
        ProcessCollector(registry=registry)

    def expose(accept: str) -> tuple[str, bytes]:
        if choose_media([accept.encode("latin-1")], _OFFERED) == _OFFERED[1]:
            text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
            return OPENMETRICS, text
        return TEXT, generate_latest(registry)

    return expose
