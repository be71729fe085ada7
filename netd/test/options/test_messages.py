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
        What would break the line, hide in it, or be nothing is shown as Python writes it.
        """
        for text in ("", "a\nb", "\x1b[2J", "\u202e", "\udcff"):
            self.assertEqual(quote_unprintable(text), repr(text))
        self.assertEqual(quote_unprintable("a b"), "a b")

    def test_escape_unprintable(self) -> None:
        """
        Of a whole message only what would break the line is escaped.
        """
        self.assertEqual(escape_unprintable("a 'b'\n\x1bc"), "a 'b'\\n\\x1bc")
        self.assertEqual(escape_unprintable(""), "")
