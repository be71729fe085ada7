"""
`trial --force-gc`, collecting only what the tests have made: `collect.py OPTIONS... TESTS...`.

The modules are imported before the first test; to look through their objects each time, before
and after a test, would take five times as long as the tests.
"""

from __future__ import annotations

import gc
import sys
from typing import Any, Final

from twisted.scripts import trial
from twisted.trial.runner import TrialSuite

_run: Final[Any] = TrialSuite.run


def run(suite: TrialSuite, result: object) -> None:
    """Run all tests, with what was imported out of the collector's sight."""
    gc.collect()
    gc.freeze()
    _run(suite, result)


if __name__ == "__main__":
    setattr(TrialSuite, "run", run)  # noqa: B010  # mypy takes no other method
    sys.argv[1:1] = ["--force-gc"]
    trial.run()
