"""
Programs as forks of a process that has imported them, which spares each start its imports.

Rules: what is imported before a fork starts neither a reactor nor a thread; a fork has the
arguments, environment, directory and output that the program would have, in a process of its
own; nothing is forked where the environment could change how Python itself starts.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

_IMPORTED: Final = {
    "netd": ("netd.tap",),
    "celery": ("celery.bin.celery", "celery.apps.worker", "netd.xmlrpc.celery_worker"),
}
"""What each program imports in any case, before it has read its arguments."""
_LATE: Final = ("NETD_", "NOTIFY_SOCKET", "WATCHDOG_")
_MOST: Final = 1 << 20

Variables = tuple[tuple[str, str], ...]


class Fork:
    """What the tests use of `subprocess.Popen`, for a fork."""

    def __init__(self, watcher: socket.socket) -> None:
        self._watcher = watcher
        self.pid = int(watcher.recv(_MOST))
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The status, negative for a signal; TimeoutExpired after `timeout` seconds."""
        if self.returncode is None:
            self._watcher.settimeout(timeout)
            try:
                self.returncode = int(self._watcher.recv(_MOST))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0) from None
            self._watcher.close()
        return self.returncode

    def poll(self) -> int | None:
        """The status; None while it runs."""
        try:
            return self.wait(0.0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        # The origin may reap it at any moment.
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)


def fork(
    program: str,
    words: Sequence[str],
    environ: Mapping[str, str],
    cwd: Path,
    output: Sequence[IO[Any]],
    *,
    session: bool = False,
) -> Fork:
    """
    Start `python -m program` with these arguments, standard output and standard error.

    Its standard input is empty; `session` makes it the leader of one.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    origin = _origin(program, tuple(sorted(inherited(environ).items())))
    request = json.dumps([[program, *words], dict(environ), str(cwd), session]).encode()
    with theirs:
        descriptors = [*(file.fileno() for file in output), theirs.fileno()]
        socket.send_fds(origin, [request], descriptors)
    return Fork(ours)


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables without those that netd alone reads, when it runs."""
    return {k: v for k, v in environ.items() if not k.startswith(_LATE)}


@functools.cache
def _origin(program: str, variables: Variables) -> socket.socket:
    """The process that is forked, for requests; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks", program, str(theirs.fileno())],
            env=dict(variables),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def main(program: str, requests: socket.socket) -> Callable[[], object]:
    """Fork for each request; what is returned, in the fork, runs the program."""
    run: Callable[[], object] = importlib.import_module(f"{program}.__main__").main
    for name in _IMPORTED[program]:
        importlib.import_module(name)
    gc.freeze()
    # Nobody waits for the forks here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, descriptors, *_ = socket.recv_fds(requests, _MOST, 3)
        if not request:
            requests.close()
            sys.exit()
        if not os.fork():
            break
        for each in descriptors:
            os.close(each)
    requests.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _watch(socket.socket(fileno=descriptors.pop()))
    _become(descriptors, *json.loads(request))
    return run


def _watch(starter: socket.socket) -> None:
    """Fork once more, and tell the starter of the fork's start and end; returns in the fork."""
    pid = os.fork()
    if pid:
        # The starter may have ended.
        with contextlib.suppress(OSError):
            starter.send(b"%d" % pid)
            _, status = os.waitpid(pid, 0)
            starter.send(b"%d" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    starter.close()


def _become(
    output: list[int], words: list[str], environ: dict[str, str], cwd: str, session: bool
) -> None:
    """Make this process what a shell would start."""
    for number, descriptor in enumerate(output, 1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(cwd)
    # Where -m looks first.
    sys.path[0] = cwd
    sys.argv[:] = words
    if session:
        os.setsid()


if __name__ == "__main__":
    # An exception of the program, SystemExit too, ends the process as Python does.
    main(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))()
