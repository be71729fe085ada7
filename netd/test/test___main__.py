"""
Tests for netd.__main__.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence

from twisted.python import usage
from twisted.scripts import twistd
from twisted.scripts._twistd_unix import ServerOptions
from twisted.trial.unittest import SynchronousTestCase

from netd import __main__


class MainTests(SynchronousTestCase):
    """
    `netd` is twistd with the first words said already.
    """

    def setUp(self) -> None:
        self.ran: list[list[str]] = []
        self.patch(twistd, "run", lambda: self.ran.append(list(sys.argv)))
        self.patch(sys, "argv", ["/usr/bin/netd", "--port", "0", "--http=tcp:81"])

    def test_main(self) -> None:
        """
        It runs in the foreground, without a pidfile, and hands on what it was given.
        """
        __main__.main()
        self.assertEqual(
            self.ran,
            [["netd", "--nodaemon", "--pidfile=", "netd", "--port", "0", "--http=tcp:81"]],
        )

    def test_nothingSaid(self) -> None:
        """
        Without arguments the defaults are run.
        """
        self.patch(sys, "argv", ["netd"])
        __main__.main()
        self.assertEqual(self.ran, [["netd", "--nodaemon", "--pidfile=", "netd"]])

    def test_windows(self) -> None:
        """
        On Windows twistd is not told of a pidfile, which it does not know there.
        """
        self.patch(sys, "platform", "win32")
        self.patch(sys, "argv", ["netd", "--help"])
        __main__.main()
        self.assertEqual(self.ran, [["netd", "--nodaemon", "netd", "--help"]])

    def test_sameList(self) -> None:
        """
        The arguments are changed in place: whoever holds the list sees what twistd sees.
        """
        held = sys.argv
        __main__.main()
        self.assertIs(sys.argv, held)
        self.assertEqual(held[0], "netd")

    def test_module(self) -> None:
        """
        `python -m netd` does the same, and importing the module does nothing.
        """
        # runpy warns of a module that is imported already.
        self.addCleanup(sys.modules.__setitem__, "netd.__main__", __main__)
        del sys.modules["netd.__main__"]
        runpy.run_module("netd.__main__", run_name="imported")
        self.assertEqual(self.ran, [])
        runpy.run_module("netd", run_name="__main__")
        self.assertEqual(
            [argv[:4] for argv in self.ran], [["netd", "--nodaemon", "--pidfile=", "netd"]]
        )

    def test_understood(self) -> None:
        """
        twistd understands what it is told: the subcommand gets the rest.
        """
        seen: list[list[str]] = []

        class Sub(usage.Options):
            """Takes whatever comes."""

            def parseOptions(self, options: Sequence[str] | None = None) -> None:
                """Note it."""
                seen.append(list(options or ()))

        class Config(ServerOptions):
            """twistd's options, with this subcommand alone."""

            subCommands = (("netd", None, Sub, ""),)

        __main__.main()
        config = Config()
        config.parseOptions(self.ran[0][1:])
        self.assertEqual(seen, [["--port", "0", "--http=tcp:81"]])
        self.assertTrue(config["nodaemon"])
        self.assertFalse(config["pidfile"])
