"""
Tests for netd.options.help.
"""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from netd.options.help import ACTIONS, ALL, usage
from netd.setting_types import Group


def entries(page: str) -> dict[str, str]:
    """The text of each option on a help page, in one line."""
    pattern = r"^  (?:-p, )?--([a-z0-9-]+)((?:.*\n)(?: {10,}.*\n)*)"
    return {
        name: " ".join(text.split()) for name, text in re.findall(pattern, page, re.MULTILINE)
    }


class UsageTests(SynchronousTestCase):
    """
    The two help pages.
    """

    def test_all(self) -> None:
        """
        `--help-all` lists every option once, with placeholder, help, default and repeatability.
        """
        listed = entries(usage(everything=True))
        self.assertEqual(set(listed), {option.name for option in ALL})
        for option in ALL:
            expected = f"{option.type.placeholder} {option.doc}".strip()
            self.assertEqual(listed[option.name], expected)

    def test_common(self) -> None:
        """
        `--help` lists about a dozen options, some of each group, and names the other page.
        """
        page = usage(everything=False)
        listed = entries(page)
        self.assertEqual(set(listed), {option.name for option in ALL if option.common})
        self.assertEqual({option.group for option in ALL if option.common}, set(Group))
        self.assertLessEqual(len(listed), 14)
        self.assertIn(f"netd --help-all lists all {len(ALL)} options.", page)

    def test_groups(self) -> None:
        """
        Both pages have the groups in the same order, and an example.
        """
        for everything in (False, True):
            page = usage(everything)
            headings = re.findall(r"^(\w[^:\n]*):$", page, re.MULTILINE)
            self.assertEqual(headings, list(Group))
            self.assertRegex(page, r"\AUsage: netd \[options\]\n")
            self.assertIn("\nExample: netd --port ", page)
            self.assertIn("NETD_MAX_DELAY", page)

    def test_width(self) -> None:
        """
        No line is wider than 80 columns, and no default is cut in two.
        """
        page = usage(everything=True)
        self.assertLessEqual(max(map(len, page.splitlines())), 80)
        self.assertNotRegex(page, r"default:$")

    def test_sentences(self) -> None:
        """
        Each help text is a sentence that begins with a capital and fits one line of the table.
        """
        for option in ALL:
            self.assertRegex(option.help, r"\A[A-Z][^\n]{10,110}\.\Z", option.name)

    def test_actions(self) -> None:
        """
        An action has a name of its own and no default.
        """
        names = [option.name for option in ALL]
        self.assertEqual(len(set(names)), len(names))
        self.assertFalse([action.name for action in ACTIONS if action.default])
