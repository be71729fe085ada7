"""
The descriptors that the process may have open, and the connections that they are enough for.
"""

from __future__ import annotations

from sys import maxsize
from typing import Final

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]  # Windows

RESERVE: Final = 128
"""Descriptors for other things than connections: logs, files, 63 of their copies, pipes."""


def raise_limit() -> int:
    """
    Raise the soft limit of descriptors to the hard one; returns the limit in force.

    macOS refuses, as it has another limit below its hard limit; Windows has that of select().
    """
    if resource is None:
        return 512
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            return soft
    return hard


def max_connections() -> int:
    """The connections that leave `RESERVE` descriptors free, at least one."""
    limit = raise_limit()
    unlimited = resource is not None and limit == resource.RLIM_INFINITY
    return maxsize if unlimited else max(1, limit - RESERVE)
