"""
Tests of netd.testing.quoting.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.test.chance import by_chance
from netd.testing.quoting import target, text
from netd.values import Duration


class TextTests(SynchronousTestCase):
    """
    The text of a value.
    """

    def test_values(self) -> None:
        """Texts and whole numbers are as they are, a truth is a switch."""
        values = ("50ms", 3, True, False)
        self.assertEqual([text(each) for each in values], ["50ms", "3", "yes", "no"])

    def test_durations(self) -> None:
        """A timedelta is its seconds."""
        self.assertEqual(text(timedelta(minutes=1, microseconds=250)), "60.00025")

    def test_others(self) -> None:
        """Whatever the lab would take for something else is a TypeError that shows it."""
        others: list[Any] = [b"ab", {"a"}, object(), iter("ab"), [b"ab"], [{}]]
        for value in others:
            with self.assertRaisesRegex(TypeError, "not a str, an int, a float or a timedelta"):
                target(body=value)
        with self.assertRaisesRegex(TypeError, "b'ab': not a str"):
            target(others[0])

    @by_chance
    @given(st.floats(0, 1e6))
    def test_fractions(self, seconds: float) -> None:
        """A fraction is a duration that netd reads to the microsecond."""
        self.assertAlmostEqual(Duration.parse(text(seconds)).seconds, seconds, places=5)

    def test_small(self) -> None:
        """No fraction has an exponent."""
        self.assertEqual([text(each) for each in (0.00001, 0.5, 2.0)], ["0.00001", "0.5", "2"])


class URLTests(SynchronousTestCase):
    """
    The place of texts in a URL.
    """

    @by_chance
    @given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1))
    def test_path(self, segments: list[str]) -> None:
        """Each segment is one segment, whatever is in it."""
        path = target(*segments)
        self.assertEqual([unquote(each) for each in path.split("/")[1:]], segments)
        self.assertTrue(path.isascii() and "?" not in path and "#" not in path)

    @by_chance
    @given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(st.characters(codec="utf-8"))))
    def test_query(self, parameters: dict[str, str]) -> None:
        """Each parameter comes back as it was."""
        query = target(**parameters)
        self.assertEqual(dict(parse_qsl(query[1:], keep_blank_values=True)), parameters)

    def test_repeated(self) -> None:
        """A parameter may repeat, and one that is None is left out."""
        self.assertEqual(target(h=["A: 1", "B"], x=None), "?h=A%3A%201&h=B")
        self.assertEqual(target(x=None), "")

    def test_header(self) -> None:
        """A header may be a dict."""
        self.assertEqual(target(h={"A": "1", "B": "x y"}), "?h=A%3A%201&h=B%3A%20x%20y")
