"""
The limit of open files and sockets of this process.
"""

from __future__ import annotations

import resource
from sys import maxsize
from typing import Final

RESERVE: Final = 64
"""Descriptors for other things than connections: logs, files, body buffers, pipes."""


def raise_limit() -> int:
    """
    Raise the soft limit of descriptors to the hard one; returns the limit in force.

    macOS refuses, as it has another limit below its hard limit.
    """
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
    return maxsize if limit == resource.RLIM_INFINITY else max(1, limit - RESERVE)
