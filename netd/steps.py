"""
Work that can be done in steps, so that it need not hold the reactor.

Rules: pure.  A `Steps[T]` is a generator that yields every few milliseconds and
returns a T.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Steps: TypeAlias = Generator[None, None, T]


def run_now(steps: Steps[T]) -> T:
    """Take all steps without a pause and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
