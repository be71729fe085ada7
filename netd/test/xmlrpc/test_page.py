"""
The documentation page.
"""

from __future__ import annotations

import base64
import datetime as datetime_module
import hashlib
import inspect
import json
import re
from datetime import datetime
from html import unescape
from html.parser import HTMLParser

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.steps import run_now
from netd.xmlrpc import service
from netd.xmlrpc.methods import arithmetic, interop, ip
from netd.xmlrpc.page import POLICY, example, groups, page
from netd.xmlrpc.reader import Reader
from netd.xmlrpc.registry import Registry, procedure, rpc


def odd(a: int, b: float, c: str, *d: bytes) -> None:
    """Takes <odd> & "many" things."""


def _json(text: str | None) -> list[object]:
    """The values of parameters in the form."""
    values: list[object] = json.loads(f"[{unescape(text or '')}]")
    return values


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
        names = [each.name for each in self.registry]
        for name in names:
            self.assertIn(name, self.tags.with_("id"))
            self.assertIn(f"#{name}", self.tags.with_("href"))
            self.assertIn(name, self.tags.with_("data-method"))
        options = re.findall("<option [^>]*>([^<]*)</option>", self.text)
        self.assertEqual(sorted(options), names)

    def test_groups(self) -> None:
        """Methods stand together by prefix; the suites are last, folded and one link each."""
        registry = Registry((*self.registry, *interop.PROCEDURES))
        registry.add(procedure(odd), "zoo")
        text = page(registry).decode()
        tags = _Tags(text)
        suites = ["interopEchoTests.*", "validator1.*"]
        self.assertEqual(tags.with_("label"), ["No prefix", "ip.*", "zoo.*", *suites])
        self.assertEqual(
            re.findall('<section class="card"><h2>(.*?)</h2>', text),
            ["No prefix", "ip.*", "zoo.*"],
        )
        folded = [attrs.get("id") for tag, attrs in tags.elements if tag == "details"]
        self.assertEqual([each for each in folded if each], suites)
        self.assertNotIn("open", {name for _, attrs in tags.elements for name in attrs})
        links = tags.with_("href")
        self.assertEqual(links[-2:], [f"#{name}" for name in suites])
        self.assertNotIn("#validator1.manyTypesTest", links)
        self.assertEqual(len(tags.with_("id")), len(set(tags.with_("id"))))
        self.assertEqual(tags.open, [])

    def test_links(self) -> None:
        """The page links the others of its listener, and none where there is no other."""
        for text, found in ((self.text, True), (page(self.registry, ()).decode(), False)):
            self.assertEqual('<a href="/files/">' in text, found)

    def test_filled(self) -> None:
        """Each option has its example as JSON, and the form starts with that of the first."""
        examples = list(map(_json, self.tags.with_("data-parameters")))
        order = [each for group in groups(self.registry) for each in group.methods]
        self.assertEqual(examples, [example(each) for each in order])
        (start,) = re.findall("<textarea[^>]*>(.*?)</textarea>", self.text)
        self.assertEqual(_json(start), examples[0])

    def test_texts(self) -> None:
        """An option says which texts of the form are a dateTime or base64."""

        def several(when: datetime, data: bytes | str, raw: bytes, count: int) -> None:
            """Takes several types."""

        tags = _Tags(page(Registry((procedure(several),))).decode())
        self.assertEqual(
            json.loads(str(tags.with_("data-texts")[0])), ["dateTime.iso8601", "", "base64", ""]
        )
        self.assertEqual(
            _json(tags.with_("data-parameters")[0])[::2], ["20261127T12:30:00", "Ynl0ZXM="]
        )

    def test_empty(self) -> None:
        """A registry without methods has a page."""
        self.assertEqual(_Tags(page(Registry()).decode()).open, [])

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

    def test_called(self) -> None:
        """The example of every method that netd has gives a result and no fault."""
        clock = Clock()
        registry = service.build(clock).registry
        skipped = {"lab.fault", "lab.burn"}
        for each in registry:
            if each.name not in skipped:
                each.signature.check(each.name, example(each))
                peer = ("192.0.2.7",) if each.with_peer else ()
                result = each.function(*peer, *example(each))
                if inspect.iscoroutine(result):
                    done = Deferred.fromCoroutine(result)
                    clock.advance(0)
                    self.successResultOf(done)

    def test_snippets(self) -> None:
        """Python's line for a method with dates and bytes is a call that it can make."""
        registry = Registry(interop.PROCEDURES)
        name = "validator1.manyTypesTest"
        text = unescape(page(registry).decode())
        (script,) = re.findall(f"<pre>([^<]*print.server.{name}.*)</pre><pre>", text)
        before, _, call = script.partition("server = ")
        self.assertIn("import datetime\n", before)
        arguments = call.partition(f"{name}(")[2].removesuffix("))")
        names = {"datetime": datetime_module}
        values = eval(arguments, names)  # noqa: S307  # the page's own text
        self.assertEqual(list(values), example(registry[name]))

    def test_curl(self) -> None:
        """The body of each curl line is a call of the method with its example."""
        bodies = re.findall("&lt;methodCall&gt;.*?&lt;/methodCall&gt;", self.text)
        calls = [run_now(Reader().read(unescape(body).encode())) for body in bodies]
        order = [each for group in groups(self.registry) for each in group.methods]
        self.assertEqual(calls, [(each.name, example(each)) for each in order])
