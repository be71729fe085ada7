"""
Tests for netd.options.completion.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.options.completion import FLAGS, MORE, SHELLS, script
from netd.options.table import OPTIONS


class ScriptTests(SynchronousTestCase):
    """
    What a shell is told.
    """

    def test_every_option(self) -> None:
        """
        Each shell is told of every option and flag there is.
        """
        for shell in SHELLS:
            said = script(shell)
            for name in (*FLAGS, *(each.name for each in (*OPTIONS, *MORE))):
                flag = f"-l {name} " if shell == "fish" else f"--{name}"
                self.assertIn(flag, said, shell)

    def test_choices(self) -> None:
        """
        Where there are few choices they are offered.
        """
        self.assertIn('--log) COMPREPLY=($(compgen -W "auto text json journal"', script("bash"))
        self.assertIn(":log:(auto text json journal)'", script("zsh"))
        self.assertIn("-l log -x -a 'auto text json journal'", script("fish"))

    def test_files(self) -> None:
        """
        Where a file is wanted files are, and nowhere else.
        """
        self.assertIn(":certificate:_files'", script("zsh"))
        self.assertIn(":port:'", script("zsh"))
        self.assertIn("-l certificate -r -F ", script("fish"))
        self.assertIn("-l port -x ", script("fish"))

    def test_repeatable(self) -> None:
        """
        What may be said again is offered again.
        """
        self.assertIn("'*--http=[", script("zsh"))
        self.assertIn("'--port=[", script("zsh"))

    def test_unknown(self) -> None:
        """
        Another shell is refused by a list of those there are.
        """
        with self.assertRaises(ValueError) as caught:
            script("tcsh")
        self.assertEqual(str(caught.exception), "not one of bash, zsh, fish")
