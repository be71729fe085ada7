"""
The help page.
"""

from __future__ import annotations

import gzip
import re
from html import escape

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import HTML, JSON, TEXT
from netd.lab.endpoints.help import Help
from netd.lab.parameters import Parameter
from netd.lab.routes import Route, elsewhere
from netd.lab.table import ROUTES
from netd.test.lab.calls import content, json_of, lab_state, make_call, reply_to, run
from netd.test.lab.client import HTTP, Client, configured

THEMES = ("Delay and echo", "The daemon")
"""The first and the last heading."""
TERMINAL = """\
/x/<n>  GET, POST  some
          n: how many (default 10; at least 1; at most 100)
/any    any        anything <&>
          kind: which (a, b)
          n: how many (default 10; at least 1; at most 100)
/bare   DELETE     nothing
"""


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
                self.assertIn(path, re.sub("</?i>", "", page))
                self.assertIn(escape(route.help) if form == "html" else route.help, page)
                for each in route.parameters:
                    self.assertIn(each.name, page)

    def test_terminal(self) -> None:
        """A terminal gets the lines that it got before there was a console, byte for byte."""
        count = Parameter("n", "integer", "how many", "10", least=1, most=100)
        kind = Parameter("kind", "text", "which", choices=("a", "b"), required=True)
        routes = (
            Route("/x/<n>", elsewhere, "some", ("GET", "POST"), (count,), theme="Some"),
            Route("/any", elsewhere, "anything <&>", (), (kind, count)),
            Route("/bare", elsewhere, "nothing", ("DELETE",)),
        )
        reply = Help(routes).page(make_call("GET /help", "Accept: */*"))
        self.assertEqual((content(reply).decode(), reply.type), (TERMINAL, TEXT))

    def test_links(self) -> None:
        """The page links what a browser can show, the files and the XML-RPC page included."""
        page = content(reply_to("GET /help?format=html")).decode()
        for path in ("/files/", "/RPC2", "/sse"):
            self.assertIn(f'<a href="{path}', page)
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
        for path in ("/help?format=html", "/help", "/help?format=json", "/help/openapi.json"):
            self.assertIs(reply_to(f"GET {path}").body, reply_to(f"GET {path}").body)
        first, second = (
            content(run(make_call("GET /help/openapi.json", state=lab_state(version=version))))
            for version in (None, "9.9")
        )
        self.assertIn(b'"9.9"', second)
        self.assertNotIn(b'"9.9"', first)

    def test_facts(self) -> None:
        """The JSON has what a form needs: themes, examples, kinds, limits and choices."""
        document = json_of(reply_to("GET /help?format=json"))
        routes = {each["path"]: each for each in document["routes"]}
        self.assertEqual((document["themes"][0], document["themes"][-1]), THEMES)
        self.assertEqual({each["theme"] for each in routes.values()}, set(document["themes"]))
        echo = routes["/echo"]
        self.assertTrue(echo["composable"])
        self.assertTrue(echo["example"].startswith("/echo?delay="))
        parameters = echo["parameters"]
        self.assertEqual(parameters["delay"]["kind"], "delay")
        self.assertEqual(parameters["fault_rate"]["most"], 1)
        self.assertEqual(parameters["chunk"]["least"], 1)
        self.assertTrue(parameters["header"]["repeats"])
        self.assertIn("reset", parameters["fault"]["choices"])
        self.assertTrue(routes["/redirect-to"]["parameters"]["url"]["required"])

    def test_locked(self) -> None:
        """The policy allows the page its own style and no document around it."""
        response = Client().request("GET /help", "Accept: text/html")
        policy = response.headers["content-security-policy"]
        self.assertIn("default-src 'none'; style-src 'sha256-", policy)
        self.assertIn("frame-ancestors 'none'", policy)

    def test_console(self) -> None:
        """/console is the page whatever Accept says, and the same one as /help."""
        page = Client().request("GET /help", "Accept: text/html")
        console = Client().request("GET /console")
        self.assertEqual((console.status, console.body), (200, page.body))
        self.assertIn("require-trusted-types-for", console.headers["content-security-policy"])
        self.assertNotIn("access-control-allow-origin", console.headers)

    def test_off(self) -> None:
        """With --console no /console is a 404, and /help has no script."""
        config = configured(evolve(HTTP, console=False))
        client = Client(config)
        self.assertEqual(client.request("GET /console").status, 404)
        page = client.request("GET /help", "Accept: text/html")
        self.assertNotIn(b"<script", page.body)
        self.assertNotIn("script-src", page.headers["content-security-policy"])

    def test_kept(self) -> None:
        """A client that has a document gets a 304; gzip is for those that take it."""
        client = Client()
        for path in ("/help?format=html", "/help?format=json", "/help", "/help/openapi.json"):
            plain = client.request(f"GET {path}")
            zipped = client.request(f"GET {path}", "Accept-Encoding: gzip")
            self.assertEqual(zipped.headers["content-encoding"], "gzip")
            self.assertEqual(gzip.decompress(zipped.body), plain.body)
            self.assertNotEqual(plain.headers["etag"], zipped.headers["etag"])
            self.assertEqual(plain.headers["content-type"], zipped.headers["content-type"])
            for response, more in ((plain, ()), (zipped, ("Accept-Encoding: gzip",))):
                self.assertEqual(response.headers["vary"], "Accept, Accept-Encoding")
                self.assertEqual(response.headers["cache-control"], "no-cache")
                known = f"If-None-Match: {response.headers['etag']}"
                again = client.request(f"GET {path}", known, *more)
                self.assertEqual((again.status, again.body), (304, b""))
