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


class _Commands(SynchronousTestCase):
    """
    Command lines of twistd, on the process's own reactor.
    """

    def setUp(self) -> None:
        # It comes back when the test is over.
        self.patch(reactor, "seconds", reactor.seconds)
        # So does the collector, with what this test leaves behind: a socket, for one.
        self.addCleanup(gc.collect)
        self.addCleanup(gc.unfreeze)
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
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
        house: Any = tap.makeService(self.options(*arguments, **environ))
        for child in house:
            if isinstance(child, Listener):
                self.addCleanup(child.stopService)
        return house

    def leaves(self, *arguments: str, **environ: str) -> str | int | None:
        """How the process ends for these."""
        with self.assertRaises(SystemExit) as caught:
            self.make(*arguments, **environ)
        self.assertIsNone(caught.exception.__cause__)
        code: str | int | None = caught.exception.code
        return code

    def complains(self, *arguments: str, **environ: str) -> str:
        """The one line on stderr with which it ends, status 1."""
        said = self.leaves(*arguments, **environ)
        assert isinstance(said, str)
        self.assertTrue(said.startswith("netd: "), said)
        self.assertTrue(said.isprintable(), said)
        self.assertEqual(self.out.getvalue(), "")
        return said.removeprefix("netd: ")

    def taken(self) -> int:
        """A port of the loopback that somebody has."""
        sock = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(sock.close)
        port: int = sock.getsockname()[1]
        return port


class MakeServiceTests(_Commands):
    """
    What twistd gets to run.
    """

    def test_bound(self) -> None:
        """
        The daemon has its addresses before twistd forks or drops privileges.
        """
        house = self.make("--port=0", "--http=0")
        self.assertTrue(verifyObject(IService, house))
        self.assertEqual(list(house.listening()), ["http", "http-2", "udp"])
        where = house.getServiceNamed("http").bound
        socket.create_connection((where.host, where.port)).close()
        self.assertFalse(house.running)

    def test_twice(self) -> None:
        """
        That twistd binds once more, later, changes nothing.
        """
        house = self.make("--port=0")
        before = house.listening()
        house.privilegedStartService()
        self.assertEqual(house.listening(), before)

    def test_clock(self) -> None:
        """
        The reactor's clock is one that nobody can set, from before anything is scheduled.
        """
        self.make("--port=0", "--udp=0")
        self.assertIs(reactor.seconds, time.monotonic)
        call = reactor.callLater(1000, self.fail)
        self.addCleanup(call.cancel)
        self.assertLessEqual(call.getTime(), time.monotonic() + 1000)
        self.assertGreater(call.getTime(), time.monotonic())

    def test_collector(self) -> None:
        """
        What is alive at the start is not collected again, and the rest seldom.
        """
        gc.set_threshold(700, 10, 10)
        self.make("--port=0", "--udp=0")
        self.assertGreater(gc.get_threshold()[0], 700)
        self.assertGreater(gc.get_freeze_count(), 0)

    def test_taken(self) -> None:
        """
        A port that somebody has ends the start in one line that names it.
        """
        port = self.taken()
        self.assertEqual(
            self.complains(f"--port={port}"),
            f"--port {port}: cannot listen on tcp 127.0.0.1 port {port}: "
            "Address already in use",
        )

    def test_unknown_host(self) -> None:
        """
        So does a host that cannot be looked up.
        """
        said = self.complains("--port=0", "--bind=a..b")
        self.assertTrue(said.startswith("--bind a..b: a..b: "), said)

    def test_files(self) -> None:
        """
        So does a directory of files that is not there.
        """
        path = self.mktemp()
        said = self.complains("--port=0", f"--files={path}")
        self.assertIn(f"--files {path}", said)

    def test_certificate(self) -> None:
        """
        So does a certificate that is not there.
        """
        path = self.mktemp()
        said = self.complains("--port=0", "--https=0", f"--certificate={path}")
        self.assertEqual(said, f"--certificate {path}: No such file or directory")

    def test_https(self) -> None:
        """
        HTTPS is bound with the rest.
        """
        certificate, key = identity().write(Path(self.mktemp()))
        house = self.make(
            *("--port=0", "--udp=0", "--https=0"),
            *(f"--certificate={certificate}", f"--private-key={key}"),
        )
        self.assertEqual(list(house.listening()), ["http", "https"])


class InheritTests(_Commands):
    """
    Sockets that the service manager hands over.
    """

    def sock(self) -> socket.socket:
        """One that listens."""
        sock = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(sock.close)
        return sock

    def handed(self, *socks: socket.socket, names: str = "") -> dict[str, str]:
        """The environment that says so, when these are the descriptors from 500 on."""
        self.patch(inherited, "_FIRST", 500)
        for number, sock in enumerate(socks, 500):
            os.dup2(sock.fileno(), number)
        said = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(socks))}
        return {**said, "LISTEN_FDNAMES": names} if names else said

    def test_served(self) -> None:
        """
        They replace the listeners of their names, and the others are bound as ever.
        """
        one, two = self.sock(), self.sock()
        house = self.make(
            "--port=1", "--http=2", "--udp=0", **self.handed(one, two, names="http-2:http")
        )
        for name, sock in (("http-2", one), ("http", two)):
            where = house.getServiceNamed(name).bound
            self.assertEqual((where.host, where.port), sock.getsockname())

    def test_nothing(self) -> None:
        """
        One that is for nothing ends the start in one line.
        """
        said = self.complains("--port=0", **self.handed(self.sock(), names="web"))
        self.assertTrue(said.startswith("LISTEN_FDS: descriptor 500, named web, "), said)


