"""`python -m bench files`: CPU per file and per GiB, netd's static files beside its peers'.

Rules: measured as `bench/rounds.py` has it. Everything is served from the page cache: what is
measured is the server, not the disk.
"""

import http.client
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench import load, measure, process, rounds, static
from bench.load import LoadError, Run, Workload
from bench.peers import Choice, Peer, named
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


def main(choice: Choice, count: int, seconds: int, connections: int, names: str) -> int:
    """Print a table for each kind named; 1 when a row is an error.

    Raises ValueError for a bad option.
    """
    kinds = {kind.name: kind for kind in _kinds(seconds, connections)}
    asked = named("--kinds", names, list(kinds)) or kinds
    failed = False
    with tempfile.TemporaryDirectory(prefix="netd-bench-files-") as folder:
        tree = _tree(Path(folder))
        binary = static.go_binary(Path(folder), choice.venv / "bin")
        peers, notes = static.peers(tree, choice, binary)
        with process.staged(peers, choice) as stage:
            about = f"Medians of {count} interleaved rounds, {connections} connections"
            print(measure.opening(stage.versions, about, notes), flush=True)
            for kind in (kinds[name] for name in asked):
                run = partial(kind.load, stage)
                rows = rounds.measured(stage, peers, kind.name, (run, run), count, tls=kind.tls)
                columns = rounds.Columns(kind.cost, kind.rate, "cost", (2, 2))
                table = rounds.table(rows, columns)
                print(f"\n### {kind.title}\n\n{table}", flush=True)
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
