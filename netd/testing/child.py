"""
What `Daemon` runs: netd, and the end of its directories when the starter is killed.

`python -m netd.testing.child ROOM DIRECTORY... -- OPTIONS...`

Rules: nothing here is for the daemon itself.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from netd.__main__ import main as netd

STOPPED: Final = "stopped"
"""The file in ROOM with which a starter says that it stops the daemon, and lives on."""


def run(arguments: Sequence[str], serve: Callable[[], object] = netd, stdin: int = 0) -> None:
    """Serve with the options after `--`, then remove what an orphan leaves behind."""
    end = arguments.index("--")
    directories, sys.argv[1:] = arguments[:end], arguments[end + 1 :]
    try:
        serve()
    finally:
        # A starter that lives needs them a little longer, and removes them.
        if not Path(directories[0], STOPPED).exists() and _at_end(stdin):
            for each in directories:
                shutil.rmtree(each, ignore_errors=True)


def _at_end(descriptor: int) -> bool:
    """Whether nobody holds the other end of a pipe; never on Windows, which cannot tell."""
    if sys.platform == "win32":
        return False
    readable, _, _ = select.select([descriptor], [], [], 0)
    return bool(readable) and not os.read(descriptor, 1)


if __name__ == "__main__":
    run(sys.argv[1:])
