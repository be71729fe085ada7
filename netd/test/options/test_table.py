"""
Tests for netd.options.table.
"""

from __future__ import annotations

import re

from attrs import fields

from netd.options.cli import Options
from netd.options.completion import FLAGS
from netd.options.table import OPTIONS
from netd.settings import Settings
from netd.test.options.examples import (
    ALONE,
    BAD,
    COMPANY,
    EXAMPLES,
    NAMES,
    Commands,
)


class TableTests(Commands):
    """
    One table names every option.
    """

    def test_examples(self) -> None:
        """
        These tests have examples of every option: the parsers know the good from the bad.
        """
        for option in OPTIONS:
            for text in EXAMPLES[option.name]:
                option.parse(text)
            if option.name not in ALONE:
                for text in BAD[option.name]:
                    with self.assertRaises(ValueError, msg=f"{option.name} {text!r}"):
                        option.parse(text)

    def test_names(self) -> None:
        """
        A name is a flag, an environment variable and a bare TOML key at once.
        """
        for option in OPTIONS:
            self.assertRegex(option.name, r"\A[a-z]+(-[a-z0-9]+)*\Z")
            self.assertRegex(option.variable, r"\ANETD_[A-Z]+(_[A-Z0-9]+)*\Z")
        self.assertEqual(len(set(NAMES)), len(NAMES))

    def test_help(self) -> None:
        """
        `--help` lists exactly the options of the table and the few that are only flags.
        """
        said = str(Options())
        listed = set(re.findall(r"^ +(?:-\w, )?--([a-z0-9-]+)", said, re.MULTILINE))
        alone = {*FLAGS, "config", "ca", "completion"}
        self.assertEqual(listed, {*NAMES, *alone})

    def test_help_texts(self) -> None:
        """
        `--help` says what each option is for, its default, and whether it may be repeated.
        """
        said = str(Options())
        texts = {
            name: " ".join(text.split())
            for name, text in re.findall(
                r"^ +--([a-z0-9-]+)=?((?:.*\n)(?: {10,}.*\n)*)", said, re.MULTILINE
            )
        }
        for option in OPTIONS:
            if option.repeatable:
                self.assertTrue(texts[option.name].endswith(", repeatable"), option.name)
            else:
                self.assertEqual(texts[option.name], option.doc)
        self.assertIn("[default: 8000]", said)
        self.assertIn("NETD_MAX_DELAY", said)

    def test_settings_change(self) -> None:
        """
        Every option reaches the settings: different texts make different daemons.
        """
        for option in OPTIONS:
            texts = EXAMPLES[option.name]
            company = [f"--{key}={value}" for key, value in COMPANY.get(option.name, ())]
            made = {self.settle(*company, f"--{option.name}={text}") for text in texts}
            self.assertEqual(len(made), len({option.parse(text) for text in texts}))

    def test_settings_filled(self) -> None:
        """
        Every group of the settings is made by the options, none is forgotten.
        """
        made = self.settle()
        for attribute in fields(Settings):
            self.assertIsNotNone(getattr(made, attribute.name))
