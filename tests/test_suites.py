"""
A suite of others, which asks pytest-httpbin, unchanged on netd; .ci/run runs more of them.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
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


def _names(lines: Iterable[str]) -> set[str]:
    """The names of the projects in requirements."""
    words = (re.match(r"[A-Za-z0-9][\w.-]*", line) for line in lines)
    return {re.sub(r"[-_.]+", "-", word[0]).lower() for word in words if word}


class FrozenTests(SynchronousTestCase):
    """
    .ci/constraints.txt.
    """

    def test_complete(self) -> None:
        """It has a version of each package that .ci/run installs by name."""
        room = ROOT / ".ci"
        tables = tomllib.loads((room / "suites.toml").read_text())
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        needed = [*tables, *(room / "checkers.txt").read_text().splitlines()]
        for needs in (
            project["dependencies"],
            *project["optional-dependencies"].values(),
            *(table.get("needs", []) for table in tables.values()),
        ):
            needed += needs
        frozen = (room / "constraints.txt").read_text().splitlines()
        missing = _names(needed) - _names(frozen) - {"netd-workbench"}
        self.assertEqual(missing, set(), "python .ci/suites.py --freeze")
        self.assertEqual([line for line in frozen if not re.match("#|.+==", line)], [])
        pinned = {f"{name}=={table['version']}" for name, table in tables.items()}
        self.assertEqual(pinned - {*frozen}, set(), "python .ci/suites.py --freeze")
