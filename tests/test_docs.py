"""
docs/reference/ and contrib/netd.toml agree with the code.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd.options.help import ALL
from netd.options.toml import read_toml
from netd.settings import BY_NAME, OPTIONS
from tests.programs import needs
from tests.running import ROOT, run, succeed


class ReferenceTests(SynchronousTestCase):
    """
    docs/reference/ and the tables that it is made from.
    """

    def test_generated(self) -> None:
        """docs/generate.py would write exactly the pages that docs/reference/ has."""
        generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))
        written = {path.name: path.read_text() for path in (ROOT / "docs/reference").iterdir()}
        self.assertEqual(written, generate["pages"]())
        self.assertEqual(
            (ROOT / "docs/coming-from-httpbin.md").read_text(), generate["coming"]()
        )
        self.assertEqual((ROOT / "contrib/netd.toml").read_text(), generate["toml"]())

    def test_keys(self) -> None:
        """contrib/netd.toml has every key, and those with a default have it, uncommented."""
        text = (ROOT / "contrib/netd.toml").read_text()
        keys = dict(re.findall(r"^#([a-z0-9-]+) = (.*)$", text, re.MULTILINE))
        self.assertEqual(set(keys), set(BY_NAME))
        with_default = [option for option in OPTIONS if option.default]
        path = Path(self.mktemp())
        path.write_text("".join(f"{each.name} = {keys[each.name]}\n" for each in with_default))
        for option in with_default:
            texts, parse = read_toml(str(path))[option.name], option.type.parse
            expected = option.split(option.default)
            self.assertEqual([*map(parse, texts)], [*map(parse, expected)], option.name)

    @needs("mandoc")
    def test_manual(self) -> None:
        """mandoc accepts the manual page, which shows every option and its text."""
        path = ROOT / "docs/reference/netd.1"
        done = run("mandoc", "-Tlint", "-Wwarning", path)
        self.assertEqual((done.status, done.out), (0, ""), done.out)
        shown = " ".join(succeed("mandoc", "-Tutf8", "-O", "width=200", path).split())
        plain = re.sub(".\b", "", shown)
        for option in ALL:
            self.assertIn(f"--{option.name} {option.type.placeholder}".strip(), plain)
            self.assertIn(option.doc, plain)


class LinkTests(SynchronousTestCase):
    """
    The links of the Markdown files.
    """

    def test_relative(self) -> None:
        """Every relative link leads to a file, and its fragment to a heading of that file."""
        pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("contrib/**/*.md")]
        for page in pages:
            for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
                path, _, fragment = link.partition("#")
                if "://" in link:
                    continue
                target = page.parent / path if path else page
                self.assertTrue(target.exists(), f"{page}: {link}")
                if fragment:
                    headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
                    slugs = {re.sub(r"[^\w -]", "", each.lower()) for each in headings}
                    self.assertIn(fragment.replace("-", " "), slugs, f"{page}: {link}")
