"""
The reference says what the code does.
"""

from __future__ import annotations

import re
import runpy

from twisted.trial.unittest import SynchronousTestCase

from netd.options.help import ALL
from tests.running import ROOT, run, succeed


class ReferenceTests(SynchronousTestCase):
    """
    docs/reference/ and the tables that it is made from.
    """

    def test_generated(self) -> None:
        """
        Every page is what docs/generate.py would write now, and there is no other.
        """
        pages = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()
        there = {path.name: path.read_text() for path in (ROOT / "docs/reference").iterdir()}
        self.assertEqual(there, pages)

    def test_manual(self) -> None:
        """
        mandoc finds no mistake in the manual page, and shows every option and its text.
        """
        path = ROOT / "docs/reference/netd.1"
        done = run("mandoc", "-Tlint", "-Wwarning", path)
        self.assertEqual((done.status, done.out), (0, ""), done.out)
        shown = " ".join(succeed("mandoc", "-Tutf8", "-O", "width=200", path).split())
        plain = re.sub(".\b", "", shown)
        for option in ALL:
            self.assertIn(f"--{option.name} {option.type.placeholder}".strip(), plain)
            self.assertIn(option.doc, plain)
