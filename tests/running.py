"""
Programs as child processes, and netd as one of them.

Rules: real processes and real sockets; the kernel chooses every port; every
wait has a deadline and none is a sleep that hopes; addresses come from the
READY notification and not from the log.
"""

from __future__ import annotations

import atexit
import functools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self, TypeVar

from attrs import frozen

from netd.values import Endpoint
from tests.forks import Fork, fork, inherited
from tests.programs import need

T = TypeVar("T")

ROOT: Final = Path(__file__).parent.parent
"""The checkout."""

DEADLINE: Final = 300.0
"""Seconds that anything may take which takes a moment; only a failing test gets there."""

MODULE: Final = (sys.executable, "-m", "netd")
TWISTD: Final = (
    sys.executable,
    "-c",
    "from twisted.scripts.twistd import run; run()",
    "-n",
    "--pidfile=",
)
"""What the twistd script is, also where the checkout is all there is of netd."""

_FORBIDDEN: Final = ("Traceback", "Unhandled", "Exception ignored")
"""What no log of a daemon may hold."""

_PRIVATE: Final = frozenset(
    {"NOTIFY_SOCKET", "JOURNAL_STREAM", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}
)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has background processes ignore SIGINT, and so would their children.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def environment(**changes: str) -> dict[str, str]:
    """
    This environment without settings of netd, and with the checkout importable.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("NETD_") and name not in _PRIVATE
    }
    return {**kept, "PYTHONPATH": str(ROOT), **changes}


def tool_environment(**changes: str) -> dict[str, str]:
    """
    An environment for pip, uv and other tools: without the checkout, warnings as they come.
    """
    kept = environment(**changes)
    del kept["PYTHONPATH"]
    kept.pop("PYTHONWARNINGS", None)
    return kept


@frozen
class Finished:
    """The status, the output and the run time of a program that has ended."""

    status: int
    out: str
    err: str
    seconds: float


def _words(command: Sequence[str | Path]) -> list[str]:
    """The command with the path of its program; a bare name is one of tests/programs.py."""
    program, *arguments = [str(word) for word in command]
    return [program if "/" in program else need(program), *arguments]


def run(
    *command: str | Path,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    deadline: float = DEADLINE,
) -> Finished:
    """Run `command` with `stdin` to its end; a command that takes too long is killed."""
    started = time.monotonic()
    done = subprocess.run(
        _words(command),
        env=environment() if environ is None else dict(environ),
        cwd=cwd,
        input=stdin.encode(),
        capture_output=True,
        timeout=deadline,
        check=False,
    )
    seconds = time.monotonic() - started
    return Finished(done.returncode, _text(done.stdout), _text(done.stderr), seconds)


def run_netd(
    *arguments: str | Path, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Finished:
    """Run netd, in a fork, to an end that comes by itself."""
    started = time.monotonic()
    variables = environment() if environ is None else environ
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        words = [str(word) for word in arguments]
        process = fork("netd", words, variables, cwd or Path.cwd(), (out, err))
        try:
            status = process.wait(DEADLINE)
        finally:
            process.kill()
        seconds = time.monotonic() - started
        out.seek(0)
        err.seek(0)
        return Finished(status, _text(out.read()), _text(err.read()), seconds)


def _text(data: bytes) -> str:
    """`data` as text that encodes to the same bytes again."""
    return data.decode("utf-8", "surrogateescape")


def succeed(
    *command: str | Path,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    deadline: float = DEADLINE,
) -> str:
    """Run `command`, which must succeed, and return its standard output."""
    done = run(*command, environ=environ, cwd=cwd, deadline=deadline)
    if done.status:
        raise AssertionError(f"{command} ended with {done.status}:\n{done.out}\n{done.err}")
    return done.out


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """A directory that is removed when the context ends."""
    with tempfile.TemporaryDirectory(prefix="netd-") as name:
        yield Path(name)


def children(pid: int) -> list[int]:
    """The process ids of the children of a process; none when that has ended."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of the loopback on which nothing listens."""
    sock = socket.socket(type=kind)
    sock.bind(("127.0.0.1", 0))
    port: int = sock.getsockname()[1]
    # The kernel gives it to nobody else, and to a server that may reuse it; of datagrams
    # the one that was bound last gets all.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    atexit.register(sock.close)
    return port


def eventually(poll: Callable[[], T | None], what: str, deadline: float = DEADLINE) -> T:
    """
    The first result of `poll` that is not None; AssertionError naming `what` after `deadline`.
    """
    end = time.monotonic() + deadline
    while (result := poll()) is None:
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {deadline} seconds")
        time.sleep(0.01)
    return result


def undisturbed(measure: Callable[[], float], at_most: float, attempts: int = 10) -> float:
    """
    The first of `measure()`'s seconds that is not more than `at_most`, or the last attempt's.

    How late a response is at most says as much about the other processes of
    the machine as about netd, so one undisturbed attempt is enough.
    """
    for _ in range(attempts):
        seconds = measure()
        if seconds <= at_most:
            break
    return seconds


