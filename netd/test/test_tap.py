"""
Tests for netd.tap.
"""

from __future__ import annotations

import gc
import io
import os
import socket
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.internet import reactor as _the_reactor
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netd import tap
from netd.ops import healthcheck, inherited
from netd.test.stages import identity
from netd.transport.listener import Listener

reactor: Any = _the_reactor
_collect_seldom = tap._collect_seldom


class _Commands(SynchronousTestCase):
    """
    Command lines of twistd, on the process's own reactor.
    """

    def setUp(self) -> None:
        # Restored when the test is over.
        self.patch(reactor, "seconds", reactor.seconds)
        # Takes half a second in a process that has run many tests.
        self.patch(tap, "_collect_seldom", lambda: None)
        self.out = io.StringIO()
        self.patch(sys, "stdout", self.out)

    def options(self, *arguments: str, **environ: str) -> tap.Options:
        """The parsed options."""
        options = tap.Options()
        options.environ = environ
        options.parseOptions(list(arguments))
        return options

    def make(self, *arguments: str, **environ: str) -> Any:
        """The daemon; its sockets are closed when the test is over."""
        self.addCleanup(os.umask, os.umask(0o022))
        daemon: Any = tap.makeService(self.options(*arguments, **environ))
        for child in daemon:
            if isinstance(child, Listener):
                self.addCleanup(child.stopService)
        return daemon

    def leaves(self, *arguments: str, **environ: str) -> str | int | None:
        """The exit status or the message of the process for these."""
        caught = self.assertRaises(SystemExit, self.make, *arguments, **environ)
        self.assertIsNone(caught.__cause__)
        code: str | int | None = caught.code
        return code

    def complains(self, *arguments: str, **environ: str) -> str:
        """The line on stderr with which the process ends, with status 1."""
        message = self.leaves(*arguments, **environ)
        assert isinstance(message, str)
        self.assertTrue(message.startswith("netd: "), message)
        self.assertTrue(message.isprintable(), message)
        self.assertEqual(self.out.getvalue(), "")
        return message.removeprefix("netd: ")

    def taken(self) -> int:
        """A port of the loopback that is in use."""
        sock = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(sock.close)
        port: int = sock.getsockname()[1]
        return port


def _abandon(daemon: Any) -> None:
    """Close what it has bound; a stop would take trial's signals for a turn of its reactor."""
    daemon.abandon()


