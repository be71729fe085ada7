"""
The documentation page.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser

from twisted.trial.unittest import SynchronousTestCase

from netd.steps import run_now
from netd.xmlrpc.methods import arithmetic, ip
from netd.xmlrpc.page import POLICY, example, page
from netd.xmlrpc.reader import Reader
from netd.xmlrpc.registry import Registry, procedure, rpc


def odd(a: int, b: float, c: str, *d: bytes) -> None:
    """Takes <odd> & "many" things."""


class _Tags(HTMLParser):
    """The elements of a page, and those still open."""

    def __init__(self, text: str) -> None:
        HTMLParser.__init__(self)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def with_(self, name: str) -> list[str | None]:
        """The values of the attribute `name`."""
        return [attrs[name] for _, attrs in self.elements if name in attrs]


class PageTests(SynchronousTestCase):
    """
    The page of a registry.
    """

    def setUp(self) -> None:
        heavy = procedure(rpc("heavy", offload=True)(lambda: 1))
        self.registry = Registry(
            (*arithmetic.PROCEDURES, *ip.PROCEDURES, procedure(odd), heavy)
        )
        self.text = page(self.registry).decode()
        self.tags = _Tags(self.text)

    def test_closed(self) -> None:
        """Every element is closed in order."""
        self.assertEqual(self.tags.open, [])

    def test_methods(self) -> None:
        """Every method has its entry, a link to it, an option and a button."""
        for each in self.registry:
            self.assertIn(each.name, self.tags.with_("id"))
            self.assertIn(f"#{each.name}", self.tags.with_("href"))
            self.assertIn(each.name, self.tags.with_("data-method"))
            self.assertIn(f"<option>{each.name}</option>", self.text)

    def test_described(self) -> None:
        """Signatures, help and offloading are described, with escaped text."""
        self.assertIn("int pow(int x, int y, int z)", self.text)
        self.assertIn("undef odd(...)", self.text)
        self.assertIn("Takes &lt;odd&gt; &amp; &quot;many&quot; things.", self.text)
        self.assertEqual(self.text.count("runs in a worker process"), 1)
        self.assertIn("No description.", self.text)

    def test_labels(self) -> None:
        """Each control has a label, and the page a language, a title and a width."""
        self.assertEqual(self.tags.with_("for")[:2], ["method", "parameters"])
        self.assertIn("en", self.tags.with_("lang"))
        self.assertIn("viewport", self.tags.with_("name"))

    def test_policy(self) -> None:
        """The policy allows the page's own style and script only."""
        for tag in ("style", "script"):
            (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", self.text, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
            self.assertIn(f"{tag}-src 'sha256-{digest}'", POLICY)
        self.assertIn("default-src 'none'", POLICY)
        self.assertNotIn("unsafe", POLICY)
        self.assertEqual(self.tags.with_("src") + self.tags.with_("onclick"), [])

    def test_examples(self) -> None:
        """Examples have the parameters' types."""
        self.assertEqual(example(self.registry["add"]), [3, 3])
        self.assertEqual(example(self.registry["odd"]), [3, 0.5, "text"])
        self.assertEqual(example(self.registry["ip.address"]), ["2001:db8::1"])
        for each in self.registry:
            each.signature.check(each.name, example(each))

    def test_curl(self) -> None:
        """The body of each curl line is a call of the method with its example."""
        bodies = re.findall("&lt;methodCall&gt;.*?&lt;/methodCall&gt;", self.text)
        calls = [run_now(Reader().read(unescape(body).encode())) for body in bodies]
        self.assertEqual(calls, [(each.name, example(each)) for each in self.registry])
