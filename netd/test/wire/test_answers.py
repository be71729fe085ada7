"""
What the small services say.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.wire.answers import echo


class EchoTests(SynchronousTestCase):
    """
    RFC 862.
    """

    @given(st.binary())
    def test_same(self, data: bytes) -> None:
        """Whatever is said comes back."""
        self.assertEqual(echo(data), data)