class MakeServiceTests(_Commands):
    """
    The service that twistd runs.
    """

    def test_bound(self) -> None:
        """
        The daemon is bound before twistd forks or drops privileges.
        """
        daemon = self.make("--port=0", "--http=0")
        self.assertTrue(verifyObject(IService, daemon))
        self.assertEqual(list(daemon.listening()), ["http", "http-2", "udp"])
        where = daemon.getServiceNamed("http").bound
        socket.create_connection((where.host, where.port)).close()
        self.assertFalse(daemon.running)

    def test_umask(self) -> None:
        """
        Others cannot read what the process makes from then on; a stricter umask stays.
        """
        self.addCleanup(os.umask, os.umask(0))
        for before, after in ((0o000, 0o027), (0o022, 0o027), (0o077, 0o077)):
            os.umask(before)
            _abandon(tap.makeService(self.options("--port=0")))
            self.assertEqual(os.umask(0), after)

    def parented(self, **twistd: Any) -> tap.Options:
        """The options of a daemon that twistd runs with these options of its own."""
        self.addCleanup(os.umask, os.umask(0o022))
        options = tap.Options()
        options.environ = {}
        # UsageError's Options has no types.
        options.parent = twistd  # type: ignore[assignment]  # a dict is as good
        options.parseOptions(["--port=0"])
        return options

    def test_pidFile(self) -> None:
        """
        The pid file is made when the daemon is bound, with the mode that twistd would give it.
        """
        path = Path(self.mktemp())
        for twistd, mode in (
            ({"nodaemon": True}, 0o640),
            ({"nodaemon": False}, 0o600),
            ({"nodaemon": False, "umask": 0o022}, 0o644),
        ):
            options = self.parented(pidfile=str(path), logfile="-", **twistd)
            self.assertFalse(path.exists())
            _abandon(tap.makeService(options))
            self.assertEqual(path.read_text(), str(os.getpid()))
            self.assertEqual(path.stat().st_mode & 0o777, mode)
            path.unlink()

    def test_noPidFile(self) -> None:
        """
        Without a pid file, and in another root, none is made.
        """
        for twistd in ({"pidfile": ""}, {"pidfile": "a", "chroot": "/b"}):
            _abandon(tap.makeService(self.parented(nodaemon=True, **twistd)))
            self.assertFalse(Path("a").exists())

    def test_badPidFile(self) -> None:
        """
        A link ends the start before twistd follows it; so does a daemon that was quicker.
        """
        path = Path(self.mktemp())
        path.symlink_to("target")
        caught = self.assertRaises(SystemExit, self.parented, pidfile=str(path))
        message = f"netd: --pidfile {path.absolute()}: not a regular file"
        self.assertEqual(caught.code, message)
        path.unlink()
        options = self.parented(pidfile=str(path), nodaemon=True)
        path.write_text("1")
        caught = self.assertRaises(SystemExit, tap.makeService, options)
        self.assertIn("another daemon has just made it", str(caught.code))
        self.assertEqual(path.read_text(), "1")

    def test_twice(self) -> None:
        """
        A second `privilegedStartService`, by twistd, changes nothing.
        """
        daemon = self.make("--port=0")
        before = daemon.listening()
        daemon.privilegedStartService()
        self.assertEqual(daemon.listening(), before)

    def test_clock(self) -> None:
        """
        The reactor's clock is monotonic before the first call is scheduled.
        """
        self.make("--port=0", "--udp=0")
        self.assertIs(reactor.seconds, time.monotonic)
        call = reactor.callLater(1000, self.fail)
        self.addCleanup(call.cancel)
        self.assertLessEqual(call.getTime(), time.monotonic() + 1000)
        self.assertGreater(call.getTime(), time.monotonic())

    def test_collector(self) -> None:
        """
        The garbage collector skips the objects of the start, and runs less often.
        """
        self.patch(tap, "_collect_seldom", _collect_seldom)
        # The test's objects are collected, too.
        self.addCleanup(gc.collect)
        self.addCleanup(gc.unfreeze)
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        gc.set_threshold(700, 10, 10)
        self.make("--port=0", "--udp=0")
        self.assertGreater(gc.get_threshold()[0], 700)
        self.assertGreater(gc.get_freeze_count(), 0)

    def test_taken(self) -> None:
        """
        A port in use ends the start with one line that names the port.
        """
        port = self.taken()
        self.assertEqual(
            self.complains(f"--port={port}"),
            f"--port {port}: cannot listen on tcp 127.0.0.1 port {port}: "
            "Address already in use",
        )

    def test_unknownHost(self) -> None:
        """
        An unknown host ends the start with one line.
        """
        message = self.complains("--port=0", "--bind=a..b")
        self.assertTrue(message.startswith("--bind a..b: a..b: "), message)

    def test_files(self) -> None:
        """
        A missing directory of files ends the start with one line.
        """
        path = self.mktemp()
        message = self.complains("--port=0", f"--files={path}")
        self.assertIn(f"--files {path}", message)

    def test_certificate(self) -> None:
        """
        A missing certificate ends the start with one line.
        """
        path = self.mktemp()
        message = self.complains("--port=0", "--https=0", f"--certificate={path}")
        self.assertEqual(message, f"--certificate {path}: No such file or directory")

    def test_https(self) -> None:
        """
        HTTPS listeners are bound too.
        """
        certificate, key = identity().write(Path(self.mktemp()))
        daemon = self.make(
            *("--port=0", "--udp=0", "--https=0"),
            *(f"--certificate={certificate}", f"--private-key={key}"),
        )
        self.assertEqual(list(daemon.listening()), ["http", "https"])


class ForegroundTests(_Commands):
    """
    Options that need the standard streams.
    """

    def setUp(self) -> None:
        super().setUp()
        # What makeService sets is for the whole process, and so for every later test.
        self.addCleanup(os.umask, os.umask(0o022))

    def test_background(self) -> None:
        """twistd that forks is refused, and nothing is bound."""
        for arguments in (("--until-eof", "yes"), ("--announce", "-")):
            options: Any = self.options("--port=0", *arguments)
            options.parent = {"nodaemon": 0}
            caught = self.assertRaises(SystemExit, tap.makeService, options)
            self.assertEqual(
                caught.code, f"netd: {' '.join(arguments)}: needs twistd --nodaemon"
            )

    def test_foreground(self) -> None:
        """twistd in the foreground has them, and whoever is not twistd answers for itself."""
        for parent in ({"nodaemon": 1}, None):
            options: Any = self.options("--port=0", "--until-eof", "yes", "--announce", "-")
            options.parent = parent
            daemon: Any = tap.makeService(options)
            self.addCleanup(daemon.abandon)
            self.assertEqual(
                [each.name for each in daemon][-3:], ["ready", "until-eof", "announce"]
            )


