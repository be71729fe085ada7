"""
An end for code that hostile input keeps busy.
"""

from __future__ import annotations

import re
import signal

from twisted.trial.unittest import SynchronousTestCase

from netd.test import bounded


class BoundedTests(SynchronousTestCase):
    """
    A block that has a limit of processor time.
    """

    def test_expression(self) -> None:
        """A regular expression that would take years is ended."""
        self.patch(bounded, "SECONDS", 0.05)
        with self.assertRaises(AssertionError), bounded.bounded("a"):
            re.fullmatch("(a|a)*", "a" * 100 + "b")

    def test_left(self) -> None:
        """A block that ends in time leaves no signal behind."""
        before = signal.getsignal(signal.SIGVTALRM)
        with bounded.bounded("b"):
            pass
        self.assertIs(signal.getsignal(signal.SIGVTALRM), before)
        self.assertEqual(signal.getitimer(signal.ITIMER_VIRTUAL)[0], 0)
