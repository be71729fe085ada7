"""
A bad network: every share of it alone, and one seed twice.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.script import Abort, Send, Step, Wait
from netd.services.impairment import OVERTAKEN_SECONDS, Impairments, flip
from netd.settings import Impairment
from netd.values import Distribution, Duration

_property = settings(deadline=None, derandomize=True, max_examples=100)


def fates(count: int = 1000, data: bytes = b"data", **shares: Any) -> list[list[Step]]:
    """What becomes of `count` datagrams."""
    made = Impairments(Impairment(**{"seed": 1, **shares}))
    return [list(made.script(data)) for _ in range(count)]


class FatesTests(SynchronousTestCase):
    """
    What becomes of datagrams.
    """

    def near(self, found: float, expected: float, within: float) -> None:
        """`found` is about `expected`."""
        self.assertLessEqual(abs(found - expected), within)

    def share(self, found: list[list[Step]], like: list[Step]) -> float:
        """The share of those in `found` that are as `like`."""
        return sum(each == like for each in found) / len(found)

    def test_nothing(self) -> None:
        """Without any share each is sent, once and at once."""
        self.assertEqual(fates(3), [[Send(b"data")]] * 3)

    def test_loss(self) -> None:
        """Lost ones are aborted, as many as asked for."""
        found = fates(loss=0.25)
        self.near(self.share(found, [Abort()]), 0.25, 0.05)
        self.near(self.share(found, [Send(b"data")]), 0.75, 0.05)
        self.assertEqual(self.share(fates(loss=1.0), [Abort()]), 1.0)

    def test_duplicate(self) -> None:
        """Others are sent twice."""
        found = fates(duplicate=0.1)
        self.near(self.share(found, [Send(b"data")] * 2), 0.1, 0.05)

    def test_delay(self) -> None:
        """All wait, or each as long as is drawn for it."""
        self.assertEqual(fates(2, delay=Duration(250_000)), [[Wait(0.25), Send(b"data")]] * 2)
        waits = [
            step.seconds
            for script in fates(delay=Distribution.parse("uniform:1s-3s"))
            for step in script
            if isinstance(step, Wait)
        ]
        self.assertEqual(len(waits), 1000)
        self.near(sum(waits) / 1000, 2.0, 0.1)

    def test_reorder(self) -> None:
        """Some wait a little, so that those behind them come first."""
        found = fates(reorder=0.3)
        late: list[Step] = [Wait(OVERTAKEN_SECONDS), Send(b"data")]
        self.near(self.share(found, late), 0.3, 0.05)

    def test_corrupt(self) -> None:
        """Damaged ones have one bit wrong, at any place."""
        sent = [script[0] for script in fates(corrupt=1.0)]
        data = {step.data for step in sent if isinstance(step, Send)}
        self.assertEqual(len(data), 32)
        for each in data:
            wrong = int.from_bytes(each, "big") ^ int.from_bytes(b"data", "big")
            self.assertEqual(wrong.bit_count(), 1)

    def test_seed(self) -> None:
        """One seed is one series of fates, another another, and none never the same."""
        everything: dict[str, Any] = {
            "loss": 0.1,
            "duplicate": 0.2,
            "reorder": 0.2,
            "corrupt": 0.3,
        }
        self.assertEqual(fates(seed=7, **everything), fates(seed=7, **everything))
        self.assertNotEqual(fates(seed=7, **everything), fates(seed=8, **everything))
        self.assertNotEqual(fates(seed=None, **everything), fates(seed=None, **everything))

    def test_independent(self) -> None:
        """A share more changes nothing about who is lost."""
        lost = [script == [Abort()] for script in fates(loss=0.5)]
        more = [script == [Abort()] for script in fates(loss=0.5, duplicate=0.5, corrupt=0.5)]
        self.assertEqual(lost, more)


class FlipTests(SynchronousTestCase):
    """
    One bit.
    """

    @_property
    @given(st.binary(), st.floats(0, 1, exclude_max=True))
    def test_one(self, data: bytes, place: float) -> None:
        """Exactly one is wrong, except in nothing."""
        found = flip(data, place)
        self.assertEqual(len(found), len(data))
        wrong = int.from_bytes(found, "big") ^ int.from_bytes(data, "big")
        self.assertEqual(wrong.bit_count(), min(1, len(data)))
