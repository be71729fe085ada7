"""Limits as the engine compares with them."""

from __future__ import annotations

import sys
from math import inf
from typing import Any

from attrs import evolve, fields
from twisted.trial.unittest import SynchronousTestCase

from netd.http.bounds import Bounds
from netd.settings import Limits
from netd.test.http.stages import LIMITS
from netd.values import Duration, Size


class BoundsTests(SynchronousTestCase):
    """Units, and limits that are off."""

    def test_defaults(self) -> None:
        """The defaults are those of the page."""
        bounds = Bounds.of(LIMITS)
        self.assertEqual((bounds.head, bounds.fields, bounds.target), (16384, 100, 8192))
        self.assertEqual(
            (bounds.body, bounds.memory, bounds.spool), (10 << 20, 1 << 16, 1 << 30)
        )
        self.assertEqual((bounds.head_time, bounds.stall, bounds.idle), (10, 30, 60))
        self.assertEqual((bounds.handshake, bounds.requests), (10, 1000))
        self.assertEqual((bounds.client_connections, bounds.connections), (512, sys.maxsize))
        self.assertEqual((bounds.waiting, bounds.client_waiting), (20_000, 1000))

    def test_off(self) -> None:
        """Nothing exceeds a limit that is nothing."""
        off: Any = {
            each.name: {"Size": Size(0), "Duration": Duration(0)}.get(str(each.type), 0)
            for each in fields(Limits)
        }
        bounds = Bounds.of(evolve(LIMITS, **off))
        for each in fields(Bounds):
            self.assertIn(getattr(bounds, each.name), (inf, sys.maxsize), each.name)
        self.assertEqual(bounds.body_seconds(10), inf)

    def test_bodySeconds(self) -> None:
        """20 s, a second more for each KiB, at most 300 s."""
        bounds = Bounds.of(LIMITS)
        for received, seconds in ((0, 20), (1024, 21), (1536, 21.5), (1 << 30, 300)):
            self.assertEqual(bounds.body_seconds(received), seconds)
