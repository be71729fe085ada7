"""`python -m bench queue`: offloaded calls on Celery workers, over Redis and RabbitMQ.

Rules: netd alone.  Where the reactor's lag is measured netd has a core of its own, and what
asks `/healthz` every 5 ms is a process before which all others give way; all other figures are
of processes that share the cores.  A row whose program is missing names it.
"""

import http.client
import importlib.util
import multiprocessing
import os
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import xmlrpc.client
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

from bench import measure, process
from bench.ask import ask, waits
from bench.queue_programs import Cutter, Missing, Server, Stage

_START_SECONDS = 60.0
_IDLE_CALLS = 300
_RATE_SECONDS = 4.0
_LOAD_SECONDS = 5.0
_FROZEN_SECONDS = 8.0
_CLIENTS = 8
_MIB = 1024 * 1024
_WAITING = 1000


def _client(netd: Server) -> xmlrpc.client.ServerProxy:
    return xmlrpc.client.ServerProxy(f"http://127.0.0.1:{netd.port}/RPC2", allow_none=True)


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _metric(netd: Server, name: str) -> float:
    """The value of a metric."""
    text = ask(netd.port, "/metrics")[1].decode()
    return float(text.partition(f"\n{name} ")[2].split()[0])


def _until(netd: Server, name: str, value: float) -> None:
    """Return when a metric has this value."""
    deadline = time.monotonic() + _START_SECONDS
    while _metric(netd, name) != value:
        if time.monotonic() > deadline:
            raise process.StartError(f"{name} does not become {value}")
        time.sleep(0.01)


def _load(netd: Server, method: str, values: tuple[object, ...], seconds: float) -> float:
    """Calls a second of some clients."""
    counts = [0] * _CLIENTS
    end = time.monotonic() + seconds

    def run(number: int) -> None:
        function = getattr(_client(netd), method)
        while time.monotonic() < end:
            function(*values)
            counts[number] += 1

    took = _seconds(lambda: _at_once(run))
    return sum(counts) / took


def _at_once(run: Callable[[int], object]) -> None:
    """Let each client run, in a thread that gets its number."""
    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(run, range(_CLIENTS)))


def _slowest(port: int, seconds: float) -> float:
    """The slowest response of `/healthz` within so long; runs in a process of its own."""
    end = time.monotonic() + seconds
    return max(waits(port, lambda: time.monotonic() >= end))


# The rows


def _idle(stage: Stage, url: str, broker: str = "") -> str:
    """How much longer an empty call takes than one that netd itself runs."""
    with ExitStack() as stack:
        if url:
            stack.enter_context(stage.worker(url, broker=broker))
        netd = stack.enter_context(
            stage.netd(url, *(("--rpc-broker", broker) if broker else ()))
        )
        client = _client(netd)
        for _ in range(20):
            client.empty()
        own = measure.middle(_seconds(lambda: client.add(2, 3)) for _ in range(_IDLE_CALLS))
        took = [_seconds(client.empty) - own for _ in range(_IDLE_CALLS)]
    parts = (measure.percentile(took, share) for share in (0.5, 0.99))
    return " / ".join(f"{1000 * part:.1f}" for part in parts)


def _idle_redis(stage: Stage) -> str:
    with stage.redis() as (_, url):
        return _idle(stage, url)


def _idle_tls(stage: Stage) -> str:
    with stage.redis_tls() as url:
        return _idle(stage, url)


def _idle_rabbitmq(stage: Stage) -> str:
    with stage.redis() as (_, url), stage.rabbitmq() as broker:
        return _idle(stage, url, broker)