class InheritTests(_Commands):
    """
    Sockets inherited from the service manager.
    """

    def sock(self) -> socket.socket:
        """A listening socket."""
        sock = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(sock.close)
        return sock

    def inherit(self, *socks: socket.socket, names: str = "") -> dict[str, str]:
        """The environment of a daemon that inherits these, as descriptors from 500 on."""
        self.patch(inherited, "_FIRST", 500)
        for number, sock in enumerate(socks, 500):
            os.dup2(sock.fileno(), number)
        variables = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(socks))}
        return {**variables, "LISTEN_FDNAMES": names} if names else variables

    def test_served(self) -> None:
        """
        An inherited socket replaces the listener of its name; other listeners are bound.
        """
        first, second = self.sock(), self.sock()
        daemon = self.make(
            "--port=1",
            "--http=2",
            "--udp=0",
            **self.inherit(first, second, names="http-2:http"),
        )
        for name, sock in (("http-2", first), ("http", second)):
            where = daemon.getServiceNamed(name).bound
            self.assertEqual((where.host, where.port), sock.getsockname())

    def test_nothing(self) -> None:
        """
        A socket of an unknown name ends the start with one line.
        """
        message = self.complains("--port=0", **self.inherit(self.sock(), names="web"))
        self.assertTrue(message.startswith("LISTEN_FDS: descriptor 500, named web, "), message)


class RereadTests(_Commands):
    """
    What a reload reads.
    """

    def test_file(self) -> None:
        """
        `read` takes the file as it is now and the flags as they were.
        """
        path = Path(self.mktemp())
        path.write_text("grace = 1\nport = 1")
        options = self.options(f"--config={path}", "--port=2")
        path.write_text("grace = 2\nport = 3")
        settings = options.read()
        self.assertEqual((settings.grace.seconds, settings.http.listen[0].port), (2, 2))

    def test_wrong(self) -> None:
        """
        An error in `read` is a UsageError of one line and does not end the process.
        """
        path = Path(self.mktemp())
        path.touch()
        options = self.options(f"--config={path}")
        path.write_text('"a\\nb" = 1')
        caught = self.assertRaises(UsageError, options.read)
        self.assertTrue(str(caught).isprintable())

    def test_elsewhere(self) -> None:
        """
        A file with a relative name is found after twistd has changed the directory.
        """
        path = Path(self.mktemp())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("grace = 1")
        options = self.options(f"--config={path}")
        self.addCleanup(os.chdir, Path.cwd())
        os.chdir("/")
        self.assertEqual(options.read().grace.seconds, 1)


