"""
Tests for netd.options.toml.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.python.usage import UsageError

from netd.options.table import OPTIONS
from netd.options.toml import read_toml
from netd.test.options.examples import (
    COMPANY,
    EXAMPLES,
    Commands,
    by_chance,
)
from netd.values import Duration


class FileTests(Commands):
    """
    The TOML file.
    """

    def test_every_option(self) -> None:
        """
        A key says what the flag of its name says.
        """
        for option in OPTIONS:
            company = COMPANY.get(option.name, ())
            flags = [f"--{key}={value}" for key, value in company]
            for text in EXAMPLES[option.name]:
                lines = [f"{key} = '{value}'" for key, value in (*company, (option.name, text))]
                self.assertEqual(
                    self.settle("--config", self.file("\n".join(lines))),
                    self.settle(*flags, f"--{option.name}={text}"),
                    lines,
                )

    def test_types(self) -> None:
        """
        Whole and broken numbers may be written as such; a list where several are allowed.
        """
        made = self.settle(
            "--config",
            self.file(
                'port = 81\ndelay = 0.25\nmax-body = 1000\nhttp = [82, "tcp:83"]\nudp = "udp:7"'
            ),
        )
        self.assertEqual([where.port for where in made.http.listen], [81, 82, 83])
        self.assertEqual(made.http.delay, Duration(250_000))
        self.assertEqual(made.http.limits.max_body, 1000)
        self.assertEqual(
            self.settle("--config", self.file("http = 82")).http.listen[1].port, 82
        )
        self.assertEqual(len(self.settle("--config", self.file("http = []")).http.listen), 1)

    def test_wrong_types(self) -> None:
        """
        A truth value, list, table or date is refused, with file, key and value.
        """
        for text in (
            "port = true",
            "port = [80]",
            "port = {}",
            "http = [true]",
            'http = [["80"]]',
            "delay = 2020-01-01",
            "delay = 07:32:00",
            "[delay]\nseconds = 1",
            "http = {a = 1}",
        ):
            path = self.file(text)
            key = text.strip("[").split()[0].rstrip("]")
            said = self.refuse("--config", path)
            self.assertTrue(said.startswith(f"--config {path}: {key} = "), said)
            self.assertTrue(said.endswith("not a string or a number"), said)

    def test_bad(self) -> None:
        """
        A bad value is refused in one line that names option, value and file.
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
            said = self.refuse("--config", path)
            self.assertTrue(said.startswith(f"{shown} ({path}): "), said)

    def test_deep(self) -> None:
        """
        What is nested deeper than anybody can follow is refused like any other wrong value.
        """
        deep = 20_000
        for text in (
            "http = " + "[" * deep + "]" * deep,
            "http" + ".a" * deep + " = 1",
            "http = " + "[" * 90 + "]" * 90,
        ):
            said = self.refuse("--config", self.file(text))
            self.assertLess(len(said), 300)

    def test_long_number(self) -> None:
        """
        A number of more digits than Python writes is refused with the file's name.
        """
        path = self.file("port = 0x" + "F" * 5000)
        self.assertTrue(self.refuse("--config", path).startswith(f"--config {path}: "))

    def test_unknown(self) -> None:
        """
        An unknown key is refused, and the nearest known one is suggested.
        """
        for key, near in (("prot", "port"), ("max_delay", "max-delay"), ("certificat", "")):
            path = self.file(f"{key} = 1")
            said = self.refuse("--config", path)
            self.assertTrue(said.startswith(f"--config {path}: unknown key {key}, "), said)
            self.assertIn(f"did you mean {near}", said)

    def test_broken_key(self) -> None:
        """
        A key that would break the line is shown escaped.
        """
        self.assertIn(r"unknown key 'a\nb'", self.refuse("--config", self.file('"a\\nb" = 1')))

    def test_unlike(self) -> None:
        """
        A key that is like no other gets no suggestion.
        """
        path = self.file("zzz = 1")
        self.assertEqual(self.refuse("--config", path), f"--config {path}: unknown key zzz")

    def test_config_key(self) -> None:
        """
        A file does not name another one.
        """
        self.assertIn("unknown key config", self.refuse("--config", self.file('config = "a"')))

    def test_unreadable(self) -> None:
        """
        A file that is missing, a directory, no TOML or no UTF-8 is refused by its name.
        """
        directory = self.mktemp()
        Path(directory).mkdir()
        binary = self.mktemp()
        Path(binary).write_bytes(b'port = "\xff"')
        for path, said in (
            (self.mktemp(), "No such file"),
            (directory, "Is a directory"),
            (binary, "utf-8"),
            (self.file("port = \n"), "line 1"),
            (self.file("port = 1\nport = 2\n"), "line 2"),
        ):
            line = self.refuse("--config", path)
            self.assertTrue(line.startswith(f"--config {path}: "), line)
            self.assertIn(said, line)

    @by_chance
    @given(st.text(st.sampled_from("portdelay = 0189.-_\"'[]{}#,\\\n\t\0\x7fe+:")))
    def test_any_text(self, text: str) -> None:
        """
        Whatever stands in a file, it is read, or refused in a line that begins with its name.
        """
        path = self.file(text)
        try:
            read_toml(path)
        except UsageError as wrong:
            self.assertTrue(str(wrong).startswith(f"--config {path}: "))
            self.assertTrue(str(wrong).isprintable(), repr(str(wrong)))

    def test_nul(self) -> None:
        """
        A path that no file can have is refused like a missing file.
        """
        with self.assertRaises(UsageError):
            read_toml("a\0b")