@functools.cache
def _started(arguments: tuple[str, ...]) -> Daemon:
    """A daemon that runs until this process ends."""
    daemon = Daemon(*arguments)
    daemon.__enter__()
    atexit.register(daemon.__exit__)
    # The second signal, of __exit__, does not wait for what clients have left behind.
    atexit.register(daemon.signal)
    return daemon


@contextmanager
def shared(*arguments: str) -> Iterator[Daemon]:
    """
    A running daemon, which other tests with the same arguments use too.

    For tests that neither signal it nor count what it has served.
    """
    daemon = _started(arguments)
    yield daemon
    daemon.check()


class Daemon:
    """
    netd in a process of its own, ready when the context is entered.

    Listens on ports that the kernel chose.  On leaving it is ended by SIGTERM
    if it still runs, and whatever it logged must hold no traceback.  Without a
    `way` it is forked from a process that has imported netd, where that makes
    no difference.
    """

    def __init__(
        self,
        *arguments: str | Path,
        way: Sequence[str | Path] | None = None,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        inherit: Sequence[int] = (),
    ) -> None:
        self._inherit = inherit
        self._environ = environment() if environ is None else dict(environ)
        forked = way is None and inherited(self._environ) == inherited(environment())
        self._command = None if forked else _words((*(way or MODULE), *arguments))
        self._arguments = [str(word) for word in arguments]
        self._cwd = cwd
        self.notices: list[dict[str, str]] = []
        """The assignments of each notification so far."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="netd-")
        folder = Path(self._folder.name)
        self._log = folder / "log"
        (folder / "empty").mkdir()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self._notify.settimeout(0.05)
        self._process = self._start(
            {"NETD_PORT": "0", **self._environ, "NOTIFY_SOCKET": str(folder / "notify")},
            self._cwd or folder / "empty",
        )
        try:
            self.notice("READY")
        except BaseException:
            self._end()
            raise
        return self

    def _start(self, environ: Mapping[str, str], cwd: Path) -> Fork | subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            if self._command is None:
                return fork("netd", self._arguments, environ, cwd, (log, log))
            return subprocess.Popen(
                self._command,
                env=environ,
                cwd=cwd,
                pass_fds=self._inherit,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __exit__(self, *_: object) -> None:
        try:
            if self._process.poll() is None:
                self.stop()
            self.check()
        finally:
            self._end()

    def check(self) -> None:
        """AssertionError where the log so far holds what no log may hold."""
        log = self.log
        if any(word in log for word in _FORBIDDEN):
            raise AssertionError(f"the daemon's log is not clean:\n{log}")

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(DEADLINE)
        self._notify.close()
        self._folder.cleanup()

    @property
    def log(self) -> str:
        """Everything on stdout and stderr so far."""
        return self._log.read_text("utf-8", "replace")

    def logged(self, text: str, deadline: float = DEADLINE) -> str:
        """Wait until `text` stands in the log, and return the log."""
        return eventually(
            lambda: log if text in (log := self.log) else None, f"{text!r} in the log", deadline
        )

    def notice(self, name: str, number: int = 1) -> str:
        """Wait for the `number`-th notification that assigns `name`, and return the value."""

        def value_of_notice() -> str | None:
            values = [notice[name] for notice in self.notices if name in notice]
            if len(values) >= number:
                return values[number - 1]
            ended = self._process.poll()
            if not self.hear() and ended is not None:
                raise AssertionError(f"netd ended with {ended}:\n{self.log}")
            return None

        return eventually(value_of_notice, f"notification {number} of {name}")

    def hear(self) -> bool:
        """Add the next notification to `notices`; False when none came."""
        try:
            notification = self._notify.recv(65_536).decode()
        except TimeoutError:
            return False
        self.notices.append(dict(line.split("=", 1) for line in notification.splitlines()))
        return True

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def where(self, name: str = "http") -> Endpoint:
        """The address that the listener `name` has announced."""
        announced = dict(each.split("=", 1) for each in self.notice("X_NETD_LISTEN").split())
        return Endpoint.parse(announced[name], "udp" if name.startswith("udp") else "tcp")

    def address(self, name: str = "http") -> tuple[str, int]:
        """The same for `socket.connect`."""
        where = self.where(name)
        return where.host, where.port

    @property
    def url(self) -> str:
        """`http://localhost:PORT` of the first HTTP listener."""
        return f"http://localhost:{self.where().port}"

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal, without waiting for its effect."""
        self._process.send_signal(number)

    def ended(self, deadline: float = DEADLINE) -> int:
        """Wait for its end and return the status, negative for a signal."""
        try:
            return self._process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"netd runs {deadline} s after it should have ended:\n{self.log}"
            ) from None

    def stop(self) -> int:
        """End it with SIGTERM and return the status."""
        self.signal()
        return self.ended()
