"""
Tests for netd.lab.endpoints.probes.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.endpoints.probes import Probes
from netd.site import factory, probes_only, tree
from netd.test.lab.client import Client, Response, configured, limited

PATHS = ["/healthz", "/readyz", "/metrics"]


class ProbesTests(SynchronousTestCase):
    """
    /healthz, /readyz and /metrics on the web site.
    """

    def setUp(self) -> None:
        self.is_ready = True
        self.accepted: list[str] = []
        self.probes = Probes(self.metrics, lambda: self.is_ready)

    def metrics(self, accept: str) -> tuple[str, bytes]:
        """What was counted."""
        self.accepted.append(accept)
        return "text/x", b"a 1\n"

    def request(self, line: str, *fields: str, probes: Probes | None = None) -> Response:
        """The answer of a web site with these probes."""
        client = Client()
        root = tree(client.settings, client.clock, probes=probes or self.probes)
        client.site = factory(client.settings, client.clock, client.counters, root)
        again = Client(client.settings, client.clock, client.counters, client.site)
        return again.request(line, *fields)

    def test_metrics(self) -> None:
        """
        What was counted comes in the form that is accepted, and no cache keeps it.
        """
        answer = self.request("GET /metrics", "Accept: text/x")
        self.assertEqual((answer.status, answer.body), (200, b"a 1\n"))
        self.assertEqual(answer.headers["content-type"], "text/x")
        self.assertEqual(answer.headers["cache-control"], "no-store")
        self.request("GET /metrics")
        self.assertEqual(self.accepted, ["text/x", ""])

    def test_no_script(self) -> None:
        """
        No script of another origin gets to read them.
        """
        for path in PATHS:
            answer = self.request(f"GET {path}", "Origin: https://a.example")
            self.assertNotIn("access-control-allow-origin", answer.headers, path)

    def test_ready(self) -> None:
        """
        Ready is 200; from the moment that it is not, 503.
        """
        answer = self.request("GET /readyz")
        self.assertEqual((answer.status, answer.body), (200, b"ready\n"))
        self.is_ready = False
        answer = self.request("GET /readyz")
        self.assertEqual((answer.status, answer.body), (503, b"draining\n"))
        self.assertEqual(self.request("GET /healthz").body, b"ok\n")

    def test_unchanged(self) -> None:
        """
        A site without any is ready, and says what there are no metrics without.
        """
        self.assertEqual(self.request("GET /readyz", probes=Probes()).status, 200)
        self.assertEqual(self.request("GET /metrics", probes=Probes()).status, 501)

    def test_never_waits(self) -> None:
        """
        They are answered at once where not one answer more may be waited for.
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
        Where they have a listener of their own, the site has none, and the listener only them.
        """
        client = Client()
        public = tree(client.settings, client.clock, probes=None)
        own = probes_only(client.settings, client.clock, self.probes)
        for root, statuses in ((public, (404, 404, 404, 200)), (own, (200, 200, 200, 404))):
            site = factory(client.settings, client.clock, client.counters, root)
            for path, status in zip([*PATHS, "/get"], statuses, strict=True):
                again = Client(client.settings, client.clock, client.counters, site)
                self.assertEqual(again.request(f"GET {path}").status, status, path)
