"""`python -m bench http`: CPU per request and requests per second, netd beside its peers.

Rules: a workload is one table; how it is measured stands in `bench/rounds.py`.
"""

from bench import load, measure, process, rounds
from bench.load import Workload
from bench.peers import Choice, choose, named
from bench.rounds import Effort


def main(choice: Choice, effort: Effort, names: str) -> int:
    """Print a table for each workload named; 1 when a row is an error.

    Raises ValueError for a bad option.
    """
    workloads = _workloads(names)
    peers, notes = choose(choice, "http")
    with process.staged(peers, choice) as stage:
        versions = (f"wrk {process.version('wrk', '-v', behind='wrk')}", *stage.versions)
        medians = f"Medians of {effort.rounds} interleaved rounds of {effort.seconds} s"
        about = f"{medians}, {effort.connections} connections"
        print(measure.opening(versions, about, notes), flush=True)
        tables = (rounds.table(stage, workload, effort) for workload in workloads)
        return int(rounds.report(stage, peers, tables, effort.rounds))


def _workloads(text: str) -> list[Workload]:
    """The workloads named in `text`, comma-separated; all when it is empty."""
    known = {workload.name: workload for workload in load.WORKLOADS}
    return [known[name] for name in named("--workloads", text, list(known)) or known]
