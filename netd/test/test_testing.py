"""
Tests of the public names of netd.testing.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

import netd.testing
from netd.testing import daemon


class NamesTests(SynchronousTestCase):
    """
    The names of the package.
    """

    def test_names(self) -> None:
        """Each public name is there, from the module that has it."""
        for name in netd.testing.__all__:
            self.assertEqual(getattr(netd.testing, name).__name__, name)
        self.assertIs(netd.testing.Daemon, daemon.Daemon)

    def test_unknown(self) -> None:
        """Another name is an AttributeError."""
        with self.assertRaisesRegex(AttributeError, "has no attribute nope"):
            netd.testing.nope  # noqa: B018
