"""
What watches the daemon asks: is it alive, is it ready, what has it counted?

Rules: pure functions from a Call to a Reply; never delayed.  What the answers
hang on is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from netd.lab.call import Call, Reply
from netd.lab.endpoints.help import health
from netd.lab.routes import Route

_FRESH: Final = (("Cache-Control", "no-store"),)


def _no_metrics(accept: str) -> tuple[str, bytes]:
    return "text/plain; charset=utf-8", b""


def _always() -> bool:
    return True


@frozen
class Probes:
    """Three URLs; without arguments those of a daemon that counts nothing."""

    metrics: Callable[[str], tuple[str, bytes]] = _no_metrics
    """From what a client accepts to a content type and a body."""
    ready: Callable[[], bool] = _always
    """Whether new work is welcome."""

    def readiness(self, call: Call) -> Reply:
        """Say whether new work is welcome: 200, or 503 from the moment that a stop begins."""
        if self.ready():
            return Reply(b"ready\n", headers=_FRESH, ours=True)
        return Reply(b"draining\n", 503, headers=_FRESH, ours=True)

    def tallies(self, call: Call) -> Reply:
        """Say what was counted so far, as Prometheus reads it."""
        kind, body = self.metrics(call.header("accept") or "")
        return Reply(body, type=kind, headers=_FRESH, ours=True)

    def routes(self) -> tuple[Route, ...]:
        """The three of them."""
        return (
            Route("/healthz", health, "ok as long as the daemon answers", cors=False),
            Route("/readyz", self.readiness, "ready, or 503 while it stops", cors=False),
            Route("/metrics", self.tallies, "what it counts, for Prometheus", cors=False),
        )


ROUTES: Final = Probes().routes()
"""As the table of all URLs shows them."""


def placed(table: tuple[Route, ...], probes: Probes | None) -> tuple[Route, ...]:
    """`table` with these probes where it has some; None: it has none."""
    mine = {} if probes is None else {route.path: route for route in probes.routes()}
    theirs = {route.path for route in ROUTES}
    return tuple(
        mine.get(route.path, route)
        for route in table
        if route.path in mine or route.path not in theirs
    )
