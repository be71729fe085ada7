"""`python -m bench soak`: netd under a mix of everything for minutes; does it grow or err?

Rules: the load is paced, not pushed: what is looked for is what stays behind, not how fast it
goes. Every answer is checked; one that is wrong, late or missing is an error, and each error
makes the run fail. Growth is a line through the samples after the warm-up (least squares).
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import measure
from bench.peers import ROOT
from bench.process import StartError, end

_WARM_SHARE = 0.2
"""Of the whole, at the least `_WARM_SECONDS` of it: caches fill, pools start."""
_WARM_SECONDS = 30.0
_SAMPLE_SECONDS = 1.0
_TIMEOUT_SECONDS = 10.0
_START_SECONDS = 20.0
_PACE_SECONDS = 0.02
"""What each client waits between two exchanges."""
_CLIENTS = 4
"""Of each kind."""
_REPORT_SECONDS = 60.0


class WrongAnswerError(Exception):
    """An answer that is not what was asked for."""


@dataclass
class _Run:
    """What was seen so far."""

    http: int
    echo: int
    udp: int
    pid: int
    done: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[float, int, int]] = field(default_factory=list)
    """Seconds since the start, resident bytes, open descriptors."""


def main(minutes: float, netd_args: tuple[str, ...]) -> int:
    """Print what became of it; 1 when there was an error, or the server ended."""
    print(measure.opening((), f"{minutes:g} minutes of everything", ()), flush=True)
    with tempfile.TemporaryDirectory(prefix="netd-soak-") as folder:
        log = Path(folder) / "log"
        with _started(log, Path(folder) / "notify", netd_args) as run:
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
    """When counting begins in a run of this length; never after the middle of it."""
    return min(seconds / 2, max(seconds * _WARM_SHARE, _WARM_SECONDS))


def slope(points: list[tuple[float, int]]) -> float:
    """The slope of the line that is nearest to the points, by least squares."""
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
def _started(log: Path, notify: Path, more: tuple[str, ...]) -> Iterator[_Run]:
    """A netd of its own, on the last core, that is ready; StartError when it is not."""
    cores = sorted(os.sched_getaffinity(0))
    words = [sys.executable, "-m", "netd", "--port", "0", "--service", "echo=tcp:0", *more]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, log.open("wb") as output:
        ready.bind(str(notify))
        ready.settimeout(_START_SECONDS)
        process = subprocess.Popen(
            words,
            cwd=ROOT,
            env={**os.environ, "NOTIFY_SOCKET": str(notify)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            os.sched_setaffinity(process.pid, {cores[-1]})
            where = _announced(ready, log)
            os.sched_setaffinity(0, {cores[0]})
            yield _Run(where["http"], where["tcp-echo"], where["udp"], process.pid)
        finally:
            end(process)


def _announced(ready: socket.socket, log: Path) -> dict[str, int]:
    """The port of each listener, as READY=1 tells it."""
    try:
        said = ready.recv(65_536).decode()
    except TimeoutError:
        raise StartError(f"not ready: {log.read_text()[-1000:]}") from None
    (line,) = [each for each in said.splitlines() if each.startswith("X_NETD_LISTEN=")]
    pairs = [each.split("=", 1) for each in line.partition("=")[2].split()]
    return {name: int(where.split(":")[1]) for name, where in pairs}


def _timers(pid: int, log: Path) -> int:
    """How many delayed calls the daemon has, by its own word; -1 when it does not say."""
    mark = "state: timers: "
    seen = log.read_text().count(mark)
    os.kill(pid, signal.SIGUSR2)
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        said = log.read_text().split(mark)[seen + 1 :]
        if said and "\n" in said[0]:
            return int(said[0].split(",")[0].split()[0])
        time.sleep(0.05)
    return -1


async def _soak(run: _Run, seconds: float) -> None:
    """Everything at once until the time is over, sampled all the while."""
    started = time.monotonic()
    kinds: dict[str, Callable[[_Run], Awaitable[None]]] = {
        "HTTP, kept alive": _get,
        "HTTP, delayed": _delayed,
        "HTTP, left in the middle": _leave,
        "files": _file,
        "XML-RPC": _call,
        "TCP echo": _echo,
        "UDP echo": _datagram,
    }
    over = asyncio.Event()
    tasks = [
        asyncio.create_task(_client(run, name, act, over))
        for name, act in kinds.items()
        for _ in range(_CLIENTS)
    ]
    told = started
    while (now := time.monotonic()) < started + seconds:
        _sample(run, now - started)
        if now - told >= _REPORT_SECONDS:
            told = now
            print(f"{(now - started) / 60:.0f} min: {run.done.total()}", file=sys.stderr)
        await asyncio.sleep(_SAMPLE_SECONDS)
    over.set()
    await asyncio.gather(*tasks)
    # What was still open is closed by now, or never will be.
    await asyncio.sleep(_SAMPLE_SECONDS)


def _sample(run: _Run, at: float) -> None:
    try:
        descriptors = len(os.listdir(f"/proc/{run.pid}/fd"))
    except OSError:
        return
    run.samples.append((at, measure.rss_bytes([run.pid]), descriptors))


async def _client(
    run: _Run, name: str, act: Callable[[_Run], Awaitable[None]], over: asyncio.Event
) -> None:
    """One client: an exchange, a pause, until it is over."""
    while not over.is_set():
        try:
            await asyncio.wait_for(act(run), _TIMEOUT_SECONDS)
        except (OSError, EOFError, TimeoutError, WrongAnswerError, ValueError) as wrong:
            run.errors[f"{name}: {type(wrong).__name__} {wrong}"] += 1
        else:
            run.done[name] += 1
        await asyncio.sleep(_PACE_SECONDS)


async def _ask(run: _Run, requests: list[bytes], expected: Callable[[bytes], bool]) -> None:
    """Requests on one connection, one after the other, each answer looked at."""
    reader, writer = await asyncio.open_connection("127.0.0.1", run.http)
    try:
        for request in requests:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            body = await reader.readexactly(int(length))
            if not head.startswith(b"HTTP/1.1 200 ") or not expected(body):
                raise WrongAnswerError(head.partition(b"\r")[0].decode("latin-1"))
    finally:
        writer.close()
        await writer.wait_closed()


def _request(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: netd\r\n\r\n".encode()


async def _get(run: _Run) -> None:
    await _ask(run, [_request("/get?a=b")] * 5, lambda body: b'"a": "b"' in body)


async def _delayed(run: _Run) -> None:
    await _ask(run, [_request("/echo?delay=50ms")] * 2, lambda body: len(body) == 58)


async def _leave(run: _Run) -> None:
    """Ask for what takes long, and go."""
    _, writer = await asyncio.open_connection("127.0.0.1", run.http)
    writer.write(_request("/drip?duration=5&numbytes=50"))
    await asyncio.sleep(_PACE_SECONDS)
    writer.close()
    await writer.wait_closed()


async def _file(run: _Run) -> None:
    await _ask(
        run,
        [_request("/files/primes.csv"), _request("/files/zeros.bin")],
        bool,
    )


_CALL = xmlrpc.client.dumps((3, 4), "pow").encode()


async def _call(run: _Run) -> None:
    head = "POST /RPC2 HTTP/1.1\r\nHost: netd\r\nContent-Type: text/xml\r\n"
    request = f"{head}Content-Length: {len(_CALL)}\r\n\r\n".encode() + _CALL
    await _ask(run, [request] * 3, lambda body: b">81<" in body)


async def _echo(run: _Run) -> None:
    said = os.urandom(2000)
    reader, writer = await asyncio.open_connection("127.0.0.1", run.echo)
    try:
        writer.write(said)
        if await reader.readexactly(len(said)) != said:
            raise WrongAnswerError("other bytes")
    finally:
        writer.close()
        await writer.wait_closed()


async def _datagram(run: _Run) -> None:
    loop = asyncio.get_running_loop()
    said = os.urandom(500)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", run.udp))
        await loop.sock_sendall(sock, said)
        if await loop.sock_recv(sock, 2000) != said:
            raise WrongAnswerError("another datagram")
