"""
How many workers there are, and how large each one's part of a limit is.

Rules: pure; no Twisted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from math import ceil
from pathlib import Path
from sys import maxsize
from typing import Final

from attrs import evolve

from netd.settings import Settings

_CGROUPS: Final = Path("/sys/fs/cgroup")


def _read(path: Path) -> str:
    """The text of a small file of the kernel; empty where there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def quota(read: Callable[[Path], str] = _read) -> float:
    """
    The CPUs that the process's control groups grant, the least of all; 0: no limit.

    Source: cgroup v2, `cpu.max`; /proc/self/cgroup names the group.
    """
    lines = read(Path("/proc/self/cgroup")).splitlines()
    names = [line[3:].lstrip("/") for line in lines if line.startswith("0::")]
    folder = _CGROUPS / (names[0] if names else "")
    granted = [0.0]
    for group in (folder, *folder.parents):
        words = read(group / "cpu.max").split()
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit():
            granted.append(int(words[0]) / int(words[1]))
    return min(filter(None, granted), default=0.0)


def auto(cpus: Callable[[], int] = _cpus, read: Callable[[Path], str] = _read) -> int:
    """The CPUs that this process may use: its affinity, at most its quota rounded up."""
    count, granted = cpus(), quota(read)
    return max(1, min(count, ceil(granted)) if granted else count)


def part(limit: int, workers: int) -> int:
    """One worker's part of `limit`, rounded up; 0 and `maxsize`, no limits, stay."""
    return limit if limit in (0, maxsize) else ceil(limit / workers)


def divided(settings: Settings, workers: int) -> Settings:
    """
    The settings of each of `workers`, which has a part of what is divided.

    These are the limits of clients, the spool, the unsent bytes, --console-watchers,
    --rpc-workers and --rpc-backlog.

    ValueError for what several processes cannot do.
    """
    if settings.http.lab.seed is not None:
        raise ValueError("--seed: needs --workers 1, several processes would repeat nothing")
    limits, access, rpc = settings.http.limits, settings.access, settings.rpc
    watchers = settings.http.console_watchers
    limits = evolve(
        limits,
        spool=part(limits.spool, workers),
        unsent=part(limits.unsent, workers),
        client_connections=part(limits.client_connections, workers),
        client_waiting=part(limits.client_waiting, workers),
    )
    return evolve(
        settings,
        http=evolve(settings.http, limits=limits, console_watchers=part(watchers, workers)),
        access=evolve(access, connect_rate=part(access.connect_rate, workers)),
        rpc=evolve(rpc, workers=part(rpc.workers, workers), backlog=part(rpc.backlog, workers)),
    )
