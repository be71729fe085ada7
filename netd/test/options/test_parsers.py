"""
Tests for netd.options.parsers.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.options import parsers
from netd.test.options.examples import KINDS
from netd.values import switch


class ParserTests(SynchronousTestCase):
    """
    What single options take.
    """

    def test_good(self) -> None:
        """
        Texts that mean different things become different values.
        """
        for parse, (texts, _) in KINDS.items():
            several = {parse(text) for text in texts}
            self.assertEqual(len(several), 2 if parse is switch else len(set(texts)), texts)

    def test_bad(self) -> None:
        """
        Every parser refuses what is none of its texts, and says why.
        """
        for parse, (_, texts) in KINDS.items():
            for text in texts:
                with self.assertRaises(ValueError, msg=f"{parse} {text!r}") as caught:
                    parse(text)
                self.assertTrue(str(caught.exception))

    def test_header_ours(self) -> None:
        """
        A field that the server says itself is refused by its name.
        """
        with self.assertRaises(ValueError) as caught:
            parsers.header("Date:now")
        self.assertEqual(str(caught.exception), "Date is not the operator's to say")
