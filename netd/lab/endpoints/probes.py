"""
What monitoring asks for: liveness, readiness and metrics.

Rules: pure functions from a Call to a Reply; never delayed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from attrs import field, frozen

from netd.lab.call import TEXT, Call, Reply
from netd.lab.routes import Route

NO_STORE: Final = (("Cache-Control", "no-store"),)


@frozen
class Probes:
    """The probes of a daemon; by default it is always ready and has no metrics."""

    metrics: Callable[[str], tuple[str, bytes]] = field(default=lambda _: (TEXT, b""))
    """From the value of Accept to a content type and a body."""
    ready: Callable[[], bool] = field(default=lambda: True)
    """Whether the daemon takes new work."""

    def health(self, call: Call) -> Reply:
        """Return `ok`: the daemon can respond."""
        return Reply(b"ok\n", headers=NO_STORE, sandbox=False)

    def readiness(self, call: Call) -> Reply:
        """Return 200 while the daemon takes new work, and 503 once it stops."""
        if self.ready():
            return Reply(b"ready\n", headers=NO_STORE, sandbox=False)
        return Reply(b"draining\n", 503, headers=NO_STORE, sandbox=False)

    def exposition(self, call: Call) -> Reply:
        """Return the counters in a format of Prometheus."""
        content_type, body = self.metrics(call.header("accept") or "")
        return Reply(body, type=content_type, headers=NO_STORE, sandbox=False)

    def routes(self) -> tuple[Route, ...]:
        """The routes of the three probes."""
        route = partial(Route, cors=False, prompt=True)
        return (
            route("/healthz", self.health, "ok while the daemon responds"),
            route("/readyz", self.readiness, "ready, or 503 while the daemon stops"),
            route("/metrics", self.exposition, "the counters, for Prometheus"),
        )