class OptionsTests(_Commands):
    """
    The subcommand's options.
    """

    def test_wrong(self) -> None:
        """
        A wrong value from any source ends the process with one line.
        """
        path = Path(self.mktemp())
        path.write_text("prot = 1")
        for arguments, environ, message in (
            (["--port=x"], {}, "--port x: not a port number from 0 to 65535"),
            (["--nonsense"], {}, "--nonsense: not an option"),
            (["80"], {}, "80: not an option; see netd --help"),
            ([], {"NETD_DELAY": "-1"}, "--delay -1 (NETD_DELAY): not a duration"),
            (
                [f"--config={path}"],
                {},
                f"--config {path}: prot: not an option, did you mean port?",
            ),
            (["--https=0"], {}, "--https 0: needs --certificate"),
        ):
            self.assertTrue(self.complains(*arguments, **environ).startswith(message), message)

    def test_completion(self) -> None:
        """
        `--completion` prints the completions of a known shell and refuses others.
        """
        message = "--completion tcsh: not one of bash, zsh, fish"
        self.assertEqual(self.complains("--completion=tcsh"), message)
        caught = self.assertRaises(SystemExit, self.options, "--completion=bash")
        self.assertEqual(caught.code, 0)
        self.assertIn("complete -o filenames -F _netd netd", self.out.getvalue())

    def test_healthcheck(self) -> None:
        """
        `--healthcheck` requests the daemon's own URL or another; the result is the exit status.
        """
        requests: list[Any] = []

        def run(url: str, ca: Path | None, wait: float) -> int:
            requests.append((url, ca, wait))
            return len(requests)

        self.patch(healthcheck, "run", run)
        for arguments in ([], ["--wait=1.5s", "http://a/"], ["--ca=/c", "https://a/"]):
            caught = self.assertRaises(
                SystemExit, self.options, "--port=81", "--healthcheck", *arguments
            )
            self.assertEqual(caught.code, len(requests))
        own = "http://127.0.0.1:81/healthz"
        self.assertEqual(
            requests,
            [(own, None, 0), ("http://a/", None, 1.5), ("https://a/", Path("/c"), 0)],
        )
        message = "http://b/: not an option; see netd --help"
        self.assertEqual(self.complains("--healthcheck", "http://a/", "http://b/"), message)
        message = "--wait soon: not a duration such as 3, 250ms or 1m30s"
        self.assertEqual(self.complains("--healthcheck", "--wait=soon"), message)
        for alone in ("--wait=3", "--ca=/c"):
            message = alone.replace("=", " ") + ": needs --healthcheck"
            self.assertEqual(self.complains(alone), message)

    def test_nothingBound(self) -> None:
        """
        Parsing binds no socket and leaves the reactor's clock alone.
        """
        clock = reactor.seconds
        options = self.options(f"--port={self.taken()}")
        self.assertEqual(len(options.settings.http.listen), 1)
        self.assertEqual(reactor.seconds, clock)

    def test_printConfig(self) -> None:
        """
        `--print-config` writes the settings as TOML and exits with 0, without binding.
        """
        port = self.taken()
        self.assertEqual(self.leaves("--print-config", f"--port={port}", NETD_DELAY="1s"), 0)
        printed = self.out.getvalue()
        self.assertEqual(tomllib.loads(printed)["port"], str(port))
        self.assertIn('delay = "1s"  # NETD_DELAY\n', printed)

    def test_printWrong(self) -> None:
        """
        A wrong value is an error and prints no settings.
        """
        self.assertIn("--port x", self.complains("--print-config", "--port=x"))

    def test_checkConfig(self) -> None:
        """
        `--check-config` prints one line and exits with 0, without binding.
        """
        self.assertEqual(self.leaves("--check-config", f"--port={self.taken()}"), 0)
        self.assertEqual(
            self.out.getvalue(),
            "netd: the configuration is good; its addresses were not tried\n",
        )

    def test_checkWorkers(self) -> None:
        """
        `--check-config` builds a daemon with workers as one that serves would be.
        """
        self.assertEqual(self.leaves("--check-config", "--workers=2"), 0)
        self.out.truncate(0)
        self.out.seek(0)
        message = self.complains("--check-config", "--workers=2", "--seed=1")
        self.assertTrue(message.startswith("--seed: needs --workers 1"), message)

    def test_checkWrong(self) -> None:
        """
        `--check-config` finds errors that only appear when the daemon is built.
        """
        path = self.mktemp()
        for arguments, message in (
            (["--port=x"], "--port x"),
            ([f"--files={path}"], f"--files {path}"),
            (["--https=0", f"--certificate={path}"], f"--certificate {path}"),
            (["--bind=a..b"], "--bind a..b"),
            (
                ["--http=tcp:8000"],
                "--http tcp:8000: not an address of its own, --port 8000 has it",
            ),
        ):
            self.assertIn(message, self.complains("--check-config", *arguments))

    def test_printFirst(self) -> None:
        """
        `--print-config` beats `--check-config` and builds no daemon.
        """
        path = self.mktemp()
        self.assertEqual(self.leaves("--check-config", "--print-config", f"--files={path}"), 0)
        self.assertIn(f'files = "{path}"', self.out.getvalue())


class OutputTests(SynchronousTestCase):
    """
    Where twistd writes the lines of the daemon.
    """

    def test_output(self) -> None:
        """
        The output is a file, standard output or unknown, by twistd's options.
        """
        for twistd, output in (
            (None, None),
            ({"nodaemon": 1, "logfile": None}, 1),
            ({"nodaemon": 0, "logfile": "-"}, 1),
            ({"nodaemon": 1, "logfile": "/a/log"}, "/a/log"),
            ({"nodaemon": 0, "logfile": None}, "twistd.log"),
            ({"nodaemon": 1, "logfile": None, "logger": "some.logger"}, None),
            ({"nodaemon": 1, "logfile": "x", "syslog": 1}, None),
        ):
            self.assertEqual(tap._output(twistd), output, twistd)
