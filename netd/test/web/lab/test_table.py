"""
The table of the lab.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.test.web.conversation import Conversation
from netd.web.lab.table import ROUTES


class TableTests(SynchronousTestCase):
    """
    Claims about every line.
    """

    def test_unique(self) -> None:
        """No two lines claim the same path."""
        paths = [route.path for route in ROUTES]
        self.assertEqual(len(paths), len(set(paths)))

    def test_described(self) -> None:
        """Every line says what it is for, and so does its endpoint."""
        for route in ROUTES:
            self.assertTrue(route.help, route.path)
            self.assertTrue(route.endpoint.__doc__, route.path)

    def test_methods(self) -> None:
        """HEAD, OPTIONS and a wrong method are right for every line with a list of methods."""
        for route in ROUTES:
            if not route.methods:
                continue
            talk = Conversation()
            self.assertEqual(talk.request(f"HEAD {route.path}").body, b"", route.path)
            self.assertEqual(talk.request(f"OPTIONS {route.path}").status, 204)
            wrong = talk.request(f"BREW {route.path}")
            self.assertEqual((wrong.status, wrong.headers["allow"]), (405, route.allow))
