"""
The preferences of clients.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.http.negotiation import IDENTITY, choose_coding, choose_media, weights
from netd.test.bounded import bounded
from netd.test.chance import by_chance

HTML, JSON = b"text/html", b"application/json"


class WeightsTests(SynchronousTestCase):
    """
    Lists with q-values (RFC 9110 12.4.2).
    """

    def test_rows(self) -> None:
        """Each element has its weight; a malformed one is ignored."""
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
            (b'a/b;x="c, d/e;q=0";q=0.5, f', {b"a/b": 0.5, b"f": 1}),
            (b'a/b;x="\\";q=0"', {b"a/b": 1}),
            (b'a/b;x="c;q=0, d/e', {b"a/b": 1}),
        )
        for value, expected in rows:
            self.assertEqual(weights([value]), expected, value)
        self.assertEqual(weights([b"a", b"b;q=0"]), {b"a": 1, b"b": 0})

    def test_linear(self) -> None:
        """A field takes linear time, however its quotes are open."""
        for piece in (b'"\\', b'"', b'a"\\"', b",", b";q="):
            with bounded(piece):
                weights([piece * (1_000_000 // len(piece))])

    @by_chance
    @given(st.binary(max_size=40))
    def test_anything(self, value: bytes) -> None:
        """The weights of any field are between 0 and 1."""
        for weight in weights([value]).values():
            self.assertTrue(0 <= weight <= 1)


class CodingTests(SynchronousTestCase):
    """
    Accept-Encoding.
    """

    def test_rows(self) -> None:
        """The highest weight wins, of equal ones the first offered; 0 is a refusal."""
        rows = (
            (b"", IDENTITY),
            (b"gzip", b"gzip"),
            (b"x-gzip", b"gzip"),
            (b"GZIP;q=0.5", b"gzip"),
            (b"gzip ; q=1", b"gzip"),
            (b"gzip, br", b"br"),
            (b"gzip, br;q=0.9", b"gzip"),
            (b"gzip;q=0, br;q=0", IDENTITY),
            (b"gzip; q=0.000", IDENTITY),
            (b"*", b"br"),
            (b"*;q=0.1", b"br"),
            (b"*;q=0", None),
            (b"*, br;q=0", b"gzip"),
            (b"*;q=0, gzip", b"gzip"),
            (b"identity", IDENTITY),
            (b"identity;q=0", None),
            (b"identity, gzip;q=0.5", IDENTITY),
            (b"identity;q=0.5, gzip;q=0.5", b"gzip"),
            (b"identity;q=0, gzip;q=0.1", b"gzip"),
            (b"zstd", IDENTITY),
            (b"gzipped, agzip", IDENTITY),
            (b"gzip;q=x", IDENTITY),
        )
        for value, chosen in rows:
            self.assertEqual(choose_coding([value], (b"br", b"gzip")), chosen, value)
        self.assertEqual(choose_coding([b"gzip"], ()), IDENTITY)
        self.assertEqual(choose_coding((), (b"gzip",)), IDENTITY)


class MediaTests(SynchronousTestCase):
    """
    Accept.
    """

    def test_two(self) -> None:
        """The highest weight wins, of equal ones the most exactly named, then the first."""
        for value, chosen in (
            (b"", HTML),
            (b"*/*", HTML),
            (b"text/html", HTML),
            (b"application/json", JSON),
            (b"application/*", JSON),
            (b"application/json, */*", JSON),
            (b"application/*, */*", JSON),
            (b"application/json, text/plain, */*", JSON),
            (b"application/json, text/html", HTML),
            (b"text/html;q=0, */*", JSON),
            (b"application/json, */*;q=0.1", JSON),
            (b"text/html, application/json;q=0.9", HTML),
            (b"text/html,application/xhtml+xml,*/*;q=0.8", HTML),
            (b"image/png", None),
        ):
            self.assertEqual(choose_media([value], (HTML, JSON)), chosen, value)

    def test_only(self) -> None:
        """The only type offered is chosen unless the most specific range refuses it."""
        for value, accepted in (
            (b"", True),
            (b"*/*", True),
            (b"text/html", True),
            (b"text/*", True),
            (b"application/json", False),
            (b"image/*", False),
            (b"text/html;q=0, */*", False),
            (b"text/*;q=0, */*", False),
        ):
            self.assertEqual(choose_media([value], (HTML,)) == HTML, accepted, value)
