"""`python -m bench rpc`: XML-RPC calls, netd beside its peers, and who waits while it works.

Rules: measured as `bench/rounds.py` has it, with `add(2, 3)`. The last table is netd's alone:
the slowest response of `/healthz` while each hostile body arrives, and while a call of 2 s
runs in the pool.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from xmlrpc.client import dumps, loads

from bench import hostile, measure, process, rounds
from bench.ask import ask, waits
from bench.load import LoadError, Run, Workload
from bench.peers import SERVERS, Choice, choose, labels
from bench.rounds import Columns, Effort, Table

_CALL = dumps((2, 3), "add")
_LUA_CALL = _CALL.replace("\n", "\\n").replace("'", "\\'")
_SCRIPT = f"""
wrk.method = "POST"
wrk.body = '{_LUA_CALL}'
wrk.headers["Content-Type"] = "text/xml"
"""
_PATH = "/RPC2"
_ONE_AT_A_TIME = "SimpleXMLRPCServer"
"""It serves one connection at a time."""


def main(choice: Choice, effort: Effort) -> int:
    """Print the tables; 1 when a row is an error.

    Raises ValueError for a bad option.
    """
    failed = False
    with tempfile.TemporaryDirectory(prefix="netd-bench-") as folder:
        choice = replace(choice, compiled=_abyss(Path(folder)))
        peers, notes = choose(choice, "rpc")
        with process.staged(peers, choice) as stage:
            medians = f"Medians of {effort.rounds} interleaved rounds of {effort.seconds} s"
            print(measure.opening(stage.versions, f"{medians}, add(2, 3)", notes), flush=True)
            for count in dict.fromkeys((effort.connections, 1)):
                able = [each for each in peers if count == 1 or each.label != _ONE_AT_A_TIME]
                table = _table(stage, replace(effort, connections=count))
                failed |= rounds.report(stage, able, [table], effort.rounds)
            print(f"\n### /healthz while netd works\n\n{_waiting(stage)}", flush=True)
    return int(failed)


def _abyss(folder: Path) -> str:
    """The path of xmlrpc-c's server, built in `folder`; empty where it cannot be built."""
    if not shutil.which("xmlrpc-c-config") or not shutil.which("cc"):
        return ""
    command = ["xmlrpc-c-config", "abyss-server", "--libs"]
    flags = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    binary = str(folder / "rpc_abyss")
    command = ["cc", "-O2", "-o", binary, str(SERVERS / "rpc_abyss.c"), *flags]
    subprocess.run(command, check=True, capture_output=True)
    return binary


def _table(stage: process.Stage, effort: Effort) -> Table:
    """The table of so many connections."""
    title = f"{effort.connections} keep-alive connection{'s' * (effort.connections > 1)}"
    workload = Workload("rpc", title, _SCRIPT, path=_PATH)
    table = rounds.table(stage, workload, effort, Columns("CPU us/call", "calls/s"))
    return replace(table, warm=partial(_warm, table.warm))


def _warm(load: Callable[[process.Server], Run], server: process.Server) -> Run:
    """Load the server if its sum is right."""
    result = loads(ask(server.port, _PATH, _CALL)[1])[0][0]
    if result != 5:
        raise LoadError(f"add(2, 3) is {result!r}")
    return load(server)


def _waiting(stage: process.Stage) -> str:
    """The slowest `/healthz`, and the growth of memory, during each event."""
    events: dict[str, Callable[[int], object]] = {"nothing": lambda _: time.sleep(0.5)}
    calls = hostile.bodies() | {"a call of 2 s in the pool": dumps((2.0,), "lab.burn").encode()}
    for name, call in calls.items():
        events[name] = partial(ask, path=_PATH, call=call)
    cells = []
    with process.running(stage, labels("rpc")["netd"]) as netd, ThreadPoolExecutor(1) as pool:
        for name, event in events.items():
            before = measure.rss_bytes([netd.pid])
            timed = pool.submit(_seconds, event, netd.port)
            slowest = max(waits(netd.port, timed.done, 0.001))
            grown = measure.rss_bytes([netd.pid]) - before
            figures = (f"{slowest * 1e3:.1f}", f"{timed.result() * 1e3:.0f}")
            cells.append([name, *figures, f"{grown / 1e6:.1f}"])
    return measure.markdown(["meanwhile", "slowest ms", "it took ms", "RSS + MB"], cells)


def _seconds(event: Callable[[int], object], port: int) -> float:
    """How long the event takes."""
    begun = time.perf_counter()
    event(port)
    return time.perf_counter() - begun
