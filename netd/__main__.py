"""
`netd` and `python -m netd`: twistd in the foreground, for where twistd itself is not on PATH.
"""

from __future__ import annotations

import sys

from twisted.scripts import twistd


def main() -> None:
    """Run `twistd --nodaemon --pidfile= netd` with the arguments given."""
    # On Windows twistd knows no pid file.
    without = ["--pidfile="] if sys.platform != "win32" else []
    sys.argv[:] = ["netd", "--nodaemon", *without, "netd", *sys.argv[1:]]
    twistd.run()


if __name__ == "__main__":
    main()
