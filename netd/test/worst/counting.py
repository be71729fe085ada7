"""
What code costs without a stopwatch: its steps, and the most memory that it holds.

Rules: knows nothing of netd.  What C code does within one call is not seen here; texts so
large that it would not end are for `netd.test.bounded`.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps(function: Callable[[], object]) -> int:
    """How many lines and calls of Python `function` takes; it may raise anything."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def peak(function: Callable[[], object]) -> int:
    """How many bytes `function` holds at most, beyond those held before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        function()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
