"""
The console's document.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from html import unescape

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netd import look
from netd.lab.document import _FILES, _SCRIPTS, Document, document, themes
from netd.lab.parameters import Parameter
from netd.lab.routes import Route, elsewhere
from netd.lab.table import ROUTES


class DocumentTests(SynchronousTestCase):
    """
    The document of all routes.
    """

    def setUp(self) -> None:
        self.document = document(ROUTES, console=True)
        self.text = self.document.body.decode()

    def test_budget(self) -> None:
        """The document has at most 130 KB, and 36 KB in gzip with room for some more URLs."""
        self.assertLess(len(self.document.body), 130_000)
        self.assertLess(len(self.document.compressed), 36_500)

    def test_alone(self) -> None:
        """Without the console the document has the Reference, no script and no form."""
        alone = document(ROUTES, console=False)
        for word in (b"<script", b'href="#try"', b'id="try"'):
            self.assertIn(word, self.document.body)
            self.assertNotIn(word, alone.body)
        self.assertNotIn("script-src", alone.policy)
        self.assertEqual(alone.body.count(b'<li class="route">'), len(ROUTES))

    def test_locked(self) -> None:
        """The one script is allowed by its hash, and may make no markup out of text."""
        _, _, rest = self.text.partition('<script type="module">')
        script = rest.partition("</script>")[0]
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        self.assertIn(f"script-src 'sha256-{digest}'", self.document.policy)
        self.assertIn("require-trusted-types-for 'script'", self.document.policy)
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"):
            self.assertNotIn(word, script)

    def test_trimmed(self) -> None:
        """Comments, indentation and the spaces of the style sheet are not sent."""
        style = self.text.partition("<style>")[2].partition("</style>")[0]
        self.assertTrue(style.startswith(":root{color-scheme:light dark;--back:light-dark(#"))
        self.assertNotIn("  ", style)
        script = self.text.partition('<script type="module">')[2].partition("</script>")[0]
        for line in script.splitlines():
            self.assertFalse(line.startswith((" ", "//")), line)

    def test_whole(self) -> None:
        """What is left out is in no string: none of a script goes on to a next line."""
        for name in _SCRIPTS:
            for line in _FILES.joinpath(f"{name}.js").read_text("utf-8").splitlines():
                self.assertEqual(line.count("`") % 2, 0, line)
        style = look.STYLE + _FILES.joinpath("console.css").read_text("utf-8")
        for text in re.findall('"[^"]*"', style):
            self.assertIn(text, self.text)

    def test_parts(self) -> None:
        """No part of the script is longer than 250 lines, and every part is used."""
        parts = sorted(each.name for each in _FILES.iterdir() if each.name.endswith(".js"))
        self.assertEqual(parts, sorted(f"{name}.js" for name in _SCRIPTS))
        for name in parts:
            self.assertLess(_FILES.joinpath(name).read_text("utf-8").count("\n"), 250, name)

    def test_kept(self) -> None:
        """The same body has the same tag and the same gzip at any time."""
        again = Document(self.document.body, "")
        self.assertEqual(again.tag, self.document.tag)
        self.assertEqual(again.compressed, self.document.compressed)
        self.assertEqual(gzip.decompress(again.compressed), again.body)

    def test_links(self) -> None:
        """Every link within the document leads to an id, which is there once."""
        ids = re.findall(r' id="([^"]+)"', self.text)
        self.assertEqual(len(ids), len(set(ids)))
        links = set(re.findall(r'href="#([^"=]+)"', self.text))
        self.assertGreater(len(links), 9)
        self.assertEqual(links - set(ids), set())

    def test_shared(self) -> None:
        """What several routes share is documented once; what one has, at that route."""
        for text in ("the seed of all random choices", "bytes in each chunk (at least 1)"):
            self.assertEqual(self.text.count(text), 1)

    def test_examples(self) -> None:
        """A route that takes GET links its example."""
        self.assertIn('<a href="/status/200:3,503:1">', self.text)
        self.assertNotIn('<a href="/post">', self.text)

    def test_themes(self) -> None:
        """Every route stands below its theme, and the daemon's own come last."""
        names = [unescape(each) for each in re.findall('<h3 id="[a-z-]+">([^<]+)<', self.text)]
        self.assertEqual(names[:-1], themes(ROUTES))
        self.assertEqual(names[-2], "The daemon")
        self.assertEqual(self.text.count('<li class="route">'), len(ROUTES))

    def test_escaped(self) -> None:
        """Every text of a route is escaped."""
        hostile = "<img src=x onerror=alert(1)>\"'&"
        parameter = Parameter("p", "text", hostile)
        route = Route("/x", elsewhere, hostile, parameters=(parameter,), theme=hostile)
        route = evolve(route, example=f"/x?{hostile}")
        text = document([route, evolve(route, path="/y")], console=False).body.decode()
        self.assertNotIn("<img", text)
        self.assertEqual(text.count("&lt;img"), 6)
