"""
The parts of a worker; `test_pool` runs whole processes.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import signal
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc import worker
from netd.xmlrpc.faults import APPLICATION, TOO_LARGE, Fault
from netd.xmlrpc.framing import framed
from netd.xmlrpc.registry import Registry
from netd.xmlrpc.worker import FAULT, RESULT, outcome, run_call
from netd.xmlrpc.writer import Encoded

HEAVY = "netd.test.xmlrpc.published:heavy"


class _Ended(BaseException):
    """Stands for the end of the process."""


class AnswerTests(SynchronousTestCase):
    """
    One call and its message back.
    """

    def setUp(self) -> None:
        self.known: dict[str, Registry] = {}

    def call(self, name: str, *values: Any, source: str = HEAVY) -> bytes:
        """The message back."""
        return run_call(pickle.dumps((source, name, list(values))), self.known)

    def fault(self, name: str, *values: Any, source: str = HEAVY) -> Any:
        """Code, text and trace of the fault that comes back."""
        message = self.call(name, *values, source=source)
        self.assertEqual(message[:1], FAULT)
        return json.loads(message[1:])

    def test_result(self) -> None:
        """A result is ready to be sent."""
        self.assertEqual(self.call("square", 3), RESULT + b"<value><int>9</int></value>")

    def test_remembered(self) -> None:
        """An object is loaded once."""
        self.call("square", 3)
        registry = self.known[HEAVY]
        self.call("square", 4)
        self.assertIs(self.known[HEAVY], registry)

    def test_fault(self) -> None:
        """A Fault that a function raises has no trace."""
        self.assertEqual(self.fault("refusing"), [7, "seven", ""])

    def test_bug(self) -> None:
        """A bug has a trace, for the log."""
        code, text, trace = self.fault("broken")
        self.assertEqual((code, text), (APPLICATION, ""))
        self.assertIn("ZeroDivisionError: a secret", trace)

    def test_tooLarge(self) -> None:
        """A result that is too large is a fault of the worker."""
        self.assertEqual(self.fault("large", 9_000_000)[0], TOO_LARGE)

    def test_outcome(self) -> None:
        """A message back is read as what it was written from; anything else is a ValueError."""

        def read(message: bytes) -> object:
            return outcome(message[:1], message[1:])

        result = read(self.call("square", 3))
        self.assertEqual(result, Encoded(b"<value><int>9</int></value>"))
        fault = read(self.call("refusing"))
        assert isinstance(fault, Fault)
        self.assertEqual((fault.code, fault.text, fault.trace), (7, "seven", ""))
        for message in (b"", b"x", b"-", b"-[]", b'-["7", "a", ""]', b"-[7, 8, 9]", b"-\xff"):
            self.assertRaises(ValueError, read, message)

    def test_notFound(self) -> None:
        """A module that cannot be loaded fails the call."""
        self.assertIn("ValueError", self.fault("x", source="no_such_module_1:x")[2])


class ProcessTests(SynchronousTestCase):
    """
    Pipes, signals and the end of the process.
    """

    def pipe(self) -> tuple[int, int]:
        """A pipe that is closed after the test."""
        ends = os.pipe()
        for each in ends:
            self.addCleanup(_close, each)
        return ends

    def test_listen(self) -> None:
        """Calls are received until the daemon closes its end, which ends the group."""
        read, write = self.pipe()
        os.write(write, framed(b"one") + framed(b"two"))
        os.close(write)
        queued: worker.Calls = queue.SimpleQueue()
        ended: list[tuple[int, int]] = []
        self.patch(os, "killpg", lambda *each: ended.append(each))
        worker._receive(read, queued)
        self.assertEqual([queued.get(), queued.get()], [b"one", b"two"])
        self.assertEqual(ended, [(0, signal.SIGKILL)])

    def test_private(self) -> None:
        """Functions read nothing from the pipe of the calls."""
        read, write = self.pipe()
        kept = worker._private(read)
        self.addCleanup(_close, kept)
        os.write(write, b"x")
        self.assertEqual((os.read(read, 1), os.read(kept, 1)), (b"", b"x"))

    def test_serve(self) -> None:
        """Calls are run one after the other."""
        calls, _ = self.pipe()
        # The thread of serve reads this pipe; its end must not end the test.
        self.patch(worker, "_receive", lambda *_: None)
        read, write = self.pipe()
        queued: worker.Calls = queue.SimpleQueue()
        for number in (3, 4):
            queued.put(pickle.dumps((HEAVY, "square", [number])))

        def last(call: bytes, known: dict[str, Registry]) -> bytes:
            if not call:
                raise _Ended
            return run_call(call, known)

        queued.put(b"")
        self.patch(worker, "run_call", last)
        self.assertRaises(_Ended, worker.serve, calls, write, queued)
        self.assertIn(b"<int>9</int>", os.read(read, 1000))

    def test_orphan(self) -> None:
        """A worker ends at once when its daemon is gone."""

        def end(_: int) -> None:
            raise _Ended

        self.patch(os, "_exit", end)
        self.patch(sys, "platform", "other")
        worker._end_with(os.getppid())
        self.assertRaises(_Ended, worker._end_with, -1)

    def test_main(self) -> None:
        """A worker leads a session, ignores signals, hides its pipes, and serves."""
        done: list[Any] = []
        self.patch(os, "setsid", lambda: done.append("setsid"))
        self.patch(signal, "signal", lambda *each: done.append(each[0]))
        self.patch(worker, "_end_with", done.append)
        self.patch(worker, "_private", lambda descriptor: descriptor + 100)
        self.patch(worker, "serve", lambda *each: done.append(each[:2]))
        worker.main(["77"])
        self.assertEqual((len(done), done[0]), (6, "setsid"))
        self.assertEqual(done[4:], [77, (100, 103)])


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)
