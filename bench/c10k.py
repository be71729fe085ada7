"""`python -m bench c10k`: ten thousand connections at once, each asking for a response in 3 s.

Rules: a fresh server for every round, so that its memory is its own story; rounds interleave
the servers; the kernel's drop counters are the whole machine's, so let nothing else connect.
"""

import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bench import herd, measure, process
from bench.peers import Choice, Peer, choose

DELAY_SECONDS = 3.0
_DEADLINE_SECONDS = 30.0


class Round(NamedTuple):
    """One herd against one server; milliseconds are the time beyond the requested 3 s."""

    burst_seconds: float
    wall_seconds: float
    p50_ms: float
    p99_ms: float
    longest_ms: float
    bytes_a_connection: float


@dataclass
class Row:
    """One server's rounds."""

    peer: Peer
    rounds: list[Round] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    drops: int = 0
    overflows: int = 0


def main(choice: Choice, connections: int, rounds: int) -> int:
    """
    Print the table; 1 when a client got no response.

    Raises ValueError for a bad option and HerdError when the open files do not suffice.
    """
    herd.allow_files(connections)
    peers, notes = choose(choice, "c10k")
    rows = [Row(peer) for peer in peers]
    with process.staged(peers, choice) as stage:
        about = f"{connections} connects at once, each asking for 3 s"
        sums = f"Medians of {rounds} rounds; errors and drops are sums"
        print(measure.opening(stage.versions, f"{about}. {sums}", notes), flush=True)
        process.pin(stage.client_core)
        for number in range(rounds):
            for row in rows:
                print(f"round {number + 1} of {rounds}: {row.peer.label}", file=sys.stderr)
                _round(stage, row, connections)
    print(f"\n{_table(rows)}")
    for row in rows:
        if row.errors:
            print(f"\nErrors of {row.peer.label}: {_reasons(row)}.")
    return int(any(row.errors for row in rows))


def _round(stage: process.Stage, row: Row, count: int) -> None:
    """One herd against a fresh server."""
    try:
        with process.running(stage, row.peer) as server:
            pids = measure.tree(server.pid)
            before, sizes = measure.listen_drops(), [measure.rss_bytes(pids)]
            request = process.request(server, row.peer.slow_path)
            outcome = herd.stampede(
                server.port,
                count,
                request,
                _DEADLINE_SECONDS,
                lambda: sizes.append(measure.rss_bytes(pids)),
            )
            sizes.append(measure.rss_bytes(pids))
            lost = measure.listen_drops().since(before)
    except process.StartError as error:
        row.errors[str(error)] += 1
        return
    row.drops += lost.drops
    row.overflows += lost.overflows
    row.errors += outcome.errors
    # A response before its time is wrong, not fast.
    if early := sum(latency < DELAY_SECONDS for latency in outcome.latencies):
        row.errors["responded before 3 s"] += early
    if outcome.latencies:
        row.rounds.append(_summary(outcome, (max(sizes) - sizes[0]) / count))


def _summary(outcome: herd.Outcome, bytes_a_connection: float) -> Round:
    """The figures of one herd."""
    excess = [(latency - DELAY_SECONDS) * 1000 for latency in outcome.latencies]
    p50, p99, longest = (measure.percentile(excess, share) for share in (0.5, 0.99, 1.0))
    return Round(outcome.burst, outcome.wall, p50, p99, longest, bytes_a_connection)


def _table(rows: Sequence[Row]) -> str:
    """The Markdown table."""
    header = ["server", "burst s", "wall s", "p50 excess ms", "p99 excess ms", "longest ms"]
    header += ["errors", "ListenDrops", "ListenOverflows", "RSS KB/connection"]
    cells = []
    for row in rows:
        middles = [measure.middle(column) for column in zip(*row.rounds, strict=True)]
        burst, wall, *excess, memory = middles or [math.nan] * len(Round._fields)
        cell = [row.peer.label, f"{burst:.2f}", f"{wall:.2f}", *(f"{ms:.0f}" for ms in excess)]
        cell += [str(row.errors.total()), str(row.drops), str(row.overflows)]
        cells.append([*cell, f"{memory / 1024:.1f}"])
    return measure.markdown(header, cells)


def _reasons(row: Row) -> str:
    """The errors of a row in words."""
    return ", ".join(f"{count} x {reason}" for reason, count in row.errors.most_common())
