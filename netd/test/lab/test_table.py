"""
The table of the lab.
"""

from __future__ import annotations

import re

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.lab.endpoints.probes import Probes
from netd.lab.table import ROUTES, routes
from netd.test.lab.calls import TABLE, json_of, make_call
from netd.test.lab.client import Client

HTTPBIN = (
    "/get",
    "/post",
    "/put",
    "/patch",
    "/delete",
    "/anything",
    "/anything/x/y",
    "/headers",
    "/ip",
    "/user-agent",
    "/uuid",
    "/status/200",
    "/redirect/1",
    "/relative-redirect/1",
    "/absolute-redirect/1",
    "/redirect-to",
    "/cookies",
    "/cookies/set",
    "/cookies/set/a/b",
    "/cookies/delete",
    "/basic-auth/u/p",
    "/hidden-basic-auth/u/p",
    "/bearer",
    "/digest-auth/auth/u/p",
    "/digest-auth/auth/u/p/MD5",
    "/digest-auth/auth/u/p/MD5/3",
    "/gzip",
    "/deflate",
    "/brotli",
    "/response-headers",
    "/cache",
    "/cache/9",
    "/etag/x",
    "/bytes/1",
    "/stream-bytes/1",
    "/stream/1",
    "/range/1",
    "/drip",
    "/links/1/0",
    "/links/1",
    "/base64/YQ==",
    "/html",
    "/xml",
    "/json",
    "/image",
    "/image/png",
    "/image/jpeg",
    "/image/svg",
    "/image/webp",
    "/encoding/utf8",
    "/forms/post",
    "/robots.txt",
    "/deny",
    "/delay/0",
)

OTHERS = (
    "/sse",
    "/jsonl",
    "/trailers",
    "/unstable",
    "/upload",
    "/dump/request",
    "/hostname",
    "/version",
    "/env",
    "/head",
    "/base64/encode/x",
    "/raw",
    "/fault/close",
    "/retry/1/k",
    "/zstd",
    "/compressed",
    "/tls",
    "/echo",
    "/echo/x/y",
    "/healthz",
    "/help",
    "/help/openapi.json",
    "/",
)


class TableTests(SynchronousTestCase):
    """
    Claims about every route.
    """

    def test_whole(self) -> None:
        """Every endpoint of httpbin is there, and those of go-httpbin."""
        for path in (*HTTPBIN, *OTHERS):
            TABLE.find(path.encode())

    def test_unique(self) -> None:
        """No two routes have the same path."""
        paths = [route.path for route in ROUTES]
        self.assertEqual(len(paths), len(set(paths)))

    def test_reached(self) -> None:
        """No route hides another."""
        for route in ROUTES:
            path = re.sub(r"<[^>]*>", "x", route.path)
            self.assertIs(TABLE.find(path.encode())[0], route)

    def test_described(self) -> None:
        """Every route has a help text, and its endpoint a docstring."""
        for route in ROUTES:
            self.assertTrue(route.help, route.path)
            self.assertTrue(route.endpoint.__doc__, route.path)

    def test_defaults(self) -> None:
        """Every default can be parsed."""
        for route in ROUTES:
            for each in route.parameters:
                if each.default is not None:
                    each.parse(each.default)

    def test_methods(self) -> None:
        """OPTIONS and a wrong method are right for every route with a list of methods."""
        for route in ROUTES:
            path = re.sub(r"<[^>]*>", "1", route.path)
            if not route.methods:
                continue
            client = Client()
            options = client.request(f"OPTIONS {path}")
            self.assertEqual(options.status, 200 if route.cors else 204, path)
            self.assertEqual(options.body, b"")
            error = client.request(f"BREW {path}")
            self.assertEqual((error.status, error.headers["allow"]), (405, route.allow))

    def test_resources(self) -> None:
        """The files and XML-RPC are listed, and the site has them in front of the router."""
        paths = [route.path for route in ROUTES]
        for path in ("/files/", "/RPC2"):
            self.assertIn(path, paths)
            self.assertEqual(Client().request(f"GET {path}").status, 200)
            call = make_call(f"GET {path}")
            self.assertRaises(BadCall, TABLE.find(path.encode())[0].endpoint, call)

    def test_probes(self) -> None:
        """The probes stand between the echo and the help, or are missing."""
        probes = Probes()
        paths = [route.path for route in routes(probes)]
        self.assertEqual(paths, [route.path for route in ROUTES])
        bound = probes.routes()
        listed = [evolve(each, theme="") for each in routes(probes)[3:6]]
        self.assertEqual(tuple(listed), bound)
        missing = {route.path for route in bound}
        without = [route.path for route in routes(None)]
        self.assertEqual(without, [path for path in paths if path not in missing])

    def test_console(self) -> None:
        """Without the console there is no URL of its own, and the others stay."""
        added = ["/console", "/console/preview", "/console/stream"]
        without = [route.path for route in routes(Probes(), console=False)]
        paths = [route.path for route in ROUTES]
        self.assertEqual([path for path in paths if path not in without], added)

    def test_examples(self) -> None:
        """Every route has an example, which leads to that route."""
        for route in ROUTES:
            path = route.example.partition("?")[0].encode()
            self.assertEqual(TABLE.find(path)[0].path, route.path)
            self.assertNotIn("<", route.example)

    def test_help(self) -> None:
        """The help lists exactly the routes of its site."""
        for table in (routes(None), ROUTES):
            help_route = next(route for route in table if route.path == "/help")
            reply = help_route.endpoint(make_call("GET /help?format=json"))
            listed = [each["path"] for each in json_of(reply)["routes"]]
            self.assertEqual(listed, [route.path for route in table])
