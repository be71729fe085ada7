"""
Tests for netd.lab.figures.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.lab.figures import MAX_FRAMES, Figures, Read, Reading


class FiguresTests(SynchronousTestCase):
    """
    Frames of a daemon whose counters the test sets.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.counters = Counters()
        self.reads = 0
        self.figures = Figures(self.read, self.clock.seconds, lambda: 7.125)

    def read(self, done: Any) -> None:
        """Read what the test has set."""
        self.reads += 1
        done(Reading(self.counters, 5, 3, 4096))

    def frames(self) -> list[Any]:
        """All frames that are kept."""
        return [json.loads(each) for each in self.figures.frames]

    def test_frame(self) -> None:
        """A frame has what was counted since the sample before, and the gauges."""
        self.counters.responses[200] = 100
        self.figures.look()
        self.assertEqual(self.frames(), [])
        for status, count in ((200, 10), (101, 1), (301, 2), (404, 4), (499, 1), (503, 5)):
            self.counters.responses[status] += count
        self.counters.lateness.add(0.0015)
        self.counters.datagrams, self.counters.datagrams_sent = 9, 8
        self.counters.drops["loop"] = 1
        self.counters.refusals["network"] = 2
        self.counters.lag = 0.0004
        self.clock.advance(1.5)
        self.figures.look()
        (frame,) = self.frames()
        self.assertEqual(
            frame,
            {
                "at": 7.12,
                "span": 1.5,
                "http": [11, 2, 5, 5],
                "late": [0, 1, *[0] * 9],
                "udp": [9, 8, 1],
                "refused": {"network": 2},
                "waiting": 3,
                "connections": 5,
                "lag": 0.0004,
                "memory": 4096,
            },
        )
        self.clock.advance(1)
        self.figures.look()
        self.assertEqual(self.frames()[1]["http"], [0, 0, 0, 0])
        self.assertEqual(self.frames()[1]["refused"], {})

    def test_begin(self) -> None:
        """Who begins to watch has a sample to count from, and makes no frame."""
        for pause, reads, frames in ((0, 1, 0), (1, 2, 1), (5, 2, 1), (11, 3, 1)):
            self.clock.advance(pause)
            self.figures.look() if pause == 1 else self.figures.begin()
            self.assertEqual((self.reads, self.figures.count), (reads, frames))

    def test_shared(self) -> None:
        """Whoever looks first in a second has a sample taken, which is that of the others."""
        for _ in range(10):
            for _ in range(3):
                self.figures.look()
            self.clock.advance(0.5)
        self.assertEqual(self.reads, 5)
        self.assertEqual(self.figures.count, 4)

    def test_none(self) -> None:
        """Nobody looks: nothing is read, and there is no timer."""
        self.clock.advance(100)
        self.assertEqual(self.reads, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_gap(self) -> None:
        """After a time without a look the next sample makes no frame."""
        self.figures.look()
        self.clock.advance(9)
        self.figures.look()
        self.clock.advance(11)
        self.figures.look()
        self.clock.advance(1)
        self.figures.look()
        self.assertEqual([frame["span"] for frame in self.frames()], [9, 1])

    def test_kept(self) -> None:
        """The latest 300 frames are kept, and `since` has those that are new."""
        for _ in range(MAX_FRAMES + 11):
            self.figures.look()
            self.clock.advance(1)
        self.assertEqual(self.figures.count, MAX_FRAMES + 10)
        self.assertEqual(len(self.figures.frames), MAX_FRAMES)
        self.assertEqual(self.figures.since(0), list(self.figures.frames))
        self.assertEqual(self.figures.since(MAX_FRAMES + 8), list(self.figures.frames)[-2:])
        self.assertEqual(self.figures.since(MAX_FRAMES + 10), [])

    def test_later(self) -> None:
        """A reading of other processes may come later, and counts for when it was asked."""
        asked: list[Any] = []
        read: Read = asked.append
        figures = Figures(read, self.clock.seconds)
        for _ in range(2):
            figures.look()
            self.clock.advance(1)
        for each in asked:
            each(Reading(self.counters, 0, 0, 0))
        (frame,) = figures.frames
        self.assertEqual(json.loads(frame)["span"], 1)
