"""
Tests for netd.lab.endpoints.probes.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.endpoints.probes import Probes, placed
from netd.lab.table import ROUTES
from netd.site import factory, probes_only, tree
from netd.test.lab.conversation import Answer, Conversation, configured, limited

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

    def ask(self, line: str, *fields: str, probes: Probes | None = None) -> Answer:
        """The answer of a web site with these probes."""
        talk = Conversation()
        root = tree(talk.settings, talk.clock, probes=probes or self.probes)
        talk.site = factory(talk.settings, talk.clock, talk.counters, root)
        again = Conversation(talk.settings, talk.clock, talk.counters, talk.site)
        return again.request(line, *fields)

    def test_metrics(self) -> None:
        """
        What was counted comes in the form that is accepted, and no cache keeps it.
        """
        answer = self.ask("GET /metrics", "Accept: text/x")
        self.assertEqual((answer.status, answer.body), (200, b"a 1\n"))
        self.assertEqual(answer.headers["content-type"], "text/x")
        self.assertEqual(answer.headers["cache-control"], "no-store")
        self.ask("GET /metrics")
        self.assertEqual(self.accepted, ["text/x", ""])

    def test_no_script(self) -> None:
        """
        No script of another origin gets to read them.
        """
        for path in PATHS:
            answer = self.ask(f"GET {path}", "Origin: https://a.example")
            self.assertNotIn("access-control-allow-origin", answer.headers, path)

    def test_ready(self) -> None:
        """
        Ready is 200; from the moment that it is not, 503.
        """
        answer = self.ask("GET /readyz")
        self.assertEqual((answer.status, answer.body), (200, b"ready\n"))
        self.is_ready = False
        answer = self.ask("GET /readyz")
        self.assertEqual((answer.status, answer.body), (503, b"draining\n"))
        self.assertEqual(self.ask("GET /healthz").body, b"ok\n")

    def test_unchanged(self) -> None:
        """
        A site without metrics is ready, and its metrics are empty.
        """
        self.assertEqual(self.ask("GET /readyz", probes=Probes()).status, 200)
        self.assertEqual(self.ask("GET /metrics", probes=Probes()).body, b"")

    def test_never_waits(self) -> None:
        """
        They are answered at once where not one answer more may be waited for.
        """
        talk = Conversation(configured(limited(waiting=1)))
        root = tree(talk.settings, talk.clock, probes=self.probes)
        site = factory(talk.settings, talk.clock, talk.counters, root)
        waiting = Conversation(talk.settings, talk.clock, talk.counters, site)
        waiting.ask(b"GET / HTTP/1.1\r\nHost: netd\r\n\r\n")
        self.assertEqual(site.in_flight, 1)
        for path, status in (("/", 503), *((path, 200) for path in PATHS)):
            again = Conversation(talk.settings, talk.clock, talk.counters, site)
            self.assertEqual(again.request(f"GET {path}").status, status, path)

    def test_elsewhere(self) -> None:
        """
        Where they have a listener of their own, the site has none, and the listener only them.
        """
        talk = Conversation()
        public = tree(talk.settings, talk.clock, probes=None)
        own = probes_only(talk.settings, talk.clock, self.probes)
        for root, statuses in ((public, (404, 404, 404, 200)), (own, (200, 200, 200, 404))):
            site = factory(talk.settings, talk.clock, talk.counters, root)
            for path, status in zip([*PATHS, "/get"], statuses, strict=True):
                again = Conversation(talk.settings, talk.clock, talk.counters, site)
                self.assertEqual(again.request(f"GET {path}").status, status, path)


class PlacedTests(SynchronousTestCase):
    """
    The table of a site.
    """

    def test_placed(self) -> None:
        """
        The three stand where the table has them, and nothing else changes.
        """
        mine = Probes()
        table = placed(ROUTES, mine)
        self.assertEqual([route.path for route in table], [route.path for route in ROUTES])
        self.assertEqual([route for route in table if route.path in PATHS], list(mine.routes()))
        without = placed(ROUTES, None)
        self.assertEqual(len(without), len(ROUTES) - 3)
        self.assertFalse({route.path for route in without} & set(PATHS))
