"""
What all pages share.
"""

from __future__ import annotations

import base64
import hashlib

from twisted.trial.unittest import SynchronousTestCase

from netd import look


def source(text: str) -> str:
    """The hash source of `text`, as CSP 3 writes it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


class PolicyTests(SynchronousTestCase):
    """
    Content-Security-Policies.
    """

    def directives(self, *texts: str) -> dict[str, str]:
        """The directives of a policy by their names."""
        pairs = (each.partition(" ")[::2] for each in look.policy(*texts).split("; "))
        return dict(pairs)

    def test_style(self) -> None:
        """A page without a script may use its own style and nothing else."""
        found = self.directives("b{}")
        self.assertEqual((found["style-src"], found["default-src"]), (source("b{}"), "'none'"))
        self.assertNotIn("script-src", found)
        self.assertNotIn("connect-src", found)

    def test_script(self) -> None:
        """A script is allowed by its hash, and may ask its own origin."""
        found = self.directives("b{}", "let ü")
        self.assertEqual(
            (found["script-src"], found["connect-src"]), (source("let ü"), "'self'")
        )

    def test_more(self) -> None:
        """A further directive is added, or replaces its namesake."""
        found = self.directives("", "", "img-src blob:", "sandbox ")
        self.assertEqual(found["img-src"], "blob:")
        self.assertIn("sandbox", found)


class TopTests(SynchronousTestCase):
    """
    The bar.
    """

    def test_links(self) -> None:
        """The bar links the other pages and marks its own."""
        bar = look.top("Files")
        self.assertIn('<a href="/files/" aria-current=page>Files</a>', bar)
        self.assertIn('<a href="/RPC2">XML-RPC</a>', bar)
        self.assertIn('href="#main"', bar)

    def test_alone(self) -> None:
        """A listener that has no other pages gets a bar without links."""
        self.assertNotIn("href", look.top("Files", ()))

    def test_escaped(self) -> None:
        """Texts of links are escaped."""
        self.assertIn('<a href="/?a&amp;b">&lt;i&gt;</a>', look.top("", [("<i>", "/?a&b")]))

    def test_schemes(self) -> None:
        """Every colour is there for light and for dark, and a choice beats the preference."""
        self.assertIn("color-scheme: light dark", look.STYLE)
        self.assertIn("data-scheme=dark", look.STYLE)
        self.assertNotIn("prefers-color-scheme", look.STYLE)
