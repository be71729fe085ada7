"""
A suite of others, which asks pytest-httpbin, unchanged on netd; .ci/run runs more of them.
"""

from __future__ import annotations

import sys
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from tests.running import ROOT, run, temporary_directory, tool_environment

_DEADLINE = 300.0
_NOT_THERE = 2


class SuiteTests(SynchronousTestCase):
    """
    The suite of pytest-httpbin itself.
    """

    def test_pytestHttpbin(self) -> None:
        """Its tests pass, but for the one in .ci/suites.toml."""
        room = self.enterContext(temporary_directory())
        done = run(
            *(sys.executable, ROOT / ".ci" / "suites.py", room, "pytest-httpbin"),
            *("--python", sys.executable),
            environ=tool_environment(),
            deadline=_DEADLINE,
        )
        if done.status == _NOT_THERE:
            raise SkipTest(done.out)
        self.assertEqual(done.status, 0, f"{done.out}\n{done.err}")
        self.assertIn("pytest-httpbin==2.1.0: 22 passed", done.out)
