"""
An impaired network: datagrams delayed, lost, duplicated, reordered, corrupted.

Rules: pure.  The n-th datagram of one seed always gets the same script, so that
a run can be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from netd.script import Abort, Script, Send, Step, Wait
from netd.settings import Impairment
from netd.values import Duration

REORDER_SECONDS: Final = 0.01
"""Additional delay of a reordered datagram."""


class Impairments:
    """Draws a script for each datagram."""

    def __init__(self, impairment: Impairment) -> None:
        self._impairment = impairment
        # Not for secrets: for the same scripts from the same seed.
        self._random = Random(impairment.seed)  # noqa: S311

    def script(self, data: bytes) -> Script:
        """The script that sends `data` through the impaired network."""
        impairment, random = self._impairment, self._random.random
        # Always five draws, so that one probability does not affect the others.
        loss, duplicate, reorder, corrupt, position = (random() for _ in range(5))
        if corrupt < impairment.corrupt:
            data = flip_bit(data, position)
        delay = impairment.delay
        wait = delay.seconds if isinstance(delay, Duration) else delay.draw(self._random)
        if reorder < impairment.reorder:
            wait += REORDER_SECONDS
        copies = 2 if duplicate < impairment.duplicate else 1
        return _steps(data, wait, 0 if loss < impairment.loss else copies)


def flip_bit(data: bytes, position: float) -> bytes:
    """`data` with one bit inverted, at `position` from 0 to 1; b"" stays as it is."""
    if not data:
        return data
    bit = int(position * len(data) * 8)
    return b"%b%c%b" % (data[: bit // 8], data[bit // 8] ^ 1 << bit % 8, data[bit // 8 + 1 :])


def _steps(data: bytes, wait: float, copies: int) -> Iterator[Step]:
    if not copies:
        yield Abort()
        return
    if wait:
        yield Wait(wait)
    for _ in range(copies):
        yield Send(data)
