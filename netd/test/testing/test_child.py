"""
Tests of netd.testing.child.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd import __main__
from netd.testing import child
from netd.testing.child import STOPPED, run


class RunTests(SynchronousTestCase):
    """
    netd, and the directories of its starter.
    """

    def setUp(self) -> None:
        self.patch(sys, "argv", ["child"])
        self.room = Path(self.mktemp())
        (self.room / "empty").mkdir(parents=True)
        self.read, self.write = os.pipe()
        self.addCleanup(os.close, self.read)

    def serve(self, serve: Callable[[], object] = lambda: None) -> None:
        """Run with two directories, of which one is not there."""
        directories = [str(self.room), str(self.room / "none")]
        run([*directories, "--", "--port", "0"], serve, self.read)

    def test_stopped(self) -> None:
        """The directories stay for a starter that says so, and netd has its options."""
        (self.room / STOPPED).touch()
        os.close(self.write)
        self.serve()
        self.assertTrue(self.room.exists())
        self.assertEqual(sys.argv, ["child", "--port", "0"])

    def test_died(self) -> None:
        """They stay when netd ends by itself, as the starter still holds its pipe."""
        self.serve()
        os.write(self.write, b"xy")
        self.serve()
        self.assertTrue(self.room.exists())
        os.close(self.write)

    def test_orphan(self) -> None:
        """They are removed when the starter is gone, also after an error."""
        os.close(self.write)
        self.serve()
        self.assertFalse(self.room.exists())
        self.room.mkdir()
        with self.assertRaises(ZeroDivisionError):
            self.serve(lambda: 1 / 0)
        self.assertFalse(self.room.exists())

    def test_windows(self) -> None:
        """They stay on Windows, where a look at the pipe would wait for its end."""
        self.addCleanup(os.close, self.write)
        self.patch(sys, "platform", "win32")
        self.serve()
        self.assertTrue(self.room.exists())

    def test_module(self) -> None:
        """`python -m netd.testing.child` runs netd."""
        served: list[list[str]] = []
        self.patch(__main__, "main", lambda: served.append(sys.argv[1:]))
        self.addCleanup(sys.modules.__setitem__, child.__name__, child)
        del sys.modules[child.__name__]
        os.close(self.write)
        (self.room / STOPPED).touch()
        sys.argv[1:] = [str(self.room), "--", "--port", "0"]
        runpy.run_module("netd.testing.child", run_name="__main__")
        self.assertEqual(served, [["--port", "0"]])
