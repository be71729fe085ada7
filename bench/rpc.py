"""`python -m bench rpc`: XML-RPC calls, netd beside its peers, and who waits while it works.

Rules: as in `bench/http.py`, rounds are interleaved and pinned, cells are medians; every server
is loaded by wrk with `add(2, 3)`. The second table is netd's alone: the slowest of the answers
of `/healthz` while each hostile body arrives, and while a call of 2 s runs in the pool.
"""

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from xmlrpc.client import dumps, loads

from bench import hostile, load, measure, process, venv
from bench.peers import ROOT, SERVERS, Choice, named
from bench.rounds import Effort
from tests.running import free_port

_BODY = dumps((2, 3), "add").replace("\n", "\\n").replace("'", "\\'")
_SCRIPT = f"""
wrk.method = "POST"
wrk.body = '{_BODY}'
wrk.headers["Content-Type"] = "text/xml"
"""


@dataclass
class Row:
    """One server, and its rounds."""

    label: str
    argv: list[object]
    port: int = 0
    pid: int = 0
    runs: list[load.Run] = field(default_factory=list)
    error: str = ""


LABELS = (
    "netd",
    "twisted.web.xmlrpc",
    "SimpleXMLRPCServer",
    "aiohttp-xmlrpc",
    "xmlrpc-c Abyss",
)


def _rows(python: Path, folder: Path, netd_args: Sequence[str]) -> tuple[list[Row], list[str]]:
    """The servers that can be measured, and why another one cannot."""
    netd: list[object] = [sys.executable, "-m", "netd", "--udp", 0, "--delay", "0s"]
    netd += [*netd_args, "--port"]
    rows = [
        Row("netd", netd),
        Row("twisted.web.xmlrpc", [python, SERVERS / "rpc_stock.py"]),
        Row("SimpleXMLRPCServer", [python, SERVERS / "rpc_simple.py"]),
        Row("aiohttp-xmlrpc", [python, SERVERS / "rpc_aio.py"]),
    ]
    if not shutil.which("xmlrpc-c-config") or not shutil.which("cc"):
        return rows, ["Abyss left out: libxmlrpc-core-c3-dev or a C compiler is not installed"]
    flags = process_output("xmlrpc-c-config", "abyss-server", "--libs").split()
    binary = folder / "rpc_abyss"
    command = ["cc", "-O2", "-o", str(binary), str(SERVERS / "rpc_abyss.c"), *flags]
    subprocess.run(command, check=True, capture_output=True)
    return [*rows, Row("xmlrpc-c Abyss", [binary])], []


