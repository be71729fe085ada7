"""
What a delay looks like: a histogram of draws.

Rules: pure functions; drawn by the distribution that responses use, so that none can differ.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from random import Random
from typing import Final

from netd.lab.call import JSON, Call, Reply
from netd.values import Distribution

_DRAWS: Final = 1000
_BINS: Final = 40
_STEPS: Final = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)


def preview(call: Call) -> Reply:
    """Return 1000 draws of a delay in 40 bins, their median and 99th percentile, in seconds."""
    body = _histogram(call.value("delay"), call.config.limits.max_delay)
    return Reply(body, type=JSON, headers=(("Cache-Control", "max-age=3600"),), sandbox=False)


@lru_cache(maxsize=128)
def _histogram(delay: float | Distribution, longest: float) -> bytes:
    """The draws of `delay`, each at most `longest`, as JSON."""
    random = Random(0)  # noqa: S311 - a picture, the same one each time
    if isinstance(delay, Distribution):
        draws = sorted(min(delay.draw(random), longest) for _ in range(_DRAWS))
    else:
        draws = [delay] * _DRAWS
    # Of a long tail the farthest draw in a thousand would press the others together.
    end = _round(draws[-3])
    bins = [0] * _BINS
    for each in draws:
        bins[min(_BINS - 1, int(each / end * _BINS))] += 1
    members = {
        "end": end,
        "bins": bins,
        "median": draws[_DRAWS // 2],
        "p99": draws[_DRAWS * 99 // 100],
    }
    return json.dumps(members).encode() + b"\n"


def _round(value: float) -> float:
    """The next number above `value` that is round, for the end of an axis."""
    if value <= 0:
        return 1.0
    unit: float = 10.0 ** math.floor(math.log10(value))
    return unit * next(step for step in _STEPS if step * unit >= value * 0.999999)
