"""
Health and help.
"""

from __future__ import annotations

import io

from twisted.trial.unittest import SynchronousTestCase

from netd.test.web.conversation import HTTP, Conversation
from netd.web.exchange import ANY, Call, Route
from netd.web.lab.about import health, help_page
from netd.web.lab.table import ROUTES


def call(*routes: Route) -> Call:
    """A call with `routes` as its table."""
    return Call("GET", routes[0], routes, HTTP, {}, io.BytesIO(), 0)


class HealthTests(SynchronousTestCase):
    """
    `/healthz`.
    """

    def test_ok(self) -> None:
        """It says ok at once, and nobody may keep that."""
        answer = Conversation().request("GET /healthz")
        self.assertEqual((answer.status, answer.body), (200, b"ok\n"))
        self.assertEqual(answer.headers["cache-control"], "no-store")

    def test_ready(self) -> None:
        """The body is ready: no script, hence no timer."""
        self.assertEqual(health(call(*ROUTES)).body, b"ok\n")


class HelpTests(SynchronousTestCase):
    """
    `/help`.
    """

    def test_rows(self) -> None:
        """One line a route: path, methods, what it is for, in columns."""
        page = help_page(
            call(Route("/a", health, "first"), Route("/long/<x>", health, "second", ANY))
        )
        self.assertEqual(page.body, b"/a         GET  first\n/long/<x>  any  second\n")

    def test_whole(self) -> None:
        """The page of the daemon names every route of its table."""
        said = Conversation().request("GET /help").body.decode()
        for route in ROUTES:
            self.assertIn(f"{route.path} ", said)
            self.assertIn(route.help, said)
