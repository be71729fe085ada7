"""`python -m bench udp`: CPU per echoed datagram, loss and latency; /healthz under floods.

Rules: netd runs with its whole policy on, hence a client that asks from many addresses. The C
ends of it (`udp.c`) are compiled on the spot. Rounds are interleaved, so that what else the
machine does hits all servers alike.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench import measure, process
from bench.ask import waits
from bench.peers import SERVERS
from bench.process import StartError, version
from tests.running import free_port

_SOURCE = Path(__file__).with_suffix(".c")
_WINDOW = 32
_FLOOD_SECONDS = 3.0
_FLOOD_RATE = 100_000
_FLOODS = (("empty", 0), ("64 bytes", 64), ("1400 bytes", 1400))


class _Server(NamedTuple):
    """One UDP echo that runs."""

    label: str
    port: int
    spare: int
    pid: int


@dataclass
class _Tally:
    """The figures of one server's rounds."""

    microseconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    halves: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    lost: int = 0


def main(rounds: int, count: int) -> int:
    """Print both tables; 1 when a server lost half of the datagrams or more."""
    if not shutil.which("cc"):
        raise StartError("cc is not installed")
    client_core, server_core = process.cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netd-bench-")))
        program = folder / "udp"
        subprocess.run(["cc", "-O2", "-o", str(program), str(_SOURCE)], check=True)
        servers = [
            stack.enter_context(_running(label, command, server_core, program))
            for label, command in _commands(program).items()
        ]
        tallies = {server.label: _Tally() for server in servers}
        for number in range(rounds):
            for server in servers:
                print(f"round {number + 1}: {server.label}", file=sys.stderr)
                _ask(program, client_core, server, count, tallies[server.label])
        about = f"{count} datagrams of 64 bytes, {_WINDOW} at a time, {rounds} rounds, medians"
        print(measure.opening([f"cc {version('cc', '--version', behind=') ')}"], about, []))
        print(f"\n{_table(tallies)}\n\n{_floods(program, client_core, servers[0])}")
    return int(any(tally.lost > rounds * count / 2 for tally in tallies.values()))


def _commands(program: Path) -> dict[str, list[object]]:
    """The command lines with `PORT` and `SPARE` still to be filled in; netd first."""
    netd: list[object] = [sys.executable, "-m", "netd", "--port", "SPARE", "--udp"]
    plain: list[object] = [sys.executable, SERVERS / "datagrams.py"]
    return {
        "netd": [*netd, "PORT"],
        "netd, wildcard": [*netd, "udp:PORT:interface=0.0.0.0"],
        "C loop": [program, "echo", "PORT"],
        "listenUDP": [*plain, "twisted", "PORT"],
        "asyncio": [*plain, "asyncio", "PORT"],
    }


@contextmanager
def _running(
    label: str, command: Sequence[object], core: int, program: Path
) -> Iterator[_Server]:
    """The server `label`, pinned and responding, which ends with the block."""
    port, spare = free_port(), free_port()
    words = [str(word).replace("PORT", str(port)) for word in command]
    words = [str(spare) if word == "SPARE" else word for word in words]
    argv = ["taskset", "-c", core, *words]
    with process.started(label, argv, lambda: _answers(program, port, 1, 1)[0] >= 1) as pid:
        yield _Server(label, port, spare, pid)


def _answers(program: Path, port: int, count: int, window: int) -> list[float]:
    """The output of `udp ask`."""
    command = [str(program), "ask", str(port), str(count), str(window)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()]


def _ask(program: Path, core: int, server: _Server, count: int, tally: _Tally) -> None:
    """One round."""
    before = os.sched_getaffinity(0)
    process.pin(core)
    spent = measure.cpu_seconds(server.pid)
    got, lost, seconds, half, late = _answers(program, server.port, count, _WINDOW)
    spent = measure.cpu_seconds(server.pid) - spent
    os.sched_setaffinity(0, before)
    tally.lost += int(lost)
    if got:
        tally.microseconds.append(spent / got * 1e6)
        tally.rates.append(got / seconds)
        tally.halves.append(half)
        tally.late.append(late)


def _table(tallies: dict[str, _Tally]) -> str:
    """CPU, rate, latency and loss of each."""
    header = ["server", "CPU µs a datagram", "datagrams/s", "p50 µs", "p99 µs", "lost"]
    rows = [
        [
            label,
            f"{measure.middle(tally.microseconds):.1f}",
            f"{measure.middle(tally.rates):.0f}",
            f"{measure.middle(tally.halves):.0f}",
            f"{measure.middle(tally.late):.0f}",
            str(tally.lost),
        ]
        for label, tally in tallies.items()
    ]
    return measure.markdown(header, rows)


def _over(flood: subprocess.Popen[bytes]) -> bool:
    return flood.poll() is not None


def _floods(program: Path, core: int, netd: _Server) -> str:
    """How long /healthz takes while datagrams pour in."""
    rows = []
    for label, size in _FLOODS:
        print(f"flood: {label}", file=sys.stderr)
        words = ["flood", netd.port, _FLOOD_SECONDS, _FLOOD_RATE, size]
        command = ["taskset", "-c", str(core), str(program), *map(str, words)]
        flood = subprocess.Popen(command, stdout=subprocess.PIPE)
        times = waits(netd.spare, partial(_over, flood), 0.02, kept=False)
        took = [1000 * each for each in times]
        sent = int(flood.communicate()[0])
        figures = (measure.middle(took), measure.percentile(took, 0.99), max(took))
        rows.append(
            [label, f"{sent / _FLOOD_SECONDS:.0f}", *(f"{each:.1f}" for each in figures)]
        )
    header = ["flood", "datagrams/s", "/healthz p50 ms", "p99 ms", "longest ms"]
    return measure.markdown(header, rows)
