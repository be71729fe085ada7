"""
Tests for netd.ops.watching.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.counters import Counters
from netd.lab.figures import Reading
from netd.lab.watchers import Watcher
from netd.ops.metrics import Gauges
from netd.ops.watching import watchers
from netd.settings import Settings
from netd.values import Endpoint

GAUGES = Gauges(
    lambda: {"http": 4, "tcp-echo": 1}, lambda: {"http": 3}, lambda: 0, lambda: 0, dict
)


class WatchingTests(SynchronousTestCase):
    """
    What watchers see of a daemon.
    """

    def setUp(self) -> None:
        self.clock, self.settings = Clock(), Settings()

    def test_figures(self) -> None:
        """Frames have the gauges of the daemon, without the streams of those who watch."""
        made = watchers(self.settings, self.clock, lambda: True, Counters(), GAUGES)
        assert made.figures is not None
        made.enter(Watcher())
        for _ in range(2):
            made.figures.look()
            self.clock.advance(1)
        (frame,) = map(json.loads, made.figures.frames)
        self.assertEqual((frame["connections"], frame["waiting"]), (5, 2))
        self.assertGreater(frame["memory"], 1_000_000)

    def test_others(self) -> None:
        """The figures may be those of several processes."""
        asked: list[Callable[[Reading], None]] = []
        made = watchers(
            self.settings, self.clock, lambda: True, Counters(), GAUGES, read=asked.append
        )
        assert made.figures is not None
        made.figures.look()
        (done,) = asked
        done(Reading(Counters(), 1, 1, 1))

    def test_moved(self) -> None:
        """With --metrics-http there are no figures."""
        listen = (Endpoint("tcp", "127.0.0.1", 0),)
        config = evolve(self.settings, monitoring=settings.Monitoring(listen))
        made = watchers(config, self.clock, lambda: True, Counters(), GAUGES)
        self.assertIsNone(made.figures)

    def test_token(self) -> None:
        """A token is drawn at each start, with --console-requests only."""
        http = evolve(self.settings.http, console_requests=True)
        tokens = {
            watchers(each, self.clock, lambda: True, Counters(), GAUGES).token
            for each in (self.settings, *[evolve(self.settings, http=http)] * 2)
        }
        self.assertEqual(sorted(map(len, tokens)), [0, 22, 22])
