"""
Redirects and pages of links.
"""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.lab.endpoints.redirects import redirect_to
from netd.test.chance import by_chance
from netd.test.lab.calls import content, fields, lab_state, make_call, reply_to, run


def location(line: str, **facts: object) -> str:
    """Where a redirect leads."""
    return fields(reply_to(line, **facts))["location"]  # type: ignore[arg-type]


class CountedTests(SynchronousTestCase):
    """
    Redirects that count down.
    """

    def test_relative(self) -> None:
        """A redirect by path counts down, and ends at /get."""
        for kind in ("redirect", "relative-redirect"):
            self.assertEqual(location(f"GET /{kind}/3"), "/relative-redirect/2")
            self.assertEqual(location(f"GET /{kind}/1"), "/get")
            self.assertEqual(reply_to(f"GET /{kind}/1").status, 302)

    def test_absolute(self) -> None:
        """A redirect by URL leads to the host of the request."""
        for path in ("/absolute-redirect/2", "/redirect/2?absolute=true"):
            self.assertEqual(location(f"GET {path}"), "http://netd/absolute-redirect/1")
        self.assertEqual(location("GET /absolute-redirect/1", secure=True), "https://netd/get")

    def test_bad(self) -> None:
        """A number below 1, or no number, is a 400."""
        for text in ("0", "-1", "x", "1.5", "9" * 30):
            for kind in ("redirect", "relative-redirect", "absolute-redirect"):
                self.assertRaises(BadCall, reply_to, f"GET /{kind}/{text}")

    def test_page(self) -> None:
        """The page's link is escaped."""
        page = content(reply_to("GET /redirect/2?absolute=true", authority='"><script>'))
        self.assertNotIn(b"<script>", page)


class SafetyTests(SynchronousTestCase):
    """
    The targets of `/redirect-to`.
    """

    def test_here(self) -> None:
        """Paths, queries and URLs of this daemon are allowed, with any 3xx."""
        for url in ("/get", "/a/../b?x=1#y", "get", "?a=1", "http://netd/get", "HTTP://NETD/x"):
            self.assertEqual(location(f"GET /redirect-to?url={url.replace('#', '%23')}"), url)
        reply = reply_to("PUT /redirect-to?url=/get&status_code=307")
        self.assertEqual((reply.status, content(reply)), (307, b""))
        self.assertEqual(location("GET /redirect-to?url=/%C3%A9%20"), "/%C3%A9%20")

    def test_elsewhere(self) -> None:
        """A target that browsers might take for another host is refused."""
        for url in (
            "http://evil.example/",
            "https://netd/",
            "//evil.example",
            "///evil.example",
            "/%5C/evil.example",
            "%5C%5Cevil.example",
            "%09//evil.example",
            "/%0A/evil.example",
            "http:evil.example",
            "http:/evil.example",
            "http://netd@evil.example/",
            "http://netd:80@evil.example/",
            "http://evil.example%5C@netd/",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://[/",
            "http://netd.evil.example",
            "",
        ):
            try:
                result = location(f"GET /redirect-to?url={url}")
            except BadCall as bad:
                self.assertEqual(bad.status, 400)
            else:
                # Quoted, it is a path of this daemon and nothing else.
                self.assertRegex(result, r"\A(/(?!/)|%)[!-~]*\Z")
                self.assertNotIn("\\", result)

    def test_allowed(self) -> None:
        """Hosts that --redirect-allow names are allowed, and no others."""
        state = lab_state(redirect_allow=("*.example.org", "good.example"))
        for url in ("https://a.example.org:1/x", "http://good.example", "http://GOOD.example/"):
            self.assertEqual(location(f"GET /redirect-to?url={url}", state=state), url)
        for url in ("https://example.org/", "http://good.example.evil/", "http://[::1/"):
            self.assertRaises(BadCall, reply_to, f"GET /redirect-to?url={url}", state=state)

    def test_hint(self) -> None:
        """The 400 names the option that would allow the host, where one would."""
        hint = "start netd with --redirect-allow evil.example"
        for url, said in (
            ("http://evil.example/x", f"url: leads to another host; {hint}"),
            ("https://evil.example:8443", f"url: leads to another host; {hint}"),
            ("//evil.example", "url: neither a path nor an http or https URL"),
            ("http://[::1]/", "url: neither a path nor an http or https URL"),
            ("javascript:x", "url: neither a path nor an http or https URL"),
        ):
            error = self.assertRaises(BadCall, reply_to, f"GET /redirect-to?url={url}")
            self.assertEqual(error.detail, said)

    def test_ownPorts(self) -> None:
        """The other listeners of this daemon are this host, by scheme and port."""
        state = lab_state(own_ports={("http", 8000), ("https", 8443), ("https", 443)})
        for host in ("netd", "netd:8000"):
            for url in (
                "https://netd:8443/x",
                "http://netd:8000",
                "https://netd/",
                "HTTPS://NETD",
            ):
                line = f"GET /redirect-to?url={url}"
                call = make_call(line, state=state, authority=host)
                self.assertEqual(fields(run(call))["location"], url)
            for url in (
                "http://netd:8443/",
                "https://netd:8000/",
                "http://netd:22/",
                "https://other:8443/",
                "https://netd:99999/",
                "https://netd:x/",
            ):
                line = f"GET /redirect-to?url={url}"
                call = make_call(line, state=state, authority=host)
                error = self.assertRaises(BadCall, run, call)
                self.assertIn("url: ", error.detail)

    def test_missing(self) -> None:
        """A missing URL, or a status that is no redirect, is a 400."""
        self.assertRaises(BadCall, reply_to, "GET /redirect-to")
        self.assertRaises(BadCall, reply_to, "GET /redirect-to?url=/&status_code=200")

    @by_chance
    @given(st.text())
    def test_anything(self, url: str) -> None:
        """No target leads to another host or splits the response."""
        call = make_call("GET /redirect-to?url=/")
        call._args = [("url", url)]
        try:
            result = fields(redirect_to(call))["location"]
        except BadCall:
            return
        self.assertRegex(result, r"\A[!-~]+\Z")
        self.assertIsNone(
            re.match(r"[A-Za-z+.-]*:|//|/\\", result.removeprefix("http://netd/"))
        )


class LinkTests(SynchronousTestCase):
    """
    `/links`.
    """

    def test_page(self) -> None:
        """The page has n links except to itself, as in httpbin."""
        expected = (
            b"<html><head><title>Links</title></head><body>0 <a href='/links/3/1'>1</a> "
            b"<a href='/links/3/2'>2</a> </body></html>"
        )
        self.assertEqual(content(reply_to("GET /links/3/0")), expected)
        self.assertEqual(location("GET /links/3"), "/links/3/0")

    def test_clamped(self) -> None:
        """There are at most 200 links, and at least one."""
        self.assertEqual(content(reply_to("GET /links/500/0")).count(b"href"), 199)
        self.assertEqual(content(reply_to("GET /links/0/5")).count(b"href"), 1)
