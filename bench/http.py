"""`python -m bench http`: CPU per request and requests per second, netd beside its peers.

Rules: a workload is one table; how it is measured stands in `bench/rounds.py`.
"""

from dataclasses import dataclass
from functools import partial

from bench import load, measure, process, rounds
from bench.load import Workload
from bench.peers import Choice, choose, named


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
            run = partial(load.run, stage, workload=workload, connections=effort.connections)
            loads = (partial(run, seconds=1), partial(run, seconds=effort.seconds))
            rows = rounds.measured(
                stage, peers, workload.name, loads, effort.rounds, tls=workload.tls
            )
            table = rounds.table(rows, rounds.Columns())
            print(f"\n### {workload.title}\n\n{table}", flush=True)
            failed = failed or any(row.error for row in rows)
    return int(failed)


def _workloads(text: str) -> list[Workload]:
    """The workloads named in `text`, comma-separated; all when it is empty."""
    known = {workload.name: workload for workload in load.WORKLOADS}
    return [known[name] for name in named("--workloads", text, list(known)) or known]
