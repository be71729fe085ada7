"""
Work that can be done a piece at a time, so that it need not hold the reactor.

Rules: pure.  A `Steps[T]` is a generator that yields after each piece of a few
milliseconds and returns its T; `run_now` runs it where nobody waits.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Steps: TypeAlias = Generator[None, None, T]


def run_now(steps: Steps[T]) -> T:
    """Do all of it and return what it came to."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
