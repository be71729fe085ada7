"""
A fork of netd does what `python -m netd` does.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.running import (
    MODULE,
    Daemon,
    environment,
    eventually,
    run,
    run_netd,
    temporary_directory,
)
from tests.workers import descriptors


class ForkTests(SynchronousTestCase):
    """
    Both ways, with the same arguments and environment.
    """

    def test_ends(self) -> None:
        """
        Status, output and error are the same, where netd ends well and where it does not.
        """
        folder = self.enterContext(temporary_directory())
        (folder / "broken.py").write_text("1 / 0\n")
        for words, variables, status in (
            (("--print-config",), {"NETD_DELAY": "2s"}, 0),
            (("--port=0", "--rpc=broken:x"), {}, 1),
        ):
            environ = environment(**variables)
            alone = run(*MODULE, *words, environ=environ, cwd=folder)
            fork = run_netd(*words, environ=environ, cwd=folder)
            self.assertEqual(alone.status, status, alone)
            self.assertEqual(
                (alone.status, alone.out, alone.err), (fork.status, fork.out, fork.err)
            )

    def test_daemons(self) -> None:
        """
        Both run in their directory, with the same open files, and end by the signal.
        """
        folder = self.enterContext(temporary_directory())
        daemons = [self.enterContext(Daemon(way=way, cwd=folder)) for way in (None, MODULE)]

        def alike() -> bool | None:
            # The socket of a notification closes a moment after it is heard.
            one, two = (_files(daemon.pid) for daemon in daemons)
            return one == two or None

        eventually(alike, "the same open files")
        for daemon in daemons:
            self.assertEqual(Path(f"/proc/{daemon.pid}/cwd").readlink(), folder)
            self.assertEqual(os.getpgid(daemon.pid), os.getpgid(0))
            self.assertEqual(daemon.stop(), -signal.SIGTERM)


def _files(pid: int) -> list[str]:
    """The kinds of the open files of a process."""
    return sorted(Path(what).name.partition(":[")[0] for what in descriptors(pid).values())
