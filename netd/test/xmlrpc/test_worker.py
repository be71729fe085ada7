"""
A worker's inner parts; whole processes are in `test_offload`.
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
from netd.xmlrpc.faults import APPLICATION, TOO_LARGE
from netd.xmlrpc.framing import framed
from netd.xmlrpc.registry import Registry
from netd.xmlrpc.worker import FAULT, RESULT, run_call

HEAVY = "netd.test.xmlrpc.published:heavy"


class _Ended(BaseException):
    """Instead of the end of the process."""


class AnswerTests(SynchronousTestCase):
    """
    One call, one message back.
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
        """What was loaded is not loaded again."""
        self.call("square", 3)
        registry = self.known[HEAVY]
        self.call("square", 4)
        self.assertIs(self.known[HEAVY], registry)

    def test_fault(self) -> None:
        """A fault on purpose has no trace."""
        self.assertEqual(self.fault("refusing"), [7, "seven", ""])

    def test_bug(self) -> None:
        """A bug has a trace, for the log."""
        code, text, trace = self.fault("broken")
        self.assertEqual((code, text), (APPLICATION, ""))
        self.assertIn("ZeroDivisionError: a secret", trace)

    def test_tooLarge(self) -> None:
        """A result that is too large is found out here."""
        self.assertEqual(self.fault("large", 9_000_000)[0], TOO_LARGE)

    def test_notFound(self) -> None:
        """A module that is gone is the call's fault."""
        self.assertIn("ValueError", self.fault("x", source="no_such_module_1:x")[2])


class ProcessTests(SynchronousTestCase):
    """
    What makes it a process of the daemon's.
    """

    def pipe(self) -> tuple[int, int]:
        """A pipe that is closed at the end."""
        ends = os.pipe()
        for each in ends:
            self.addCleanup(_close, each)
        return ends

    def test_listen(self) -> None:
        """Calls are taken until the daemon's end is closed, which ends the process."""
        read, write = self.pipe()
        os.write(write, framed(b"one") + framed(b"two"))
        os.close(write)
        found: worker.Calls = queue.SimpleQueue()
        ended: list[int] = []
        worker._receive(read, found, ended.append)
        self.assertEqual([found.get(), found.get(), ended], [b"one", b"two", [0]])

    def test_private(self) -> None:
        """The functions find nothing where the calls came in."""
        read, write = self.pipe()
        kept = worker._private(read)
        self.addCleanup(_close, kept)
        os.write(write, b"x")
        self.assertEqual((os.read(read, 1), os.read(kept, 1)), (b"", b"x"))

    def test_serve(self) -> None:
        """Calls are answered one after the other."""
        calls, _ = self.pipe()
        # The thread that serve starts waits on this pipe; its end must end nothing here.
        self.patch(worker, "_receive", lambda *_: None)
        read, write = self.pipe()
        found: worker.Calls = queue.SimpleQueue()
        for number in (3, 4):
            found.put(pickle.dumps((HEAVY, "square", [number])))

        def last(call: bytes, known: dict[str, Registry]) -> bytes:
            if not call:
                raise _Ended
            return run_call(call, known)

        found.put(b"")
        self.patch(worker, "run_call", last)
        self.assertRaises(_Ended, worker.serve, calls, write, found)
        self.assertIn(b"<int>9</int>", os.read(read, 1000))

    def test_orphan(self) -> None:
        """A worker whose daemon is gone already ends at once."""

        def end(_: int) -> None:
            raise _Ended

        self.patch(os, "_exit", end)
        self.patch(sys, "platform", "other")
        worker._end_with(os.getppid())
        self.assertRaises(_Ended, worker._end_with, -1)

    def test_main(self) -> None:
        """It ignores the terminal's signals, keeps its pipes to itself, and serves."""
        done: list[Any] = []
        self.patch(signal, "signal", lambda *each: done.append(each[0]))
        self.patch(worker, "_end_with", done.append)
        self.patch(worker, "_private", lambda descriptor: descriptor + 100)
        self.patch(worker, "serve", lambda *each: done.append(each[:2]))
        worker.main(["77"])
        self.assertEqual(len(done), 5)
        self.assertEqual(done[3:], [77, (100, 103)])


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)
