"""
How many files and sockets this process may hold.

Rules: asks the kernel and nobody else.
"""

from __future__ import annotations

import resource
from sys import maxsize
from typing import Final

RESERVE: Final = 64
"""Descriptors kept for everything that is not a connection: logs, files, spools, pipes."""


def allowance() -> int:
    """
    The descriptors this process may hold, after raising the soft limit to the hard one.

    A kernel that refuses (macOS has a limit below its own hard limit) leaves it as it is.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            return soft
    return hard


def connections() -> int:
    """The connections that leave `RESERVE` descriptors free, at least one."""
    most = allowance()
    return maxsize if most == resource.RLIM_INFINITY else max(1, most - RESERVE)
