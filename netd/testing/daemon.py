"""
A daemon in a process of its own, for the time of a test or of many.

Rules: the standard library only; no socket is opened here, as some suites forbid them.
"""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Self

from netd.testing.ca import CA, Certificate
from netd.testing.target import Target, address_of

_SHOWN_LINES: Final = 50
_OPTIONS: Final = (
    *("--port", "0", "--udp", "udp:0", "--announce", "-", "--until-eof", "yes"),
    *("--access-log", "off", "--grace", "0s", "--delay", "0s"),
)
# What a service manager or a strict runner says to its own process only.
_NOT_INHERITED: Final = frozenset(
    {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM", "PYTHONWARNINGS"}
    | {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}
)
_READY: Final = b"READY "
_END_SECONDS: Final = 2.0
_TERMINATE_SECONDS: Final = 3.0


class StartFailed(Exception):
    """The daemon did not start; the message has its exit status and its last lines."""


def environment() -> dict[str, str]:
    """This process's environment without `NETD_*`, where the daemon finds this netd."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("NETD_") and name not in _NOT_INHERITED
    }
    # Relative paths mean something else in the daemon's directory.
    paths = [each for each in kept.get("PYTHONPATH", "").split(os.pathsep) if each]
    root = str(Path(__file__).resolve().parents[2])
    installed = [*site.getsitepackages(), site.getusersitepackages()]
    if root not in installed:
        paths.append(root)
    if paths:
        kept["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, paths))
    return kept


class Daemon(Target):
    """
    netd with `options`, running inside the `with` block, on ports that the kernel chose.

    `tls` adds HTTPS, on a port of its own or that of `--https`: True with an
    authority of its own (`ca`), a CA with that one, a Certificate with just this.
    `environ` is the daemon's environment, by default that of this process without
    `NETD_*`.  Entering raises StartFailed within `deadline` seconds when the daemon
    does not become ready.  Leaving ends it, and raises nothing; it also ends when
    this process is killed.
    """

    def __init__(
        self,
        options: Sequence[str | os.PathLike[str]] = (),
        *,
        tls: bool | CA | Certificate = False,
        environ: Mapping[str, str] | None = None,
        deadline: float = 60.0,
    ) -> None:
        super().__init__("")
        self._options = [os.fspath(each) for each in options]
        self._tls = tls
        self._environ = environ
        self._deadline = deadline
        self._process: subprocess.Popen[bytes] | None = None
        self.ca: CA | None = tls if isinstance(tls, CA) else None
        """The authority that clients of `secure` have to trust."""

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`; RuntimeError before the start."""
        if not self._url:
            raise RuntimeError("the daemon runs in its `with` block only")
        return self._url

    @property
    def pid(self) -> int | None:
        """The process id while the daemon runs."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        # What a test shows of a failed start is the reason, and not this code.
        __tracebackhide__ = True
        self._room = Path(tempfile.mkdtemp(prefix="netd-"))
        # Also for a daemon that nobody ends.
        self._remove = weakref.finalize(self, shutil.rmtree, self._room, True)
        try:
            self._start(self._room)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, room: Path) -> None:
        __tracebackhide__ = True
        empty = room / "empty"
        empty.mkdir()
        command = [sys.executable, "-m", "netd.testing.child", str(room)]
        self._process = subprocess.Popen(
            [*command, *self._temporary(), "--", *_OPTIONS, *self._https(room), *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=empty,
            # Ctrl-C is for the runner, whose debugger may have caught it.
            process_group=0 if os.name == "posix" else None,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            env=environment() if self._environ is None else dict(self._environ),
        )
        reader = _Reader(_pipe(self._process.stdout), self._log)
        # Not a method of this object, which the thread would keep alive.
        self._thread = threading.Thread(target=reader.run, name="netd-log", daemon=True)
        self._thread.start()
        if not reader.heard_within(self._deadline):
            raise StartFailed(self._why(f"netd was not ready within {self._deadline:g} s"))
        if reader.listen is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
            raise StartFailed(self._why(f"netd ended with status {self._process.poll()}"))
        self._listen = reader.listen
        self._url = address_of(self._listen["http"]).url("http")

    def _temporary(self) -> list[str]:
        """The authority's directory, which should not outlive a runner that is killed."""
        temporary = self.ca is not None and self.ca.temporary
        return [str(self.ca.directory)] if temporary and self.ca else []

    def _https(self, room: Path) -> list[str]:
        """The options of HTTPS."""
        if not self._tls:
            return []
        if isinstance(self._tls, Certificate):
            pair = self._tls
        else:
            self.ca = self.ca or CA(room)
            pair = self.ca.server()
        if self.ca is not None:
            self._context = self.ca.context()
        https = [] if "--https" in self._options else ["--https", "0"]
        return [*https, "--certificate", pair.certificate, "--private-key", pair.key]

    def _why(self, what: str) -> str:
        return "\n".join([f"{what}:", *self.lines[-_SHOWN_LINES:]])

    def stop(self) -> None:
        """End the daemon, by force after 5 s; nothing when it has ended."""
        process, self._process = self._process, None
        self._url = ""
        if process is not None:
            with suppress(OSError):
                # Not of netd.testing.child, which imports netd.
                (self._room / "stopped").touch()
                _pipe(process.stdin).close()
            _end(process)
            # What the daemon started may hold its output open.
            self._thread.join(_END_SECONDS)
        self._remove()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """A stream of a process that was started with pipes."""
    if stream is None:
        raise ValueError("not a pipe")
    return stream


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a process whose input is closed, then make it."""
    for seconds, harder in (
        (_END_SECONDS, process.terminate),
        (_TERMINATE_SECONDS, process.kill),
    ):
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            harder()
        else:
            return
    process.wait()


class _Reader:
    """Takes the output of a daemon, which must not stop at a full pipe."""

    def __init__(self, output: IO[bytes], log: deque[str]) -> None:
        self._output = output
        self._log = log
        self._heard = threading.Event()
        self.listen: dict[str, str] | None = None
        """The endpoints of the daemon by name, once it is ready."""

    def heard_within(self, seconds: float) -> bool:
        """Wait until the daemon is ready, or has ended before; False when neither happens."""
        return self._heard.wait(seconds)

    def run(self) -> None:
        """Read to the end, and close."""
        with self._output:
            for line in self._output:
                self._take(line)
        self._heard.set()

    def _take(self, line: bytes) -> None:
        if self.listen is None and line.startswith(_READY):
            self.listen = json.loads(line.removeprefix(_READY))["listen"]
            self._heard.set()
        else:
            self._log.append(line.decode("utf-8", "replace").rstrip("\r\n"))
