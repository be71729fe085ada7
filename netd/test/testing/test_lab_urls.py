"""
Tests of netd.testing.lab_urls.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.table import ROUTES
from netd.test.lab.calls import TABLE, reply_to
from netd.test.testing.url_builders import PATHS, module
from netd.testing import lab_urls
from netd.testing.base_url import BaseURL
from netd.testing.lab_urls import LabURLs

BASE = BaseURL("http://127.0.0.1:1")
EXAMPLES = {"kind": "reset", "times": 2, "key": "a/b ?", "duration": 0.5, "codes": "200:3,503"}


class LabURLsTests(SynchronousTestCase):
    """
    The builders and the table of the lab.
    """

    def builder(self, path: str) -> Any:
        """The builder of a route."""
        return getattr(BASE, path.split("/")[1])

    def test_generated(self) -> None:
        """The module is what docs/generate.py makes of the table."""
        self.assertEqual(Path(lab_urls.__file__).read_text(), module())

    def test_parameters(self) -> None:
        """Each builder takes exactly the parameters of its route."""
        for route in ROUTES:
            if route.path in PATHS:
                taken = inspect.signature(self.builder(route.path)).parameters
                self.assertEqual(set(taken), {*route.by_name, *route.names})

    def test_found(self) -> None:
        """The lab finds the route of each URL, with the values as they were given."""
        for path in PATHS:
            route = next(each for each in ROUTES if each.path == path)
            values = [EXAMPLES[name] for name in route.names]
            url = (
                self.builder(path)(*values, seed=1)
                if "seed" in route.by_name
                else (self.builder(path)(*values))
            )
            found, texts = TABLE.find(url.removeprefix(BASE.url).partition("?")[0].encode())
            self.assertEqual(found.path, path)
            self.assertEqual(list(texts.values()), [str(each) for each in values])

    def test_reply(self) -> None:
        """The parameters of a URL have their effect."""
        url = BASE.echo(status=429, body="a&b=c", header=["X-A: 1", "X-B: 2"], delay=0.25)
        reply = reply_to(f"GET {url.removeprefix(BASE.url)}")
        self.assertEqual(reply.status, 429)
        self.assertIn(("X-B", "2"), reply.headers)

    def test_unknown(self) -> None:
        """A parameter that the lab does not have is a TypeError."""
        with self.assertRaises(TypeError):
            self.builder("/echo")(delai=1)

    def test_base(self) -> None:
        """The builders alone know no daemon."""
        with self.assertRaises(NotImplementedError):
            LabURLs().unstable()
