"""
What clients prefer.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.http.negotiation import coding, takes_html, wants_json, weights

_property = how(max_examples=50, deadline=None, database=None, derandomize=True)


class WeightsTests(SynchronousTestCase):
    """
    Lists with q-values (RFC 9110 12.4.2).
    """

    def test_rows(self) -> None:
        """Each element has its weight; what is malformed is left out."""
        rows: tuple[tuple[bytes, dict[bytes, float]], ...] = (
            (b"", {}),
            (b"gzip", {b"gzip": 1}),
            (b"GZip ; q=0.5, br;Q=1.000", {b"gzip": 0.5, b"br": 1}),
            (b"gzip;q=0", {b"gzip": 0}),
            (b"gzip;q=2", {}),
            (b"gzip;q=0.1234", {}),
            (b"gzip;q=x,br", {b"br": 1}),
            (b"gzip;q=", {}),
            (b",,gzip,", {b"gzip": 1}),
            (b"text/html;level=1;q=0.3", {b"text/html": 0.3}),
            (b"text/html;q=0.3;level=1", {b"text/html": 0.3}),
            (b";q=1", {}),
        )
        for value, meant in rows:
            self.assertEqual(weights([value]), meant, value)
        self.assertEqual(weights([b"a", b"b;q=0"]), {b"a": 1, b"b": 0})

    @_property
    @given(st.binary(max_size=40))
    def test_anything(self, value: bytes) -> None:
        """Whatever is sent, weights are between 0 and 1."""
        for weight in weights([value]).values():
            self.assertTrue(0 <= weight <= 1)


class CodingTests(SynchronousTestCase):
    """
    Which sibling is sent.
    """

    def test_rows(self) -> None:
        """The best liked, of those the smallest, and none that was refused."""
        rows = (
            (b"", None),
            (b"gzip", b"gzip"),
            (b"x-gzip", b"gzip"),
            (b"gzip, br", b"br"),
            (b"gzip, br;q=0.9", b"gzip"),
            (b"gzip;q=0, br;q=0", None),
            (b"*", b"br"),
            (b"*;q=0", None),
            (b"*, br;q=0", b"gzip"),
            (b"identity", None),
            (b"identity, gzip;q=0.5", None),
            (b"identity;q=0.5, gzip;q=0.5", b"gzip"),
            (b"identity;q=0, gzip;q=0.1", b"gzip"),
            (b"zstd", None),
            (b"gzip;q=x", None),
        )
        for value, meant in rows:
            self.assertEqual(coding([value], {b"gzip": 20, b"br": 10}), meant, value)
        self.assertIsNone(coding([b"gzip"], {}))


class PagesTests(SynchronousTestCase):
    """
    Page or JSON.
    """

    def test_json(self) -> None:
        """JSON goes to whoever likes it better than a page."""
        for value, meant in (
            (b"", False),
            (b"*/*", False),
            (b"application/json", True),
            (b"application/*", True),
            (b"application/json, */*", False),
            (b"application/json, */*;q=0.1", True),
            (b"text/html, application/json;q=0.9", False),
            (b"text/html,application/xhtml+xml,*/*;q=0.8", False),
        ):
            self.assertEqual(wants_json([value]), meant, value)

    def test_html(self) -> None:
        """A page goes to whoever does not say that it is of no use."""
        for value, meant in (
            (b"", True),
            (b"*/*", True),
            (b"text/html", True),
            (b"text/*", True),
            (b"application/json", False),
            (b"image/*", False),
            (b"text/html;q=0, */*", False),
        ):
            self.assertEqual(takes_html([value]), meant, value)
