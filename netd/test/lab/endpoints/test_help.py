"""
The help page.
"""

from __future__ import annotations

from html import escape

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import HTML, JSON, TEXT
from netd.lab.table import ROUTES
from netd.test.lab.calls import content, json_of, lab_state, make_call, reply_to, run
from netd.test.lab.client import Client


class HelpTests(SynchronousTestCase):
    """
    `/help`.
    """

    def test_forms(self) -> None:
        """The format is HTML, JSON or text by Accept or by the query."""
        for accept, kind in (
            ("text/html,application/xhtml+xml,*/*;q=0.8", HTML),
            ("application/json", JSON),
            ("*/*", TEXT),
        ):
            self.assertEqual(reply_to("GET /help", f"Accept: {accept}").type, kind)
        self.assertEqual(reply_to("GET /help").type, TEXT)
        for form, kind in (("html", HTML), ("json", JSON), ("text", TEXT)):
            self.assertEqual(reply_to(f"GET /help?format={form}").type, kind)

    def test_whole(self) -> None:
        """Each format has every route with its help and parameters."""
        for form in ("html", "json", "text"):
            page = content(reply_to(f"GET /help?format={form}")).decode()
            for route in ROUTES:
                path = route.path
                if form == "html":
                    path = path.replace("<", "&lt;").replace(">", "&gt;")
                self.assertIn(path, page)
                self.assertIn(escape(route.help) if form == "html" else route.help, page)
                for each in route.parameters:
                    self.assertIn(each.name, page)

    def test_links(self) -> None:
        """The page links what a browser can show, the files and the XML-RPC page included."""
        page = content(reply_to("GET /help?format=html")).decode()
        for path in ("/files/", "/RPC2", "/sse"):
            self.assertIn(f'<a href="{path}">', page)
        self.assertNotIn('<a href="/post">', page)

    def test_json(self) -> None:
        """The JSON has kinds, defaults and limits."""
        routes = {
            each["path"]: each for each in json_of(reply_to("GET /help?format=json"))["routes"]
        }
        count = routes["/drip"]["parameters"]["numbytes"]
        self.assertEqual(
            (count["type"], count["default"], count["minimum"]), ("integer", 10, 1)
        )
        self.assertEqual(routes["/anything"]["methods"], ["*"])

    def test_once(self) -> None:
        """Each document is made once, and the OpenAPI document once for each version."""
        for path in ("/help", "/help?format=html", "/help?format=json", "/help/openapi.json"):
            self.assertIs(reply_to(f"GET {path}").body, reply_to(f"GET {path}").body)
        first, second = (
            content(run(make_call("GET /help/openapi.json", state=lab_state(version=version))))
            for version in (None, "9.9")
        )
        self.assertIn(b'"9.9"', second)
        self.assertNotIn(b'"9.9"', first)

    def test_locked(self) -> None:
        """The page may use its own style sheet and run no script."""
        response = Client().request("GET /help", "Accept: text/html")
        policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"
        self.assertEqual(response.headers["content-security-policy"], policy)
        self.assertNotIn(b"<script", response.body)
