"""`python -m bench console`: what the console costs a browser and the daemon.

Rules: one daemon and one Chromium on this machine; each figure stands beside its budget.
"""

import http.client
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

from selenium.webdriver import Chrome

from bench import measure
from tests.browser import browser, weigh
from tests.running import Daemon, eventually

_KEY = "abcdefghijklmnopqrstuv"
_BIN = f"/echo/b-{_KEY}/x?delay=1ms"
_KEPT = 200
"""Requests that the page keeps of a bin."""
_RATE = 1000
"""Requests a second to a watched bin."""
_WATCHERS = 64
_LOADS = 5
_ROWS = "return document.querySelectorAll('#bin-rows details').length"
_PAINTED = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
_LONGEST = """
const done = arguments[0];
new PerformanceObserver((list) => done(Math.max(...list.getEntries().map((e) => e.duration))))
  .observe({ type: "longtask", buffered: true });
setTimeout(() => done(0), 500);
"""

Row = tuple[str, float, float, str]
"""What was measured, its value, its budget and their unit."""


def main(seconds: int) -> int:
    """Print the figures; 1 when one is over its budget."""
    with Daemon("--delay", "20ms", "--access-log", "off") as daemon:
        with browser() as driver:
            rows = [
                *_document(daemon),
                *_loads(driver, daemon),
                *_live(driver, daemon, seconds),
            ]
        rows += _watched(daemon, seconds / 6)
    cells = [
        [what, f"{value:.6g} {unit}", f"{most:g} {unit}"] for what, value, most, unit in rows
    ]
    print(measure.markdown(("what", "measured", "at most"), cells))
    return int(any(value > most for _, value, most, _ in rows))


def _document(daemon: Daemon) -> list[Row]:
    """The bytes of the document."""
    sizes = []
    for coding in ("identity", "gzip"):
        with closing(http.client.HTTPConnection(*daemon.address())) as connection:
            connection.request("GET", "/console", headers={"Accept-Encoding": coding})
            sizes.append(len(connection.getresponse().read()))
    return [("document", sizes[0], 130_000, "B"), ("document in gzip", sizes[1], 36_000, "B")]


def _loads(driver: Chrome, daemon: Daemon) -> list[Row]:
    """First contentful paint, and the longest task, of some loads of the page."""
    painted, longest = [], 0.0
    for number in range(_LOADS):
        driver.get(f"{daemon.url}/console?{number}")
        painted.append(eventually(lambda: driver.execute_script(_PAINTED), "the paint"))
        longest = max(longest, driver.execute_async_script(_LONGEST))
    paint = statistics.median(painted)
    return [("first contentful paint", paint, 400, "ms"), ("longest task", longest, 100, "ms")]


def _live(driver: Chrome, daemon: Daemon, seconds: float) -> list[Row]:
    """What the page grows by while it watches figures and a bin with 10 requests a second."""
    driver.get(f"{daemon.url}/console?live#bin={_KEY}")
    with _sending(daemon, 200):
        eventually(lambda: driver.execute_script(_ROWS) >= _KEPT or None, "the rows")
    with _sending(daemon, 10):
        time.sleep(5)
        heap, nodes = weigh(driver)
        time.sleep(seconds)
        after, nodes_after = weigh(driver)
    return [
        (f"heap, {seconds:g} s", (after - heap) / 1e6, 0.5, "MB"),
        (f"nodes, {seconds:g} s", nodes_after - nodes, 0, ""),
    ]


def _watched(daemon: Daemon, seconds: float) -> list[Row]:
    """What those who watch cost the daemon, of a core."""

    def cpu(during: Callable[[float], None] = time.sleep) -> float:
        time.sleep(1)
        before = measure.cpu_seconds(daemon.pid)
        during(seconds)
        return (measure.cpu_seconds(daemon.pid) - before) / seconds * 100

    def load(seconds: float) -> None:
        with _sending(daemon, _RATE):
            time.sleep(seconds)

    alone = cpu(), cpu(load)
    rows = []
    for name, query, most in (("figures", "figures=1", 0.5), ("bins", f"bin={_KEY}", 1.0)):
        with _watching(daemon, query, _WATCHERS):
            rows.append((f"{_WATCHERS} idle watchers of {name}", cpu() - alone[0], most, "%"))
    with _watching(daemon, f"bin={_KEY}", 1):
        rows.append((f"a bin at {_RATE} requests/s", cpu(load) - alone[1], 3.0, "%"))
    return rows


@contextmanager
def _watching(daemon: Daemon, query: str, count: int) -> Iterator[None]:
    """So many streams, each read as it comes."""
    with ExitStack() as stack:
        for _ in range(count):
            stream = stack.enter_context(socket.create_connection(daemon.address()))
            stream.sendall(
                f"GET /console/stream?{query} HTTP/1.1\r\nHost: localhost\r\n"
                "X-Netd-Console: 1\r\n\r\n".encode()
            )
            reader = threading.Thread(target=_read, args=(stream,), daemon=True)
            reader.start()
            stack.callback(reader.join)
            stack.callback(stream.shutdown, socket.SHUT_RDWR)
        yield


def _read(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


@contextmanager
def _sending(daemon: Daemon, rate: int) -> Iterator[None]:
    """So many requests a second to the bin, on one connection."""
    over = threading.Event()
    pace = min(rate, 100)
    batch = f"GET {_BIN} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * (rate // pace)

    def send() -> None:
        at = time.monotonic()
        while not over.wait(max(0.0, at - time.monotonic())):
            connection.sendall(batch)
            at += 1 / pace

    with socket.create_connection(daemon.address()) as connection:
        threads = [
            threading.Thread(target=send),
            threading.Thread(target=_read, args=(connection,)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            threads[0].join()
            connection.shutdown(socket.SHUT_RDWR)
            threads[1].join()
