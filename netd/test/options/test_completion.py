"""
Tests for netd.options.completion.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.options.completion import script
from netd.options.help import ALL, SHELLS


class ScriptTests(SynchronousTestCase):
    """
    The scripts that shells read.
    """

    def test_everyOption(self) -> None:
        """
        Each script has every option and flag.
        """
        for shell in SHELLS.choices:
            text = script(shell)
            for option in ALL:
                flag = f"-l {option.name} " if shell == "fish" else f"--{option.name}"
                self.assertIn(flag, text, shell)

    def test_noValue(self) -> None:
        """
        A flag without a value is offered without one.
        """
        self.assertIn("'--check-config[", script("zsh"))
        self.assertIn("-l check-config -d ", script("fish"))
        self.assertNotIn("--check-config)", script("bash"))

    def test_choices(self) -> None:
        """
        The texts of an option that takes few are offered.
        """
        self.assertIn('--log) COMPREPLY=($(compgen -W "auto text json journal"', script("bash"))
        self.assertIn(":log:(auto text json journal)'", script("zsh"))
        self.assertIn("-l log -x -a 'auto text json journal'", script("fish"))

    def test_files(self) -> None:
        """
        Files are offered for options that take a file, and for no others.
        """
        self.assertIn(":certificate:_files'", script("zsh"))
        self.assertIn(":port:'", script("zsh"))
        self.assertIn("-l certificate -r -F ", script("fish"))
        self.assertIn("-l port -x ", script("fish"))

    def test_repeatable(self) -> None:
        """
        A repeatable option is offered again.
        """
        self.assertIn("'*--http=[", script("zsh"))
        self.assertIn("'--port=[", script("zsh"))

    def test_short(self) -> None:
        """
        A short flag is known beside its long one.
        """
        self.assertIn("'-p+[", script("zsh"))
        self.assertIn("-s p -l port ", script("fish"))
        self.assertIn("--port|-p) ", script("bash"))

    def test_unknown(self) -> None:
        """
        Another shell is refused with a list of the known shells.
        """
        caught = self.assertRaises(ValueError, script, "tcsh")
        self.assertEqual(str(caught), "not one of bash, zsh, fish")
