"""`python -m bench soak`: netd under a mix of everything for minutes; does it grow or err?

Rules: the load is paced: the soak looks for what stays behind, not for how fast the server
goes. Every response is checked; a wrong, late or missing one is an error, and an error makes
the run fail. Growth is a line through the samples after the warm-up (least squares).
"""

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import measure, process
from bench.ask import ask
from bench.exchanges import EXCHANGES, PACE_SECONDS, Exchange, Ports, WrongResponseError
from tests.running import free_port

_WARM_SHARE = 0.2
"""Of the whole, at the least `_WARM_SECONDS` of it: caches fill, pools start."""
_WARM_SECONDS = 30.0
_SAMPLE_SECONDS = 1.0
_TIMEOUT_SECONDS = 10.0
_CLIENTS = 4
"""Of each kind."""
_REPORT_SECONDS = 60.0


@dataclass
class _Run:
    """The measurements so far."""

    ports: Ports
    pid: int
    done: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[float, int, int]] = field(default_factory=list)
    """Seconds since the start, resident bytes, open descriptors."""


def main(minutes: float, netd_args: tuple[str, ...]) -> int:
    """Print the figures; 1 when there was an error, or the server ended."""
    print(measure.opening((), f"{minutes:g} minutes of everything", ()), flush=True)
    with tempfile.TemporaryDirectory(prefix="netd-soak-") as folder:
        log = Path(folder) / "log"
        with _started(log, netd_args) as run:
            before = _timers(run.pid, log)
            asyncio.run(_soak(run, minutes * 60))
            after = _timers(run.pid, log)
            alive = Path(f"/proc/{run.pid}").exists()
        noise = [line for line in log.read_text().splitlines() if "Traceback" in line]
    print(f"\n{_table(run, minutes * 60, before, after)}")
    for what, count in run.errors.most_common():
        print(f"error: {what}: {count}")
    if noise:
        print(f"error: {len(noise)} tracebacks in the log")
    if not alive:
        print("error: the server ended")
    return int(bool(run.errors or noise or not alive))


def _table(run: _Run, seconds: float, before: int, after: int) -> str:
    """The figures, a line each."""
    warm = warm_up(seconds)
    late = [(at, size) for at, size, _ in run.samples if at >= warm]
    descriptors = [count for at, _, count in run.samples if at >= warm]
    growth = slope(late) * 600 / 2**20 if len(late) > 1 else float("nan")
    rows = [
        *([f"exchanges, {kind}", str(count)] for kind, count in sorted(run.done.items())),
        ["errors", str(run.errors.total())],
        ["RSS MB after the warm-up", f"{late[0][1] / 2**20:.1f}" if late else "?"],
        ["RSS MB at the end", f"{late[-1][1] / 2**20:.1f}" if late else "?"],
        ["RSS slope, MB in 10 minutes", f"{growth:+.2f}"],
        ["RSS MB, least in each quarter", quarters(late)],
        ["descriptors, least to most", f"{min(descriptors)} to {max(descriptors)}"],
        ["timers before and after", f"{before} and {after}"],
    ]
    return measure.markdown(("what", "figure"), rows)


def warm_up(seconds: float) -> float:
    """When counting begins in a run of this length; at the latest in the middle of the run."""
    return min(seconds / 2, max(seconds * _WARM_SHARE, _WARM_SECONDS))


def slope(points: list[tuple[float, int]]) -> float:
    """The slope of the line nearest to the points, by least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def quarters(points: list[tuple[float, int]]) -> str:
    """The least MB in each quarter of the points: a leak adds to all, a step to one alone."""
    count = -(-len(points) // 4) or 1
    parts = [points[at : at + count] for at in range(0, len(points), count)]
    return " ".join(f"{min(size for _, size in part) / 2**20:.1f}" for part in parts)


@contextmanager
def _started(log: Path, more: tuple[str, ...]) -> Iterator[_Run]:
    """A netd on a core of its own that is ready; StartError when it is not."""
    client_core, netd_core = process.cores()
    ports = Ports(free_port(), free_port(), free_port(socket.SOCK_DGRAM))
    argv = ["taskset", "-c", netd_core, sys.executable, "-m", "netd", "--port", ports.http]
    argv += ["--service", f"echo=tcp:{ports.echo}", "--udp", ports.udp, *more]

    def ready() -> bool:
        # It handles signals then.
        return ask(ports.http, "/readyz")[0] == 200

    with process.started("netd", argv, ready, log=log) as pid:
        process.pin(client_core)
        yield _Run(ports, pid)


def _timers(pid: int, log: Path) -> int:
    """The number of delayed calls that the daemon logs on SIGUSR2; -1 when it logs none."""
    mark = "state: timers: "
    seen = log.read_text().count(mark)
    os.kill(pid, signal.SIGUSR2)
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        states = log.read_text().split(mark)[seen + 1 :]
        if states and "\n" in states[0]:
            return int(states[0].split(",")[0].split()[0])
        time.sleep(0.05)
    return -1


async def _soak(run: _Run, seconds: float) -> None:
    """Everything at once until the time is over, sampled all the while."""
    started = time.monotonic()
    over = asyncio.Event()
    tasks = [
        asyncio.create_task(_client(run, name, exchange, over))
        for name, exchange in EXCHANGES.items()
        for _ in range(_CLIENTS)
    ]
    reported = started
    while (now := time.monotonic()) < started + seconds:
        _sample(run, now - started)
        if now - reported >= _REPORT_SECONDS:
            reported = now
            print(f"{(now - started) / 60:.0f} min: {run.done.total()}", file=sys.stderr)
        await asyncio.sleep(_SAMPLE_SECONDS)
    over.set()
    await asyncio.gather(*tasks)
    # Time for the daemon to close its last connections.
    await asyncio.sleep(_SAMPLE_SECONDS)


def _sample(run: _Run, at: float) -> None:
    try:
        descriptors = len(os.listdir(f"/proc/{run.pid}/fd"))
    except OSError:
        return
    run.samples.append((at, measure.rss_bytes([run.pid]), descriptors))


async def _client(run: _Run, name: str, exchange: Exchange, over: asyncio.Event) -> None:
    """One client: an exchange, a pause, until it is over."""
    while not over.is_set():
        try:
            await asyncio.wait_for(exchange(run.ports), _TIMEOUT_SECONDS)
        except (OSError, EOFError, TimeoutError, WrongResponseError, ValueError) as error:
            run.errors[f"{name}: {type(error).__name__} {error}"] += 1
        else:
            run.done[name] += 1
        await asyncio.sleep(PACE_SECONDS)
