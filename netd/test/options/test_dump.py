"""
Tests for netd.options.dump.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from netd.options.build import to_settings
from netd.options.dump import dump
from netd.options.sources import collect
from netd.options.table import OPTIONS
from netd.test.options.examples import (
    COMPANY,
    EXAMPLES,
    NAMES,
    Commands,
    by_chance,
)


class PrintTests(Commands):
    """
    `--print-config` writes a file that `--config` takes.
    """

    def printed(self, *arguments: str, **environ: str) -> str:
        """What is printed for these."""
        return dump(self.parse(*arguments, **environ).said)

    def test_defaults(self) -> None:
        """
        Every option has its line, those that are not set as a comment.
        """
        lines = self.printed().splitlines()
        self.assertEqual(len(lines), len(OPTIONS))
        self.assertEqual(lines[0], 'port = "8000"  # default')
        self.assertIn("# files is not set", lines)

    def test_origins(self) -> None:
        """
        Each line says where its value came from.
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
        What may be said several times is a list.
        """
        self.assertIn('http = ["81", "82"]  # flag', self.printed("--http=81", "--http=82"))

    def test_odd_characters(self) -> None:
        """
        A value or a file's name with a control character in it is printed so that it parses.
        """
        room = Path(self.mktemp())
        room.mkdir()
        path = room / "a\nb"
        path.write_text('grace = "1"')
        for arguments in (["--files=a\x7f"], [f"--config={path}"]):
            text = self.printed(*arguments)
            self.assertEqual(self.settle("--config", self.file(text)), self.settle(*arguments))

    def test_no_text(self) -> None:
        """
        A path that is no text, as a command line can hold, is printed all the same.
        """
        self.printed("--files=/\udcff").encode()

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
        The settings that the printed text makes are those it was printed for.
        """
        flags = {**flags, "files": [file]}
        if secure:
            flags |= {name: list(EXAMPLES[name][:1]) for name in COMPANY}
        said = collect(flags, {}, None)
        text = dump(said)
        self.assertEqual(
            set(tomllib.loads(text)), {n for n, each in said.items() if each.texts}
        )
        self.assertEqual(self.settle("--config", self.file(text)), to_settings(said))
