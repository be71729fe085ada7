"""`python -m bench files`: CPU per file and per GiB, netd's static files beside its peers'.

Rules: as for `bench/http.py`: all servers run at once, are loaded in turn, and a ratio is the
median of the rounds' own ratios. Everything is served from the page cache: what is measured is
the server, not the disk.
"""

import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench import load, measure, process, static
from bench.http import Row
from bench.load import LoadError, Run, Workload
from bench.peers import Choice, Peer
from bench.process import Server, Stage

GIB = 2**30
_DOWNLOADS = 4
_BESIDE = 200
_LONGEST_SECONDS = 120
# Files younger than this are not served from anybody's memory.
_SETTLE_SECONDS = 2.5

_Load = Callable[[Stage, Server], Run]


@dataclass(frozen=True)
class Kind:
    """One table: which file, how it is asked for, and what a row's figures are."""

    name: str
    title: str
    cost: str
    rate: str
    load: _Load
    tls: bool = False


def _wrk(file: str, seconds: int, connections: int, tls: bool = False) -> _Load:
    """Many requests for one file."""
    work = Workload(f"files-{file}", file, "", tls)

    def run(stage: Stage, server: Server) -> Run:
        asked = replace(server, peer=replace(server.peer, path=_path(server.peer, file)))
        return load.run(stage, asked, work, seconds, connections)

    return run