def _rates(stage: Stage, method: str, *values: object) -> str:
    """Calls a second with one and with two workers of one process, and their CPU time."""
    with (
        stage.redis() as (redis, url),
        stage.netd(url) as netd,
        stage.worker(url) as worker,
        ExitStack() as stack,
    ):
        servers = {"netd": netd, "worker": worker, "Redis": redis}
        _load(netd, method, values, 0.5)
        before = {name: measure.cpu_seconds(each.pid) for name, each in servers.items()}
        one = _load(netd, method, values, _RATE_SECONDS)
        milliseconds = {
            name: 1000 * (measure.cpu_seconds(each.pid) - before[name]) / one / _RATE_SECONDS
            for name, each in servers.items()
        }
        stack.enter_context(stage.worker(url))
        two = _load(netd, method, values, _RATE_SECONDS)
    text = f"{one:.1f}, {two:.1f} ({two / one:.2f} x)"
    spent = ", ".join(f"{name} {each:.1f}" for name, each in milliseconds.items())
    return text if values else f"{text}; CPU ms a call: {spent}"


def _lag(
    stage: Stage,
    meanwhile: Callable[[Server, Server], object],
    seconds: float = _LOAD_SECONDS,
    between: Callable[[int], int] = lambda port: port,
) -> str:
    """The slowest `/healthz` while something happens to netd and Redis."""
    with (
        stage.redis(apart=True) as (redis, _),
        ExitStack() as stack,
    ):
        url = f"redis://127.0.0.1:{between(redis.port)}/0"
        stack.enter_context(stage.worker(url, 2, apart=True))
        netd = stack.enter_context(stage.netd(url, apart=True))
        _load(netd, "empty", (), 0.5)
        slowest = stage.prober.submit(_slowest, netd.port, seconds)
        outcome = meanwhile(netd, redis)
        text = f"{1000 * slowest.result():.0f}"
    return text if outcome is None else f"{outcome}; {text}"


def _under_load(netd: Server, _: Server) -> None:
    _load(netd, "empty", (), _LOAD_SECONDS)


def _frozen(netd: Server, redis: Server) -> None:
    timer = threading.Timer(_FROZEN_SECONDS, os.kill, (redis.pid, signal.SIGCONT))
    os.kill(redis.pid, signal.SIGSTOP)
    timer.start()
    _load(netd, "empty", (), _FROZEN_SECONDS)


def _cut(stage: Stage) -> str:
    with Cutter() as cutter:
        return _lag(stage, _under_load, between=cutter.before)


def _big(netd: Server, mebibytes: int) -> None:
    """Get so much, without a look at it: parsing would take longer than all else."""
    call = xmlrpc.client.dumps((mebibytes * _MIB,), "big")
    if len(ask(netd.port, "/RPC2", call)[1]) < mebibytes * _MIB:
        raise process.StartError("a large result is a fault")


def _large(stage: Stage) -> str:
    with stage.redis() as (_, url), stage.worker(url), stage.netd(url) as netd:
        _big(netd, 1)
        took = measure.middle(_seconds(lambda: _big(netd, 1)) for _ in range(9))
    return f"{1000 * took:.0f}"


def _large_at_once(netd: Server, _: Server) -> str:
    return f"{_seconds(lambda: _at_once(lambda _: _big(netd, 4))):.2f} s"