class RereadTests(_Commands):
    """
    What a reload reads.
    """

    def test_file(self) -> None:
        """
        The file as it is by then, under the flags as they were.
        """
        path = Path(self.mktemp())
        path.write_text("grace = 1\nport = 1")
        options = self.options(f"--config={path}", "--port=2")
        path.write_text("grace = 2\nport = 3")
        made = options.read()
        self.assertEqual((made.grace.seconds, made.http.listen[0].port), (2, 2))

    def test_wrong(self) -> None:
        """
        What is wrong by then is a UsageError of one line, and not the end of the process.
        """
        path = Path(self.mktemp())
        path.touch()
        options = self.options(f"--config={path}")
        path.write_text('"a\\nb" = 1')
        with self.assertRaises(UsageError) as caught:
            options.read()
        self.assertTrue(str(caught.exception).isprintable())

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
        Whatever the operator gets wrong ends in one line, wherever it was said.
        """
        path = Path(self.mktemp())
        path.write_text("prot = 1")
        for arguments, environ, said in (
            (["--port=x"], {}, "--port x: not a port number from 0 to 65535"),
            (["--nonsense"], {}, "--nonsense: not an option"),
            (["80"], {}, "80: not an option; see netd --help"),
            ([], {"NETD_DELAY": "-1"}, "--delay -1 (NETD_DELAY): not a duration"),
            (
                [f"--config={path}"],
                {},
                f"--config {path}: unknown key prot, did you mean port?",
            ),
            (["--https=0"], {}, "--https 0: needs --certificate"),
        ):
            self.assertTrue(self.complains(*arguments, **environ).startswith(said), said)

    def test_completion(self) -> None:
        """
        A shell's completions are printed, and those of another are refused, in the end of it.
        """
        said = "--completion tcsh: not one of bash, zsh, fish"
        self.assertEqual(self.complains("--completion=tcsh"), said)
        with self.assertRaises(SystemExit) as caught:
            self.options("--completion=bash")
        self.assertEqual(caught.exception.code, 0)
        self.assertIn("complete -o filenames -F _netd netd", self.out.getvalue())

    def test_healthcheck(self) -> None:
        """
        A daemon is asked at its own URL or at another, and the answer is the exit status.
        """
        asked: list[Any] = []

        def run(clock: Any, url: str, ca: Path | None) -> int:
            asked.append((url, ca))
            return len(asked)

        self.patch(healthcheck, "run", run)
        for arguments in ([], ["http://a/"], ["--ca=/c", "https://a/"]):
            with self.assertRaises(SystemExit) as caught:
                self.options("--port=81", "--healthcheck", *arguments)
            self.assertEqual(caught.exception.code, len(asked))
        own = "http://127.0.0.1:81/healthz"
        self.assertEqual(asked, [(own, None), ("http://a/", None), ("https://a/", Path("/c"))])
        said = "http://b/: not an option; see netd --help"
        self.assertEqual(self.complains("--healthcheck", "http://a/", "http://b/"), said)

    def test_nothing_bound(self) -> None:
        """
        Parsing binds nothing and touches no clock.
        """
        clock = reactor.seconds
        options = self.options(f"--port={self.taken()}")
        self.assertEqual(len(options.settings.http.listen), 1)
        self.assertEqual(reactor.seconds, clock)

    def test_print_config(self) -> None:
        """
        `--print-config` writes the settings as TOML, and ends well without binding.
        """
        port = self.taken()
        self.assertEqual(self.leaves("--print-config", f"--port={port}", NETD_DELAY="1s"), 0)
        printed = self.out.getvalue()
        self.assertEqual(tomllib.loads(printed)["port"], str(port))
        self.assertIn('delay = "1s"  # NETD_DELAY\n', printed)

    def test_print_wrong(self) -> None:
        """
        What is wrong is not printed but complained about.
        """
        self.assertIn("--port x", self.complains("--print-config", "--port=x"))

    def test_check_config(self) -> None:
        """
        `--check-config` says in one line that all is good, and ends well without binding.
        """
        self.assertEqual(self.leaves("--check-config", f"--port={self.taken()}"), 0)
        self.assertEqual(self.out.getvalue(), "netd: the configuration is good\n")

    def test_check_wrong(self) -> None:
        """
        It finds what only building the daemon can find.
        """
        path = self.mktemp()
        for arguments, said in (
            (["--port=x"], "--port x"),
            ([f"--files={path}"], f"--files {path}"),
            (["--https=0", f"--certificate={path}"], f"--certificate {path}"),
            (["--bind=a..b"], "--bind a..b"),
        ):
            self.assertIn(said, self.complains("--check-config", *arguments))

    def test_print_first(self) -> None:
        """
        Asked for both it prints, and checks nothing that needs building.
        """
        path = self.mktemp()
        self.assertEqual(self.leaves("--check-config", "--print-config", f"--files={path}"), 0)
        self.assertIn(f'files = "{path}"', self.out.getvalue())


class OutputTests(SynchronousTestCase):
    """
    Where twistd writes the daemon's own lines.
    """

    def test_output(self) -> None:
        """
        A file, standard output, or not known: as twistd was told.
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
