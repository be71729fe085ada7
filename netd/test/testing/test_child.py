"""
Tests of netd.testing.child.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd import __main__
from netd.testing import child
from netd.testing.child import run


class RunTests(SynchronousTestCase):
    """
    netd, and the directories of its starter.
    """

    def setUp(self) -> None:
        self.patch(sys, "argv", ["child"])
        self.room = Path(self.mktemp())
        (self.room / "empty").mkdir(parents=True)

    def run_as_child_of(self, starter: int) -> None:
        """Run with two directories, of which one is not there."""
        directories = [str(self.room), str(self.room / "none")]
        run([str(starter), *directories, "--", "--port", "0"], lambda: None)

    def test_starter(self) -> None:
        """The directories stay while the starter lives; netd has its options."""
        self.run_as_child_of(os.getppid())
        self.assertTrue(self.room.exists())
        self.assertEqual(sys.argv, ["child", "--port", "0"])

    def test_orphan(self) -> None:
        """They are removed when the starter is gone, also after an error."""
        self.run_as_child_of(os.getppid() + 1)
        self.assertFalse(self.room.exists())
        self.room.mkdir()
        with self.assertRaises(ZeroDivisionError):
            run([str(os.getppid() + 1), str(self.room), "--"], lambda: 1 / 0)
        self.assertFalse(self.room.exists())

    def test_module(self) -> None:
        """`python -m netd.testing.child` runs netd."""
        served: list[list[str]] = []
        self.patch(__main__, "main", lambda: served.append(sys.argv[1:]))
        self.addCleanup(sys.modules.__setitem__, child.__name__, child)
        del sys.modules[child.__name__]
        sys.argv[1:] = [str(os.getppid()), str(self.room), "--", "--port", "0"]
        runpy.run_module("netd.testing.child", run_name="__main__")
        self.assertEqual(served, [["--port", "0"]])
