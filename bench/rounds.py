"""The measuring loop of every bench that compares servers, and the table of what it found.

Rules: the servers of a table all run at once and are loaded in turn, round after round, so
that whatever the machine does meets all of them. A cell is the median of the rounds, a ratio
the median of the rounds' own ratios: neighbours in time are what compares.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from bench import measure, process
from bench.load import LoadError, Run, Workload, run
from bench.peers import Peer

Load = Callable[[process.Server], Run]
"""Asks one server for one round; LoadError when it does not respond as it should."""


@dataclass
class Row:
    """One server's rounds; an error takes it out of the rounds to come."""

    peer: Peer
    runs: list[Run] = field(default_factory=list)
    error: str = ""

    def over(self, base: "Row") -> tuple[float, float]:
        """Median ratio of cost and of rate, round by round."""
        pairs = list(zip(self.runs, base.runs, strict=True))
        cost = measure.middle(a.cpu_microseconds / b.cpu_microseconds for a, b in pairs)
        rate = measure.middle(a.requests_per_second / b.requests_per_second for a, b in pairs)
        return cost, rate


@dataclass(frozen=True)
class Columns:
    """What the figures of a table are, and with how many decimals they are shown."""

    cost: str = "CPU us/request"
    rate: str = "requests/s"
    ratio: str = "CPU"
    decimals: tuple[int, int] = (1, 0)


@dataclass(frozen=True)
class Effort:
    """How long and how hard every server is loaded."""

    rounds: int
    seconds: int
    connections: int


@dataclass(frozen=True)
class Table:
    """One table: what each server is asked, and what the figures mean."""

    name: str
    title: str
    warm: Load
    load: Load
    columns: Columns = Columns()
    tls: bool = False


def table(
    stage: process.Stage, workload: Workload, effort: Effort, columns: Columns = Columns()
) -> Table:
    """The table of a workload of wrk, which warms each server for a second."""
    load = partial(run, stage, workload=workload, connections=effort.connections)
    warm, measured = partial(load, seconds=1), partial(load, seconds=effort.seconds)
    return Table(workload.name, workload.title, warm, measured, columns, workload.tls)


def report(
    stage: process.Stage, peers: Sequence[Peer], tables: Iterable[Table], rounds: int
) -> bool:
    """Measure and print the tables; True when a row is an error."""
    failed = False
    for table in tables:
        rows = _measured(stage, peers, table, rounds)
        print(f"\n### {table.title}\n\n{_markdown(rows, table.columns)}", flush=True)
        failed = failed or any(row.error for row in rows)
    return failed


def _measured(
    stage: process.Stage, peers: Sequence[Peer], table: Table, rounds: int
) -> list[Row]:
    """All rounds of a table, one row a peer."""
    name = table.name
    rows = [Row(peer) for peer in peers]
    with ExitStack() as stack:
        ready: list[tuple[Row, process.Server]] = []
        for row in rows:
            try:
                server = stack.enter_context(process.running(stage, row.peer, table.tls))
                table.warm(server)
                ready.append((row, server))
            except (process.StartError, LoadError, OSError) as error:
                _fail(row, name, error)
        for number in range(rounds):
            print(f"{name}: round {number + 1} of {rounds}", file=sys.stderr)
            for row, server in ready:
                if not row.error:
                    try:
                        row.runs.append(table.load(server))
                    except (LoadError, OSError) as error:
                        _fail(row, name, error)
    return rows


def _fail(row: Row, name: str, error: Exception) -> None:
    """Mark the row and say so at once."""
    row.error = str(error)
    print(f"{name}: {row.peer.label}: error: {error}", file=sys.stderr)


def _markdown(rows: Sequence[Row], columns: Columns) -> str:
    """The Markdown table; ratios are against the first of netd's rows."""
    whole = [row for row in rows if not row.error and row.peer.label.startswith("netd")]
    header = ["server", columns.cost, "min-max", columns.rate]
    header += [f"{columns.ratio} / netd's", "rate / netd's"]
    cells: list[list[str]] = []
    for row in rows:
        if row.error:
            cells.append([row.peer.label, f"error: {row.error}", "", "", "", ""])
            continue
        costs, rates = zip(*row.runs, strict=True)
        spread = "-".join(_shown(end(costs), columns.decimals[0]) for end in (min, max))
        figures = [
            _shown(measure.middle(each), decimals)
            for each, decimals in zip((costs, rates), columns.decimals, strict=True)
        ]
        ratios = [f"{ratio:.2f}" for ratio in row.over(whole[0])] if whole else ["-", "-"]
        cells.append([row.peer.label, figures[0], spread, figures[1], *ratios])
    return measure.markdown(header, cells)


def _shown(number: float, decimals: int) -> str:
    return f"{number:,.{decimals}f}".replace(",", " ")
