"""
A bad network, on purpose: datagrams late, lost, twice, out of order, damaged.

Rules: pure.  One seed gives one fate to the n-th datagram, whatever the time;
so what a client went through once can be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from netd.script import Abort, Script, Send, Step, Wait
from netd.settings import Impairment
from netd.values import Duration

OVERTAKEN_SECONDS: Final = 0.01
"""By how much a reordered datagram is later than the others."""


class Impairments:
    """Decides what becomes of each datagram."""

    def __init__(self, impairment: Impairment) -> None:
        self._delay = impairment.delay
        self._shares = impairment
        # Not for secrets: for the same fates from the same seed.
        self._random = Random(impairment.seed)  # noqa: S311

    def script(self, data: bytes) -> Script:
        """What to say instead of `data`."""
        shares, random = self._shares, self._random.random
        # Always five draws, so that one share changes nothing about the others.
        lost, twice, late, damaged, place = (random() for _ in range(5))
        if damaged < shares.corrupt:
            data = flip(data, place)
        delay = self._delay
        wait = delay.seconds if isinstance(delay, Duration) else delay.draw(self._random)
        if late < shares.reorder:
            wait += OVERTAKEN_SECONDS
        return _fate(data, wait, lost < shares.loss, 2 if twice < shares.duplicate else 1)


def flip(data: bytes, place: float) -> bytes:
    """`data` with one bit wrong, at `place` from 0 to 1; nothing cannot be damaged."""
    if not data:
        return data
    bit = int(place * len(data) * 8)
    return b"%b%c%b" % (data[: bit // 8], data[bit // 8] ^ 1 << bit % 8, data[bit // 8 + 1 :])


def _fate(data: bytes, wait: float, lost: bool, copies: int) -> Iterator[Step]:
    if lost:
        yield Abort()
        return
    if wait:
        yield Wait(wait)
    for _ in range(copies):
        yield Send(data)
