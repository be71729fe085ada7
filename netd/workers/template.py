"""
The process that workers are forked from: as the daemon was before its reactor ran.

Rules: no Twisted and no log.  It has one thread and waits in `select`; the daemon's
objects stay as they are, for its children.

The supervisor's end of the control socket sends `start INDEX` with a descriptor, `close`
or `reopen`; it gets `started INDEX PID` and `ended INDEX PID STATUS CPU_SECONDS`.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Collection
from typing import Final, NoReturn

from attrs import define, field, frozen

DESCRIPTORS: Final = 4096
"""Above all descriptors of a start: /proc, which knows them, may be out of reach."""
_PDEATHSIG: Final = 1
_IGNORED: Final = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What a terminal or a `pkill` sends to all; the supervisor tells what it means."""
_NOT_INHERITED: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_LISTEN: Final = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


@frozen
class Plan:
    """What a template does."""

    begin: Callable[[], object]
    """Called first: forget the log, whose files are the supervisor's."""
    run: Callable[[int, socket.socket], None]
    """Be the worker of an index, with its end of the socket to the supervisor."""
    keep: Collection[int]
    """The descriptors that workers need, beside the standard ones."""
    close: Callable[[], object]
    """Close the template's copies of the listening sockets."""
    reopen: Callable[[], object]
    """Open the logs again."""


def fork(plan: Plan) -> tuple[int, socket.socket]:
    """Start a template; its process id and the supervisor's end of the control socket."""
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    supervisor = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        theirs.close()
        control.setblocking(False)
        return pid, control
    try:
        control.close()
        for number in (*_IGNORED, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        die_with(supervisor)
        for name in (*_NOT_INHERITED, *_LISTEN):
            os.environ.pop(name, None)
        replace_descriptors({0, 1, 2, theirs.fileno(), *plan.keep})
        plan.begin()
        _Template(plan, theirs).serve()
    finally:
        # No exit handler, buffer or pid file is this process's business.
        os._exit(1)


def die_with(parent: int) -> None:
    """Have the kernel end this process when `parent` is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def replace_descriptors(keep: Collection[int]) -> None:
    """
    Lead every other open descriptor below `DESCRIPTORS` to /dev/null.

    Objects that own these numbers live on, and may close them, here or in a child; the
    numbers are not free, and so belong to nothing else.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in range(DESCRIPTORS):
        if number != null and number not in keep:
            try:
                os.fstat(number)
            except OSError:
                continue
            os.dup2(null, number, inheritable=False)
    os.close(null)


@define(eq=False)
class _Template:
    """The template, seen from inside."""

    _plan: Plan
    _control: socket.socket
    _pid: int = field(factory=os.getpid, init=False)
    _indexes: dict[int, int] = field(factory=dict, init=False)
    """The index of each worker that lives, by process id."""

    def serve(self) -> NoReturn:
        """Do what the supervisor asks for, until that is gone or wants no more."""
        wake, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            ready, _, _ = select.select([self._control.fileno(), wake], [], [])
            if wake in ready:
                os.read(wake, 4096)
                self._reap()
            if self._control.fileno() in ready:
                message, descriptors, _, _ = socket.recv_fds(self._control, 4096, 1)
                if not message:
                    os._exit(0)
                self._obey(message.decode(), descriptors)

    def _obey(self, message: str, descriptors: list[int]) -> None:
        word, _, rest = message.partition(" ")
        if word == "start":
            end = socket.socket(fileno=descriptors[0])
            end.set_inheritable(False)
            self._start(int(rest), end)
        elif word == "close":
            self._plan.close()
        else:
            self._plan.reopen()

    def _start(self, index: int, end: socket.socket) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            end.close()
            self._tell(f"ended {index} 0 {error.errno} 0.0")
            return
        if pid == 0:
            self._be_worker(index, end)
        end.close()
        self._indexes[pid] = index
        self._tell(f"started {index} {pid}")

    def _be_worker(self, index: int, end: socket.socket) -> NoReturn:
        status = 1
        try:
            die_with(self._pid)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            replace_descriptors({0, 1, 2, end.fileno(), *self._plan.keep})
            self._plan.run(index, end)
            status = 0
        finally:
            os._exit(status)

    def _reap(self) -> None:
        while self._indexes:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            index = self._indexes.pop(pid, None)
            if index is not None:
                cpu = usage.ru_utime + usage.ru_stime
                self._tell(f"ended {index} {pid} {status} {cpu:.6f}")

    def _tell(self, message: str) -> None:
        try:
            self._control.send(message.encode())
        except OSError:
            os._exit(0)
