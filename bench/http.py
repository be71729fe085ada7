"""`python -m bench http`: CPU per request and requests per second, netd beside its peers.

Rules: the servers of a workload all run at once and are loaded in turn, round after round, so
that whatever the machine does meets all of them. A cell is the median of the rounds, a ratio
the median of the rounds' own ratios: neighbours in time are what compares.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench import load, measure, process
from bench.load import Run, Workload
from bench.peers import Choice, Peer, choose


@dataclass
class Row:
    """One server's rounds at one workload; an error takes it out of the rounds to come."""

    peer: Peer
    runs: list[Run] = field(default_factory=list)
    error: str = ""

    def over(self, base: "Row") -> tuple[float, float]:
        """Median ratio of CPU a request and of requests per second, round by round."""
        pairs = list(zip(self.runs, base.runs, strict=True))
        cpu = measure.middle(a.cpu_microseconds / b.cpu_microseconds for a, b in pairs)
        rate = measure.middle(a.requests_per_second / b.requests_per_second for a, b in pairs)
        return cpu, rate


@dataclass(frozen=True)
class Effort:
    """How long and how hard every server is loaded."""

    rounds: int
    seconds: int
    connections: int


def main(choice: Choice, effort: Effort, names: str) -> int:
    """Print a table for each workload named; 1 when a row is an error.

    Raises ValueError for a bad option.
    """
    workloads = _workloads(names)
    peers, notes = choose(choice, "http")
    failed = False
    with process.staged(peers, choice) as stage:
        versions = (f"wrk {process.version('wrk', '-v', behind='wrk')}", *stage.versions)
        medians = f"Medians of {effort.rounds} interleaved rounds of {effort.seconds} s"
        about = f"{medians}, {effort.connections} connections"
        print(measure.opening(versions, about, notes), flush=True)
        for workload in workloads:
            rows = _measure(stage, peers, workload, effort)
            print(f"\n### {workload.title}\n\n{_table(rows)}", flush=True)
            failed = failed or any(row.error for row in rows)
    return int(failed)


def _workloads(text: str) -> list[Workload]:
    """The workloads named in `text`, comma-separated; all when it is empty."""
    known = {workload.name: workload for workload in load.WORKLOADS}
    names = [name.strip() for name in text.split(",") if name.strip()] or list(known)
    if strange := [name for name in names if name not in known]:
        raise ValueError(f"--workloads: {', '.join(strange)} is not one of {', '.join(known)}")
    return [known[name] for name in names]


def _measure(
    stage: process.Stage, peers: Sequence[Peer], workload: Workload, effort: Effort
) -> list[Row]:
    """All rounds of one workload, one row a peer."""
    rows = [Row(peer) for peer in peers]
    with ExitStack() as stack:
        ready: list[tuple[Row, process.Server]] = []
        for row in rows:
            try:
                server = stack.enter_context(process.running(stage, row.peer, workload.tls))
                load.run(stage, server, workload, 1, effort.connections)  # to warm up
                ready.append((row, server))
            except (process.StartError, load.LoadError) as error:
                _fail(row, workload, error)
        for number in range(effort.rounds):
            print(f"{workload.name}: round {number + 1} of {effort.rounds}", file=sys.stderr)
            for row, server in ready:
                if row.error:
                    continue
                try:
                    args = (workload, effort.seconds, effort.connections)
                    row.runs.append(load.run(stage, server, *args))
                except load.LoadError as error:
                    _fail(row, workload, error)
    return rows


def _fail(row: Row, workload: Workload, error: Exception) -> None:
    """Mark the row and say so at once."""
    row.error = str(error)
    print(f"{workload.name}: {row.peer.label}: error: {error}", file=sys.stderr)


def _table(rows: Sequence[Row]) -> str:
    """The Markdown table; ratios are against the first of netd's rows."""
    whole = [row for row in rows if not row.error and row.peer.label.startswith("netd")]
    header = ["server", "CPU us/request", "min-max", "requests/s"]
    header += ["CPU / netd's", "rate / netd's"]
    cells: list[list[str]] = []
    for row in rows:
        if row.error:
            cells.append([row.peer.label, f"error: {row.error}", "", "", "", ""])
            continue
        costs, rates = zip(*row.runs, strict=True)
        rate = f"{measure.middle(rates):,.0f}".replace(",", " ")
        spread = f"{min(costs):.1f}-{max(costs):.1f}"
        ratios = [f"{ratio:.2f}" for ratio in row.over(whole[0])] if whole else ["-", "-"]
        cells.append([row.peer.label, f"{measure.middle(costs):.1f}", spread, rate, *ratios])
    return measure.markdown(header, cells)
