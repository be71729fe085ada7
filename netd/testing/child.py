"""
What `Daemon` runs: netd, and the end of its directories when the starter is killed.

`python -m netd.testing.child STARTER DIRECTORY... -- OPTIONS...`

Rules: nothing here is for the daemon itself.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence

from netd.__main__ import main as netd


def run(arguments: Sequence[str], serve: Callable[[], object] = netd) -> None:
    """Serve with the options after `--`, then remove what an orphan leaves behind."""
    end = arguments.index("--")
    starter, *directories = arguments[:end]
    sys.argv[1:] = arguments[end + 1 :]
    try:
        serve()
    finally:
        # Otherwise the starter removes them, when it needs them no more.
        if os.getppid() != int(starter):
            for each in directories:
                shutil.rmtree(each, ignore_errors=True)


if __name__ == "__main__":
    run(sys.argv[1:])
