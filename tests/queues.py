"""
Redis, RabbitMQ and Celery workers as child processes.

Rules: as in `running`: every port is the kernel's choice, every wait has a deadline, each
process is ended by its own id.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import tempfile
import threading
import urllib.request
import xmlrpc.client
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from tests.clients import listening
from tests.forks import Fork, fork
from tests.programs import need
from tests.running import DEADLINE, Daemon, children, environment, eventually, free_port

T = TypeVar("T")

CALLS: Final = "tests.distributed_calls"


def celery_needed(item: T) -> T:
    """Mark a class of tests that is skipped without the extra `celery`."""
    if importlib.util.find_spec("celery") is None:
        setattr(item, "skip", "celery is not installed: pip install -e '.[celery]'")  # noqa: B010
    return item


class Process:
    """A program with a log and a directory of its own; ended when the context is left."""

    def __init__(self) -> None:
        # What it has started may write for a moment after its end.
        self._folder = tempfile.TemporaryDirectory(
            prefix="netd-queue-", ignore_cleanup_errors=True
        )
        self.folder = Path(self._folder.name)
        self._process: subprocess.Popen[bytes] | Fork | None = None

    def _start(self, *command: str, environ: Mapping[str, str] | None = None) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env=environment() if environ is None else dict(environ),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """All output so far."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def logged(self, text: str) -> str:
        """Wait until `text` stands in the output."""

        def look() -> str | None:
            if self.process.poll() is not None and text not in self.log:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.log}")
            return self.log if text in self.log else None

        return eventually(look, f"{text!r} in the log")

    @property
    def process(self) -> subprocess.Popen[bytes] | Fork:
        """The process, which has been started."""
        assert self._process is not None
        return self._process

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the process, and wait."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(number)
        try:
            self._process.wait(DEADLINE)
        finally:
            self._process.kill()

    def kill(self) -> None:
        """Kill all its processes, as the end of its machine does."""
        # It may have ended just now.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE)

    def __exit__(self, *_: object) -> None:
        try:
            self.end()
        finally:
            self._folder.cleanup()


class Redis(Process):
    """A Redis server on a port of its own."""

    def __init__(self, *arguments: str, port: int | None = None) -> None:
        super().__init__()
        self.port = port or free_port()
        self._arguments = arguments

    @property
    def url(self) -> str:
        """For --rpc-queue."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start, once more perhaps, and wait until it listens."""
        ready = "Ready to accept connections"
        before = self.log.count(ready) if (self.folder / "log").exists() else 0
        plain = ("--port", str(self.port)) if "--tls-port" not in self._arguments else ()
        base = ("--bind", "127.0.0.1", "--save", "", *plain, "--dir", str(self.folder))
        self._start(need("redis-server"), *base, *self._arguments)
        eventually(lambda: self.log.count(ready) > before or None, "Redis's start")

    def cli(self, *words: str) -> str:
        """The output of redis-cli."""
        command = [need("redis-cli"), "-p", str(self.port), *words]
        done = subprocess.run(command, capture_output=True, check=True, timeout=DEADLINE)
        return done.stdout.decode().strip()


class Worker(Process):
    """A Celery worker of the tests' functions, which takes its time to start."""

    def __init__(self, url: str, *arguments: str, processes: int = 2, **variables: str) -> None:
        super().__init__()
        self._url, self._arguments = url, arguments
        self._processes, self._variables = processes, variables

    def __enter__(self) -> Self:
        variables = {"NETD_RPC": CALLS, "NETD_RPC_QUEUE": self._url, **self._variables}
        environ = environment(PYTHONUNBUFFERED="1", **variables)
        environ.pop("PYTHONWARNINGS", None)
        words = ("-A", "netd.xmlrpc.tasks", "worker", "-l", "info", "-c", str(self._processes))
        alone = ("--without-mingle", "--without-gossip", *self._arguments)
        with (self.folder / "log").open("ab") as log:
            self._process = fork(
                "celery", [*words, *alone], environ, self.folder, (log, log), session=True
            )
        return self

    def ready(self) -> Self:
        """Wait until it takes calls."""
        self.logged(" ready.")
        return self

    def children(self) -> list[int]:
        """The processes that run calls."""
        return children(self.process.pid)

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            # A stop takes seconds; what it does is a test of its own.
            self.kill()
        super().__exit__()


