"""
Tests of netd.testing.daemon, with real processes.
"""

from __future__ import annotations

import atexit
import functools
import gc
import os
import site
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from twisted.trial.unittest import SynchronousTestCase

from netd.testing import daemon as module
from netd.testing.ca import CA
from netd.testing.daemon import Daemon, StartFailed, _pipe, _Reader, environment
from netd.testing.target import MAX_LINES


def status(url: str, **how: Any) -> int:
    """The status of a GET."""
    try:
        with urllib.request.urlopen(url, **how) as response:
            found: int = response.status
            return found
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


_LISTEN: Final = '{"http": "tcp:1:interface=127.0.0.1", "https": "tcp:2:interface=127.0.0.1"}'
_READY: Final = f"print('READY {{\"listen\": {_LISTEN}}}', flush=True)\n"
IDLE: Final = _READY + "input()"
"""What a daemon says and does that nobody asks anything."""


def stand_in(test: SynchronousTestCase, program: str, **more: Any) -> None:
    """Run a program of Python in place of the daemon, which takes much longer to start."""
    real = subprocess.Popen

    def popen(command: list[str], **how: Any) -> Any:
        return real([sys.executable, "-S", "-c", program], **how, **more)

    test.patch(subprocess, "Popen", popen)


@functools.cache
def shared() -> Daemon:
    """A daemon that ends with this process; trial has no fixtures of classes."""
    netd = Daemon(["--service", "echo=tcp:0"], tls=True).__enter__()
    atexit.register(netd.stop)
    return netd


class DaemonTests(SynchronousTestCase):
    """
    One daemon for all questions.
    """

    def setUp(self) -> None:
        self.netd = shared()

    def test_serves(self) -> None:
        """It responds at its URLs, plain and over TLS with its own authority."""
        self.assertEqual(status(self.netd / "get"), 200)
        assert self.netd.ca is not None
        context = self.netd.ca.context()
        self.assertEqual(status(self.netd.secure.echo(status=418), context=context), 418)

    def test_addresses(self) -> None:
        """Each listener has an address of its own."""
        names = ("http", "https", "udp", "tcp-echo")
        self.assertEqual(len({self.netd.address(each) for each in names}), 4)

    def test_log(self) -> None:
        """The log has what the daemon says, but for the line that this process reads."""
        self.assertTrue(any("ready: http://" in line for line in self.netd.lines))
        self.assertFalse(any(line.startswith("READY ") for line in self.netd.lines))

    def test_directory(self) -> None:
        """It runs in an empty directory of its own, away from the signals of the terminal."""
        directory = Path(os.readlink(f"/proc/{self.netd.pid}/cwd"))
        self.assertEqual([*directory.iterdir()], [])
        self.assertNotEqual(os.getpgid(self.netd.pid or 0), os.getpgid(0))