def _download(tls: bool = False) -> _Load:
    """One large file, by curl."""

    def run(stage: Stage, server: Server) -> Run:
        before, began = measure.cpu_seconds(server.pid), time.monotonic()
        done = subprocess.run(
            stage.on_core(stage.client_core, _curl(server, "1g", tls)),
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
        took = time.monotonic() - began
        if done.returncode or int(done.stdout or 0) != GIB:
            raise LoadError(f"curl: {done.returncode}, {done.stdout} bytes {done.stderr}")
        cpu = measure.cpu_seconds(server.pid) - before
        return Run(cpu * 1e6, 1 / took)

    return run


def _beside(stage: Stage, server: Server) -> Run:
    """Small files while four large ones are downloaded; the median wait is the cost."""
    command = stage.on_core(stage.client_core, _curl(server, "1g", False, repeat=50))
    with _background([command] * _DOWNLOADS):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        path, waits = _path(server.peer, "1k"), []
        try:
            for _ in range(_BESIDE):
                began = time.monotonic()
                connection.request("GET", path)
                if len(connection.getresponse().read()) != 1024:
                    raise LoadError("not 1024 bytes")
                waits.append(time.monotonic() - began)
                # Not in step with the downloads.
                time.sleep(0.003)
        finally:
            connection.close()
    return Run(measure.middle(waits) * 1e6, 1 / measure.percentile(waits, 0.99))


@contextmanager
def _background(commands: Sequence[Sequence[str]]) -> Iterator[None]:
    """These processes run meanwhile."""
    running = [subprocess.Popen(each, stdout=subprocess.DEVNULL) for each in commands]
    try:
        time.sleep(0.3)
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def _curl(server: Server, file: str, tls: bool, repeat: int = 1) -> list[object]:
    url = f"{'https' if tls else 'http'}://127.0.0.1:{server.port}{_path(server.peer, file)}"
    more = [word for _ in range(repeat) for word in (url, "-o", "/dev/null")]
    said = [] if repeat > 1 else ["-w", "%{size_download}"]
    limit = str(_LONGEST_SECONDS)
    return ["curl", "-q", "-s", "-k", "--noproxy", "*", "-m", limit, *said, *more]


def _path(peer: Peer, file: str) -> str:
    return peer.path.removesuffix(static.LENGTH_FILE) + file


def _kinds(seconds: int, connections: int) -> list[Kind]:
    """Every table, in its order."""
    request = ("CPU us/request", "requests/s")
    gib = ("CPU us/GiB", "GiB/s")
    small = _wrk("1k", seconds, connections)
    large = _wrk("100k", seconds, connections)
    secure = _wrk("1k", seconds, connections, tls=True)
    return [
        Kind("1k", "1 KiB, keep-alive", *request, small),
        Kind("100k", "100 KiB, keep-alive", *request, large),
        Kind("1g", "1 GiB", *gib, _download()),
        Kind("tls-1k", "1 KiB over TLS, keep-alive", *request, secure, tls=True),
        Kind("tls-1g", "1 GiB over TLS", *gib, _download(tls=True), tls=True),
        Kind("beside", "1 KiB beside four downloads", "median us", "1/p99 a second", _beside),
    ]


def main(choice: Choice, rounds: int, seconds: int, connections: int, names: str) -> int:
    """Print a table for each kind named; 1 when a row is an error.

    Raises ValueError for a bad option.
    """
    kinds = _kinds(seconds, connections)
    asked = [name.strip() for name in names.split(",") if name.strip()]
    known = [kind.name for kind in kinds]
    if strange := [name for name in asked if name not in known]:
        raise ValueError(f"--kinds: {', '.join(strange)} is not one of {', '.join(known)}")
    failed = False
    with tempfile.TemporaryDirectory(prefix="netd-bench-files-") as folder:
        tree = _tree(Path(folder))
        binary = static.go_binary(Path(folder), choice.venv / "bin")
        peers, notes = static.peers(tree, choice, binary)
        with process.staged(peers, choice) as stage:
            about = f"Medians of {rounds} interleaved rounds, {connections} connections"
            print(measure.opening(stage.versions, about, notes), flush=True)
            for kind in kinds:
                if not asked or kind.name in asked:
                    rows = _measure(stage, peers, kind, rounds)
                    print(f"\n### {kind.title}\n\n{_table(rows, kind)}", flush=True)
                    failed = failed or any(row.error for row in rows)
    return int(failed)


def _tree(folder: Path) -> Path:
    """The files that are asked for; the large one has no blocks on the disk."""
    tree = folder / "tree"
    tree.mkdir()
    folder.chmod(0o755)
    (tree / static.LENGTH_FILE).write_bytes(b"x" * 58)
    (tree / "1k").write_bytes(os.urandom(1024))
    (tree / "100k").write_bytes(os.urandom(100 * 1024))
    with (tree / "1g").open("wb") as file:
        file.truncate(GIB)
    with (tree / "1g").open("rb") as file:
        while file.read(2**20):
            pass
    time.sleep(_SETTLE_SECONDS)
    return tree


def _measure(stage: Stage, peers: Sequence[Peer], kind: Kind, rounds: int) -> list[Row]:
    """All rounds of one kind, one row a peer."""
    rows = [Row(peer) for peer in peers]
    with ExitStack() as stack:
        ready: list[tuple[Row, Server]] = []
        for row in rows:
            try:
                server = stack.enter_context(process.running(stage, row.peer, kind.tls))
                kind.load(stage, server)  # to warm up
                ready.append((row, server))
            except (process.StartError, LoadError, OSError) as error:
                row.error = str(error)
        for number in range(rounds):
            print(f"{kind.name}: round {number + 1} of {rounds}", file=sys.stderr)
            for row, server in ready:
                if not row.error:
                    try:
                        row.runs.append(kind.load(stage, server))
                    except (LoadError, OSError) as error:
                        row.error = str(error)
    return rows


def _table(rows: Sequence[Row], kind: Kind) -> str:
    """The Markdown table; ratios are against the first of netd's rows."""
    whole = [row for row in rows if not row.error and row.peer.label.startswith("netd")]
    header = ["server", kind.cost, "min-max", kind.rate, "cost / netd's", "rate / netd's"]
    cells: list[list[str]] = []
    for row in rows:
        if row.error:
            cells.append([row.peer.label, f"error: {row.error}", "", "", "", ""])
            continue
        costs, rates = zip(*row.runs, strict=True)
        spread = f"{min(costs):,.1f}-{max(costs):,.1f}".replace(",", " ")
        figures = [f"{measure.middle(each):,.2f}".replace(",", " ") for each in (costs, rates)]
        ratios = [f"{ratio:.2f}" for ratio in row.over(whole[0])] if whole else ["-", "-"]
        cells.append([row.peer.label, figures[0], spread, figures[1], *ratios])
    return measure.markdown(header, cells)
