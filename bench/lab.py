"""`python -m bench lab`: what /get costs beside httpbin, and how late delayed responses leave.

Rules: servers of one table run at once and are loaded in turn; the herd asks netd alone, for
the others cannot wait so often at once.
"""

import re

from bench import herd, measure, process, rounds
from bench.ask import ask
from bench.load import Workload
from bench.peers import Choice, Peer, choose
from bench.rounds import Effort

_HERDS = (100, 10_000)
_DELAY_SECONDS = 3.0
_DEADLINE_SECONDS = 30.0
_BUCKET = re.compile(r'^netd_http_delay_lateness_seconds_bucket{le="(.+)"} (.+)$', re.MULTILINE)


def main(choice: Choice, effort: Effort) -> int:
    """
    Print both tables; 1 when a client got no response.

    Raises ValueError for a bad option and HerdError when the open files do not suffice.
    """
    peers, notes = choose(choice, "lab")
    herd.allow_files(max(_HERDS))
    with process.staged(peers, choice) as stage:
        about = f"Medians of {effort.rounds} interleaved rounds of {effort.seconds} s"
        print(measure.opening(stage.versions, about, notes), flush=True)
        table = rounds.table(
            stage, Workload("get", "GET /get, keep-alive", path="/get"), effort
        )
        rounds.report(stage, peers, [table], effort.rounds)
        ours = [peer for peer in peers if peer.label.startswith("netd")]
        failed = [_herds(stage, peer) for peer in ours]
    return int(any(failed))


def _herds(stage: process.Stage, peer: Peer) -> bool:
    """
    Print how late a few and many responses of `/delay/3` were; True when one was missing.

    The first columns are the client's: they hold its connect and its queue.  The next one is
    the daemon's: how late the response left, counted from when its request was read.
    """
    rows, missing = [], False
    process.pin(stage.client_core)
    for count in _HERDS:
        with process.running(stage, peer) as server:
            request = process.request(server, "/delay/3")
            args = (count, request, _DEADLINE_SECONDS, lambda: None)
            outcome = herd.stampede(server.port, *args)
            left = _left(server.port)
        late = [(latency - _DELAY_SECONDS) * 1000 for latency in outcome.latencies]
        missing = missing or bool(outcome.errors) or any(each < 0 for each in late)
        cells = [f"{measure.percentile(late, share):.1f}" for share in (0.5, 0.99, 1.0)]
        rows.append([f"{count}", *cells, left, f"{outcome.errors.total()}"])
    print(f"\n### {peer.label}: ms after the 3 s of /delay/3\n")
    header = ["clients at once", "p50", "p99", "latest", "left late, p99", "errors"]
    print(measure.markdown(header, rows), flush=True)
    return missing


def _left(port: int) -> str:
    """How late 99 of 100 responses left, as `/metrics` counts."""
    found = _BUCKET.findall(ask(port, "/metrics")[1].decode())
    counts = {bound: float(count) for bound, count in found}
    enough = 0.99 * counts["+Inf"]
    bound = next(bound for bound, count in counts.items() if count >= enough)
    return f"at most {float(bound) * 1000:g}"
