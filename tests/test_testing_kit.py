"""
netd.testing in runs of pytest, unittest and trial, as users start them.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd.testing import Target
from tests.clients import connect
from tests.running import (
    DEADLINE,
    ROOT,
    Finished,
    alive,
    environment,
    eventually,
    run,
    shared,
    temporary_directory,
)

_PAGE = ROOT / "docs" / "testing.md"
_PYTEST = (
    *(sys.executable, "-m", "pytest", "-c", "/dev/null", "-p", "no:cacheprovider"),
    *("-W", "error::ResourceWarning", "-W", "error::pytest.PytestUnraisableExceptionWarning"),
    # Plugins that take seconds to import.
    *("-p", "no:hypothesispytest", "-p", "no:schemathesis"),
)
# The others take longer to import than most suites here run.
_ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
_KIT = (*_PYTEST, "-p", "netd.testing.plugin")

_NOTE = """
import os, pathlib, time, urllib.request
import pytest

def note(netd):
    room = pathlib.Path(f"/proc/{netd.pid}/cwd").readlink().parent
    noted = pathlib.Path(__file__).parent / "noted" / str(netd.pid)
    noted.write_text(str(room))

def get(url, **how):
    with urllib.request.urlopen(url, **how) as response:
        return response.status
"""

_SUITE = f"""{_NOTE}
@pytest.mark.parametrize("n", range(4))
def test_retry(netd, netd_key, n):
    note(netd)
    with pytest.raises(OSError, match="503") as caught:
        get(netd.retry(1, netd_key))
    caught.value.close()
    assert get(netd.retry(1, netd_key)) == 200
    assert [each.status for each in netd.attempts(netd_key)] == [503, 200]

def test_secure(netd_secure, netd_trusted):
    assert get(netd_secure / "get") == 200
"""


# What a Python of another system lacks, as its sitecustomize.
_WITHOUT = """
import io, os, resource, select, signal, socket, sys

def drop(module, *beginnings):
    for name in dir(module):
        if name.startswith(beginnings):
            delattr(module, name)
"""

_MACOS = f"""{_WITHOUT}
sys.platform = "darwin"
proxies = type(sys)("_scproxy")
proxies._get_proxies = proxies._get_proxy_settings = dict
sys.modules["_scproxy"] = proxies
drop(os, "O_PATH", "O_TMPFILE", "pidfd_", "pipe2", "posix_f", "sched_", "splice", "eventfd")
drop(select, "epoll", "EPOLL")
drop(signal, "SIGRT", "SIGPWR", "sigtimedwait", "sigwaitinfo")
drop(socket, "AF_NETLINK", "MSG_ERRQUEUE", "MSG_MORE", "MSG_NOSIGNAL", "SOCK_CLOEXEC")
drop(socket, "SOCK_NONBLOCK", "SO_BINDTODEVICE", "SO_INCOMING_CPU", "SO_PEERCRED")
drop(socket, "TCP_CORK", "TCP_DEFER_ACCEPT", "TCP_INFO", "TCP_QUICKACK", "TCP_USER_TIMEOUT")
read = io.open

def open_(path, *how, **more):
    if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(("/proc/", "/sys/")):
        raise FileNotFoundError(path)
    return read(path, *how, **more)

import builtins
builtins.open = io.open = open_
"""

# Twisted itself stays that of Linux.
_WINDOWS = f"""{_WITHOUT}
from twisted.internet import selectreactor
from twisted.scripts import _twistd_unix

