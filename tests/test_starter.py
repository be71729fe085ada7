"""
What the process that starts netd learns of it, and how the daemon ends with that process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.running import (
    DEADLINE,
    MODULE,
    Daemon,
    alive,
    environment,
    eventually,
    run,
    run_netd,
    temporary_directory,
)

_ARGUMENTS = ("--port", "0", "--until-eof", "yes", "--announce")

# A starter that holds the daemon's standard input, prints its READY line, and waits.
_STARTER = f"""\
import subprocess, sys, time
daemon = subprocess.Popen(
    {[*MODULE, *_ARGUMENTS, "-"]!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
)
for line in daemon.stdout:
    if line.startswith(b"READY "):
        sys.stdout.buffer.write(line)
        sys.stdout.flush()
time.sleep(600)
"""


class AnnounceTests(SynchronousTestCase):
    """
    --announce.
    """

    def test_stdout(self) -> None:
        """The line of standard output has the addresses of the notification and the pid."""
        daemon = self.enterContext(Daemon("--announce", "-", "--service", "echo=tcp:0"))
        log = daemon.logged("READY ")
        (line,) = [each for each in log.splitlines() if each.startswith("READY ")]
        facts = json.loads(line.removeprefix("READY "))
        notified = dict(each.split("=", 1) for each in daemon.notice("X_NETD_LISTEN").split())
        self.assertEqual(facts, {"pid": daemon.pid, "listen": notified})
        self.assertEqual(sorted(notified), ["http", "tcp-echo", "udp"])

    def test_file(self) -> None:
        """The file has the line while the daemon serves, and is gone afterwards."""
        path = self.enterContext(temporary_directory()) / "ready"
        with Daemon("--announce", path) as daemon:
            facts = json.loads(path.read_text().removeprefix("READY "))
            self.assertEqual(facts["pid"], daemon.pid)
        self.assertFalse(path.exists())

    def test_refused(self) -> None:
        """A path that cannot be written stops the start with one line."""
        done = run_netd("--port", "0", "--announce", "/proc/nowhere/ready")
        self.assertEqual((done.status, done.out), (1, ""))
        self.assertEqual(
            done.err,
            "netd: --announce /proc/nowhere/ready: no file can be made in /proc/nowhere\n",
        )


class UntilEOFTests(SynchronousTestCase):
    """
    --until-eof.
    """

    def start(self, path: Path, *more: str) -> subprocess.Popen[bytes]:
        """A daemon whose standard input is a pipe, announced in `path`."""
        daemon = subprocess.Popen(
            [*MODULE, *_ARGUMENTS, path, *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=environment(),
            cwd=path.parent,
        )
        self.addCleanup(daemon.wait, DEADLINE)
        self.addCleanup(daemon.kill)
        eventually(lambda: path.exists() or None, "the announcement")
        return daemon

    def test_end(self) -> None:
        """The end of standard input ends the daemon with status 0; its bytes do not."""
        path = self.enterContext(temporary_directory()) / "ready"
        daemon = self.start(path)
        assert daemon.stdin is not None
        daemon.stdin.write(b"hello\n" * 1000)
        daemon.stdin.flush()
        listen = json.loads(path.read_text().removeprefix("READY "))["listen"]["http"]
        port = listen.split(":")[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/get") as response:
            self.assertEqual(response.status, 200)
        daemon.stdin.close()
        self.assertEqual(daemon.wait(DEADLINE), 0)

    def test_killed(self) -> None:
        """A starter that is killed leaves no daemon behind."""
        starter = subprocess.Popen(
            [sys.executable, "-c", _STARTER], stdout=subprocess.PIPE, env=environment()
        )
        self.addCleanup(starter.wait, DEADLINE)
        self.addCleanup(starter.kill)
        assert starter.stdout is not None
        self.addCleanup(starter.stdout.close)
        pid = json.loads(starter.stdout.readline().removeprefix(b"READY "))["pid"]
        self.assertTrue(alive(pid))
        starter.kill()
        eventually(lambda: None if alive(pid) else True, "the end of the daemon")

    def test_background(self) -> None:
        """twistd that goes to the background refuses what needs the standard streams."""
        twistd = (sys.executable, "-c", "from twisted.scripts.twistd import run; run()")
        for arguments in (("--until-eof", "yes"), ("--announce", "-")):
            done = run(*twistd, "netd", "--port", "0", *arguments)
            self.assertEqual(done.status, 1)
            self.assertEqual(
                done.err, f"netd: {' '.join(arguments)}: needs twistd --nodaemon\n"
            )
