"""
Tests for netd.distribution.
"""

from __future__ import annotations

import math
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from netd.distribution import Distribution, delay
from netd.test.grammars import DURATIONS, TEXT, YEAR, Refusing, by_chance
from netd.values import Duration

_LONG = st.integers(1, YEAR).map(Duration)


@st.composite
def _distributions(draw: st.DrawFn) -> Distribution:
    shape = draw(st.sampled_from(["uniform", "normal", "lognormal", "exponential"]))
    first, second = sorted([draw(_LONG), draw(_LONG)])
    return Distribution(shape, first, None if shape == "exponential" else second)


class DistributionTests(Refusing):
    """
    A length of time that is drawn.
    """

    def test_said(self) -> None:
        """
        Each shape is said with its durations, and written as it is said.
        """
        for text in (
            *("uniform:1s-3s", "normal:1s,200ms", "lognormal:1s,200ms", "exponential:1s"),
            *("uniform:0s-0s", "normal:0s,0s", "lognormal:1s,0s", "exponential:0s"),
        ):
            self.assertEqual(str(Distribution.parse(text)), text)
        self.assertEqual(
            Distribution.parse("uniform:1-250000ms"),
            Distribution("uniform", Duration(1_000_000), Duration(250_000_000)),
        )

    def test_refused(self) -> None:
        """
        Another shape, a duration too many or too few, and what cannot be drawn are refused.
        """
        self.refused(
            Distribution.parse,
            *("", "uniform", "uniform:", "uniform:1s", "uniform:1s,3s", "uniform:3s-1s"),
            *(
                "uniform:1s-2s-3s",
                "normal:1s",
                "normal:1s-2s",
                "normal:1s,2s,3s",
                "normal:-1s,1s",
            ),
            *("lognormal:0s,1s", "exponential:", "exponential:1s,2s", "Uniform:1s-3s"),
            *("cauchy:1s", "uniform:1s- 3s", "exponential:nan", ":1s"),
        )

    def test_explained(self) -> None:
        """
        The message shows how the shape is written.
        """
        for text in ("uniform:1s", "uniform:x-y", "uniform:1s,3s"):
            with self.assertRaises(ValueError) as caught:
                Distribution.parse(text)
            self.assertIn("uniform:1s-3s", str(caught.exception))

    @by_chance
    @given(_distributions())
    def test_round_trip(self, distribution: Distribution) -> None:
        """
        What is written parses to the same distribution.
        """
        self.assertEqual(Distribution.parse(str(distribution)), distribution)

    @by_chance
    @given(_distributions(), st.integers())
    def test_draw(self, distribution: Distribution, seed: int) -> None:
        """
        What is drawn can be waited for, and the same seed draws the same.
        """
        drawn = distribution.draw(Random(seed))
        self.assertTrue(0 <= drawn < math.inf, drawn)
        self.assertEqual(distribution.draw(Random(seed)), drawn)
        if distribution.shape == "uniform" and distribution.second is not None:
            self.assertLessEqual(distribution.first.seconds, drawn)
            self.assertLessEqual(drawn, distribution.second.seconds)

    def test_means(self) -> None:
        """
        In the long run what is drawn has the mean that was asked for.
        """
        random = Random(1)
        for text, mean in (
            ("uniform:1s-3s", 2.0),
            ("normal:2s,200ms", 2.0),
            ("lognormal:2s,1s", 2.0),
            ("exponential:2s", 2.0),
        ):
            distribution = Distribution.parse(text)
            drawn = [distribution.draw(random) for _ in range(20_000)]
            self.assertApproximates(sum(drawn) / len(drawn), mean, 0.05)

    def test_nothing(self) -> None:
        """
        Distributions of no time draw none.
        """
        for text in ("uniform:0s-0s", "normal:0s,0s", "exponential:0s"):
            self.assertEqual(Distribution.parse(text).draw(Random(1)), 0.0)

    @by_chance
    @given(TEXT | TEXT.map("uniform:{}".format) | TEXT.map("normal:{}".format))
    def test_any_text(self, text: str) -> None:
        """
        No text raises anything but ValueError.
        """
        self.only_value_errors(Distribution.parse, text)


class DelayTests(Refusing):
    """
    A delay is a duration or a distribution.
    """

    def test_said(self) -> None:
        """
        A colon makes the difference.
        """
        self.assertEqual(delay("3s"), Duration(3_000_000))
        self.assertEqual(delay("exponential:1s"), Distribution.parse("exponential:1s"))

    def test_refused(self) -> None:
        """
        What is neither is refused.
        """
        self.refused(delay, "", ":", "3x", "uniform", "uniform:")

    @by_chance
    @given(DURATIONS | _distributions())
    def test_round_trip(self, value: Duration | Distribution) -> None:
        """
        What is written parses to the same delay.
        """
        self.assertEqual(delay(str(value)), value)
