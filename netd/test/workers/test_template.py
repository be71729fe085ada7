"""
Tests for netd.workers.template.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netd.workers import template
from netd.workers.template import Plan, die_with, replace_descriptors


class Exit(BaseException):
    """The process would have ended here."""


def _plan(run: Callable[[int, socket.socket], None] = lambda *_: None, **more: Any) -> Plan:
    calls = {
        "begin": lambda: None,
        "close": lambda: None,
        "reopen": lambda: None,
        "keep": (),
        **more,
    }
    return Plan(run=run, **calls)


class RealTests(SynchronousTestCase):
    """
    A real template and real workers.
    """

    def start(self, plan: Plan) -> socket.socket:
        """A template, which ends with the test; the supervisor's end."""
        pid, control = template.fork(plan)
        self.pid = pid
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(control.close)
        control.setblocking(True)
        control.settimeout(60)
        return control

    def worker(self, control: socket.socket, index: int) -> socket.socket:
        """A worker's socket."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        ours.settimeout(60)
        socket.send_fds(control, [b"start %d" % index], [theirs.fileno()])
        theirs.close()
        return ours

    def test_lives(self) -> None:
        """A worker gets its index and its socket; its start and its end are told."""

        def run(index: int, sock: socket.socket) -> None:
            sock.sendall(b"worker %d" % index)
            sock.recv(1)

        control = self.start(_plan(run))
        for index in (0, 3):
            sock = self.worker(control, index)
            self.assertEqual(sock.recv(100), b"worker %d" % index)
            word, number, pid = control.recv(100).split()
            self.assertEqual((word, number), (b"started", b"%d" % index))
            sock.close()
            ended = control.recv(100).split()
            self.assertEqual(ended[:4], [b"ended", number, pid, b"0"])
            self.assertGreaterEqual(float(ended[4]), 0.0)

    def test_killed(self) -> None:
        """The status of a worker that was killed, or that raised, is told."""

        def run(index: int, sock: socket.socket) -> None:
            if index:
                raise ZeroDivisionError
            sock.recv(1)

        control = self.start(_plan(run))
        self.worker(control, 0)
        pid = int(control.recv(100).split()[2])
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(control.recv(100).split()[:4], [b"ended", b"0", b"%d" % pid, b"9"])
        self.worker(control, 1)
        control.recv(100)
        self.assertEqual(control.recv(100).split()[3], b"%d" % (1 << 8))

    def test_environment(self) -> None:
        """A worker has no descriptors but its own and those kept, and no word for systemd."""
        kept, other = os.pipe()
        self.addCleanup(os.close, kept)
        self.addCleanup(os.close, other)
        self.patch(os, "environ", os.environ.copy())
        os.environ["NOTIFY_SOCKET"] = "/x"

        def run(index: int, sock: socket.socket) -> None:
            links = [os.readlink(f"/proc/self/fd/{fd}") for fd in (kept, other, sock.fileno())]
            signals = [signal.getsignal(getattr(signal, f"SIG{each}")) for each in _SIGNALS]
            found = (links, [each is signal.SIG_IGN for each in signals], dict(os.environ))
            sock.sendall(repr(found).encode())

        sock = self.worker(self.start(_plan(run, keep={kept})), 0)
        received = b""
        while data := sock.recv(65_536):
            received += data
        links, ignored, environ = eval(received)  # noqa: S307  # what `run` has written
        self.assertTrue(links[0].startswith("pipe:"))
        self.assertEqual(links[1], "/dev/null")
        self.assertTrue(links[2].startswith("socket:"))
        self.assertEqual(
            dict(zip(_SIGNALS, ignored, strict=True)),
            {
                "INT": True,
                "HUP": True,
                "USR1": True,
                "USR2": True,
                "TERM": False,
                "CHLD": False,
            },
        )
        self.assertNotIn("NOTIFY_SOCKET", environ)

    def test_told(self) -> None:
        """The template closes and reopens what it is told to."""
        told, tells = os.pipe()
        self.addCleanup(os.close, told)

        def close() -> None:
            os.write(tells, b"close ")

        def reopen() -> None:
            os.write(tells, b"reopen ")

        control = self.start(_plan(close=close, reopen=reopen, keep={tells}))
        os.close(tells)
        control.send(b"reopen")
        control.send(b"close")
        control.shutdown(socket.SHUT_WR)
        received = b""
        while data := os.read(told, 100):
            received += data
        self.assertEqual(received, b"reopen close ")

    def test_orphaned(self) -> None:
        """A worker ends with its template."""

        def wait(index: int, sock: socket.socket) -> None:
            sock.recv(1)

        control = self.start(_plan(wait))
        sock = self.worker(control, 0)
        control.recv(100)
        os.kill(self.pid, signal.SIGKILL)
        self.assertEqual(sock.recv(1), b"")


_SIGNALS = ("INT", "HUP", "USR1", "USR2", "TERM", "CHLD")


class InsideTests(SynchronousTestCase):
    """
    The same in this process, where each step can be seen.
    """

    def setUp(self) -> None:
        self.parents: list[int] = []
        self.kept: list[Any] = []
        for number in (*template._IGNORED, signal.SIGTERM, signal.SIGCHLD):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.addCleanup(signal.set_wakeup_fd, signal.set_wakeup_fd(-1))
        self.patch(os, "environ", os.environ.copy())
        self.patch(os, "_exit", self.exit)
        self.patch(template, "die_with", self.parents.append)
        self.patch(template, "replace_descriptors", self.kept.append)
        self.patch(os, "fork", lambda: next(self.forks))
        self.exits: list[int] = []
        self.told: list[object] = []

    forks: Iterator[int]

    def exit(self, status: int) -> None:
        self.exits.append(status)
        raise Exit

    def serve(self, *messages: bytes, forks: tuple[int, ...] = (), **more: Any) -> list[str]:
        """Be a template that gets `messages`; what it sends."""
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(control.close)
        self.addCleanup(theirs.close)
        self.forks = iter(forks)
        with open(os.devnull) as null:
            for message in messages:
                with_null = [null.fileno()] if message.startswith(b"start") else []
                # Any descriptor will do, as long as nobody reads from it.
                one, other = socket.socketpair()
                other.close()
                socket.send_fds(control, [message], [one.fileno()] if with_null else [])
                one.close()
        control.shutdown(socket.SHUT_WR)

        def be_worker(index: int, sock: socket.socket) -> None:
            sock.close()
            self.told.append(index)

        plan = _plan(
            be_worker,
            close=lambda: self.told.append("close"),
            reopen=lambda: self.told.append("reopen"),
            **more,
        )
        self.assertRaises(Exit, template._Template(plan, theirs).serve)
        control.setblocking(False)
        received = []
        while True:
            try:
                received.append(control.recv(100).decode())
            except BlockingIOError:
                return received

    def test_obeys(self) -> None:
        """Each message does what it says, and the end of all ends the template."""
        self.assertEqual(
            self.serve(b"start 3", b"close", b"reopen", forks=(99,)), ["started 3 99"]
        )
        self.assertEqual((self.told, self.exits), (["close", "reopen"], [0]))

    def test_worker(self) -> None:
        """The child runs as a worker, and ends with status 0."""
        self.serve(b"start 3", forks=(0,))
        self.assertEqual((self.told, self.exits), ([3], [0]))

    def test_noFork(self) -> None:
        """When there can be no child, its end is told, and the template goes on."""

        def fork() -> int:
            raise OSError(11, "no")

        self.patch(os, "fork", fork)
        self.assertEqual(self.serve(b"start 3", b"close"), ["ended 3 0 11 0.0"])
        self.assertEqual(self.told, ["close"])

    def test_reaps(self) -> None:
        """Every worker that has ended is told, and children of others are not."""
        usage = os.wait4
        results = iter([(99, 9), (1234, 0), (98, 0), (0, 0)])

        def wait4(pid: int, options: int) -> tuple[int, int, Any]:
            found, status = next(results)
            return found, status, type("Usage", (), {"ru_utime": 1.0, "ru_stime": 0.5})

        self.patch(os, "wait4", wait4)
        self.assertIsNot(usage, wait4)
        tested = template._Template(_plan(), self.pair())
        tested._indexes.update({99: 0, 98: 1, 97: 2})
        tested._reap()
        self.assertEqual(self.other.recv(100), b"ended 0 99 9 1.500000")
        self.assertEqual(self.other.recv(100), b"ended 1 98 0 1.500000")
        self.assertEqual(tested._indexes, {97: 2})

        def none(*_: object) -> Any:
            raise ChildProcessError

        self.patch(os, "wait4", none)
        tested._reap()

    def pair(self) -> socket.socket:
        """The template's end; `other` is the supervisor's."""
        self.other, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(self.other.close)
        self.addCleanup(theirs.close)
        return theirs

    def test_signalled(self) -> None:
        """The signal of a child's end wakes the template."""
        reaped: list[int] = []

        def reap(tested: Any) -> None:
            reaped.append(1)
            raise Exit

        self.patch(template._Template, "_reap", reap)
        tested = template._Template(_plan(), self.pair())
        waiting = select.select

        def ready(*arguments: Any) -> Any:
            os.kill(os.getpid(), signal.SIGCHLD)
            return waiting(*arguments)

        self.patch(select, "select", ready)
        self.assertRaises(Exit, tested.serve)
        self.assertEqual(reaped, [1])

    def test_supervisorGone(self) -> None:
        """A template without a supervisor ends."""
        tested = template._Template(_plan(), self.pair())
        self.other.close()
        self.assertRaises(Exit, tested._tell, "x")
        self.assertEqual(self.exits, [0])

    def test_fork(self) -> None:
        """The child becomes a template: signals are ignored, and the environment is its own."""
        self.forks = iter((0,))
        os.environ["NOTIFY_SOCKET"] = "/x"

        def serve(tested: Any) -> None:
            tested._control.close()
            raise Exit

        self.patch(template._Template, "serve", serve)
        begin = partial(self.told.append, "begun")
        self.assertRaises(Exit, template.fork, _plan(keep={77}, begin=begin))
        self.assertEqual(self.told, ["begun"])
        self.assertNotIn("NOTIFY_SOCKET", os.environ)
        self.assertIs(signal.getsignal(signal.SIGTERM), signal.SIG_IGN)
        self.assertLess({0, 1, 2, 77}, self.kept[0])
        self.assertEqual(self.exits, [1])

    def test_forkParent(self) -> None:
        """The parent keeps its end, which does not block."""
        self.forks = iter((99,))
        pid, control = template.fork(_plan())
        self.addCleanup(control.close)
        self.assertEqual((pid, control.gettimeout()), (99, 0.0))
        self.assertEqual(control.recv(1), b"")


class HelpTests(SynchronousTestCase):
    """
    What a forked process does first.
    """

    def test_dieWith(self) -> None:
        """A process whose parent is gone already ends at once."""
        exits: list[int] = []
        self.patch(os, "_exit", exits.append)
        calls: list[tuple[int, int]] = []
        libc = type("C", (), {"prctl": lambda self, *a: calls.append(a)})()
        self.patch(ctypes, "CDLL", lambda _: libc)
        die_with(os.getppid())
        self.assertEqual((exits, calls), ([], [(1, signal.SIGKILL)]))
        die_with(-1)
        self.assertEqual(exits, [1])

    def test_replaced(self) -> None:
        """Descriptors that are not kept lead nowhere, and their numbers stay taken."""
        kept, lost = os.pipe()
        self.addCleanup(os.close, kept)
        self.addCleanup(os.close, lost)
        # All others are this process's own.
        replace_descriptors(set(range(template.DESCRIPTORS)) - {lost})
        self.assertEqual(os.readlink(f"/proc/self/fd/{lost}"), os.devnull)
        self.assertEqual(os.read(kept, 1), b"")
