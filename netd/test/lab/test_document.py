"""
The console's document.
"""

from __future__ import annotations

import gzip
import re
from html import unescape

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.document import Document, document, themes
from netd.lab.parameters import Parameter
from netd.lab.routes import Route, elsewhere
from netd.lab.table import ROUTES


class DocumentTests(SynchronousTestCase):
    """
    The document of all routes.
    """

    def setUp(self) -> None:
        self.document = document(ROUTES)
        self.text = self.document.body.decode()

    def test_budget(self) -> None:
        """The document has at most 130 KB, and 36 KB in gzip."""
        self.assertLess(len(self.document.body), 130_000)
        self.assertLess(len(self.document.compressed), 36_000)

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
        """A route that takes GET links its example, and every route its form."""
        self.assertIn('<a href="/status/200:3,503:1">', self.text)
        self.assertNotIn('<a href="/post">', self.text)
        for method, path in (("GET", "/sse"), ("POST", "/post"), ("HEAD", "/head")):
            self.assertIn(f'href="#try={method}%20{path}', self.text)

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
        text = document([route, evolve(route, path="/y")]).body.decode()
        self.assertNotIn("<img", text)
        self.assertEqual(text.count("&lt;img"), 6)
