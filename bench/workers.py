"""`python -m bench workers`: what several processes on the same sockets cost.

Rules: netd alone, on all cores that this process may use, which the load shares; so CPU a
request counts and not requests a second.  The variants are interleaved; figures are medians.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import load, measure, process
from bench.ask import ask
from tests.running import free_port

_ACTIONS: dict[str, Callable[[int], object]] = {
    "nothing": lambda _: None,
    "kill -9": lambda pid: os.kill(pid, signal.SIGKILL),
    "SIGSTOP": lambda pid: os.kill(pid, signal.SIGSTOP),
}
_COUNTS = (1, 2, 4)
_RATE = 200
_CONNECTIONS = 400
_SETTLE_SECONDS = 0.3
_LIVED_SECONDS = 5.2
_TIMEOUT_SECONDS = 20.0


class Daemon(NamedTuple):
    """A netd that runs."""

    pid: int
    port: int

    def serving(self) -> list[int]:
        """The processes that serve clients: itself, or its workers."""
        return measure.tree(self.pid)[2:] or [self.pid]


class Outcome(NamedTuple):
    """What an open-loop load saw."""

    seconds: list[float]
    failures: Counter[str]


def main(rounds: int, seconds: int) -> int:
    """Print the tables; StartError when a daemon does not start."""
    about = f"netd with 1, 2 and 4 workers, {rounds} rounds of {seconds} s"
    print(measure.opening([], about, ["The load shares the cores"]), flush=True)
    print(f"\n{_cpu(rounds, seconds)}", flush=True)
    print(f"\n{_events(rounds)}", flush=True)
    print(f"\n{_balance()}", flush=True)
    print(f"\n{_size(rounds)}", flush=True)
    return 0


@contextmanager
def _running(workers: int) -> Iterator[Daemon]:
    """A netd with so many workers, all of which serve, to the end of the block."""
    port = free_port()
    argv = [sys.executable, "-m", "netd", "--port", port, "--udp", 0]
    argv += ["--access-log", "off", "--workers", workers]
    expected = b"ready\n" if workers == 1 else f"ready {workers} of {workers}\n".encode()
    with process.started("netd", argv, lambda: ask(port, "/readyz") == (200, expected)) as pid:
        yield Daemon(pid, port)


def _cpu_seconds(pids: list[int]) -> float:
    """The time that these processes have run, to the nanosecond."""
    texts = [(measure.PROC / str(pid) / "schedstat").read_text() for pid in pids]
    return sum(int(text.split()[0]) for text in texts) / 1e9


def _cpu(rounds: int, seconds: int) -> str:
    """CPU a request, of keep-alive connections, 32 a worker."""
    measured: dict[int, list[float]] = {workers: [] for workers in _COUNTS}
    with ExitStack() as stack:
        daemons = {workers: stack.enter_context(_running(workers)) for workers in _COUNTS}
        script = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "done.lua"
        script.write_text(load.DONE)
        for _ in range(rounds):
            for workers, daemon in daemons.items():
                pids = daemon.serving()
                before = _cpu_seconds(pids)
                url = f"http://127.0.0.1:{daemon.port}/get"
                command = ["wrk", "-t1", f"-c{32 * workers}", f"-d{seconds}s", "-s"]
                done = subprocess.run(
                    [*command, str(script), url], capture_output=True, text=True, check=True
                )
                spent = _cpu_seconds(pids) - before
                measured[workers].append(load.result(done.stdout, spent).cpu_microseconds)
    one = median(measured[1])
    rows = [
        (str(workers), f"{median(values):.1f}", f"{median(values) / one:.2f}")
        for workers, values in measured.items()
    ]
    return measure.markdown(("workers", "us CPU/request", "ratio to one"), rows)


async def _open_loop(port: int, seconds: float) -> Outcome:
    """`_RATE` new connections a second, whatever becomes of those before."""
    outcome = Outcome([], Counter())

    async def one() -> None:
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /get HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                data = await reader.read()
                writer.close()
            if not data.startswith(b"HTTP/1.1 200 "):
                raise ConnectionError("no response")
            outcome.seconds.append(time.perf_counter() - begun)
        except (OSError, TimeoutError) as error:
            outcome.failures[type(error).__name__] += 1

    tasks, begun = [], time.monotonic()
    for number in range(int(seconds * _RATE)):
        await asyncio.sleep(max(0.0, begun + number / _RATE - time.monotonic()))
        tasks.append(asyncio.create_task(one()))
    await asyncio.gather(*tasks)
    return outcome


def _events(rounds: int) -> str:
    """What newcomers see of a worker that dies, or stands still."""
    rows = []
    for name, action in _ACTIONS.items():
        total = Outcome([], Counter())
        for _ in range(rounds):
            with _running(2) as daemon:
                time.sleep(_SETTLE_SECONDS)
                outcome = asyncio.run(_with(daemon, action))
                total.seconds.extend(outcome.seconds)
                total.failures.update(outcome.failures)
        ms = [
            f"{1000 * measure.percentile(total.seconds, share):.1f}" for share in (0.5, 0.99, 1)
        ]
        failures = ", ".join(f"{n} {kind}" for kind, n in total.failures.items()) or "none"
        rows.append((name, str(len(total.seconds)), *ms, failures))
    header = ("one of two workers", "responses", "p50 ms", "p99 ms", "max ms", "failures")
    return measure.markdown(header, rows)


async def _with(daemon: Daemon, action: Callable[[int], object]) -> Outcome:
    """Two seconds of load, after one of which something happens to a worker."""
    running = asyncio.create_task(_open_loop(daemon.port, 2.0))
    await asyncio.sleep(1.0)
    action(daemon.serving()[0])
    return await running


def _balance() -> str:
    """How kept connections spread over four workers."""
    rows = []
    for name, pause in (("one after the other", True), ("all at once", False)):
        with _running(4) as daemon, ExitStack() as stack:
            clients = []
            for _ in range(_CONNECTIONS):
                client = socket.socket()
                stack.enter_context(client)
                client.setblocking(pause)
                with suppress(BlockingIOError):
                    client.connect(("127.0.0.1", daemon.port))
                clients.append(client)
            time.sleep(_SETTLE_SECONDS)
            lines = ask(daemon.port, "/metrics")[1].decode().splitlines()
            counts = [
                line.split()[-1].removesuffix(".0")
                for line in lines
                if line.startswith("netd_worker_connections_open{")
            ]
            rows.append((name, " / ".join(counts)))
    return measure.markdown((f"{_CONNECTIONS} connections", "by worker"), rows)


def _size(rounds: int) -> str:
    """The time without any worker, and what a worker adds to memory."""
    restarts, starts = [], {1: list[float](), 4: list[float]()}
    for workers, measured in starts.items():
        for _ in range(rounds):
            begun = time.perf_counter()
            with _running(workers):
                measured.append(time.perf_counter() - begun)
    with _running(2) as daemon:
        private = [_private_bytes(pid) for pid in daemon.serving()]
        for _ in range(rounds):
            # A worker that lived as long is replaced at once.
            time.sleep(_LIVED_SECONDS)
            for pid in daemon.serving():
                os.kill(pid, signal.SIGKILL)
            begun = time.perf_counter()
            ask(daemon.port, "/healthz")
            restarts.append(time.perf_counter() - begun)
    rows = (
        ("all workers killed, to a response", f"{1000 * median(restarts):.0f} ms"),
        ("start of one process", f"{1000 * median(starts[1]):.0f} ms"),
        ("start of four workers", f"{1000 * median(starts[4]):.0f} ms"),
        ("private memory of a worker", f"{max(private) / 2**20:.1f} MB"),
    )
    return measure.markdown(("figure", "median"), rows)


def _private_bytes(pid: int) -> int:
    """The memory that a process shares with no other."""
    lines = (measure.PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
