"""What the bench reads from the machine, and how figures are summed up and printed.

Rules: reads /proc and computes; it starts nothing, opens no socket and knows no peer.
"""

import math
import os
import platform
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Fields of /proc/PID/stat, counted behind the command's closing parenthesis: proc(5) less 3.
_STATE, _PPID, _UTIME, _STIME, _CUTIME, _CSTIME, _THREADS = 0, 1, 11, 12, 13, 14, 17
_MOST_READ = 200
"""Processes whose memory is read; of more than that the others count as these do."""


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
    return trees([pid])[0]


def trees(pids: Iterable[int]) -> list[list[int]]:
    """The same for each of some processes."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[_PPID]), []).append(int(entry.name))
    families = [[pid] for pid in pids]
    for family in families:
        for parent in family:
            family.extend(children.get(parent, []))
    return families


def cpu_seconds(pid: int) -> float:
    """User and system time of `pid` and its descendants, those already waited for included."""
    return cpu_seconds_of(tree(pid))


def cpu_seconds_of(pids: Iterable[int]) -> float:
    """The same of these processes, and of their children already waited for."""
    fields = [_stat(one) for one in pids]
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


def pss_bytes(pids: Sequence[int]) -> int:
    """Resident memory of these processes; pages they share are divided among them."""
    read = pids[:: 1 + len(pids) // _MOST_READ]
    kilobytes = 0
    for pid in read:
        with suppress(OSError):
            text = (PROC / str(pid) / "smaps_rollup").read_text()
            # The file of a process that ends is empty.
            kilobytes += int((text.partition("\nPss:")[2].split() or ["0"])[0])
    return kilobytes * 1024 * len(pids) // len(read)


def threads(pids: Iterable[int]) -> int:
    """The threads of these processes."""
    return sum(int(fields[_THREADS]) for pid in pids if (fields := _stat(pid)))


def switches(pids: Iterable[int]) -> int:
    """The context switches of the threads that these processes have now."""
    total = 0
    for pid in pids:
        for status in (PROC / str(pid) / "task").glob("*/status"):
            with suppress(OSError):
                lines = status.read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return total


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    fields = _stat(pid)
    return bool(fields) and fields[_STATE] != "Z"


def listens(port: int) -> bool:
    """Whether a socket listens on this port over IPv4, seen without a connection to it."""
    return f":{port:04X} 00000000:0000 0A " in (PROC / "net" / "tcp").read_text()


def memory_left() -> float:
    """The share of the machine's memory that is available."""
    lines = (PROC / "meminfo").read_text().splitlines()
    sizes = {name: int(rest.split()[0]) for name, _, rest in (x.partition(":") for x in lines)}
    return sizes["MemAvailable"] / sizes["MemTotal"]


def listen_drops() -> Drops:
    """ListenDrops and ListenOverflows from /proc/net/netstat."""
    lines = (PROC / "net" / "netstat").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("TcpExt:"))
    counts = dict(zip(names[1:], map(int, values[1:]), strict=True))
    return Drops(counts["ListenDrops"], counts["ListenOverflows"])


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
