"""`python -m bench files`: CPU per file and per GiB, netd's static files beside its peers'.

Rules: measured as `bench/rounds.py` has it. Everything is served from the page cache: what is
measured is the server, not the disk.
"""

import http.client
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import load, measure, process, rounds
from bench.load import LoadError, Run, Workload
from bench.peers import LENGTH_FILE, SERVERS, Choice, Peer, choose, named
from bench.process import Server, Stage
from bench.rounds import Columns, Effort, Table

KINDS = ("1k", "100k", "1g", "tls-1k", "tls-1g", "beside")

GIB = 2**30
_DOWNLOADS = 4
_BESIDE = 200
_LONGEST_SECONDS = 120
# No server keeps younger files in memory.
_SETTLE_SECONDS = 2.5

_Load = Callable[[Stage, Server], Run]


def _wrk(file: str, effort: Effort, tls: bool = False) -> _Load:
    """Many requests for one file."""

    def run(stage: Stage, server: Server) -> Run:
        work = Workload(f"files-{file}", file, tls=tls, path=_path(server.peer, file))
        return load.run(stage, server, work, effort.seconds, effort.connections)

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
        return Run(cpu * 1e3, 1 / took)

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
                # Out of step with the downloads.
                time.sleep(0.003)
        finally:
            connection.close()
    return Run(measure.middle(waits) * 1e6, 1 / measure.percentile(waits, 0.99))


@contextmanager
def _background(commands: Sequence[Sequence[str]]) -> Iterator[None]:
    """Run these processes while the block runs."""
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
    report = [] if repeat > 1 else ["-w", "%{size_download}"]
    limit = str(_LONGEST_SECONDS)
    return ["curl", "-q", "-s", "-k", "--noproxy", "*", "-m", limit, *report, *more]


def _path(peer: Peer, file: str) -> str:
    return peer.path.removesuffix(LENGTH_FILE) + file


def _tables(stage: Stage, effort: Effort) -> list[Table]:
    """Every table, in its order."""
    request = Columns("CPU us/request", "requests/s", "cost", (1, 0))
    gib = Columns("CPU ms/GiB", "GiB/s", "cost", (0, 2))
    wait = Columns("median us", "1/p99 a second", "cost", (0, 0))

    def table(name: str, title: str, columns: Columns, load: _Load, tls: bool = False) -> Table:
        run = partial(load, stage)
        return Table(name, title, run, run, columns, tls)

    return [
        table("1k", "1 KiB, keep-alive", request, _wrk("1k", effort)),
        table("100k", "100 KiB, keep-alive", request, _wrk("100k", effort)),
        table("1g", "1 GiB", gib, _download()),
        table("tls-1k", "1 KiB over TLS, keep-alive", request, _wrk("1k", effort, True), True),
        table("tls-1g", "1 GiB over TLS", gib, _download(tls=True), True),
        table("beside", "1 KiB beside four downloads", wait, _beside),
    ]


def main(choice: Choice, effort: Effort, names: str) -> int:
    """Print a table for each kind named; 1 when a row is an error.

    Raises ValueError for a bad option.
    """
    kinds = named("--kinds", names, KINDS) or KINDS
    with tempfile.TemporaryDirectory(prefix="netd-bench-files-") as name:
        folder = Path(name)
        binary = _go_binary(folder, choice.venv / "bin")
        choice = replace(choice, tree=_tree(folder), compiled=binary)
        peers, notes = choose(choice, "files")
        with process.staged(peers, choice) as stage:
            medians = f"Medians of {effort.rounds} interleaved rounds"
            about = f"{medians}, {effort.connections} connections"
            print(measure.opening(stage.versions, about, notes), flush=True)
            known = {table.name: table for table in _tables(stage, effort)}
            tables = [known[kind] for kind in kinds]
            return int(rounds.report(stage, peers, tables, effort.rounds))


def _go_binary(folder: Path, beside: Path) -> str:
    """The path of the Go server, built in `folder`; empty where there is no `go`.

    `go` is looked for on the path and in `beside`.
    """
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), str(beside)])
    go = shutil.which("go", path=places)
    if go is None:
        return ""
    binary = str(folder / "static-go")
    own = {"GOCACHE": str(folder / "go-cache"), "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    command = [go, "build", "-o", binary, "."]
    subprocess.run(command, cwd=SERVERS / "static_go", env={**os.environ, **own}, check=True)
    return binary


def _tree(folder: Path) -> Path:
    """The files of the tree; the large one has no blocks on the disk."""
    tree = folder / "tree"
    tree.mkdir()
    folder.chmod(0o755)
    (tree / LENGTH_FILE).write_bytes(b"x" * 58)
    (tree / "1k").write_bytes(os.urandom(1024))
    (tree / "100k").write_bytes(os.urandom(100 * 1024))
    with (tree / "1g").open("wb") as file:
        file.truncate(GIB)
    with (tree / "1g").open("rb") as file:
        while file.read(2**20):
            pass
    time.sleep(_SETTLE_SECONDS)
    return tree
