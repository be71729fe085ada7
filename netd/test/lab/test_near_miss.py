"""
Names that were probably meant to be another.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.near_miss import near_miss
from netd.test.chance import by_chance

KNOWN = ("delay", "body_delay", "pace", "size", "key", "status", "header", "retry_after")


class NearMissTests(SynchronousTestCase):
    """
    What a name was meant to be.
    """

    def test_slips(self) -> None:
        """A letter more or less, two swapped, a hyphen, or a wrong letter in a long name."""
        for name, meant in (
            ("dely", "delay"),
            ("elay", "delay"),
            ("delays", "delay"),
            ("dealy", "delay"),
            ("Delay", "delay"),
            ("siez", "size"),
            ("staus", "status"),
            ("statis", "status"),
            ("header_", "header"),
            ("retry-after", "retry_after"),
            ("retryafter", "retry_after"),
            ("Retry-Aftr", "retry_after"),
            ("KEY", "key"),
        ):
            self.assertEqual(near_miss(name, KNOWN), meant, name)

    def test_others(self) -> None:
        """A name that is right, or no slip away, or short, is none."""
        for name in (*KNOWN, "page", "side", "delta", "k", "keys", "ke", "", "x" * 10_000, "n"):
            self.assertIsNone(near_miss(name, KNOWN), name)

    @by_chance
    @given(st.text(st.sampled_from("delaysizk_-"), max_size=12))
    def test_known(self, name: str) -> None:
        """What is meant is always one of the known names."""
        self.assertIn(near_miss(name, KNOWN), (None, *KNOWN))
