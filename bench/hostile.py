"""`python -m bench hostile`: who waits, and how much memory grows, while netd is attacked.

Rules: every attack is bytes that some connections send, each just within what netd takes;
`/healthz` is asked every 5 ms meanwhile, over one connection and over new ones.  The bodies
at the end are those of `bench/rpc.py`.
"""

import http.client
import selectors
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import NamedTuple, cast

from bench import measure, process
from bench.ask import waits
from netd.test.worst.calls import CALLS
from tests.running import free_port

_MOST = 1024 * 1024
_SECONDS = 4.0
"""How long an attack lasts at most."""
_QUIET_SECONDS = 1.0
"""An attack is over when nothing was received for so long."""
_EVERY = 0.005
_FAILED = "failed"
_TWISTD = "from twisted.scripts.twistd import run; run()"


class Attack(NamedTuple):
    """What each of some connections sends, and whether it reads what comes back."""

    connections: int
    data: bytes
    reads: bool = True


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def _post(body: bytes) -> bytes:
    head = f"POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_SEEDED, _OPENAPI = _get("/bytes/102400?seed=1"), _get("/help/openapi.json")
_ATTACKS = {
    "nothing": Attack(0, b""),
    "1000 pipelined /bytes/102400": Attack(1, _get("/bytes/102400") * 1000),
    "1000 pipelined, with a seed": Attack(1, _SEEDED * 1000),
    "1000 pipelined /help/openapi.json": Attack(1, _OPENAPI * 1000),
    "1500 pipelined /healthz": Attack(1, _get("/healthz") * 1500),
    "200 connections, /healthz pipelined": Attack(200, _get("/healthz") * 300),
    "200 connections, 1 MiB to /post": Attack(200, _post(b"x" * _MOST)),
    "200 connections, /help/openapi.json": Attack(200, _OPENAPI),
    "200 connections, /bytes with a seed": Attack(200, _SEEDED),
    "500 unread echoes of 1 MiB": Attack(500, _post(b"\x01" * _MOST), reads=False),
}


def main(netd_args: Sequence[str], reactor: str) -> int:
    """Print the slowest `/healthz` and the memory during each attack; 1 when one failed."""
    client_core, netd_core = process.cores()
    rows, failed = [], False
    with _running(netd_args, reactor, netd_core) as (pid, port), ThreadPoolExecutor(2) as pool:
        print(measure.opening((), f"netd on the reactor {reactor}", ()), flush=True)
        process.pin(client_core)
        for name, attack in _ATTACKS.items():
            print(name, file=sys.stderr)
            over = threading.Event()
            kept, new = (
                pool.submit(waits, port, over.is_set, _EVERY, kept=kept)
                for kept in (True, False)
            )
            try:
                peak = _attack(attack, pid, port)
            finally:
                over.set()
            slowest = [_slowest(kept), _slowest(new)]
            failed = failed or _FAILED in slowest
            rows.append([name, *slowest, f"{peak / 1e6:.0f}"])
    header = ["attack", "slowest ms, kept connection", "new connections", "peak RSS MB"]
    print(f"\n{measure.markdown(header, rows)}")
    return int(failed)


@contextmanager
def _running(netd_args: Sequence[str], reactor: str, core: int) -> Iterator[tuple[int, int]]:
    """Run netd during the block; its pid and its port."""
    port = free_port()
    argv = ["taskset", "-c", core, sys.executable, "-c", _TWISTD, "-n", "--pidfile="]
    argv += [f"--reactor={reactor}", "netd", "--udp", 0, "--delay", 0, "--port", port]
    with process.started("netd", [*argv, *netd_args], lambda: measure.listens(port)) as pid:
        yield pid, port


def _slowest(waits: Future[list[float]]) -> str:
    """The milliseconds of the slowest response of `/healthz`; "failed" when one was missing."""
    try:
        return f"{max(waits.result()) * 1e3:.0f}"
    except (OSError, http.client.HTTPException):
        return _FAILED


def _attack(attack: Attack, pid: int, port: int) -> int:
    """Attack for a while; the most memory that was seen."""
    peak, received = measure.rss_bytes([pid]), time.monotonic()
    until = received + _SECONDS
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for _ in range(attack.connections):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            sock.setblocking(False)
            both = selectors.EVENT_WRITE | (selectors.EVENT_READ * attack.reads)
            selector.register(sock, both, memoryview(attack.data))
        while (now := time.monotonic()) < min(until, received + _QUIET_SECONDS):
            if not attack.connections:
                time.sleep(_EVERY)
            for key, events in selector.select(0.05) if attack.connections else ():
                if _exchange(selector, key, events, attack.reads):
                    received = now
            peak = max(peak, measure.rss_bytes([pid]))
    return peak


def _exchange(
    selector: selectors.BaseSelector, key: selectors.SelectorKey, events: int, reads: bool
) -> bool:
    """Send and receive what one connection can; whether it did."""
    sock, left = cast(socket.socket, key.fileobj), key.data
    try:
        if events & selectors.EVENT_WRITE:
            left = left[sock.send(left) :]
            wanted = (selectors.EVENT_READ * reads) | (selectors.EVENT_WRITE * bool(left))
            if not wanted:
                selector.unregister(sock)
            else:
                selector.modify(sock, wanted, left)
        if events & selectors.EVENT_READ and not sock.recv(_MOST):
            raise ConnectionError
    except BlockingIOError:
        return False
    except OSError:
        selector.unregister(sock)
    return True


def bodies() -> dict[str, bytes]:
    """The bodies of calls by their names; all but the last are at most 1 MiB."""
    made = {name: make(_MOST) for name, make in CALLS.items()}
    return {**made, "more than 1 MiB": b"x" * (_MOST + 1)}
