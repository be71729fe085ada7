"""Servers as processes: the stage they run on, their start, their readiness, their end.

Rules: a server is ended by its pid and its descendants' pids, whatever ends the bench; nothing
is measured here. The load has the first core this process may use, every server the last.
"""

import http.client
import os
import resource
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from bench import measure, venv
from bench.peers import LENGTH, Choice, Peer, Place, program
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
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
            command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=127.0.0.1"]
            command += ["-addext", "subjectAltName=IP:127.0.0.1"]
            command += ["-keyout", str(key), "-out", str(pem)]
            subprocess.run(command, check=True, capture_output=True)
        return pem, key


@contextmanager
def staged(peers: Sequence[Peer], choice: Choice) -> Iterator[Stage]:
    """
    A stage for these peers; makes their environment if one of them needs it.

    Raises StartError or VenvError when something it takes is missing.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    if not shutil.which("taskset"):
        raise StartError("taskset is not installed, and unpinned figures mean nothing")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        raise StartError("one core only: the load would be measured with the server")
    python, versions = Path(sys.executable), [f"netd's twisted {venv.netd_twisted() or 'none'}"]
    if any(peer.venv for peer in peers):
        python = venv.ensure(choice.venv)
        versions += [f"{name} {number}" for name, number in venv.versions(python).items()]
    if any(peer.label.startswith("nginx") for peer in peers):
        versions.append(f"nginx {version(program('nginx'), '-v', behind='nginx/')}")
    with tempfile.TemporaryDirectory(prefix="netd-bench-") as folder:
        yield Stage(Path(folder), python, cores[0], cores[-1], choice, tuple(versions))


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

    Raises StartError when it does not start or answers something else than 58 bytes.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{peer.label}-", dir=stage.folder))
    certificate, key = stage.certificate() if tls else (Path(), Path())
    first, second = free_port(), free_port()
    place = Place(first, second, tls, folder, stage.python, certificate, key, stage.choice)
    start = peer.start(place)
    log = folder / "output.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            stage.on_core(stage.server_core, start.argv),
            cwd=start.cwd or folder,
            env={**os.environ, **dict(start.environment)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C at the terminal is ours to handle
        )
    server = Server(peer, first, process.pid, log)
    try:
        _wait_ready(process, peer, first, tls, log)
        yield server
    finally:
        server.usage = end(process)


def request(server: Server, path: str) -> bytes:
    """A GET of this server with the one header HTTP/1.1 demands."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()


def _wait_ready(
    process: subprocess.Popen[bytes], peer: Peer, port: int, tls: bool, log: Path
) -> None:
    """Return once the peer's path gets a 200 with 58 bytes, or the peer listens."""
    deadline = time.monotonic() + _READY_SECONDS
    why = "it does not listen"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StartError(f"ended with status {process.returncode}: {last_line(log)}")
        if not peer.path:
            if measure.listens(port):
                return
            time.sleep(0.01)
            continue
        try:
            status, length = _ask(peer.path, port, tls)
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            time.sleep(0.05)
            continue
        if (status, length) != (200, LENGTH):
            raise StartError(f"answers {peer.path} with status {status} and {length} bytes")
        return
    raise StartError(f"not ready after {_READY_SECONDS:.0f} s: {why}: {last_line(log)}")


def _ask(path: str, port: int, tls: bool) -> tuple[int, int]:
    """Status and body length of one GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    if tls:
        # The certificate is self-signed; this only checks that TLS works.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, len(response.read())
    finally:
        connection.close()


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