class LifeTests(SynchronousTestCase):
    """
    Start and end.
    """

    def test_nothingLeft(self) -> None:
        """An end leaves no process, thread, descriptor or file."""
        shared()
        # What tests before have left behind does not go meanwhile.
        gc.collect()
        before = {*os.listdir("/proc/self/fd")}, {*threading.enumerate()}
        with Daemon(tls=True) as netd:
            pid, room = netd.pid, Path(os.readlink(f"/proc/{netd.pid}/cwd")).parent
            self.assertTrue(room.exists())
        self.assertFalse(Path(f"/proc/{pid}").exists())
        self.assertFalse(room.exists())
        self.assertEqual(({*os.listdir("/proc/self/fd")}, {*threading.enumerate()}), before)
        with self.assertRaisesRegex(RuntimeError, "in its `with` block"):
            netd.url  # noqa: B018

    def test_forgotten(self) -> None:
        """A daemon that nobody holds any more loses its directory, and ends by itself."""
        netd: Daemon | None = Daemon().__enter__()
        assert netd is not None
        process: Any = netd._process
        reader = netd._thread
        room = Path(os.readlink(f"/proc/{netd.pid}/cwd")).parent
        netd = None
        gc.collect()
        self.assertFalse(room.exists())
        process.stdin.close()
        self.assertEqual(process.wait(60), 0)
        reader.join()

    def test_error(self) -> None:
        """An error inside the block passes, and the daemon ends."""
        stand_in(self, IDLE)
        netd = Daemon()
        with self.assertRaises(ZeroDivisionError), netd:
            pid = netd.pid
            raise ZeroDivisionError
        self.assertFalse(Path(f"/proc/{pid}").exists())

    def test_died(self) -> None:
        """A daemon that died meanwhile is no error at the end."""
        stand_in(self, IDLE)
        with Daemon() as netd:
            process: Any = netd._process
            process.kill()
            process.wait(60)
        netd.stop()

    def test_environment(self) -> None:
        """Settings of netd in this process's environment are not the daemon's."""
        self.patch(os, "environ", {**os.environ, "NETD_PORT": "1", "PYTHONWARNINGS": "error"})
        self.assertEqual([each for each in environment() if each.startswith("NETD_")], [])
        given = {**environment(), "NETD_REVEAL": "version"}
        with Daemon(environ=given) as netd:
            self.assertNotEqual(netd.port, 1)
            self.assertEqual(status(netd / "version"), 200)

    def test_path(self) -> None:
        """The daemon finds netd where this process has, although it runs elsewhere."""
        root = str(Path(module.__file__).parents[2])
        self.patch(os, "environ", {"PYTHONPATH": "a"})
        self.assertEqual(environment()["PYTHONPATH"].split(os.pathsep)[0], os.path.abspath("a"))
        self.patch(site, "getsitepackages", lambda: [root])
        self.patch(os, "environ", {})
        self.assertNotIn("PYTHONPATH", environment())

    def test_certificate(self) -> None:
        """A daemon can have the certificates of a CA, or one that clients must refuse."""
        room = Path(self.mktemp())
        room.mkdir()
        ca = CA(room, temporary=True)
        with Daemon(tls=ca) as netd:
            self.assertEqual(status(netd.secure / "get", context=ca.context()), 200)
        with Daemon(tls=ca.expired()) as netd, self.assertRaises(urllib.error.URLError) as why:
            status(netd.secure / "get", context=ca.context())
        self.assertIn("certificate has expired", str(why.exception))


class FailureTests(SynchronousTestCase):
    """
    A start that fails in time, and says why.
    """

    def failure(self, *options: str, **how: Any) -> str:
        """Why the daemon did not start."""
        with self.assertRaises(StartFailed) as caught, Daemon(options, **how):
            pass
        return str(caught.exception)

    def test_option(self) -> None:
        """A wrong option is in the message, with the status."""
        message = self.failure("--nope")
        self.assertEqual(
            message, "netd ended with status 1:\nnetd: --nope: not an option; see netd --help"
        )

    def test_taken(self) -> None:
        """A port that is taken is in the message."""
        message = self.failure("--port", str(shared().port))
        self.assertIn("Address already in use", message)

    def test_dies(self) -> None:
        """Of a daemon that dies at once the last 50 lines are shown."""
        stand_in(self, "for i in range(90): print('line', i)\nraise SystemExit(7)")
        lines = self.failure().splitlines()
        self.assertEqual(lines[0], "netd ended with status 7:")
        self.assertEqual(lines[1:], [f"line {number}" for number in range(40, 90)])

    def test_silent(self) -> None:
        """A daemon that never says READY is ended by force, after the deadline."""
        self.patch(module, "_END_SECONDS", 0.01)
        self.patch(module, "_TERMINATE_SECONDS", 0.01)
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        stand_in(
            self,
            "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            f"os.write({writing}, b'x')\ntime.sleep(600)",
            pass_fds=[writing],
        )
        # The deadline passes when the process ignores signals, however long it takes to start.
        self.patch(_Reader, "heard_within", lambda *_: not os.read(reading, 1))
        self.assertEqual(self.failure(), "netd was not ready within 60 s:")

    def test_talkative(self) -> None:
        """A daemon that writes more than a pipe holds is not stopped by that."""
        stand_in(
            self,
            f"{_READY}for i in range(20000): print('x' * 100)\n"
            "print('done', flush=True)\ninput()",
        )
        with Daemon() as netd:
            while netd.lines[-1:] != ["done"]:
                time.sleep(0.001)
            self.assertEqual(len(netd.lines), MAX_LINES)

    def test_holder(self) -> None:
        """Another process that holds the output cannot stop the end."""
        self.patch(module, "_END_SECONDS", 0.2)
        stand_in(
            self,
            "import subprocess, sys\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(2)'],"
            " stdin=subprocess.DEVNULL)\n" + IDLE,
        )
        with Daemon() as netd:
            pass
        netd._thread.join(60)

    def test_pipe(self) -> None:
        """A process without pipes is none of a daemon."""
        with self.assertRaises(ValueError):
            _pipe(None)
