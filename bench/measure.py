"""What the bench reads from the machine, and how figures are summed up and printed.

Rules: reads /proc and computes; it starts nothing, opens no socket and knows no peer.
"""

import math
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Fields of /proc/PID/stat, counted behind the command's closing parenthesis: proc(5) less 3.
_PPID, _UTIME, _STIME, _CUTIME, _CSTIME = 1, 11, 12, 13, 14


class Drops(NamedTuple):
    """Connections the kernel dropped at listening sockets: of the whole machine, not of one."""

    drops: int
    overflows: int

    def since(self, before: "Drops") -> "Drops":
        """What was dropped between `before` and this reading."""
        return Drops(self.drops - before.drops, self.overflows - before.overflows)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty once the process is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return []
    # The command may hold spaces and parentheses, so the fields begin behind the last one.
    return text[text.rindex(")") + 1 :].split()


def tree(pid: int) -> list[int]:
    """`pid` and all its descendants alive now, parents first."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[_PPID]), []).append(int(entry.name))
    found = [pid]
    for parent in found:
        found.extend(children.get(parent, []))
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of `pid` and its descendants, those already waited for included."""
    fields = [_stat(one) for one in tree(pid)]
    wanted = (_UTIME, _STIME, _CUTIME, _CSTIME)
    return sum(int(each[field]) for each in fields if each for field in wanted) / _TICKS


def rss_bytes(pids: Iterable[int]) -> int:
    """Resident memory of these processes; pages they share count once for each."""
    total = 0
    for pid in pids:
        try:
            total += int((PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE
        except OSError:
            continue
    return total


def listen_drops() -> Drops:
    """ListenDrops and ListenOverflows from /proc/net/netstat."""
    lines = (PROC / "net" / "netstat").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("TcpExt:"))
    found = dict(zip(names[1:], map(int, values[1:]), strict=True))
    return Drops(found["ListenDrops"], found["ListenOverflows"])


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value with `share` of all at or below it."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def middle(values: Iterable[float]) -> float:
    """The median, not-a-number when there is nothing to take it of."""
    ranked = list(values)
    return median(ranked) if ranked else math.nan


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, the others to the right."""
    marks = ["---", *("---:" for _ in header[1:])]
    lines = (header, marks, *([cell.replace("|", "\\|") for cell in row] for row in rows))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cpu_model() -> str:
    """The processor's name as the kernel gives it."""
    try:
        text = (PROC / "cpuinfo").read_text()
    except OSError:
        text = ""
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def opening(versions: Iterable[str], about: str, notes: Iterable[str]) -> str:
    """The text above the tables: the machine, the load, and the notes."""
    return "\n\n".join([f"{_machine(versions)}. {about}.", *(f"{note}." for note in notes)])


def _machine(versions: Iterable[str]) -> str:
    """Processor, cores this process may use, kernel, versions, load average."""
    cores = len(os.sched_getaffinity(0))
    parts = [_cpu_model(), f"{cores} core{'s' if cores > 1 else ''}"]
    parts += [f"{platform.system()} {platform.release()}"]
    parts += [f"{platform.python_implementation()} {platform.python_version()}", *versions]
    return ", ".join([*parts, f"load average before {os.getloadavg()[0]:.2f}"])
