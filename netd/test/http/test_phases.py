"""
The names of what a connection is at.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.http import phases


class PhaseTests(SynchronousTestCase):
    """
    Claims about the names.
    """

    def test_distinct(self) -> None:
        """No two phases share a name: they are told apart by identity and shown by name."""
        names = [value for name, value in vars(phases).items() if isinstance(value, str)]
        own = [value for value in names if vars(phases).get(value.upper()) == value]
        self.assertEqual(len(own), 9)
        self.assertEqual(len(own), len(set(own)))

    def test_over(self) -> None:
        """Requests are heard before the last answer is complete, and never after."""
        heard = {phases.HANDSHAKE, phases.IDLE, phases.HEAD, phases.BODY, phases.ANSWER}
        self.assertEqual(heard & phases.OVER, set())
        self.assertEqual(len(heard | phases.OVER), 9)
