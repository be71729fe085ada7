"""
Tests of netd.services.impairment.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.script import Abort, Send, Step, Wait
from netd.services.impairment import REORDER_SECONDS, Impairments, flip_bit
from netd.settings import Impairment
from netd.values import Distribution, Duration

_property = settings(deadline=None, derandomize=True, max_examples=100)


def scripts(count: int = 1000, data: bytes = b"data", **shares: Any) -> list[list[Step]]:
    """The scripts of `count` datagrams."""
    impairments = Impairments(Impairment(**{"seed": 1, **shares}))
    return [list(impairments.script(data)) for _ in range(count)]


class ImpairmentsTests(SynchronousTestCase):
    """
    The scripts of datagrams.
    """

    def near(self, share: float, expected: float, within: float) -> None:
        """`share` is about `expected`."""
        self.assertLessEqual(abs(share - expected), within)

    def share(self, drawn: list[list[Step]], like: list[Step]) -> float:
        """The share of `like` in `drawn`."""
        return sum(script == like for script in drawn) / len(drawn)

    def test_nothing(self) -> None:
        """Without impairment each datagram is sent once and at once."""
        self.assertEqual(scripts(3), [[Send(b"data")]] * 3)

    def test_loss(self) -> None:
        """The requested share of datagrams is lost."""
        drawn = scripts(loss=0.25)
        self.near(self.share(drawn, [Abort()]), 0.25, 0.05)
        self.near(self.share(drawn, [Send(b"data")]), 0.75, 0.05)
        self.assertEqual(self.share(scripts(loss=1.0), [Abort()]), 1.0)

    def test_duplicate(self) -> None:
        """The requested share of datagrams is sent twice."""
        drawn = scripts(duplicate=0.1)
        self.near(self.share(drawn, [Send(b"data")] * 2), 0.1, 0.05)

    def test_delay(self) -> None:
        """The delay is fixed or drawn for each datagram."""
        self.assertEqual(scripts(2, delay=Duration(250_000)), [[Wait(0.25), Send(b"data")]] * 2)
        waits = [
            step.seconds
            for script in scripts(delay=Distribution.parse("uniform:1s-3s"))
            for step in script
            if isinstance(step, Wait)
        ]
        self.assertEqual(len(waits), 1000)
        self.near(sum(waits) / 1000, 2.0, 0.1)

    def test_reorder(self) -> None:
        """The requested share of datagrams waits a little longer."""
        drawn = scripts(reorder=0.3)
        reordered: list[Step] = [Wait(REORDER_SECONDS), Send(b"data")]
        self.near(self.share(drawn, reordered), 0.3, 0.05)

    def test_corrupt(self) -> None:
        """A corrupted datagram has one bit inverted, at any position."""
        sent = [script[0] for script in scripts(corrupt=1.0)]
        data = {step.data for step in sent if isinstance(step, Send)}
        self.assertEqual(len(data), 32)
        for corrupted in data:
            difference = int.from_bytes(corrupted, "big") ^ int.from_bytes(b"data", "big")
            self.assertEqual(difference.bit_count(), 1)

    def test_seed(self) -> None:
        """The same seed gives the same scripts; another seed or none gives others."""
        everything: dict[str, Any] = {
            "loss": 0.1,
            "duplicate": 0.2,
            "reorder": 0.2,
            "corrupt": 0.3,
        }
        self.assertEqual(scripts(seed=7, **everything), scripts(seed=7, **everything))
        self.assertNotEqual(scripts(seed=7, **everything), scripts(seed=8, **everything))
        self.assertNotEqual(scripts(seed=None, **everything), scripts(seed=None, **everything))

    def test_independent(self) -> None:
        """One probability does not affect the draws of another."""
        lost = [script == [Abort()] for script in scripts(loss=0.5)]
        more = [script == [Abort()] for script in scripts(loss=0.5, duplicate=0.5, corrupt=0.5)]
        self.assertEqual(lost, more)


class FlipBitTests(SynchronousTestCase):
    """
    Corruption.
    """

    @_property
    @given(st.binary(), st.floats(0, 1, exclude_max=True))
    def test_one(self, data: bytes, position: float) -> None:
        """Exactly one bit differs, except in b""."""
        flipped = flip_bit(data, position)
        self.assertEqual(len(flipped), len(data))
        difference = int.from_bytes(flipped, "big") ^ int.from_bytes(data, "big")
        self.assertEqual(difference.bit_count(), min(1, len(data)))
