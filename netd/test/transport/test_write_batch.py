"""What leaves together."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from netd.transport.write_batch import MOST, WriteBatch


class One:
    """Does something when it departs."""

    def __init__(self, then: Callable[[], object]) -> None:
        self.then = then

    def flush(self) -> None:
        """What it was made for."""
        self.then()


class OutboxTests(SynchronousTestCase):
    """Who waits, and until when."""

    def setUp(self) -> None:
        """Nobody waits yet."""
        self.write_batch = WriteBatch()
        self.gone: list[object] = []

    def add(self, what: object) -> None:
        """Somebody who leaves `what` behind."""
        self.write_batch.add(One(lambda: self.gone.append(what)))

    def test_together(self) -> None:
        """Nobody leaves before it is emptied; then all do, in order and once."""
        self.add(1)
        self.add(2)
        self.assertEqual(self.gone, [])
        self.assertTrue(self.write_batch.flush())
        self.assertEqual(self.gone, [1, 2])
        self.assertFalse(self.write_batch.flush())
        self.assertEqual(self.gone, [1, 2])

    def test_full(self) -> None:
        """It never holds up more than a few."""
        for each in range(MOST + 1):
            self.add(each)
        self.assertEqual(self.gone, list(range(MOST)))

    def test_meanwhile(self) -> None:
        """Who comes while others leave does not stay behind."""
        self.write_batch.add(One(lambda: self.add("late")))
        self.assertTrue(self.write_batch.flush())
        self.assertEqual(self.gone, ["late"])

    def test_bug(self) -> None:
        """Who fails is logged and keeps nobody else."""
        self.write_batch.add(One({}.popitem))
        self.add("next")
        self.write_batch.flush()
        self.assertEqual(self.gone, ["next"])
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
