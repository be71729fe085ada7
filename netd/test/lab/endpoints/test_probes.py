"""
Tests for netd.lab.endpoints.probes.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.endpoints.probes import Probes
from netd.site import factory, probes_only, tree
from netd.test.lab.calls import reply_to
from netd.test.lab.client import Client, Response, configured, limited

PATHS = ["/healthz", "/readyz", "/metrics"]


class HealthTests(SynchronousTestCase):
    """
    `/healthz`.
    """

    def test_ok(self) -> None:
        """/healthz returns ok at once, and may not be cached."""
        response = Client().request("GET /healthz")
        self.assertEqual((response.status, response.body), (200, b"ok\n"))
        self.assertEqual(response.headers["cache-control"], "no-store")

    def test_ready(self) -> None:
        """/healthz has no script, and so no timer."""
        self.assertEqual(reply_to("GET /healthz").body, b"ok\n")


class ProbesTests(SynchronousTestCase):
    """
    /healthz, /readyz and /metrics on the web site.
    """

    def setUp(self) -> None:
        self.is_ready = True
        self.accepted: list[str] = []
        self.probes = Probes(self.metrics, lambda: self.is_ready)

    def metrics(self, accept: str) -> tuple[str, bytes]:
        """A metrics function that records the value of Accept."""
        self.accepted.append(accept)
        return "text/x", b"a 1\n"

    def request(self, line: str, *fields: str, probes: Probes | None = None) -> Response:
        """The response of a web site with these probes."""
        client = Client()
        root = tree(client.settings, client.clock, probes=probes or self.probes)
        client.site = factory(client.settings, client.clock, client.counters, root)
        again = Client(client.settings, client.clock, client.counters, client.site)
        return again.request(line, *fields)

    def test_metrics(self) -> None:
        """
        The metrics come in the accepted format, and may not be cached.
        """
        response = self.request("GET /metrics", "Accept: text/x")
        self.assertEqual((response.status, response.body), (200, b"a 1\n"))
        self.assertEqual(response.headers["content-type"], "text/x")
        self.assertEqual(response.headers["cache-control"], "no-store")
        self.request("GET /metrics")
        self.assertEqual(self.accepted, ["text/x", ""])

    def test_noScript(self) -> None:
        """
        Scripts of other origins may not read the probes.
        """
        for path in PATHS:
            response = self.request(f"GET {path}", "Origin: https://a.example")
            self.assertNotIn("access-control-allow-origin", response.headers, path)

    def test_ready(self) -> None:
        """
        /readyz is 200 while the daemon is ready, and 503 otherwise.
        """
        response = self.request("GET /readyz")
        self.assertEqual((response.status, response.body), (200, b"ready\n"))
        self.is_ready = False
        response = self.request("GET /readyz")
        self.assertEqual((response.status, response.body), (503, b"draining\n"))
        self.assertEqual(self.request("GET /healthz").body, b"ok\n")

    def test_unchanged(self) -> None:
        """
        A site without a probe of its own is ready, and its metrics are empty.
        """
        self.assertEqual(self.request("GET /readyz", probes=Probes()).status, 200)
        self.assertEqual(self.request("GET /metrics", probes=Probes()).body, b"")

    def test_neverWaits(self) -> None:
        """
        The probes respond while no other request may wait.
        """
        client = Client(configured(limited(waiting=1)))
        root = tree(client.settings, client.clock, probes=self.probes)
        site = factory(client.settings, client.clock, client.counters, root)
        waiting = Client(client.settings, client.clock, client.counters, site)
        waiting.send(b"GET / HTTP/1.1\r\nHost: netd\r\n\r\n")
        self.assertEqual(site.in_flight, 1)
        for path, status in (("/", 503), *((path, 200) for path in PATHS)):
            again = Client(client.settings, client.clock, client.counters, site)
            self.assertEqual(again.request(f"GET {path}").status, status, path)

    def test_elsewhere(self) -> None:
        """
        With a listener of their own the probes are there, and only there.
        """
        client = Client()
        public = tree(client.settings, client.clock, probes=None)
        own = probes_only(client.settings, client.clock, self.probes)
        for root, statuses in ((public, (404, 404, 404, 200)), (own, (200, 200, 200, 404))):
            site = factory(client.settings, client.clock, client.counters, root)
            for path, status in zip([*PATHS, "/get"], statuses, strict=True):
                again = Client(client.settings, client.clock, client.counters, site)
                self.assertEqual(again.request(f"GET {path}").status, status, path)
