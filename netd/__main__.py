"""
`netd` and `python -m netd`: twistd in the foreground, for where twistd itself is not on PATH.
"""

from __future__ import annotations

import sys

from twisted.scripts import twistd


def main() -> None:
    """Run `twistd --nodaemon --pidfile= netd` with the arguments given."""
    if sys.platform == "win32":
        sys.exit("netd: does not run on Windows; start it in WSL or in a container")
    sys.argv[:] = ["netd", "--nodaemon", "--pidfile=", "netd", *sys.argv[1:]]
    twistd.run()


if __name__ == "__main__":
    main()
