"""
The reference says what the code does.
"""

from __future__ import annotations

import runpy

from twisted.trial.unittest import SynchronousTestCase

from tests.running import ROOT


class ReferenceTests(SynchronousTestCase):
    """
    docs/reference/ and the tables it is made from.
    """

    def test_generated(self) -> None:
        """Every page is what docs/generate.py would write now, and there is no other."""
        pages = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()
        there = {path.name: path.read_text() for path in (ROOT / "docs/reference").iterdir()}
        self.assertEqual(there, pages)
