"""
HAProxy in front of two daemons.
"""

from __future__ import annotations

import csv
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import curl, listening, receive, threads
from tests.programs import need, needs
from tests.running import DEADLINE, ROOT, Daemon, eventually, free_port, temporary_directory

_CONFIG = """\
defaults
    mode {mode}
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen front
    bind 127.0.0.1:{port}
    balance roundrobin
    server one 127.0.0.1:{one} {send} check
    server two 127.0.0.1:{two} {send} check
"""


@contextmanager
def _haproxy(config: Path, port: int) -> Iterator[None]:
    """An HAProxy that listens on `port`."""
    process = subprocess.Popen(
        [need("haproxy"), "-db", "-f", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: listening(("127.0.0.1", port)), "HAProxy's listening")
        yield
    finally:
        process.terminate()
        process.wait(DEADLINE)


@needs("curl", "haproxy")
class HAProxyTests(SynchronousTestCase):
    """
    Balancing, with PROXY headers.
    """

    def front(self, mode: str, send: str, one: Daemon, two: Daemon) -> int:
        """The port of an HAProxy in front of both daemons."""
        port = free_port()
        folder = self.enterContext(temporary_directory())
        config = folder / "haproxy.cfg"
        ports = {"one": one.where().port, "two": two.where().port}
        config.write_text(_CONFIG.format(mode=mode, port=port, send=send, **ports))
        self.enterContext(_haproxy(config, port))
        return port

    def test_denied(self) -> None:
        """
        A denied client gets the 403, and HAProxy keeps the server in use.
        """
        daemons = [
            self.enterContext(Daemon("--proxy-from", "127.0.0.1", "--deny", "127.0.0.2"))
            for _ in range(2)
        ]
        port = self.front("http", "send-proxy-v2", *daemons)
        for host, status in (("127.0.0.2", 403), ("127.0.0.1", 200)) * 3:
            url = f"http://127.0.0.1:{port}/healthz"
            self.assertEqual(curl(url, "--interface", host).status, status)

    def test_balance(self) -> None:
        """
        Through TCP and HTTP, with either version of the header, each daemon gets half.
        """
        for mode, send in (
            ("tcp", "send-proxy-v2"),
            ("http", "send-proxy-v2"),
            ("http", "send-proxy"),
        ):
            daemons = [
                self.enterContext(Daemon("--proxy-from", "127.0.0.1", "--delay", delay))
                for delay in ("0s", "1ms")
            ]
            port = self.front(mode, send, *daemons)
            for _ in range(10):
                response = curl(f"http://127.0.0.1:{port}/", "-A", "through-haproxy")
                self.assertEqual(response.status, 200)
            share = eventually(partial(_share, daemons), "ten lines")
            # The connection that saw HAProxy listen may take a turn between the others.
            self.assertGreaterEqual(min(share), 4, (mode, send))


def _share(daemons: Sequence[Daemon]) -> list[int] | None:
    """How many requests each daemon has had, once all ten are in the logs."""
    counts = [daemon.log.count("through-haproxy") for daemon in daemons]
    return counts if sum(counts) == 10 else None


def _documented() -> tuple[str, list[list[str]]]:
    """The configuration of HAProxy in docs/haproxy.md, and the arguments of both netds."""
    text = (ROOT / "docs/haproxy.md").read_text()
    (config,) = re.findall(r"```text\n(defaults\n.*?)```", text, re.DOTALL)
    return config, [line.split()[1:] for line in re.findall(r"(?m)^netd --port 80.*$", text)]


def _longer(results: list[int | str], than: int) -> bool | None:
    """True when there are more results."""
    return len(results) > than or None


def _ask(port: int, stop: Event, results: list[int | str]) -> None:
    """Requests to `port`, one after the other, until `stop`; adds what came of each."""
    while not stop.wait(0.002):
        connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        try:
            connection.request("GET", "/get")
            results.append(connection.getresponse().status)
        except (OSError, HTTPException) as error:
            results.append(repr(error))
        finally:
            connection.close()


@needs("haproxy")
class RestartTests(SynchronousTestCase):
    """
    The example of docs/haproxy.md.
    """

    def setUp(self) -> None:
        self.folder = self.enterContext(temporary_directory())
        config, self.arguments = _documented()
        socket_line = f"global\n    stats socket {self.folder}/stats\n"
        # A busy machine may take longer for a check than the half second between two.
        patient = config.replace(" fall 1 ", " fall 4 ")
        self.assertNotEqual(patient, config)
        config = patient
        ports = {}
        for number in ("80", "8000", "8001", "9100", "9101"):
            ports[number] = str(free_port())
            changed = re.sub(rf"(?<=[: ]){number}\b", ports[number], config)
            self.assertNotEqual(changed, config)
            config = changed
            self.arguments = [
                [ports[number] if word == number else word for word in words]
                for words in self.arguments
            ]
        self.port = int(ports["80"])
        path = self.folder / "haproxy.cfg"
        path.write_text(socket_line + config)
        # The second signal ends the drain, when HAProxy has seen it.
        more = ("--drain", "1h", "--udp", "0")
        self.arguments = [[*words, *more] for words in self.arguments]
        self.daemons = [self.start(words) for words in self.arguments]
        self.enterContext(_haproxy(path, self.port))

    def start(self, arguments: Sequence[str]) -> Daemon:
        """A daemon that drains at the end of the test, until the next signal."""
        daemon = self.enterContext(Daemon(*arguments))
        self.addCleanup(self.drain, daemon)
        return daemon

    def drain(self, daemon: Daemon) -> None:
        """Begin a stop, unless there was one."""
        daemon.signal()
        daemon.notice("STOPPING")

    def table(self) -> dict[str, dict[str, str]]:
        """HAProxy's figures of both servers, and of the backend."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.folder / "stats"))
            sock.sendall(b"show stat\n")
            lines = receive(sock).decode().removeprefix("# ").splitlines()
        rows = [row for row in csv.DictReader(lines) if row["pxname"] == "netd"]
        return {row["svname"]: row for row in rows}

    def used(self, number: int) -> bool | None:
        """True when HAProxy uses so many servers."""
        try:
            table = self.table()
        except OSError:
            # HAProxy has just been started.
            return None
        # "UP 3/4" after a check that has failed.
        used = [name for name in ("one", "two") if table[name]["status"].startswith("UP")]
        return len(used) == number or None

    def test_restarts(self) -> None:
        """
        Three restarts under load fail no request, and HAProxy repeats none.
        """
        eventually(partial(self.used, 2), "both servers")
        stop, results = Event(), list[int | str]()
        with threads(2) as pool:
            asking = [pool.submit(_ask, self.port, stop, results) for _ in range(2)]
            try:
                for turn in range(3):
                    self.drain(self.daemons[turn % 2])
                    eventually(partial(self.used, 1), "the other server")
                    wanted = len(results) + 350
                    eventually(partial(_longer, results, wanted), "350 more requests")
                    self.daemons[turn % 2].stop()
                    self.daemons[turn % 2] = self.start(self.arguments[turn % 2])
                    eventually(partial(self.used, 2), "both servers")
            finally:
                stop.set()
            for each in asking:
                each.result()
        self.assertEqual(set(results), {200}, Counter(results))
        self.assertGreaterEqual(len(results), 1000)
        for row in self.table().values():
            # A repeated request is late by up to a second.
            troubles = {name: row[name] for name in ("econ", "eresp", "wretr", "wredis")}
            self.assertEqual(set(troubles.values()), {"0"}, row)
