"""
Tests for netd.workers.scoreboard.
"""

from __future__ import annotations

import os
from math import inf

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.test.chance import by_chance
from netd.workers.scoreboard import LIVE_SECONDS, Column, Scoreboard

_CELLS = st.tuples(st.integers(0, 3), st.sampled_from(Column), st.integers(0, 10**9))


class ScoreboardTests(SynchronousTestCase):
    """
    A table in shared memory.
    """

    @given(st.lists(_CELLS))
    @by_chance
    def test_model(self, writes: list[tuple[int, Column, int]]) -> None:
        """Each cell keeps what was written last, and the sums are those of the others."""
        board, model = (
            Scoreboard(4),
            dict.fromkeys([(worker, column) for worker in range(4) for column in Column], 0),
        )
        for worker, column, value in writes:
            board.set(worker, column, value)
            model[worker, column] = value
        for (worker, column), value in model.items():
            self.assertEqual(board.get(worker, column), value)
            rest = sum(model[other, column] for other in range(4) if other != worker)
            self.assertEqual(board.others(worker, column), rest)

    def test_clear(self) -> None:
        """A row is forgotten, and the others stay."""
        board = Scoreboard(2)
        for worker in range(2):
            for column in Column:
                board.set(worker, column, 7)
        board.clear(0)
        self.assertEqual([board.get(0, column) for column in Column], [0] * len(Column))
        self.assertEqual([board.get(1, column) for column in Column], [7] * len(Column))

    def test_least(self) -> None:
        """The least load is that of another worker with a recent heartbeat."""
        board, now = Scoreboard(4), 100.0
        for worker, (load, age) in enumerate(((1, 0), (5, 0), (9, 0.1), (2, 1))):
            board.set(worker, Column.LOAD, load)
            board.set(worker, Column.HEARTBEAT, now - age)
        self.assertEqual(list(board.live(now)), [0, 1, 2])
        self.assertEqual([board.least(worker, now) for worker in range(4)], [5, 1, 1, 1])
        self.assertEqual(board.least(0, now + LIVE_SECONDS + 0.01), inf)

    def test_alone(self) -> None:
        """Nobody has less than nobody."""
        self.assertEqual(Scoreboard(1).least(0, 1.0), inf)

    def test_shared(self) -> None:
        """What a child writes its parent reads."""
        board = Scoreboard(2)
        pid = os.fork()
        if pid == 0:
            board.set(1, Column.HTTP, 42)
            os._exit(0)
        os.waitpid(pid, 0)
        self.assertEqual(board.get(1, Column.HTTP), 42)