selectreactor.install()
drop(os, "fork", "getuid", "killpg", "setsid", "pread", "sendfile", "sysconf", "O_CLOEXEC")
drop(os, "O_DIRECTORY", "O_NOCTTY", "O_NONBLOCK", "sched_")
os.supports_dir_fd.clear()
drop(select, "epoll", "EPOLL", "poll", "POLL", "PIPE_BUF")
drop(signal, "SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR", "getitimer", "setitimer", "ITIMER")
drop(socket, "AF_UNIX", "SO_REUSEPORT", "MSG_DONTWAIT")
sys.modules.update(dict.fromkeys(["fcntl", "grp", "pwd", "resource", "termios"]))
"""


def _ended(pid: int) -> bool | None:
    """True when the process has ended."""
    return None if alive(pid) else True


class Runs(SynchronousTestCase):
    """Suites in a directory of their own."""

    def setUp(self) -> None:
        self.room = self.enterContext(temporary_directory())
        self.scratch = self.room / "tmp"
        for name in ("noted", "tmp"):
            (self.room / name).mkdir()

    def write(self, text: str, name: str = "test_it.py") -> Path:
        """A file of the suite."""
        path = self.room / name
        path.write_text(textwrap.dedent(text))
        return path

    def environment(self, **changes: str) -> dict[str, str]:
        """The environment of a runner, whose temporary files are in the room too."""
        return environment(TMPDIR=str(self.scratch), **changes)

    def run_suite(self, *command: str, **changes: str) -> Finished:
        """Run a suite to its end."""
        return run(*command, environ=self.environment(**changes), cwd=self.room)

    def passes(self, *command: str, **changes: str) -> Finished:
        """The suite passes, and nothing of it is left."""
        done = self.run_suite(*command, **changes)
        self.assertEqual(done.status, 0, f"{done.out}\n{done.err}")
        self.nothing_left()
        return done

    @property
    def noted(self) -> list[int]:
        """The processes of the daemons that tests have noted."""
        return [int(path.name) for path in (self.room / "noted").iterdir()]

    def nothing_left(self) -> None:
        """Every daemon ends, and its directory goes."""
        for pid in self.noted:
            eventually(partial(_ended, pid), f"the end of {pid}")
        eventually(
            lambda: None if [*self.scratch.glob("netd-*")] else True, "the end of the files"
        )


class PytestTests(Runs):
    """
    Runs of pytest.
    """

    def test_installed(self) -> None:
        """The plugin comes with the package, and a run that does not use it starts nothing."""
        self.write(
            """
            import sys, threading

            def test_unused(pytestconfig):
                assert pytestconfig.pluginmanager.has_plugin("netd")
                assert threading.active_count() == 1
                for name in ("daemon", "target", "ca"):
                    assert f"netd.testing.{name}" not in sys.modules
                assert "twisted" not in sys.modules and "trustme" not in sys.modules
            """
        )
        self.passes(*_PYTEST)
        done = self.run_suite(*_PYTEST, "--fixtures")
        names = ("netd_options", "netd_both", "netd_factory", "netd_key", "netd_trusted")
        for name in names:
            self.assertIn(f"\n{name}", done.out)

    def test_workers(self) -> None:
        """Each worker of xdist has a daemon of its own."""
        self.write(_SUITE)
        self.write(_SUITE, "test_too.py")
        self.passes(*_KIT, "-p", "xdist.plugin", "-n", "2", "--dist", "loadfile", **_ALONE)
        self.assertEqual(len(self.noted), 2)

    def test_alone(self) -> None:
        """
        One process has one daemon for all tests, in any order, while pytest-socket forbids
        every socket but those to loopback.
        """
        self.write(_SUITE)
        plugins = ("-p", "pytest_randomly", "-p", "pytest_socket")
        forbid = ("--disable-socket", "--allow-hosts=127.0.0.1")
        self.passes(*_KIT, *plugins, *forbid, **_ALONE)
        self.assertEqual(len(self.noted), 1)

    def test_lostWorker(self) -> None:
        """A worker that is killed leaves nothing, and the others go on."""
        self.write(
            f"{_NOTE}\ndef test_dies(netd):\n    note(netd)\n    os.kill(os.getpid(), 9)\n"
            "def test_lives(netd):\n    assert get(netd / 'get') == 200\n"
        )
        done = self.run_suite(*_KIT, "-p", "xdist.plugin", "-n", "2", **_ALONE)
        self.assertIn("1 failed, 1 passed", done.out)
        self.assertEqual(len(self.noted), 1)
        self.nothing_left()

    def test_killed(self) -> None:
        """A run that is killed leaves neither a daemon nor a file, certificates included."""
        self.write(
            f"{_NOTE}\ndef test_long(netd, netd_factory, netd_ca):\n    note(netd)\n"
            "    note(netd_factory(tls=netd_ca))\n    time.sleep(600)\n"
        )
        runner = subprocess.Popen(
            _KIT,
            cwd=self.room,
            env=self.environment(**_ALONE),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(runner.wait, DEADLINE)
        self.addCleanup(runner.kill)
        eventually(lambda: len(self.noted) == 2 or None, "two daemons")
        self.assertTrue([*self.scratch.glob("netd-ca-*/ca.key")])
        os.kill(runner.pid, signal.SIGKILL)
        self.nothing_left()


class OtherSystemTests(Runs):
    """
    Pythons that lack what those of other systems lack.
    """

    def passes_on(self, system: str, *options: str) -> Finished:
        """The suite passes on a Python that `system` has prepared."""
        (self.room / "site").mkdir()
        self.write(system, "site/sitecustomize.py")
        path = f"{self.room / 'site'}{os.pathsep}{ROOT}"
        # Not the plugins of others, which may not be ready for this.
        return self.passes(*_KIT, *options, PYTHONPATH=path, **_ALONE)

    def test_macos(self) -> None:
        """The fixtures start a daemon where epoll, /proc and all of Linux's own are missing."""
        self.write(
            f"""{_SUITE}
def test_system(netd):
    assert sys.platform == "darwin" and not hasattr(select, "epoll")
    assert get(netd.echo(size=3_000_000, delay="1ms")) == 200
    assert any("SelectReactor" in line for line in netd.lines)
""".replace("import os,", "import select, sys, os,")
        )
        self.passes_on(_MACOS)

    def test_windows(self) -> None:
        """The fixtures start a daemon that needs nothing which POSIX systems alone have."""
        self.write(
            f"""{_SUITE}
from netd.testing import StartFailed

def test_system(netd, netd_factory):
    assert not hasattr(os, "fork")
    assert get(netd.echo(size=3_000_000, delay="1ms")) == 200
    assert any("SelectReactor" in line for line in netd.lines)
    with pytest.raises(OSError, match="404") as caught:
        get(netd / "files/")
    caught.value.close()
    with pytest.raises(StartFailed, match="\\n.*: this system has no UNIX sockets$"):
        netd_factory("--http", "unix:s")
    with pytest.raises(StartFailed, match="\\nnetd: --files: this system cannot [^\\n]*$"):
        netd_factory("--files", ".")

def test_fixtures(netd, netd_key, netd_ca, netd_trusted):
    assert netd_ca.expired()
    assert get(netd.echo(key=netd_key)) == 200
    assert netd.metrics() and netd.attempts(netd_key) == []
"""
        )
        self.passes_on(_WINDOWS)


