"""The programs that `bench/queue.py` measures: Redis, RabbitMQ, Celery workers, netd, a proxy.

Rules: every program is ended by its pid, with what it started, when its block is left.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench import process
from tests.running import free_port

_START_SECONDS = 60.0
_NICE = 10
"""How much others give way where netd has a core of its own."""
_BACKLOG = 1000
_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""What Debian's command runs as a user of its own."""


class Missing(Exception):
    """A program that a row needs is not installed."""


class Server(NamedTuple):
    """A program that runs."""

    pid: int
    port: int


@dataclass(frozen=True)
class Stage:
    """Where the programs of one run live."""

    folder: Path
    prober: ProcessPoolExecutor
    cores: tuple[int, int]
    """netd's where its lag is measured, and everybody else's then."""

    @contextmanager
    def program(
        self,
        words: Sequence[str],
        ready: str,
        port: int = 0,
        *,
        apart: bool = False,
        variables: Mapping[str, str] = {},
    ) -> Iterator[Server]:
        """Run a program during the block, from when `ready` stands in its output."""
        log = Path(tempfile.mkstemp(dir=self.folder, prefix=f"{Path(words[0]).name}-")[1])
        if apart:
            words = ("taskset", "-c", str(self.cores[1]), "nice", "-n", str(_NICE), *words)

        def shown() -> bool:
            return ready in log.read_text("utf-8", "replace")

        with process.started(
            words[0], words, shown, log=log, environment=variables, seconds=60
        ) as pid:
            try:
                yield Server(pid, port)
            finally:
                # It may stand still.
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @contextmanager
    def redis(self, *options: str, apart: bool = False) -> Iterator[tuple[Server, str]]:
        """A Redis, and its URL."""
        port = free_port()
        where = ("--tls-port", str(port), "--port", "0") if options else ("--port", str(port))
        words = (_found("redis-server"), "--bind", "127.0.0.1", "--save", "", *where, *options)
        with self.program(words, "Ready to accept", port, apart=apart) as server:
            yield server, f"redis://127.0.0.1:{port}/0"

    @contextmanager
    def worker(
        self, url: str, processes: int = 1, *, apart: bool = False, broker: str = ""
    ) -> Iterator[Server]:
        """A Celery worker."""
        words = [sys.executable, "-m", "celery", "-A", "netd.xmlrpc.tasks", "worker"]
        words += ["-l", "info", "-c", str(processes), "--without-mingle", "--without-gossip"]
        variables = {"NETD_RPC": "bench.queue_functions", "NETD_RPC_QUEUE": url}
        if broker:
            variables["NETD_RPC_BROKER"] = broker
        with self.program(words, " ready.", apart=apart, variables=variables) as server:
            yield server

    @contextmanager
    def netd(self, url: str, *options: str, apart: bool = False) -> Iterator[Server]:
        """A netd whose calls go there; to its own processes without a URL."""
        port = free_port()
        words = [sys.executable, "-m", "netd", "--port", str(port), "--udp", "0"]
        words += ["--rpc", "bench.queue_functions", "--rpc-backlog", str(_BACKLOG), *options]
        words += ["--rpc-queue", url] if url else []
        if apart:
            words = ["taskset", "-c", str(self.cores[0]), *words]
        with self.program(words, "http://", port) as server:
            yield server

    @contextmanager
    def redis_tls(self) -> Iterator[str]:
        """The URL of a Redis with TLS."""
        pem, key = self.folder / "tls.pem", self.folder / "tls.key"
        _found("openssl")
        process.self_sign(pem, key)
        files = ("--tls-cert-file", str(pem), "--tls-key-file", str(key))
        authority = ("--tls-ca-cert-file", str(pem), "--tls-auth-clients", "no")
        with self.redis(*files, *authority) as (server, _):
            yield f"rediss://127.0.0.1:{server.port}/0?ssl_ca_certs={pem}"

    @contextmanager
    def rabbitmq(self) -> Iterator[str]:
        """The URL of a RabbitMQ."""
        inner = str(_RABBITMQ) if _RABBITMQ.exists() else _found("rabbitmq-server")
        port, names, between = free_port(), free_port(), free_port()
        home = self.folder / "rabbitmq"
        home.mkdir()
        (home / "plugins").write_text("[].\n")
        variables = {
            "HOME": str(home),
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"netd{port}@localhost",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(between),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none",
        }
        # Started here, because the one that RabbitMQ starts outlives it.
        epmd = (_found("epmd"), "-address", "127.0.0.1", "-port", str(names))
        with (
            self.program(epmd, ""),
            self.program((inner,), "Server startup complete", variables=variables),
        ):
            yield f"amqp://guest:guest@127.0.0.1:{port}//"


def _found(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Missing(name)
    return path


class Cutter:
    """A TCP proxy, in a thread, that cuts all its connections each 0.5 s."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> "Cutter":
        self._thread.start()
        return self

    def before(self, port: int) -> int:
        """The port of a proxy of this port."""

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", port)
            self._writers |= {writer, back}
            await asyncio.gather(_pump(reader, back), _pump(there, writer))

        async def listen() -> int:
            server = await asyncio.start_server(accepted, "127.0.0.1", 0)
            self._loop.call_later(2.0, self._cut)
            return int(server.sockets[0].getsockname()[1])

        return asyncio.run_coroutine_threadsafe(listen(), self._loop).result()

    def _cut(self) -> None:
        while self._writers:
            self._writers.pop().transport.abort()
        self._loop.call_later(0.5, self._cut)

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
