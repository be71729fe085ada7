"""
Every way to start netd, from an empty directory.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import GREETING, curl
from tests.programs import needs
from tests.running import MODULE, ROOT, TWISTD, Daemon, environment, run, temporary_directory

_REACTORS = {
    "epoll": "EPollReactor",
    "poll": "PollReactor",
    "select": "SelectReactor",
    "asyncio": "AsyncioSelectorReactor",
}


class WaysTests(SynchronousTestCase):
    """
    The commands of the README.
    """

    def greets(self, daemon: Daemon) -> None:
        """The daemon responds at /echo."""
        self.assertEqual(curl(f"{daemon.url}/echo").body, GREETING)

    @needs("curl")
    def test_twistd(self) -> None:
        """
        `twistd -n netd --port 0` serves.
        """
        self.greets(self.enterContext(Daemon("--port", "0", way=(*TWISTD, "netd"))))

    def test_pidFile(self) -> None:
        """
        A pid file that is a link or a FIFO ends the start at once, and nothing is written.
        """
        folder = self.enterContext(temporary_directory())
        (folder / "link").symlink_to(folder / "target")
        os.mkfifo(folder / "fifo")
        for name in ("link", "fifo"):
            path = folder / name
            done = run(*TWISTD[:-1], "--pidfile", path, "netd", "--port=0")
            self.assertEqual(
                (done.status, done.err), (1, f"netd: --pidfile {path}: not a regular file\n")
            )
        self.assertFalse((folder / "target").exists())

    @needs("curl")
    def test_module(self) -> None:
        """
        `python -m netd --port 0` serves.
        """
        self.greets(self.enterContext(Daemon("--port", "0", way=MODULE)))

    @needs("curl")
    def test_tac(self) -> None:
        """
        `twistd -ny netd.tac` from another directory, configured by NETD_* and a TOML file.
        """
        folder = self.enterContext(temporary_directory())
        (folder / "netd.toml").write_text('delay = "1m"\nhttp = ["0"]\n')
        environ = environment(NETD_DELAY="1ms", NETD_CONFIG=str(folder / "netd.toml"))
        # netd.tac itself finds the checkout.
        del environ["PYTHONPATH"]
        daemon = self.enterContext(
            Daemon(way=(*TWISTD, "-y", ROOT / "netd.tac"), environ=environ, cwd=folder)
        )
        self.greets(daemon)
        self.assertEqual(curl(f"http://localhost:{daemon.where('http-2').port}/").status, 200)

    def test_tacRefusal(self) -> None:
        """
        A bad value for netd.tac is one line on stderr, and no daemon.
        """
        environ = environment(NETD_DELAY="nan")
        done = run(*TWISTD, "-y", ROOT / "netd.tac", environ=environ)
        self.assertEqual(done.status, 1, done)
        self.assertEqual(done.err.count("\n"), 1, done)
        self.assertIn("--delay nan (NETD_DELAY): ", done.err)

    def test_version(self) -> None:
        """
        `--version`, `--help` and `--help-all` write to stdout and exit with 0.
        """
        version = run(*MODULE, "--version")
        self.assertRegex(version.out, r"\Anetd [0-9]+\.[0-9]")
        self.assertEqual((version.status, version.err), (0, ""))
        page = run(*MODULE, "--help")
        self.assertEqual((page.status, page.err), (0, ""))
        self.assertIn("netd --help-all lists all", page.out)
        everything = run(*TWISTD, "netd", "--help-all")
        self.assertEqual((everything.status, everything.err), (0, ""))
        self.assertIn("--max-delay DURATION", everything.out)

    @needs("curl")
    def test_reactors(self) -> None:
        """
        On each of the four reactors the daemon waits, responds and stops.
        """
        for name, shown in _REACTORS.items():
            way = (*TWISTD, f"--reactor={name}", "netd")
            with Daemon("--delay", "0.2s", way=way) as daemon:
                self.assertIn(f".{shown}.", daemon.log)
                response = curl(f"{daemon.url}/")
                self.assertEqual((response.status, response.body), (200, GREETING), name)
                self.assertGreaterEqual(response.seconds, 0.2, name)

    def test_backlog(self) -> None:
        """
        A backlog beyond the kernel's limit is one warning, a shorter one none.
        """
        kernel = Path("/proc/sys/net/core/somaxconn")
        granted = int(kernel.read_text()) if kernel.exists() else 65_535
        backlog = min(granted + 1, 65_535)
        with Daemon("--http", f"tcp:0:backlog={backlog}") as daemon:
            warned = daemon.log.count(f"the kernel queues {granted} connections")
        # --port has a backlog of 4096.
        self.assertEqual(warned, (backlog > granted) + (granted < 4096))
