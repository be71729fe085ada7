"""
Tests for netd.options.messages.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.options.messages import escape_unprintable, quote_unprintable


class LineTests(SynchronousTestCase):
    """
    Text that fits into a message of one line.
    """

    def test_quoted(self) -> None:
        """
        An empty or unprintable text is quoted as in Python.
        """
        for text in ("", "a\nb", "\x1b[2J", "\u202e", "\udcff"):
            self.assertEqual(quote_unprintable(text), repr(text))
        self.assertEqual(quote_unprintable("a b"), "a b")

    def test_escape_unprintable(self) -> None:
        """
        Only unprintable characters of a message are escaped.
        """
        self.assertEqual(escape_unprintable("a 'b'\n\x1bc"), "a 'b'\\n\\x1bc")
        self.assertEqual(escape_unprintable(""), "")
        self.assertEqual(escape_unprintable("a\n\t\x9b", keep="\n\t"), "a\n\t\\x9b")
