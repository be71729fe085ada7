"""
Tests for netd.options.cli.
"""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.python.usage import UsageError

import netd
from netd.options.help import usage
from netd.settings import BY_NAME
from netd.test.options.examples import (
    BAD,
    COMPANY,
    Commands,
)
from netd.values import Duration


class FlagTests(Commands):
    """
    The command line.
    """

    def test_lastWins(self) -> None:
        """
        The last of several texts of an option counts.
        """
        self.assertEqual(self.settings("--grace", "1", "--grace=2").grace.seconds, 2)

    def test_repeatable(self) -> None:
        """
        `--http` and `--https` add up, in their order, after `--port`.
        """
        config = self.settings(
            *("--http", "81", "--http=tcp:82", "--https", "443", "--https", "444"),
            *("--certificate", "/a", "--bind", "::1"),
        )
        self.assertEqual([where.port for where in config.http.listen], [8000, 81, 82])
        self.assertEqual([where.port for where in config.tls.listen], [443, 444])
        self.assertEqual({where.host for where in config.http.listen}, {"::1"})

    def test_unknown(self) -> None:
        """
        An unknown flag is refused with its name.
        """
        self.assertIn("--prot", self.refuse("--prot", "80"))

    def test_abbreviated(self) -> None:
        """
        The beginning of a flag is refused, in every place, and the flag is suggested.
        """
        for arguments in (("--por", "80"), ("--por=80",), ("--http", "81", "--por", "80")):
            self.assertEqual(
                self.refuse(*arguments), "--por: not an option, did you mean --port?"
            )
        self.assertTrue(self.refuse("--check").startswith("--check: not an option"))
        self.assertTrue(self.refuse("--zzz").endswith("--zzz: not an option; see netd --help"))

    def test_dashesInValues(self) -> None:
        """
        An argument with dashes after a flag that takes a value is that value.
        """
        self.assertEqual(self.settings("--files", "--por").files.root, Path("--por"))
        self.assertEqual(self.settings("--files", "--").files.root, Path("--"))

    def test_readAgain(self) -> None:
        """
        `read` keeps the flags, and reads the file and the environment again.
        """
        path = self.file("port = 1\ngrace = 1")
        options = self.parse("--config", path, "--port=2", NETD_DELAY="1s")
        Path(path).write_text("port = 3\ngrace = 2")
        options.environ = {"NETD_DELAY": "2s"}
        options.read()
        config = options.settings
        self.assertEqual((config.http.listen[0].port, config.grace.seconds), (2, 2))
        self.assertEqual(config.http.delay, Duration(2_000_000))

    def test_readWrong(self) -> None:
        """
        After an error in `read` the settings and their origins are as before.
        """
        path = self.file("grace = 1")
        options = self.parse("--config", path)
        before = options.settings, options.option_values
        for text in ("grace = -1", "grace = ", "gracee = 1"):
            Path(path).write_text(text)
            self.assertRaises(UsageError, options.read)
            self.assertEqual((options.settings, options.option_values), before)

    def test_valueMissing(self) -> None:
        """
        A flag without its value is refused, and so is a value for a flag that takes none.
        """
        for flag, form in (
            ("--port", "PORT"),
            ("-p", "PORT"),
            ("--log", "auto|text|json|journal"),
        ):
            self.assertEqual(
                self.refuse(flag), f"{flag}: not given a value, as in {flag} {form}"
            )
        self.assertEqual(
            self.refuse("--check-config=1"),
            "--check-config=1: not --check-config, which takes no value",
        )

    def test_short(self) -> None:
        """
        `-p 80` and `-p80` are `--port 80`; there is no other short flag.
        """
        for arguments in (("-p", "80"), ("-p80",), ("--port=1", "-p", "80")):
            self.assertEqual(self.settings(*arguments).http.listen[0].port, 80)
        self.assertEqual(self.refuse("-px"), "--port x: not a port number from 0 to 65535")
        self.assertEqual(self.refuse("-x"), "-x: not an option; see netd --help")
        self.assertEqual(
            self.refuse("-delay", "1"), "-delay: not an option, did you mean --delay?"
        )

    def test_anywhere(self) -> None:
        """
        Flags may follow the URL of --healthcheck; after `--` nothing is a flag.
        """
        options = self.parse("--healthcheck", "http://a/", "--ca", "/c")
        self.assertEqual((options.url, options["ca"]), ("http://a/", "/c"))
        self.assertEqual(self.refuse("--", "--port"), "--port: not an option; see netd --help")
        self.assertEqual(self.refuse("-"), "-: not an option; see netd --help")

    def test_argument(self) -> None:
        """
        An argument that is no option is refused, with a hint at --help.
        """
        self.assertEqual(self.refuse("8000"), "8000: not an option; see netd --help")

    def test_brokenArgument(self) -> None:
        """
        Line breaks in arguments and flags do not break the line of the message.
        """
        self.refuse("a\nb")
        self.refuse("--a\nb")
        self.refuse("--config", "/nonexistent\nx")

    def test_pages(self) -> None:
        """
        `--version` (of netd, not of Twisted), `--help` and `--help-all` print and exit with 0.
        """
        for name, page in (
            ("version", f"netd {netd.__version__}\n"),
            ("help", usage(everything=False)),
            ("help-all", usage(everything=True)),
        ):
            written: list[str] = []
            self.patch(sys.stdout, "write", written.append)
            caught = self.assertRaises(SystemExit, self.parse, f"--{name}")
            self.assertEqual((caught.code, written), (0, [page]))

    def test_actions(self) -> None:
        """
        `--healthcheck` may have a URL, and no second one; other actions are noted.
        """
        options = self.parse("--print-config", "--ca=/c", "--healthcheck", "http://a/")
        self.assertEqual(options.url, "http://a/")
        actions = (options["print-config"], options["check-config"], options["ca"])
        self.assertEqual(actions, (True, None, "/c"))
        message = self.refuse("--healthcheck", "http://a/", "http://b/")
        self.assertEqual(message, "http://b/: not an option; see netd --help")

    def test_bad(self) -> None:
        """
        A bad value is refused with one line that begins with the option and the value.
        """
        for name, texts in BAD.items():
            for text in texts:
                company = [f"--{key}={value}" for key, value in COMPANY.get(name, ())]
                message = self.refuse(*company, f"--{name}={text}")
                masked = BY_NAME[name].type.shown(text)
                shown = masked if text.isprintable() and masked else repr(text)
                self.assertTrue(message.startswith(f"--{name} {shown}: "), message)
                if not text.startswith("@"):
                    self.assertTrue(message.startswith(f"--{name} {shown}: not "), message)

    def test_optionsOfAddresses(self) -> None:
        """
        An endpoint knows its option, for the message of a failing bind.
        """
        config = self.settings(
            *("--http=81", "--https=tcp:443", "--certificate=/a", "--udp=udp:7", "--port=0")
        )
        self.assertEqual(
            [each.option for each in (*config.http.listen, *config.tls.listen)],
            ["--port 0", "--http 81", "--https tcp:443"],
        )
        udp = config.udp.listen
        self.assertEqual(udp and udp.option, "--udp udp:7")
        bound = self.settings("--bind", "example.org")
        self.assertEqual(bound.http.listen[0].option, "--bind example.org")
