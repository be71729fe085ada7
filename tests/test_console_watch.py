"""
What the console watches: the stream of a real daemon, and the page that shows it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.request import urlopen

from selenium.webdriver.common.by import By
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import LATENESS_BOUNDS
from netd.lab.document import _FILES
from tests.browser import element, weigh
from tests.console import ConsoleTests
from tests.programs import needs
from tests.running import DEADLINE, ROOT, Daemon, eventually, run, shared

KEY: Final = "abcdefghijklmnopqrstuv"


class Stream:
    """A stream of a daemon, whose events are read as they come."""

    def __init__(self, daemon: Daemon, query: str, **fields: str) -> None:
        self.connection = http.client.HTTPConnection(*daemon.address(), timeout=DEADLINE)
        headers = {"X-Netd-Console": "1", **fields}
        self.connection.request("GET", f"/console/stream?{query}", headers=headers)
        self.response = self.connection.getresponse()
        self.status = self.response.status

    def close(self) -> None:
        """Leave."""
        self.connection.close()

    def events(self) -> Iterator[Any]:
        """The events until the end of the stream."""
        for line in self.response:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    def next(self, name: str) -> Any:
        """The value of the next event that has `name`."""
        return next(event[name] for event in self.events() if name in event)


def watch(test: SynchronousTestCase, daemon: Daemon, query: str, **fields: str) -> Stream:
    """A stream that is open to the end of the test."""
    stream = Stream(daemon, query, **fields)
    test.addCleanup(stream.close)
    return stream


def get(daemon: Daemon, path: str) -> bytes:
    """The body of a response."""
    with urlopen(f"{daemon.url}{path}", timeout=DEADLINE) as response:
        body: bytes = response.read()
        return body


class StreamTests(SynchronousTestCase):
    """
    The stream of a real daemon.
    """

    def test_events(self) -> None:
        """Figures and the requests to a bin come while they happen."""
        daemon = self.enterContext(shared("--delay", "100ms"))
        stream = watch(self, daemon, f"figures=1&bin={KEY}")
        self.assertEqual(stream.next("bounds"), list(LATENESS_BOUNDS[:-1]))
        get(daemon, f"/echo/b-{KEY}/x?delay=20ms")
        event = stream.next("bin")
        self.assertEqual(
            (event["target"], event["end"]), (f"/echo/b-{KEY}/x?delay=20ms", "sent")
        )
        self.assertGreaterEqual(event["took"], 0.02)
        frame = stream.next("frame")
        self.assertGreater(frame["memory"], 10_000_000)

    def test_refused(self) -> None:
        """A foreign name, a page of another origin and a request of no page are refused."""
        daemon = self.enterContext(shared("--delay", "100ms"))
        for fields in (
            {"Host": "evil.example"},
            {"Origin": "http://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"X-Netd-Console": ""},
        ):
            self.assertEqual(watch(self, daemon, "figures=1", **fields).status, 403, fields)
        self.assertEqual(watch(self, daemon, "requests=1").status, 403)

    def test_stop(self) -> None:
        """Streams hold up neither a reload nor a stop, and a bin survives the reload."""
        daemon = self.enterContext(Daemon("--grace", "50s", "--console-watchers", "3"))
        with ExitStack() as streams:
            first, *others = [
                streams.enter_context(closing(Stream(daemon, f"figures=1&bin={KEY}")))
                for _ in range(4)
            ]
            self.assertEqual([each.status for each in others], [200, 200, 503])
            daemon.signal(signal.SIGHUP)
            daemon.notice("READY", 2)
            get(daemon, f"/echo/b-{KEY}")
            self.assertEqual(first.next("bin")["status"], 200)
            daemon.signal()
            for each in (first, *others[:2]):
                each.response.read()
            daemon.ended()
        self.assertNotIn("had not finished", daemon.log)

    def test_moved(self) -> None:
        """With --metrics-http there are no figures, but bins."""
        daemon = self.enterContext(shared("--metrics-http", "0"))
        stream = watch(self, daemon, "figures=1")
        self.assertEqual(stream.status, 404)
        self.assertIn(b"--metrics-http", stream.response.read())
        self.assertEqual(watch(self, daemon, f"bin={KEY}").status, 200)

    @needs("node")
    def test_pure(self) -> None:
        """The parser takes events cut at every byte; scales, gaps and quantiles are right."""
        pure = "".join(
            _FILES.joinpath(f"{each}.js").read_text() for each in ("stream", "plot", "gantt")
        )
        claims = (ROOT / "tests" / "console_pure.js").read_text()
        done = run("node", "-e", pure + claims)
        self.assertEqual((done.err, done.out), ("", "ok\n"))


@needs("chromium", "chromedriver")
class WatchTests(ConsoleTests):
    """
    Watch.
    """

    def state(self, *words: str) -> str:
        """Wait until the state of the stream is one of `words`."""
        return eventually(
            lambda: text if (text := self.text("live-text")) in words else None, str(words)
        )

    def caption(self, number: int) -> str:
        """The caption of a plot."""
        captions = "document.querySelectorAll('.plot figcaption')"
        return str(self.script(f"return {captions}[arguments[0]].textContent", number))

    def test_live(self) -> None:
        """Requests and their lateness show, as plots, in words and as a table."""
        self.state("live")

        def shown(pattern: str, number: int) -> object:
            # A plot's caption tells of the last second.
            get(self.daemon, "/echo?delay=1ms")
            return re.search(pattern, self.caption(number))

        eventually(partial(shown, "2xx [1-9]", 0), "the requests")
        late = "p50 ≤ [0-9]+ ms, p99 ≤ [0-9]+ ms$"
        eventually(partial(shown, late, 1), "their lateness")
        paths = [
            each.get_attribute("d")
            for each in self.driver.find_elements(By.CSS_SELECTOR, ".plot .c2, .plot .v1")
        ]
        self.assertTrue(all(paths))
        element(self.driver, "#as-table").click()
        table = element(self.driver, "#figures-table").text
        self.assertIn("≤", table)
        self.assertRegex(element(self.driver, "#figures").text, "memory\n[0-9]+ MiB")
        self.check()

    def test_pause(self) -> None:
        """Pause closes the stream, and so does a hidden tab; both open it again."""
        self.state("live")
        element(self.driver, "#pause").click()
        self.state("paused")
        self.assertEqual(element(self.driver, "#pause").text, "Resume")
        element(self.driver, "#pause").click()
        self.state("live")
        hide = (
            "const hidden = { value: arguments[0], configurable: true };"
            "Object.defineProperty(document, 'hidden', hidden);"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        self.script(hide, True)
        self.state("idle")
        self.script(hide, False)
        self.state("live")

    def test_held(self) -> None:
        """An experiment closes the stream, which would take a connection, until its end."""
        self.state("live")
        self.fill("#setting [name=delay]", "30s")
        for state in ("idle", "live"):
            element(self.driver, "#run").click()
            self.state(state)

    def test_gone(self) -> None:
        """All requests show with the link of the log, masked and as text; an end is said."""
        self.daemon = self.enterContext(Daemon("--console-requests", "yes"))
        (token,) = re.findall("console#token=(.*)", self.daemon.logged("#token="))
        self.open(f"#token={token}")
        self.state("live")
        get(self.daemon, "/echo/<img/src=x/onerror=document.title='run'>?key=secret&b")
        row = eventually(
            lambda: next(
                (each for each in self.text("requests-rows").split("GET ") if "img" in each),
                None,
            ),
            "the request",
        )
        self.assertIn("?key=…&b=…", row)
        self.assertNotIn("secret", row)
        self.assertEqual(self.script("return document.querySelectorAll('td img').length"), 0)
        eventually(lambda: None if token in self.driver.current_url else True, "the address")
        self.check()
        self.daemon.stop()
        again = "no connection, again in [0-9]+ s"
        eventually(lambda: re.fullmatch(again, self.text("live-text")), "the end")

    def test_moved(self) -> None:
        """Where the figures are elsewhere, the page says so and watches the bin alone."""
        self.daemon = self.enterContext(shared("--metrics-http", "0"))
        self.open()
        self.state("live")
        self.assertIn("--metrics-http", self.text("watch-note"))
        self.assertFalse(element(self.driver, "#plots").is_displayed())

    def test_none(self) -> None:
        """Where nobody may watch, the bin says so."""
        self.daemon = self.enterContext(shared("--console-watchers", "0"))
        self.open()
        self.state("off")
        said = "Nothing shows here: there is no stream with --console-watchers 0."
        self.assertEqual(self.text("bin-count"), said)

    def test_memory(self) -> None:
        """Six hundred frames leave no nodes, and half a megabyte at most."""
        with _fast(self.daemon.url, 900) as (url, go_on):
            self.driver.get(f"{url}/console")
            plot = "return document.querySelector('.histogram svg') && 1"
            eventually(lambda: self.script(plot), "the histogram")
            first = self.weigh("300")
            go_on.set()
            last = self.weigh("900")
        self.assertLessEqual(last[1] - first[1], 0)
        self.assertLess(last[0] - first[0], 500_000)

    def weigh(self, count: str) -> tuple[int, int]:
        """Bytes and nodes of the page when the daemon has `count` connections."""
        eventually(lambda: f"connections {count}" in self.caption(2) or None, count)
        return weigh(self.driver)


@contextmanager
def _fast(url: str, count: int) -> Iterator[tuple[str, threading.Event]]:
    """
    A server with the console of `url` and 300 frames; after the event, 200 more a second.

    There are `count` frames in all.
    """
    go_on, over = threading.Event(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            if not self.path.startswith("/console/stream"):
                with urlopen(url + self.path, timeout=DEADLINE) as page:
                    body = page.read()
                    for name in ("Content-Type", "Content-Security-Policy"):
                        if name in page.headers:
                            self.send_header(name, page.headers[name])
                self.end_headers()
                self.wfile.write(body)
                return
            self.end_headers()
            bounds = list(LATENESS_BOUNDS[:-1])
            self.put({"bounds": bounds, "history": [_frame(each) for each in range(1, 301)]})
            go_on.wait(DEADLINE)
            for number in range(301, count + 1):
                if over.wait(0.004):
                    return
                self.put({"frame": _frame(number)})
            over.wait(DEADLINE)

        def handle(self) -> None:
            # The page may leave at any time.
            with contextlib.suppress(ConnectionError):
                super().handle()

        def put(self, event: object) -> None:
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}", go_on
    finally:
        go_on.set()
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _frame(number: int) -> dict[str, object]:
    """A frame that differs from the others."""
    late = [number * each % 7 for each in range(11)]
    return {
        "at": number,
        "span": 1,
        "http": [number % 50, 3, number % 7, number % 3],
        "late": late,
        "udp": [number, number, 1],
        "refused": {"network": number % 2},
        "waiting": number % 9,
        "connections": number,
        "lag": number % 5 / 1000,
        "memory": number * 100_000,
    }
