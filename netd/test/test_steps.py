"""
Work in steps.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.steps import Steps, run_now


class StepsTests(SynchronousTestCase):
    """
    All steps without a pause.
    """

    def test_result(self) -> None:
        """The result is returned after any number of steps."""

        def work(count: int) -> Steps[int]:
            for _ in range(count):
                yield
            return count

        self.assertEqual([run_now(work(n)) for n in (0, 1, 5)], [0, 1, 5])
