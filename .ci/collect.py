"""
`trial --force-gc`, collecting only what each test has made: `collect.py OPTIONS... TESTS...`.

To look through all objects that the modules and the tests before have left alive, before and
after each test, would take ten times as long as the tests.
"""

from __future__ import annotations

import gc
import sys
from typing import Any, Final

from twisted.scripts import trial
from twisted.trial import runner

_Decorator: Final[Any] = vars(runner)["_ForceGarbageCollectionDecorator"]
_run: Final[Any] = _Decorator.run


def run(test: object, result: object) -> None:
    """Run a test, with what lived before it out of the collector's sight."""
    gc.collect()
    gc.freeze()
    _run(test, result)


if __name__ == "__main__":
    _Decorator.run = run
    sys.argv[1:1] = ["--force-gc"]
    trial.run()
