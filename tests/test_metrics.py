"""
/metrics, /healthz and /readyz.
"""

from __future__ import annotations

import xmlrpc.client

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from twisted.trial.unittest import SynchronousTestCase

from tests.clients import connect, curl, datagrams, exchange, samples
from tests.programs import needs
from tests.running import Daemon, eventually, run


@needs("curl")
class MetricsTests(SynchronousTestCase):
    """
    A daemon that has served some requests of each protocol.
    """

    def setUp(self) -> None:
        self.daemon = self.enterContext(Daemon("--delay", "0.01s"))

    def test_counted(self) -> None:
        """
        Requests, calls, datagrams, lateness and refusals are counted as they happen.
        """
        url = self.daemon.url
        curl(f"{url}/")
        curl(f"{url}/status/404")
        with xmlrpc.client.ServerProxy(f"{url}/RPC2") as proxy:
            self.assertEqual(proxy.pow(2, 3), 8)
            with self.assertRaises(xmlrpc.client.Fault):
                proxy.nothing()
        with datagrams() as sock:
            sock.connect(self.daemon.address("udp"))
            sock.send(b"x")
            self.assertEqual(sock.recv(10), b"x")
        exchange(self.daemon.address(), b"nonsense\r\n\r\n")
        counted = samples(curl(f"{url}/metrics").text)
        for key, value in (
            (("netd_http_requests_total", "404"), 1),
            (("netd_rpc_calls_total", "0", "pow"), 1),
            (("netd_rpc_calls_total", "-32601", ""), 1),
            (("netd_udp_datagrams_total",), 1),
            (("netd_udp_datagrams_sent_total",), 1),
            (("netd_http_delay_lateness_seconds_count",), 1),
            (("netd_http_requests_total", "400"), 1),
        ):
            self.assertEqual(counted[key], value, key)
        self.assertEqual(sum(v for k, v in counted.items() if k[0] == "netd_refusals_total"), 1)

    @needs("promtool")
    def test_promtool(self) -> None:
        """
        promtool reports no mistake.
        """
        curl(f"{self.daemon.url}/")
        metrics = curl(f"{self.daemon.url}/metrics")
        done = run("promtool", "check", "metrics", stdin=metrics.text)
        self.assertEqual((done.status, done.out, done.err), (0, "", ""))

    def test_open(self) -> None:
        """
        A client that accepts OpenMetrics gets it, and prometheus-client's parser reads it.
        """
        page = curl(f"{self.daemon.url}/metrics", "-H", "Accept: application/openmetrics-text")
        self.assertTrue(page.headers["content-type"].startswith("application/openmetrics-text"))
        self.assertTrue(page.text.endswith("# EOF\n"))
        self.assertIn("netd_build", {family.name for family in open_families(page.text)})


@needs("curl")
class MovedTests(SynchronousTestCase):
    """
    `--metrics-http 0`: a listener of its own.
    """

    def test_moved(self) -> None:
        """
        The three are on their own port only, and requests to it are not logged.
        """
        daemon = self.enterContext(Daemon("--metrics-http", "0"))
        own = f"http://localhost:{daemon.where('metrics-http').port}"
        for path in ("/metrics", "/healthz", "/readyz"):
            self.assertEqual(curl(f"{daemon.url}{path}").status, 404)
            self.assertEqual(curl(f"{own}{path}").status, 200)
        self.assertEqual(curl(f"{own}/get").status, 404)
        self.assertEqual(daemon.logged("GET /readyz").count("GET /"), 3)

    def test_draining(self) -> None:
        """
        While a response is in flight after SIGTERM, /readyz is 503 and /metrics goes on.
        """
        daemon = self.enterContext(Daemon("--metrics-http", "0", "--delay", "50s"))
        own = f"http://localhost:{daemon.where('metrics-http').port}"
        with connect(daemon.address()) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: netd\r\n\r\n")
            waiting = ("netd_http_responses_waiting", "http")
            eventually(
                lambda: samples(curl(f"{own}/metrics").text)[waiting] or None,
                "a response in flight",
            )
            daemon.signal()
            daemon.notice("STOPPING")
            self.assertEqual(curl(f"{own}/readyz").status, 503)
            self.assertEqual(curl(f"{own}/healthz").status, 200)
            self.assertEqual(samples(curl(f"{own}/metrics").text)[waiting], 1)
            # A second signal does not wait for the response.
            daemon.signal()
            daemon.ended()
