"""
End-to-end tests: netd in a process of its own, and the programs that people use with netd.
"""

from __future__ import annotations

import atexit
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING

from tests import programs

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


def fail(ignored: UnraisableHookArgs) -> None:
    """Turn an exception that Python could only print into a failure of the running test."""
    # A worker of trial leaves its pipe open at its end, when nobody takes a log any more: a
    # line would be a traceback of trial's after the summary.
    if str(ignored.exc_value) == "unclosed file <_io.BufferedReader name=3>":
        return
    from twisted.logger import Logger
    from twisted.python.failure import Failure

    failure = Failure(ignored.exc_value, ignored.exc_type, ignored.exc_traceback)
    Logger().failure("{message}", failure, message=ignored.err_msg or "Exception ignored")


# A script of these tests, which is a child process, does neither.
match PurePath(sys.argv[0]).parts[-2:]:
    case [*_, "trial"] | ["trial", "__main__.py"]:
        atexit.register(programs.report)
    case [*_, "workertrial.py"]:
        # Nobody sees what a worker prints.
        sys.unraisablehook = fail
