"""
Tests for netd.options.toml.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.python.usage import UsageError

from netd.options.build import build_settings
from netd.options.sources import option_values
from netd.options.toml import dump, read_toml
from netd.settings import OPTIONS
from netd.test.chance import by_chance
from netd.test.options.examples import (
    COMPANY,
    EXAMPLES,
    NAMES,
    REPEATABLE,
    Commands,
)
from netd.values import Duration


class FileTests(Commands):
    """
    The TOML file.
    """

    def test_everyOption(self) -> None:
        """
        A key has the meaning of the flag of its name.
        """
        for option in OPTIONS:
            company = COMPANY.get(option.name, ())
            flags = [f"--{key}={value}" for key, value in company]
            for text in EXAMPLES[option.name]:
                lines = [f"{key} = '{value}'" for key, value in (*company, (option.name, text))]
                self.assertEqual(
                    self.settings("--config", self.file("\n".join(lines))),
                    self.settings(*flags, f"--{option.name}={text}"),
                    lines,
                )

    def test_fifo(self) -> None:
        """
        A FIFO is refused at once.
        """
        path = self.mktemp()
        os.mkfifo(path)
        error = self.assertRaises(UsageError, read_toml, path)
        self.assertEqual(str(error), f"--config {path}: not a regular file")

    def test_types(self) -> None:
        """
        Values may be TOML numbers, and lists for repeatable options.
        """
        config = self.settings(
            "--config",
            self.file(
                'port = 81\ndelay = 0.25\nmax-body = 1000\nhttp = [82, "tcp:83"]\nudp = "udp:7"'
            ),
        )
        self.assertEqual([where.port for where in config.http.listen], [81, 82, 83])
        self.assertEqual(config.http.delay, Duration(250_000))
        self.assertEqual(config.http.limits.max_body, 1000)
        self.assertEqual(
            self.settings("--config", self.file("http = 82")).http.listen[1].port, 82
        )
        self.assertEqual(len(self.settings("--config", self.file("http = []")).http.listen), 1)

    def test_wrongTypes(self) -> None:
        """
        A list, table or date is refused with option, value and file.
        """
        for text in (
            "port = [80]",
            "port = {}",
            'http = [["80"]]',
            "delay = 2020-01-01",
            "delay = 07:32:00",
            "[delay]\nseconds = 1",
            "http = {a = 1}",
        ):
            path = self.file(text)
            key = text.strip("[").split()[0].rstrip("]")
            message = self.refuse("--config", path)
            self.assertTrue(message.startswith(f"--{key} "), message)
            self.assertTrue(message.endswith(f" ({path}): not a string or a number"), message)

    def test_bad(self) -> None:
        """
        A bad value is refused with one line that names option, value and file.
        """
        for text, shown in (
            ("port = 65536", "--port 65536"),
            ("port = 80.0", "--port 80.0"),
            ("delay = -1", "--delay -1"),
            ("delay = nan", "--delay nan"),
            ("delay = inf", "--delay inf"),
            ('max-body = "1.5"', "--max-body 1.5"),
            ('http = ["80", "x"]', "--http x"),
            ('bind = "a\\nb"', r"--bind 'a\nb'"),
            ('files = ""', "--files ''"),
        ):
            path = self.file(text)
            message = self.refuse("--config", path)
            self.assertTrue(message.startswith(f"{shown} ({path}): "), message)

    def test_deep(self) -> None:
        """
        A value that is nested too deep is refused with a short message.
        """
        deep = 2_000
        for text in (
            "http = " + "[" * deep + "]" * deep,
            "http" + ".a" * deep + " = 1",
            "http = " + "[" * 90 + "]" * 90,
        ):
            message = self.refuse("--config", self.file(text))
            self.assertLess(len(message), 300)

    def test_longNumber(self) -> None:
        """
        A number of more digits than Python converts is refused with the file's name.
        """
        path = self.file("port = 0x" + "F" * 5000)
        self.assertTrue(self.refuse("--config", path).startswith(f"--config {path}: "))

    def test_unknown(self) -> None:
        """
        An unknown key is refused; the nearest option is suggested, for a flag or variable too.
        """
        for key, near in (
            ("prot", "port"),
            ("max_delay", "max-delay"),
            ("certificat", "certificate"),
            ("NETD_PORT", "port"),
            ("NETD_MAX_DELAY", "max-delay"),
            ("--port", "port"),
        ):
            path = self.file(f"{key} = 1")
            self.assertEqual(
                self.refuse("--config", path),
                f"--config {path}: {key}: not an option, did you mean {near}?",
            )

    def test_table(self) -> None:
        """
        The message for a table says that options stand in none.
        """
        for text in ("[netd]\nport = 1", "netd.port = 1"):
            path = self.file(text)
            self.assertEqual(
                self.refuse("--config", path),
                f"--config {path}: [netd]: not an option; options stand in no table",
            )

    def test_booleans(self) -> None:
        """
        true and false are yes and no for options of that type, and no value of any other.
        """
        for text, value in (("true", True), ("false", False)):
            path = self.file(f"files-faults = {text}")
            self.assertIs(self.settings("--config", path).files.faults, value)
        for text, shown in (
            ("port = true", "--port true"),
            ("http = [true]", "--http true"),
            ("files = false", "--files false"),
        ):
            path = self.file(text)
            self.assertEqual(
                self.refuse("--config", path), f"{shown} ({path}): not a string or a number"
            )
        path = self.file("files-faults = [true]")
        self.assertEqual(
            self.refuse("--config", path),
            f"--files-faults [True] ({path}): not true, false, a string or a number",
        )

    def test_brokenKey(self) -> None:
        """
        An unprintable key is quoted in the message.
        """
        self.assertIn(
            r"'a\nb': not an option", self.refuse("--config", self.file('"a\\nb" = 1'))
        )

    def test_unlike(self) -> None:
        """
        A key that resembles no other gets no suggestion.
        """
        path = self.file("zzz = 1")
        self.assertEqual(
            self.refuse("--config", path),
            f"--config {path}: zzz: not an option; see netd --help",
        )

    def test_configKey(self) -> None:
        """
        A file cannot name another file, and holds no other action.
        """
        for name in ("config", "check-config"):
            self.assertIn(
                f"{name}: not an option of a file; --{name} stands on the command line",
                self.refuse("--config", self.file(f'{name} = "a"')),
            )

    def test_unreadable(self) -> None:
        """
        A file that is missing, a directory, no TOML or no UTF-8 is refused with its name.
        """
        directory = self.mktemp()
        Path(directory).mkdir()
        binary = self.mktemp()
        Path(binary).write_bytes(b'port = "\xff"')
        for path, reason in (
            (self.mktemp(), "No such file"),
            (directory, "Is a directory"),
            (binary, "utf-8"),
            (self.file("port = \n"), "line 1"),
            (self.file("port = 1\nport = 2\n"), "line 2"),
        ):
            line = self.refuse("--config", path)
            self.assertTrue(line.startswith(f"--config {path}: "), line)
            self.assertIn(reason, line)

    @by_chance
    @given(st.text(st.sampled_from("portdelay = 0189.-_\"'[]{}#,\\\n\t\0\x7fe+:")))
    def test_anyText(self, text: str) -> None:
        """
        Any file is read, or refused with one line that begins with its name.
        """
        path = self.file(text)
        try:
            read_toml(path)
        except UsageError as error:
            self.assertIn(path, str(error))
            self.assertTrue(str(error).isprintable(), repr(str(error)))

    def test_nul(self) -> None:
        """
        A path with a NUL byte is refused.
        """
        with self.assertRaises(UsageError):
            read_toml("a\0b")


class PrintTests(Commands):
    """
    `--print-config` writes a file that `--config` takes.
    """

    def printed(self, *arguments: str, **environ: str) -> str:
        """What is printed for these."""
        return dump(self.parse(*arguments, **environ).option_values)

    def test_defaults(self) -> None:
        """
        Every option has a line; the line of an option without a value is a comment.
        """
        lines = self.printed().splitlines()
        self.assertEqual(len(lines), len(OPTIONS))
        self.assertEqual(lines[0], 'port = "8000"  # default')
        self.assertIn("# files is not set", lines)

    def test_origins(self) -> None:
        """
        Each line names the origin of its value.
        """
        path = self.file("grace = 1")
        lines = self.printed("--config", path, "--port=1", NETD_DELAY="2").splitlines()
        for line in (
            'port = "1"  # flag',
            'delay = "2"  # NETD_DELAY',
            f'grace = "1"  # {path}',
        ):
            self.assertIn(line, lines)

    def test_repeatable(self) -> None:
        """
        The value of a repeatable option is a list.
        """
        self.assertIn('http = ["81", "82"]  # flag', self.printed("--http=81", "--http=82"))

    def test_oddCharacters(self) -> None:
        """
        Control characters in a value or in the file's name are escaped.
        """
        room = Path(self.mktemp())
        room.mkdir()
        path = room / "a\nb"
        path.write_text('grace = "1"')
        for arguments in (["--files=a\x7f"], [f"--config={path}"]):
            text = self.printed(*arguments)
            self.assertEqual(
                self.settings("--config", self.file(text)), self.settings(*arguments)
            )

    def test_noText(self) -> None:
        """
        A path of bytes that are no text, as on a command line, is printed.
        """
        self.printed("--files=/\udcff").encode()

    def test_secrets(self) -> None:
        """
        Users and passwords are masked, whether the URL is good, bad or in a file.
        """
        secret = "redis://u:pa55@h:7/2"
        self.assertIn(
            'rpc-queue = "redis://***@h:7/2"  # flag', self.printed(f"--rpc-queue={secret}")
        )
        path = Path(self.mktemp())
        path.write_text(secret)
        self.assertIn(f'rpc-queue = "@{path}"', self.printed(f"--rpc-queue=@{path}"))
        for text in (secret.replace("7", "x"), "redis://h:pa55", "u:pa55@h"):
            message = self.refuse(f"--rpc-queue={text}")
            self.assertNotIn("pa55", message)
            path.write_text(text)
            self.assertNotIn("pa55", self.refuse(f"--rpc-queue=@{path}"))

    @by_chance
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                name: st.lists(st.sampled_from(EXAMPLES[name]), min_size=1, max_size=3)
                for name in NAMES
                if name not in COMPANY
            },
        ),
        st.text(
            st.characters(blacklist_characters="\0\x7f", blacklist_categories=["Cs"]),
            min_size=1,
        ),
        st.booleans(),
    )
    def test_back(self, flags: dict[str, list[str]], file: str, secure: bool) -> None:
        """
        The printed text gives the same settings again.
        """
        flags = {**flags, "files": [file]}
        if secure:
            flags |= {name: list(EXAMPLES[name][:1]) for name in COMPANY}
            flags.setdefault("rpc-queue", ["redis://h"])
        flags["max-delay"] = ["0"]
        values = option_values(
            {
                name: tuple(texts if name in REPEATABLE else texts[-1:])
                for name, texts in flags.items()
            },
            *({}, {}, ""),
        )
        text = dump(values)
        self.assertEqual(
            set(tomllib.loads(text)), {name for name, value in values.items() if value.texts}
        )
        self.assertEqual(self.settings("--config", self.file(text)), build_settings(values))