def process_output(*command: str) -> str:
    """The standard output of a program."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def _running(row: Row, core: int, folder: Path) -> Iterator[None]:
    """Run the row's server during the block; StartError when it does not respond with 5."""
    row.port = free_port()
    with (folder / f"{row.label.replace(' ', '-')}.txt").open("wb") as output:
        argv = ["taskset", "-c", str(core), *map(str, row.argv), str(row.port)]
        started = subprocess.Popen(
            argv, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    row.pid = started.pid
    try:
        deadline = time.monotonic() + 20
        while _sum(row.port) != 5:
            if time.monotonic() > deadline or started.poll() is not None:
                raise process.StartError(f"{row.label} does not answer add(2, 3)")
            time.sleep(0.05)
        yield
    finally:
        process.end(started)


def _sum(port: int) -> object:
    """The result of add(2, 3); None while no server responds."""
    try:
        return loads(post(port, dumps((2, 3), "add").encode()))[0][0]
    except OSError:
        return None


def post(port: int, body: bytes) -> bytes:
    """The response to a call on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
        return connection.getresponse().read()
    finally:
        connection.close()


def main(choice: Choice, effort: Effort) -> int:
    """Print both tables; 1 when a row is an error.

    Raises ValueError for a bad option.
    """
    cores = sorted(os.sched_getaffinity(0))
    only = named("--only", choice.only, LABELS) or LABELS
    python = venv.ensure(choice.venv)
    with tempfile.TemporaryDirectory(prefix="netd-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        rows, notes = _rows(python, folder, choice.netd_args)
        # netd is always measured, because the last table is about netd alone.
        rows = [row for row in rows if row.label in {"netd", *only}]
        versions = [f"{key} {number}" for key, number in venv.versions(python).items()]
        medians = f"Medians of {effort.rounds} interleaved rounds of {effort.seconds} s"
        print(measure.opening(versions, f"{medians}, add(2, 3)", notes), flush=True)
        for row in rows:
            try:
                stack.enter_context(_running(row, cores[-1], folder))
            except process.StartError as error:
                row.error = str(error)
        for count in dict.fromkeys((effort.connections, 1)):
            _measure(rows, folder, cores[0], replace(effort, connections=count))
            print(f"\n### {count} keep-alive connection{'s' * (count > 1)}\n\n{_table(rows)}")
        print(f"\n### /healthz while netd works\n\n{_waiting(rows[0])}", flush=True)
    return int(any(row.error for row in rows))


def _measure(rows: list[Row], folder: Path, core: int, effort: Effort) -> None:
    """All rounds of all servers, in turn."""
    count = effort.connections
    script = folder / "call.lua"
    script.write_text(_SCRIPT + load.DONE)
    for row in rows:
        row.runs.clear()
    for number in range(effort.rounds + 1):
        for row in rows:
            # SimpleXMLRPCServer serves one connection at a time.
            if row.error or (count > 1 and row.label == "SimpleXMLRPCServer"):
                continue
            url = f"http://127.0.0.1:{row.port}/RPC2"
            seconds = effort.seconds if number else 1
            wrk = ["wrk", "-t1", f"-c{count}", f"-d{seconds}s", "-s", str(script)]
            before = measure.cpu_seconds(row.pid)
            done = process_output("taskset", "-c", str(core), *wrk, url)
            result = load.result(done, measure.cpu_seconds(row.pid) - before)
            # The first round warms up.
            if number:
                row.runs.append(result)


def _table(rows: list[Row]) -> str:
    """CPU, rate, and netd's rate over each."""
    cells = []
    for row in rows:
        if row.error or not row.runs:
            cells.append([row.label, row.error or "-", "-", "-"])
            continue
        costs, rates = zip(*row.runs, strict=True)
        own = (each.requests_per_second for each in rows[0].runs)
        ratio = measure.middle(a / b for a, b in zip(own, rates, strict=True))
        rate = f"{measure.middle(rates):,.0f}".replace(",", " ")
        cells.append([row.label, f"{measure.middle(costs):.1f}", rate, f"{ratio:.2f}"])
    return measure.markdown(["server", "CPU us/call", "calls/s", "netd's rate over it"], cells)


def _waiting(netd: Row) -> str:
    """The slowest `/healthz`, and the growth of memory, during each event."""
    things: dict[str, Callable[[], object]] = {"nothing": lambda: time.sleep(0.5)}
    for name, body in hostile.bodies().items():
        things[name] = partial(post, netd.port, body)
    things["a call of 2 s in the pool"] = lambda: post(
        netd.port, dumps((2.0,), "lab.burn").encode()
    )
    cells = []
    for name, happen in things.items():
        before = measure.rss_bytes([netd.pid])
        slowest, seconds = _slowest(netd.port, happen)
        grown = (measure.rss_bytes([netd.pid]) - before) / 1e6
        cells.append([name, f"{slowest * 1e3:.1f}", f"{seconds * 1e3:.0f}", f"{grown:.1f}"])
    return measure.markdown(["meanwhile", "slowest ms", "it took ms", "RSS + MB"], cells)


def _slowest(port: int, happen: Callable[[], object]) -> tuple[float, float]:
    """The slowest response of `/healthz` while `happen` runs, and how long that took."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    took: list[float] = []

    def run() -> None:
        start = time.perf_counter()
        happen()
        took.append(time.perf_counter() - start)

    thread = threading.Thread(target=run)
    thread.start()
    slowest = 0.0
    while thread.is_alive():
        start = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        slowest = max(slowest, time.perf_counter() - start)
        time.sleep(0.001)
    thread.join()
    connection.close()
    return slowest, took[0] if took else float("nan")
