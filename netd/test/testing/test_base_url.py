"""
Tests of netd.testing.base_url.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.testing.base_url import BaseURL


class BaseURLTests(SynchronousTestCase):
    """
    A URL, and what is below it.
    """

    def test_parts(self) -> None:
        """The parts are those of the URL, the port of the scheme included."""
        for url, parts in (
            ("http://127.0.0.1:40123/", ("http", "127.0.0.1", 40123)),
            ("https://[::1]:1", ("https", "::1", 1)),
            ("https://lab.example/a/", ("https", "lab.example", 443)),
            ("http://lab.example", ("http", "lab.example", 80)),
        ):
            base = BaseURL(url)
            self.assertEqual((base.protocol, base.host, base.port), parts)
            self.assertEqual(str(base), url.rstrip("/"))
            self.assertEqual(repr(base), f"<BaseURL {base.url}>")
        self.assertEqual(repr(BaseURL("")), "<BaseURL not running>")

    def test_joined(self) -> None:
        """`/` and `join` take a path with or without its slash, `+` takes it as it is."""
        base = BaseURL("http://h/base")
        for joined in (base / "get?a=1", base / "/get?a=1", base.join("get?a=1")):
            self.assertEqual(joined, "http://h/base/get?a=1")
        self.assertEqual(base + "/get", "http://h/base/get")