def _waiting(stage: Stage) -> str:
    """Memory and threads of waiting calls, which nobody runs."""

    def wait(netd: Server, connections: int) -> float:
        """The memory with 100 waiting calls on each of so many connections."""
        calls = [{"methodName": "empty", "params": []}] * 100
        body = xmlrpc.client.dumps((calls,), "system.multicall").encode()
        head = f"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        request = f"{head}Content-Type: text/xml\r\n\r\n".encode() + body
        with ExitStack() as stack:
            for _ in range(connections):
                sock = socket.create_connection(("127.0.0.1", netd.port))
                stack.enter_context(sock).sendall(request)
            _until(netd, "netd_rpc_calls_queued", 100 * connections)
            return measure.rss_bytes([netd.pid])

    with stage.redis() as (_, url), stage.netd(url) as netd:
        # The first ones load modules.
        before = wait(netd, 1)
        each = (wait(netd, _WAITING // 100) - before) / (_WAITING - 100) / 1024
        threads = len(list((measure.PROC / str(netd.pid) / "task").iterdir()))
    return f"{each:.1f} KiB each, {threads} threads"


def _deaths(stage: Stage) -> str:
    """Seconds from a death to the fault, from a leaving to a free worker; of a machine."""
    busy = "netd_rpc_workers_busy"
    with stage.redis() as (_, url), stage.netd(url) as netd, stage.worker(url) as worker:
        _client(netd).empty()

        def during(action: Callable[[], object]) -> float:
            """The seconds from the action to the end of a call that runs."""
            ended: list[float] = []

            def call() -> None:
                with suppress(xmlrpc.client.Fault):
                    _client(netd).sleep(25.0)
                ended.append(time.monotonic())

            thread = threading.Thread(target=call)
            thread.start()
            _until(netd, busy, 1)
            # A call has begun before its process is known to the main one.
            time.sleep(0.2)
            acted = time.monotonic()
            action()
            thread.join()
            return ended[0] - acted

        child = during(lambda: os.kill(measure.tree(worker.pid)[1], signal.SIGKILL))
        left = http.client.HTTPConnection("127.0.0.1", netd.port)
        body = xmlrpc.client.dumps((25.0,), "sleep")
        left.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
        _until(netd, busy, 1)
        # Reset it: after a mere close a client may still want its response.
        left.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        left.close()
        free = _seconds(_client(netd).empty)
        machine = during(lambda: os.killpg(worker.pid, signal.SIGKILL))
    return f"{child:.1f} / {free:.1f} / {machine:.1f}"


_ROWS: tuple[tuple[str, str, Callable[[Stage], str]], ...] = (
    ("an idle call adds, p50 / p99 ms: netd's own processes", "", lambda s: _idle(s, "")),
    ("the same: Redis", "6 / 15", _idle_redis),
    ("the same: Redis over TLS", "", _idle_tls),
    ("the same: RabbitMQ, with Redis", "", _idle_rabbitmq),
    (
        "calls/s of 50 ms with 1 and 2 workers: sleeping",
        "1.9 x",
        lambda stage: _rates(stage, "sleep", 0.05),
    ),
    ("the same: computing", "1.8 x", lambda stage: _rates(stage, "compute", 0.05)),
    ("the same: empty calls", "250 a worker", lambda stage: _rates(stage, "empty")),
    (
        "slowest `/healthz` ms, netd with a core of its own: load",
        "50",
        lambda stage: _lag(stage, _under_load),
    ),
    ("the same: all connections cut each 0.5 s", "50", _cut),
    (
        "the same: Redis frozen for 8 s",
        "50",
        lambda stage: _lag(stage, _frozen, _FROZEN_SECONDS + 1),
    ),
    (
        "the same: 8 results of 4 MiB at once, which took",
        "50",
        lambda stage: _lag(stage, _large_at_once, 2.0),
    ),
    ("a result of 1 MiB, ms", "30", _large),
    ("1000 waiting calls", "4 KiB each, 3 threads", _waiting),
    ("seconds: process killed / client left / machine gone", "1 / 1.5 / 10", _deaths),
)


def main() -> int:
    """Print the table; 1 when a row is an error, StartError when nothing can be measured."""
    for name in ("celery", "redis"):
        if importlib.util.find_spec(name) is None:
            raise process.StartError(f"{name} is not installed: pip install 'celery[redis]'")
    cores = process.cores()
    print(measure.opening([], "netd with Celery workers of one process", []), flush=True)
    failed, cells = False, []
    with (
        tempfile.TemporaryDirectory(prefix="netd-bench-") as folder,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as prober,
    ):
        prober.submit(int).result()
        stage = Stage(Path(folder), prober, cores)
        for figure, aim, row in _ROWS:
            try:
                text = row(stage)
            except Missing as missing:
                text = f"{missing} is not installed"
            except (OSError, process.StartError, xmlrpc.client.Fault) as error:
                text, failed = f"error: {error}", True
            print(f"{figure}: {text}", file=sys.stderr)
            cells.append((figure, text, aim))
    print(f"\n{measure.markdown(('figure', 'measured', 'to reach'), cells)}")
    return int(failed)
