"""
Every URL of the lab on one page; `/help` is made from it.

Rules: data only.  A new endpoint is one function in a theme's module and one
line here.
"""

from __future__ import annotations

from typing import Final

from netd.web.exchange import ANY, Route
from netd.web.lab import about, delay

ROUTES: Final = (
    Route("/", delay.echo, "wait --delay, then echo the body", ANY),
    Route("/delay/<duration>", delay.delay, "wait that long, then echo the body", ANY),
    Route("/healthz", about.health, "ok as long as the daemon answers"),
    Route("/help", about.help_page, "this table"),
)
