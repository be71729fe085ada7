"""Servers as processes: the stage they run on, their start, their readiness, their end.

Rules: a server is ended by its pid and its descendants' pids, whatever ends the bench; nothing
is measured here. The load has the first core this process may use, every server the last.
"""

import http.client
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from bench import measure, venv
from bench.ask import ask
from bench.peers import LENGTH, ROOT, Choice, Peer, Place, program
from tests.running import free_port

_READY_SECONDS = 20.0
_END_SECONDS = 5.0


class StartError(Exception):
    """A server did not start, or its response is not the expected one."""


@dataclass
class Server:
    """A server that is ready, and after its end what it has used."""

    peer: Peer
    port: int
    pid: int
    log: Path
    usage: resource.struct_rusage | None = None


@dataclass(frozen=True)
class Stage:
    """What all servers of one run of the bench share."""

    folder: Path  # temporary, gone at the end
    python: Path
    client_core: int
    server_core: int
    choice: Choice
    versions: tuple[str, ...]  # of the peers, for the report

    def on_core(self, core: int, argv: Sequence[object]) -> list[str]:
        """The command line pinned to one core; taskset becomes the program, the pid stays."""
        return ["taskset", "-c", str(core), *map(str, argv)]

    def certificate(self) -> tuple[Path, Path]:
        """A self-signed certificate for 127.0.0.1 and its key, made on first use."""
        pem, key = self.folder / "certificate.pem", self.folder / "key.pem"
        if not pem.exists():
            self_sign(pem, key)
        return pem, key


def self_sign(pem: Path, key: Path) -> None:
    """Write a certificate for 127.0.0.1, which its own `key` has signed."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(pem)]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def staged(peers: Sequence[Peer], choice: Choice) -> Iterator[Stage]:
    """
    A stage for these peers; makes their environment if one of them needs it.

    Raises StartError or VenvError when something it takes is missing.
    """
    client_core, server_core = cores()
    python, versions = Path(sys.executable), [f"netd's twisted {venv.netd_twisted() or 'none'}"]
    if any(peer.venv for peer in peers):
        python = venv.ensure(choice.venv)
        versions += [f"{name} {number}" for name, number in venv.versions(python).items()]
    if any(peer.label.startswith("nginx") for peer in peers):
        versions.append(f"nginx {version(program('nginx'), '-v', behind='nginx/')}")
    with tempfile.TemporaryDirectory(prefix="netd-bench-") as folder:
        yield Stage(Path(folder), python, client_core, server_core, choice, tuple(versions))


def cores() -> tuple[int, int]:
    """The cores of the load and of the servers, which a signal ends from here on.

    Raises StartError when they cannot be kept apart.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    if not shutil.which("taskset"):
        raise StartError("taskset is not installed, and unpinned figures mean nothing")
    affinity = os.sched_getaffinity(0)
    if len(affinity) == 1:
        raise StartError("one core only: the load would be measured with the server")
    return min(affinity), max(affinity)


def version(*command: str, behind: str) -> str:
    """The word a program prints behind another one when it is asked for its version."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        raise StartError(f"{command[0]} is not installed") from None
    words = (done.stdout + done.stderr).partition(behind)[2].split()
    return words[0] if words else "?"


def pin(core: int) -> None:
    """Keep this process, the load itself, on one core."""
    os.sched_setaffinity(0, {core})


def _leave(number: int, _frame: FrameType | None) -> None:
    """End the bench as Ctrl-C does: through every `finally`."""
    sys.exit(128 + number)


@contextmanager
def running(stage: Stage, peer: Peer, tls: bool = False) -> Iterator[Server]:
    """
    A fresh server of this kind, pinned and ready, which ends with the block.

    Raises StartError when it does not start or responds with something else than 58 bytes.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{peer.label}-", dir=stage.folder))
    certificate, key = stage.certificate() if tls else (Path(), Path())
    first, second = free_port(), free_port()
    place = Place(first, second, tls, folder, stage.python, certificate, key, stage.choice)
    start = peer.start(place)
    log = folder / "output.txt"
    argv = stage.on_core(stage.server_core, start.argv)
    process = _launch(argv, log, start.cwd or folder, dict(start.environment))
    server = Server(peer, first, process.pid, log)
    try:
        _wait(process, partial(_responds, peer, first, tls), log, _READY_SECONDS)
        yield server
    finally:
        server.usage = end(process)


@contextmanager
def started(
    name: str,
    argv: Sequence[object],
    ready: Callable[[], bool],
    *,
    log: Path = Path(os.devnull),
    environment: Mapping[str, str] = {},
    seconds: float = _READY_SECONDS,
) -> Iterator[int]:
    """
    Run a program from when it is `ready` to the end of the block; its process id.

    Raises StartError when it ends before, or is not ready in so many seconds.
    """
    process = _launch(argv, log, ROOT, environment)
    try:
        try:
            _wait(process, ready, log, seconds)
        except StartError as error:
            raise StartError(f"{name}: {error}") from None
        yield process.pid
    finally:
        end(process)


def _launch(
    argv: Sequence[object], log: Path, cwd: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """A program that writes to `log`."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [*map(str, argv)],
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C at the terminal is ours to handle
        )


def request(server: Server, path: str) -> bytes:
    """A GET of this server with the one header HTTP/1.1 demands."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()


def _wait(
    process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path, seconds: float
) -> None:
    """Return once it is ready; StartError where it will not be."""
    deadline = time.monotonic() + seconds
    why = "it does not listen"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StartError(f"ended with status {process.returncode}: {last_line(log)}")
        try:
            if ready():
                return
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
        time.sleep(0.01)
    raise StartError(f"not ready after {seconds:.0f} s: {why}: {last_line(log)}")


def _responds(peer: Peer, port: int, tls: bool) -> bool:
    """Whether the peer listens; if it has a path, that gets a 200 with 58 bytes."""
    if not peer.path:
        return measure.listens(port)
    status, body = ask(port, peer.path, tls=tls, timeout=5)
    if (status, len(body)) != (200, LENGTH):
        raise StartError(f"responds to {peer.path} with status {status} and {len(body)} bytes")
    return True


def last_line(log: Path) -> str:
    """The last line a server printed."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "it printed nothing")


def kill(pid: int) -> None:
    """Kill a server that `running` has started, with its descendants."""
    family = measure.tree(pid)
    _kill(os.killpg, pid)
    for each in family:
        _kill(os.kill, each)


def _kill(call: Callable[[int, int], None], pid: int) -> None:
    """Send SIGKILL to a process or a group of processes, which may have ended."""
    with suppress(ProcessLookupError):
        call(pid, signal.SIGKILL)


def end(process: subprocess.Popen[bytes]) -> resource.struct_rusage | None:
    """
    End this process and its children, and nothing else: SIGTERM, then SIGKILL.

    Returns what it and the children that it has waited for have used; None where it was killed,
    or had ended and somebody has seen that.
    """
    family, usage, killed = measure.tree(process.pid), None, False
    process.terminate()
    deadline = time.monotonic() + _END_SECONDS
    with suppress(ChildProcessError):
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            if time.monotonic() > deadline:
                killed = True
                for pid in family:
                    _kill(os.kill, pid)
            time.sleep(0.01)
        process.returncode, usage = os.waitstatus_to_exitcode(ended[1]), ended[2]
    # Its children may live on, in the process group that they have of it.
    _kill(os.killpg, process.pid)
    return None if killed else usage
