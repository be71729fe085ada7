"""
What those see of the daemon who watch it in the console.

Rules: the figures are as public as /metrics is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial

from twisted.internet.interfaces import IReactorTime

from netd.counters import Counters
from netd.lab.figures import Figures, Read, Reading
from netd.lab.watchers import Watchers
from netd.ops.metrics import Gauges
from netd.ops.status import resident_bytes
from netd.settings import Settings


def watchers(
    settings: Settings,
    clock: IReactorTime,
    running: Callable[[], bool],
    counters: Counters,
    gauges: Gauges,
    *,
    read: Read | None = None,
) -> Watchers:
    """
    The watchers of a daemon, nobody yet; a token is drawn where all requests may be watched.

    `running` says whether the daemon takes new work; `read` reads the figures of several
    processes.
    """
    token = secrets.token_urlsafe(16) if settings.http.console_requests else ""
    made = Watchers(None, running, token)
    if not settings.monitoring.listen:
        read = read or partial(_read, made, counters, gauges)
        made.figures = Figures(read, clock.seconds)
    return made


def _read(
    watchers: Watchers, counters: Counters, gauges: Gauges, done: Callable[[Reading], None]
) -> None:
    # The streams themselves say nothing of the daemon.
    waiting = sum(gauges.waiting().values()) - watchers.count
    connections = sum(gauges.connections().values())
    done(Reading(counters, connections, waiting, resident_bytes()))