class RabbitMQ(Process):
    """A RabbitMQ node with its own name, ports, EPMD and directories."""

    def __init__(self) -> None:
        super().__init__()
        self.port, self._names, self._distribution = free_port(), free_port(), free_port()
        self._epmd = _Epmd(self._names)

    @property
    def url(self) -> str:
        """For --rpc-broker."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def __enter__(self) -> Self:
        # One that the node starts outlives it.
        self._epmd.__enter__()
        self.start()
        return self

    def start(self) -> None:
        """Start, once more perhaps, and wait until it listens."""
        (self.folder / "plugins").write_text("[].\n")
        environ = environment(
            HOME=str(self.folder),
            ERL_EPMD_PORT=str(self._names),
            ERL_EPMD_ADDRESS="127.0.0.1",
            RABBITMQ_NODENAME=f"netd{self.port}@localhost",
            RABBITMQ_NODE_PORT=str(self.port),
            RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
            RABBITMQ_DIST_PORT=str(self._distribution),
            RABBITMQ_MNESIA_BASE=str(self.folder / "mnesia"),
            RABBITMQ_LOG_BASE=str(self.folder / "logs"),
            RABBITMQ_LOGS="-",
            RABBITMQ_ENABLED_PLUGINS_FILE=str(self.folder / "plugins"),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 1:1 +sbwt none",
        )
        before = self.log.count("Server startup complete") if self._process else 0
        # Debian's command runs this one as another user, who cannot write here.
        inner = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        program = str(inner) if inner.exists() else need("rabbitmq-server")
        self._start(program, environ=environ)
        eventually(
            lambda: self.log.count("Server startup complete") > before or None, "RabbitMQ"
        )

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        self._epmd.__exit__()
        self._folder.cleanup()


class _Epmd(Process):
    """Erlang's port mapper, with which a node registers."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def __enter__(self) -> Self:
        words = ("-address", "127.0.0.1", "-port", str(self._port))
        self._start(need("epmd"), *words)
        eventually(lambda: listening(("127.0.0.1", self._port)), "epmd")
        return self


def daemon(
    url: str, *arguments: str, way: Sequence[str] | None = None, **variables: str
) -> Daemon:
    """A netd of the tests' functions."""
    base = ("--rpc", CALLS, "--rpc-queue", url)
    return Daemon(*base, *arguments, way=way, environ=environment(**variables))


@contextlib.contextmanager
def serving(
    url: str, *arguments: str, processes: int = 2, **variables: str
) -> Iterator[tuple[Worker, Daemon]]:
    """A worker that is ready, and a netd."""
    # The one starts while the other does.
    with (
        Worker(url, processes=processes, **variables) as worker,
        daemon(url, *arguments) as netd,
    ):
        yield worker.ready(), netd


class _Once(xmlrpc.client.Transport):
    """Leaves no connection open for a next call, which may come from another thread."""

    def request(
        self, host: Any, handler: str, request_body: Any, verbose: bool = False
    ) -> tuple[Any, ...]:
        try:
            return super().request(host, handler, request_body, verbose)
        finally:
            self.close()


def proxy(netd: Daemon) -> xmlrpc.client.ServerProxy:
    """A client."""
    transport = _Once(use_builtin_types=True)
    return xmlrpc.client.ServerProxy(netd.url, transport, allow_none=True)


def code_of(call: object, *arguments: object) -> tuple[int, str]:
    """The code and text of a call's fault; 0 and the result as text without one."""
    try:
        return 0, repr(call(*arguments))  # type: ignore[operator]  # a method of a proxy
    except xmlrpc.client.Fault as fault:
        return fault.faultCode, fault.faultString


class Calls:
    """Calls made at the same time, each by a client and a thread of its own."""

    def __init__(self, netd: Daemon, method: str, *parameters: tuple[object, ...]) -> None:
        self.outcomes: list[tuple[int, str]] = []

        def call(arguments: tuple[object, ...]) -> None:
            # A daemon may be killed.
            with contextlib.suppress(OSError):
                self.outcomes.append(code_of(getattr(proxy(netd), method), *arguments))

        self._threads = [threading.Thread(target=call, args=(each,)) for each in parameters]
        for thread in self._threads:
            thread.start()

    def ended(self) -> Counter[tuple[int, str]]:
        """How often each outcome was, when all calls have ended."""
        for thread in self._threads:
            thread.join(DEADLINE)
        return Counter(self.outcomes)


def metric(netd: Daemon, name: str) -> float:
    """The value of a metric; 0 where it has no sample."""
    with urllib.request.urlopen(f"{netd.url}/metrics", timeout=DEADLINE) as response:
        text = "\n" + response.read().decode()
    _, found, rest = text.partition(f"\n{name} ")
    return float(rest.split()[0]) if found else 0.0
