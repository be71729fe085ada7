"""
What the tests of all grammars share: texts that are nearly right, and what refusing is.

Rules: no tests here.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.values import Duration

YEAR = 365 * 24 * 3600 * 1_000_000

# Text that is nearly right is what finds a parser's holes.
_NEARLY = st.text(st.sampled_from("0123456789.:-+_eE dhmsukKMGTiB=\\[]tcpudp6interfacbl\n²٣"))
TEXT = st.text() | _NEARLY

DURATIONS = st.integers(0, YEAR).map(Duration)


class Refusing(SynchronousTestCase):
    """What the tests of all grammars share."""

    def refused(self, parse: Callable[[str], object], *texts: str) -> None:
        """Each text raises ValueError whose message is one printable line."""
        for text in texts:
            with self.assertRaises(ValueError, msg=repr(text)) as caught:
                parse(text)
            said = str(caught.exception)
            self.assertTrue(said, repr(text))
            self.assertTrue(said.isprintable(), said)

    def only_value_errors(self, parse: Callable[[str], object], text: str) -> None:
        """Whatever `text` is, it parses or raises ValueError, in one printable line."""
        try:
            parse(text)
        except ValueError as wrong:
            self.assertTrue(str(wrong).isprintable(), repr(str(wrong)))
