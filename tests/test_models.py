"""
examples/models/, one server in many ways, and `python -m bench models`, which compares them.

Rules: a client is served from the first byte of its response to the last one, and clients that
are served at the same time are counted; only a server that is too quick fails by the clock.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

from attrs import frozen
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from bench import __main__ as bench
from bench import herd, ladder, measure, process
from bench.ladder import Five
from bench.model_rows import Model, models
from bench.peers import Choice, Peer, Place, Start
from tests.clients import connect, receive
from tests.programs import needs
from tests.running import (
    DEADLINE,
    ROOT,
    Finished,
    alive,
    eventually,
    free_port,
    run,
    temporary_directory,
    tool_environment,
)

_DELAY = 0.2
_CLIENTS = 5
_ATTEMPTS = 20
_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_EXAMPLES = ROOT / "examples" / "models"


@frozen
class Result:
    """What a model did."""

    five: Five
    """Of several attempts, the one with the most clients at the same time."""
    after: herd.Outcome
    """A client after some that have left."""
    log: str


def _kqueue(place: Place) -> Start:
    """The model for BSD, here on epoll."""
    script = ROOT / "tests" / "kqueue_on_epoll.py"
    return Start([sys.executable, script, _EXAMPLES / "kqueue_.py", place.port, _DELAY])


def _models() -> dict[str, Model]:
    """The models; of netd the variant that needs the other one too."""
    found = {model.label: model for model in models(_DELAY) if model.label != "netd"}
    if found["kqueue"].lacks():
        found["kqueue"] = Model(Peer("kqueue", _kqueue, "", "/"), found["kqueue"].family)
    return found


@contextmanager
def _stage() -> Iterator[process.Stage]:
    """What servers of the bench need to start, without the warnings of other packages."""
    core = max(os.sched_getaffinity(0))
    with temporary_directory() as folder, mock.patch.dict(os.environ, PYTHONWARNINGS="ignore"):
        choice = Choice("", "", (), folder)
        yield process.Stage(folder, Path(sys.executable), core, core, choice, ())


def _results(choice: Mapping[str, Model]) -> list[Result]:
    """What each of these models does, all of them at the same time."""
    with _stage() as stage, ExitStack() as stack:
        servers = {
            label: (model, stack.enter_context(process.running(stage, model.peer)))
            for label, model in choice.items()
        }
        fives = _fives(servers)
        for _, server in servers.values():
            _leave(server.port)
        targets = [herd.Target(server.port, _REQUEST) for _, server in servers.values()]
        outcomes = herd.stampedes(targets, 1, DEADLINE, lambda: None)
        logs = [server.log.read_text() for _, server in servers.values()]
        return [Result(*each) for each in zip(fives.values(), outcomes, logs, strict=True)]


def _fives(servers: dict[str, tuple[Model, process.Server]]) -> dict[str, Five]:
    """Five clients at once; again where a busy machine has kept some of them apart."""
    fives = dict.fromkeys(servers, Five())
    again = list(servers)
    for _ in range(_ATTEMPTS):
        pairs = [servers[label] for label in again]
        targets = [
            herd.Target(server.port, process.request(server, model.head_first))
            for model, server in pairs
        ]
        outcomes = herd.stampedes(targets, _CLIENTS, DEADLINE, lambda: None)
        for label, outcome in zip(again, outcomes, strict=True):
            five = Five(exchanges=outcome.exchanges)
            fives[label] = max(five, fives[label], key=Five.together)
        again = [
            label
            for label in again
            if label != "sequential" and fives[label].together() < _CLIENTS
        ]
        if not again:
            break
    return fives


def _leave(port: int) -> None:
    """Be clients that connect and leave; that ask and leave; that leave in the response."""
    connect(("127.0.0.1", port)).close()
    for reads in (0, 1):
        with connect(("127.0.0.1", port)) as client:
            client.sendall(_REQUEST)
            client.recv(reads)
            # The connection is reset.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@needs("taskset")
class ModelTests(SynchronousTestCase):
    """
    Five clients at once.
    """

    def results(self, *labels: str) -> list[Result]:
        """The results of these models, each of which serves clients although others left."""
        known = _models()
        choice = {label: known[label] for label in labels}
        reasons = [why for model in choice.values() if (why := model.lacks())]
        if reasons:
            raise SkipTest(", ".join(reasons))
        results = _results(choice)
        for label, result in zip(labels, results, strict=True):
            self.assertEqual(len(result.five.exchanges), _CLIENTS, label)
            self.assertEqual((result.after.errors, result.after.latencies[1:]), ({}, []), label)
            self.assertGreaterEqual(result.after.latencies[0], _DELAY - 0.01, label)
        return results

    def together(self, *labels: str) -> None:
        """These models serve all five at the same time, and have printed nothing."""
        for label, result in zip(labels, self.results(*labels), strict=True):
            self.assertEqual(result.five.together(), _CLIENTS, label)
            self.assertEqual(result.log, "", label)

    def test_sequential(self) -> None:
        """
        The sequential server serves one client at a time.
        """
        (result,) = self.results("sequential")
        self.assertEqual((result.five.together(), result.log), (1, ""))
        self.assertGreaterEqual(result.five.wall, _CLIENTS * _DELAY)

    def test_processesAndThreads(self) -> None:
        """
        Processes and threads serve all five, as they come and made beforehand.
        """
        self.together("forks", "prefork", "threads", "threadpool")

    def test_readiness(self) -> None:
        """
        One thread serves all five with each of the calls that say what is ready.
        """
        self.together("select", "poll", "epoll", "kqueue")

    def test_loops(self) -> None:
        """
        asyncio and Twisted serve all five.
        """
        self.together("asyncio", "twisted")

    def test_extra(self) -> None:
        """
        gevent, eventlet and Tornado serve all five.
        """
        self.together("gevent", "eventlet", "tornado")

    @needs("node")
    def test_node(self) -> None:
        """
        Node serves all five.
        """
        self.together("node")

    @needs("apache2")
    def test_apache(self) -> None:
        """
        Apache serves all five with processes and with threads.
        """
        self.together("apache-prefork", "apache-event")

    @needs("nginx")
    def test_nginx(self) -> None:
        """
        nginx passes all five on at once.
        """
        self.together("nginx")

    def test_netd(self) -> None:
        """
        netd serves all five, here with two workers.
        """
        (result,) = self.results("netd-workers")
        self.assertEqual(result.five.together(), _CLIENTS)


class ScriptTests(SynchronousTestCase):
    """
    The examples as a student runs them.
    """

    def test_kqueue(self) -> None:
        """
        Without kqueue kqueue_.py says what it needs, in one line, and ends with 1.
        """
        script = "import select, sys; vars(select).pop('kqueue', None); sys.argv = sys.argv[1:]"
        script += "; import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
        done = run(sys.executable, "-c", script, _EXAMPLES / "kqueue_.py", "8001", "3")
        self.assertEqual(done, Finished(1, "", "kqueue_.py needs BSD or macOS\n", done.seconds))

    def ends(self, *words: str) -> None:
        """The script responds, and SIGTERM ends it with its children and its files."""
        folder = self.enterContext(temporary_directory())
        folder.chmod(0o755)
        script, *more = words
        port, family = free_port(), list[int]()
        command = [sys.executable, str(_EXAMPLES / script), str(port), "0.05", *more]
        environ = {**tool_environment(), "TMPDIR": str(folder)}
        with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE) as started:
            try:
                eventually(lambda: measure.listens(port) or None, "a socket that listens")
                with connect(("127.0.0.1", port)) as client:
                    client.sendall(_REQUEST)
                    self.assertIn(b"Five clients at once", receive(client))
                family += measure.tree(started.pid)
                self.assertGreater(len(family), 1)
                started.terminate()
                self.assertEqual(started.wait(DEADLINE), 0)
                self.assertEqual([pid for pid in family if alive(pid)], [])
            finally:
                for pid in family:
                    process.kill(pid)
            self.assertEqual(started.communicate()[1], b"")
        self.assertEqual(list(folder.iterdir()), [])

    def test_prefork(self) -> None:
        """
        The end of the prefork server is that of its ten children.
        """
        self.ends("prefork.py")

    @needs("apache2")
    def test_apache(self) -> None:
        """
        Apache leaves nothing behind.
        """
        self.ends("apache.py", "prefork")
        self.ends("apache.py", "event")

    @needs("nginx")
    def test_nginx(self) -> None:
        """
        nginx leaves nothing behind.
        """
        self.ends("nginx.py")


@needs("taskset")
class BenchTests(SynchronousTestCase):
    """
    `python -m bench models`.
    """

    command = (sys.executable, "-m", "bench", "models")

    def setUp(self) -> None:
        if len(os.sched_getaffinity(0)) == 1:
            raise SkipTest("the bench needs two cores")

    def bench(self, *words: str | Path) -> Finished:
        """The command with these options."""
        return run(*self.command, *words, environ=tool_environment(), cwd=ROOT)

    def test_page(self) -> None:
        """
        The page and its pictures have each model, up to the clients that are too many for it.
        """
        folder = self.enterContext(temporary_directory())
        few = ("--models", "threads,sequential", "--delay", "0.1", "--rungs", "20,1")
        done = self.bench(*few, "--to", folder)
        self.assertEqual((done.status, done.out), (0, ""), done.err)
        self.assertIn("5 at once: 2 models\n", done.err)
        page = (folder / "models.md").read_text()
        self.assertRegex(page, r"\| sequential \| ([0-9.]+|-) \| 0\.[5-9].* \| 1 \|\n")
        self.assertRegex(
            page, r"\| threads \| ([0-9.]+|-) \| [0-9.]+ \|( [0-9.]+){5} \| 5 \|\n"
        )
        self.assertRegex(page, r"\| sequential \| 1 \| 20: [0-9]+ x no response in 1 s \|\n")
        self.assertRegex(page, r"\| threads \| 20 \| - \|\n")
        self.assertNotIn("${", page)
        for name in ("models-five.svg", "models-ladder.svg"):
            self.assertIn(f"]({name})", page)
            text = (folder / name).read_text()
            words = {each.text for each in ET.fromstring(text).iterfind(".//{*}text")}
            self.assertLessEqual({"sequential", "threads"}, words)
            self.assertIn("prefers-color-scheme: dark", text)

    def test_published(self) -> None:
        """
        docs/models.md is the template with figures.
        """
        place, page = 0, (ROOT / "docs/models.md").read_text()
        for piece in re.split(r"\$\{\w+\}", (ROOT / "bench/models.md").read_text()):
            found = page.find(piece, place)
            self.assertGreaterEqual(found, place, piece)
            place = found + len(piece)

    def test_wrong(self) -> None:
        """
        What cannot be measured is one line, and status 2.
        """
        for words, line in (
            (("--models", "thread"), "bench: --models: thread is not one of sequential, .*"),
            (("--rungs", "0"), "python -m bench models: .*--rungs: 0 is not within 1..20000"),
            (("--delay", "0"), "python -m bench models: .*--delay: 0 is not within 0.05..30"),
            (("--to", "/nonexistent"), "bench: --to: /nonexistent is not a folder"),
        ):
            with contextlib.redirect_stderr(io.StringIO()) as err:
                try:
                    status: object = bench.main(["models", *words])
                except SystemExit as end:
                    status = end.code
            self.assertEqual(status, 2, words)
            self.assertRegex(err.getvalue().splitlines()[-1], rf"\A{line}\Z")

    def test_memory(self) -> None:
        """
        A model that leaves no memory to others is killed, with its children.
        """
        self.patch(measure, "memory_left", lambda: 0.05)
        model = models(DEADLINE)[2]
        with _stage() as stage:
            rung = ladder.rungs(stage, [model], 2, DEADLINE)["prefork"]
        self.assertRegex(rung.broken, r"\Aended, because 10% of the machine's memory were left")
        self.assertEqual((list(rung.late_ms), rung.refused + rung.lost), ([], 2))

    def test_interrupted(self) -> None:
        """
        Ctrl-C ends the command, and with it the servers that it has started.
        """
        words = ("--models", "forks,prefork", "--delay", "20", "--rungs", "1")
        started = subprocess.Popen(
            [*self.command, *words],
            env=tool_environment(),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        family: list[int] = []

        def all_serve() -> bool | None:
            # The bench; a server and its five children; a server and its ten children.
            family[:] = measure.tree(started.pid)
            return True if len(family) == 18 else None

        try:
            eventually(all_serve, "children that serve")
            started.send_signal(signal.SIGINT)
            self.assertEqual(started.wait(DEADLINE), 130)
        finally:
            started.kill()
            started.wait()
            left = [pid for pid in family if alive(pid)]
            for pid in left:
                process.kill(pid)
        self.assertEqual(left, [])
