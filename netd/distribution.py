"""
Lengths of time that are left to chance.

Rules: pure; as in `values`, text is parsed once, and `str` gives it back.  Who
draws brings the randomness.
"""

from __future__ import annotations

import math
from random import Random
from typing import Final, Self

from attrs import frozen

from netd.values import Duration

_SHAPES: Final = {
    "uniform": ("-", "uniform:1s-3s"),
    "normal": (",", "normal:1s,200ms"),
    "lognormal": (",", "lognormal:1s,200ms"),
    "exponential": ("", "exponential:1s"),
}
"""What stands between the two durations of each shape, and an example of it."""


@frozen
class Distribution:
    """
    A length of time that is drawn anew each time.

    `uniform:1s-3s` lies evenly between the two; `normal:1s,200ms` and
    `lognormal:1s,200ms` have that mean and standard deviation; `exponential:1s`
    has that mean.  What would be below zero is zero.
    """

    shape: str
    first: Duration
    second: Duration | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The distribution that `text` says."""
        shape, _, said = text.partition(":")
        if shape not in _SHAPES:
            raise ValueError(f"not one of {', '.join(_SHAPES)}")
        between, example = _SHAPES[shape]
        parts = said.split(between) if between else [said]
        try:
            first, *rest = map(Duration.parse, parts)
        except ValueError:
            raise ValueError(f"not two durations as in {example}") from None
        if len(rest) != bool(between):
            raise ValueError(f"not written as in {example}")
        if shape == "uniform" and rest[0] < first:
            raise ValueError("the longer duration comes second")
        if shape == "lognormal" and not first.microseconds:
            raise ValueError("the mean of a lognormal distribution is above zero")
        return cls(shape, first, *rest)

    def draw(self, random: Random) -> float:
        """Seconds, as `random` has it; never below zero, and without an upper bound."""
        first = self.first.seconds
        second = self.second.seconds if self.second is not None else 0.0
        if self.shape == "uniform":
            return random.uniform(first, second)
        if self.shape == "normal":
            return max(0.0, random.gauss(first, second))
        if self.shape == "lognormal":
            # The two parameters are those of the logarithm; these are what was asked for.
            variance = math.log1p((second / first) ** 2)
            return random.lognormvariate(math.log(first) - variance / 2, math.sqrt(variance))
        return random.expovariate(1 / first) if first else 0.0

    def __str__(self) -> str:
        between, _ = _SHAPES[self.shape]
        second = "" if self.second is None else f"{between}{self.second}"
        return f"{self.shape}:{self.first}{second}"


def delay(text: str) -> Duration | Distribution:
    """A duration, or a distribution of durations."""
    return Distribution.parse(text) if ":" in text else Duration.parse(text)
