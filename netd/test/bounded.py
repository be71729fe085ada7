"""
An end for code that hostile input could keep busy for minutes.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 20.0
"""Processor time; what takes linear time needs a hundredth of it on any machine."""


@contextmanager
def bounded(what: object, seconds: float | None = None) -> Iterator[None]:
    """
    AssertionError that shows `what` when the block takes `seconds` of processor time.

    It ends the block, also inside of a regular expression: it is no measurement, but tells
    linear from quadratic where the input is so large that the latter takes minutes.  By
    default it is `SECONDS`.
    """
    limit = SECONDS if seconds is None else seconds

    def end(signum: int, frame: FrameType | None) -> None:
        raise AssertionError(f"no end within {limit} s: {what!r}"[:200])

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
