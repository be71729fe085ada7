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
    run,
    run_netd,
    temporary_directory,
)


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
        seen = []
        for way in (None, MODULE):
            with Daemon(way=way, cwd=folder) as daemon:
                process = Path(f"/proc/{daemon.pid}")
                self.assertEqual((process / "cwd").readlink(), folder)
                files = [link.readlink().name for link in (process / "fd").iterdir()]
                kinds = sorted(name.partition(":")[0] for name in files)
                self.assertEqual(os.getpgid(daemon.pid), os.getpgid(0))
                self.assertEqual(daemon.stop(), -signal.SIGTERM)
            seen.append(kinds)
        self.assertEqual(*seen)
