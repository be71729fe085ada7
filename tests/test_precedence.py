"""
A flag beats the environment, which beats the file, which beats the default.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import curl
from tests.programs import needs
from tests.running import Daemon, Finished, environment, run_netd, temporary_directory


class PrecedenceTests(SynchronousTestCase):
    """
    One option set in several places.
    """

    def setUp(self) -> None:
        self.folder = self.enterContext(temporary_directory())
        self.file = self.folder / "netd.toml"

    def netd(self, *arguments: str | Path, **variables: str) -> Finished:
        """The finished `netd ARGUMENTS` in an environment with these NETD_* variables."""
        return run_netd(*arguments, environ=environment(**variables), cwd=self.folder)

    def printed(
        self, *arguments: str | Path, **variables: str
    ) -> dict[str, tuple[object, str]]:
        """The value and the origin of each option that --print-config prints."""
        done = self.netd("--print-config", *arguments, **variables)
        self.assertEqual((done.status, done.err), (0, ""))
        values = tomllib.loads(done.out)
        return {
            name: (values[name], line.rpartition("  # ")[2])
            for line in done.out.splitlines()
            if (name := line.split(" ")[0]) in values
        }

    def test_default(self) -> None:
        """
        An option that is set nowhere has its default, marked as such.
        """
        printed = self.printed()
        self.assertEqual(printed["port"], ("8000", "default"))
        self.assertEqual(printed["bind"], ("127.0.0.1", "default"))
        self.assertEqual(printed["delay"], ("3s", "default"))
        self.assertEqual(printed["grace"], ("10s", "default"))
        self.assertNotIn("files", printed)

    def test_order(self) -> None:
        """
        A flag beats the environment, the environment the file, the file the default.
        """
        self.file.write_text('delay = "1s"\nport = 1\nbind = "127.0.0.3"\ngrace = 1.5\n')
        printed = self.printed(
            *("--config", self.file, "--delay", "3ms"),
            NETD_DELAY="2ms",
            NETD_PORT="2",
        )
        self.assertEqual(printed["delay"], ("3ms", "flag"))
        self.assertEqual(printed["port"], ("2", "NETD_PORT"))
        self.assertEqual(printed["bind"], ("127.0.0.3", str(self.file)))
        self.assertEqual(printed["grace"], ("1.5", str(self.file)))
        self.assertEqual(printed["max-body"][1], "default")

    def test_repeatable(self) -> None:
        """
        The strongest place replaces a repeatable option as a whole.
        """
        self.file.write_text('http = ["1", "2"]\n')
        self.assertEqual(
            self.printed("--config", self.file)["http"], (["1", "2"], str(self.file))
        )
        self.assertEqual(
            self.printed("--config", self.file, NETD_HTTP="3 4")["http"],
            (["3", "4"], "NETD_HTTP"),
        )
        self.assertEqual(
            self.printed("--http", "5", "--http", "6", NETD_HTTP="3")["http"],
            (["5", "6"], "flag"),
        )

    def test_configOfEnvironment(self) -> None:
        """
        NETD_CONFIG names the file, unless --config names another.
        """
        other = self.folder / "other.toml"
        self.file.write_text('delay = "1s"\n')
        other.write_text('delay = "2s"\n')
        named = {"NETD_CONFIG": str(self.file)}
        self.assertEqual(self.printed(**named)["delay"], ("1s", str(self.file)))
        self.assertEqual(self.printed("--config", other, **named)["delay"], ("2s", str(other)))

    def test_roundTrip(self) -> None:
        """
        --config takes the output of --print-config, which then prints the same values.
        """
        flags = ("--delay", "250ms", "--http", r"tcp:0:interface=\:\:1", "--files", self.folder)
        first = self.netd("--print-config", *flags).out
        self.file.write_text(first)
        second = self.netd("--print-config", "--config", self.file).out
        self.assertEqual(tomllib.loads(second), tomllib.loads(first))
        self.assertEqual(tomllib.loads(first)["files"], str(self.folder))

    def test_check(self) -> None:
        """
        --check-config says that all is well, or prints the mistake and exits with 1.
        """
        good = self.netd("--check-config", "--delay", "1s")
        self.assertEqual(good.status, 0, good.err)
        self.assertEqual(
            (good.out, good.err),
            ("netd: the configuration is good; its addresses were not tried\n", ""),
        )
        bad = self.netd("--check-config", NETD_DELAY="soon")
        self.assertEqual((bad.status, bad.out), (1, ""))
        self.assertEqual(
            bad.err,
            "netd: --delay soon (NETD_DELAY): not a duration such as 3, 250ms or 1m30s\n",
        )

    @needs("curl")
    def test_inForce(self) -> None:
        """
        The daemon uses the values that --print-config prints.
        """
        self.file.write_text('delay = "1m"\nmax-body = "10B"\nbind = "127.0.0.3"\n')
        daemon = self.enterContext(
            Daemon(
                *("--bind", "127.0.0.2"),
                environ=environment(NETD_CONFIG=str(self.file), NETD_DELAY="1ms"),
            )
        )
        host, port = daemon.address()
        self.assertEqual(host, "127.0.0.2")
        self.assertEqual(curl(f"http://{host}:{port}/").status, 200)
        self.assertEqual(curl(f"http://{host}:{port}/", "-d", "12345678901").status, 413)
