"""
The programs that tests run, on a machine that has none of them.
"""

from __future__ import annotations

import os
import sys

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests import programs
from tests.running import ROOT, environment, run, temporary_directory

_MANY = (
    *("ab", "contrib", "curl", "docs", "haproxy", "lab_browser", "metrics", "systemd"),
    *("systemd_units", "tls", "rpc_clients.ClientTests", "access.NamespaceTests"),
)
"""Tests that run most of the programs, nearly all of which need one."""


class MissingTests(SynchronousTestCase):
    """
    An empty search path.
    """

    def trial(self, *names: str) -> str:
        """The output of a trial that must pass, with nothing but Python."""
        folder = self.enterContext(temporary_directory())
        done = run(
            *(sys.executable, "-m", "twisted.trial", "--reporter=text"),
            *(f"--temp-directory={folder / 'trial'}", *names),
            environ=environment(PATH=str(folder)),
            cwd=ROOT,
            deadline=300,
        )
        self.assertEqual(done.status, 0, done.out + done.err)
        return done.out

    def test_skipped(self) -> None:
        """
        Tests of programs are skipped, others pass, and the last line installs all programs.
        """
        out = self.trial(*(f"tests.test_{name}" for name in _MANY))
        self.assertRegex(out, r"\nPASSED \(skips=[0-9]+, successes=[0-9]+\)\n")
        for name in ("ab", "curl", "haproxy", "mandoc", "promtool", "systemd-nspawn"):
            packages = programs.PROGRAMS[name].packages
            self.assertIn(f"\n{name} is not installed (Debian: {packages})", out)
        self.assertNotIn("Traceback", out)
        words = [each.packages.split() for each in programs.PROGRAMS.values()]
        everything = " ".join(sorted({word for each in words for word in each}))
        self.assertEqual(
            out.splitlines()[-1], f"sudo apt-get install --no-install-recommends {everything}"
        )


class RecognitionTests(SynchronousTestCase):
    """
    A program of the right name.
    """

    def setUp(self) -> None:
        self.folder = self.enterContext(temporary_directory())
        programs.find.cache_clear()
        self.addCleanup(programs.find.cache_clear)
        self.patch(os, "environ", {"PATH": str(self.folder)})

    def install(self, name: str, prints: str) -> None:
        """A program that prints this line and ends with 1."""
        path = self.folder / name
        path.write_text(f"#!{sys.executable}\nprint({prints!r})\nraise SystemExit(1)\n")
        path.chmod(0o755)

    def test_netcat(self) -> None:
        """
        OpenBSD's nc and ncat are recognized by their output, another nc is not.
        """
        for prints, right in (
            ("OpenBSD netcat (Debian patchlevel 1.219-1)", True),
            ("Ncat 7.93 ( https://nmap.org/ncat )", True),
            ("[v1.10-47]", False),
        ):
            programs.find.cache_clear()
            self.install("nc", prints)
            self.assertEqual(programs.find("nc") is not None, right, prints)

    def test_incomplete(self) -> None:
        """
        Ruby without its xmlrpc is missing, and the reason names both packages.
        """
        self.install("ruby", "cannot load such file -- xmlrpc/client (LoadError)")
        reason = "Ruby with xmlrpc is not installed (Debian: ruby ruby-xmlrpc)"
        self.assertEqual(programs.lacking("ruby"), reason)
        error = self.assertRaises(SkipTest, programs.need, "ruby")
        self.assertEqual(str(error), reason)
        self.assertIn("ruby-xmlrpc", programs.packages().split())

    def test_administrators(self) -> None:
        """
        Beside a directory `bin` the search path has its `sbin`.
        """
        for name in ("bin", "sbin"):
            (self.folder / name).mkdir()
        self.patch(os, "environ", {"PATH": str(self.folder / "bin")})
        self.install("sbin/haproxy", "")
        self.assertEqual(programs.find("haproxy"), str(self.folder / "sbin" / "haproxy"))

    def test_unlisted(self) -> None:
        """
        A program that is not in the table cannot be run.
        """
        with self.assertRaises(KeyError):
            run("true")