class OtherRunnerTests(Runs):
    """
    unittest and trial.
    """

    def test_unittest(self) -> None:
        """A class of unittest has a daemon for all its tests."""
        self.write(
            f"""{_NOTE}
import unittest
from netd.testing import Daemon

class It(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.netd = cls.enterClassContext(Daemon(tls=True))

    def test_plain(self):
        note(self.netd)
        self.assertEqual(get(self.netd / "get"), 200)

    def test_secure(self):
        context = self.netd.ca.context()
        self.assertEqual(get(self.netd.secure / "get", context=context), 200)
"""
        )
        self.passes(sys.executable, "-W", "error::ResourceWarning", "-m", "unittest", "-q")
        self.assertEqual(len(self.noted), 1)

    def test_trial(self) -> None:
        """A test of trial has a daemon in its own reactor, or in a process."""
        self.write(
            f"""{_NOTE}
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from netd.testing import Daemon, serve

class It(TestCase):
    async def test_reactor(self):
        netd = await serve(reactor)
        self.addCleanup(netd.stop)
        self.assertEqual(await deferToThread(get, netd.echo(delay="10ms")), 200)

    def test_process(self):
        netd = self.enterContext(Daemon())
        note(netd)
        self.assertEqual(get(netd / "get"), 200)
"""
        )
        self.passes(sys.executable, "-m", "twisted.trial", "test_it")
        self.assertEqual(len(self.noted), 1)


class ExampleTests(Runs):
    """
    The project of examples/testing, and the tutorial.
    """

    def test_project(self) -> None:
        """Its four tests pass, as its user runs them."""
        for path in (ROOT / "examples" / "testing").iterdir():
            if path.is_file():
                self.write(path.read_text(), path.name)
        slow = ("-p", "no:hypothesispytest", "-p", "no:schemathesis")
        done = self.passes(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *slow)
        self.assertIn("4 passed", done.out)

    def test_fixtures(self) -> None:
        """The fixture of a module and the asynchronous clients of docs/testing.md."""
        blocks = re.findall(r"```python\n(.*?)```", _PAGE.read_text(), re.DOTALL)
        shown = [block for block in blocks if "asyncio" in block or "lossy" in block]
        self.assertEqual(len(shown), 2)
        lossy = "def test_lossy(lossy):\n    assert lossy.udp.port\n"
        self.write("\n".join(["import pytest", *shown, lossy]))
        self.assertIn("3 passed", self.passes(*_KIT, **_ALONE).out)

    def test_otherTools(self) -> None:
        """The daemon takes each URL for those who know another tool."""
        shown = re.findall(r"\| `(netd\.\w+\(.+\))` \|\n", _PAGE.read_text())
        self.assertGreater(len(shown), 15)
        with shared() as daemon, ExitStack() as stack:
            netd = Target(daemon.url)
            sockets = []
            for each in shown:
                url = eval(each, {"netd": netd, "netd_key": "tools"})  # noqa: S307
                if isinstance(url, str):
                    sock = stack.enter_context(connect(daemon.address()))
                    path = url.removeprefix(daemon.url)
                    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    sockets.append((each, sock))
            for each, sock in sockets:
                if "hang" not in each:
                    self.assertNotIn(b" 400 ", sock.recv(100), each)

    def test_tutorial(self) -> None:
        """docs/testing.md shows the files as they are, and every fixture that there is."""
        page = _PAGE.read_text()
        shown = re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", page, re.DOTALL)
        self.assertEqual(len(shown), 2)
        for name, text in shown:
            self.assertEqual(text, (ROOT / name).read_text(), name)
        plugin = (ROOT / "netd" / "testing" / "plugin.py").read_text()
        for fixture in re.findall(r"@pytest.fixture.*\ndef (\w+)", plugin):
            self.assertIn(f"| `{fixture}` |", page)


class CacheTests(SynchronousTestCase):
    """
    The authority of the user's cache.
    """

    def test_printed(self) -> None:
        """`python -m netd.testing.ca` prints a bundle that is the same the next time."""
        cache = self.enterContext(temporary_directory())
        environ = environment(XDG_CACHE_HOME=str(cache))
        first, second = (
            run(sys.executable, "-m", "netd.testing.ca", environ=environ, cwd=ROOT)
            for _ in range(2)
        )
        self.assertEqual((first.status, first.err), (0, ""))
        self.assertEqual(first.out, second.out)
        self.assertIn("BEGIN CERTIFICATE", Path(first.out.strip()).read_text())
