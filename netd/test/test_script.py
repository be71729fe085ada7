"""
Tests of netd.script.
"""

from __future__ import annotations

import math
from typing import Any

from attrs.exceptions import FrozenInstanceError
from twisted.trial.unittest import SynchronousTestCase

from netd.script import Abort, Send, Wait, spread


class WaitTests(SynchronousTestCase):
    """
    The seconds of a Wait.
    """

    def test_seconds(self) -> None:
        """Any finite number from 0 is kept as given."""
        for seconds in (0, 0.0, 1e-9, 3, 2.5, 1e9):
            self.assertEqual(Wait(seconds).seconds, seconds)

    def test_refused(self) -> None:
        """Negative and infinite seconds and nan are refused."""
        for seconds in (-1, -1e-9, math.inf, -math.inf, math.nan):
            caught = self.assertRaises(ValueError, Wait, seconds)
            self.assertEqual(str(caught), f"cannot wait {seconds} seconds")

    def test_frozen(self) -> None:
        """A step is immutable."""
        step: Any = Wait(1)
        with self.assertRaises(FrozenInstanceError):
            step.seconds = 2


class SendTests(SynchronousTestCase):
    """
    The data of a Send.
    """

    def test_bytes(self) -> None:
        """Any bytes are kept, b"" included."""
        for data in (b"", b"a", bytes(range(256))):
            self.assertEqual(Send(data).data, data)

    def test_refused(self) -> None:
        """Text and mutable buffers are refused."""
        data: Any
        for data in ("text", bytearray(b"a"), memoryview(b"a"), None, 1):
            with self.assertRaises(TypeError):
                Send(data)

    def test_equal(self) -> None:
        """Steps with equal values are equal."""
        self.assertEqual([Wait(1), Send(b"a"), Abort()], [Wait(1.0), Send(b"a"), Abort()])
        self.assertNotEqual(Send(b"a"), Send(b"b"))
        self.assertNotEqual(Abort(), Send(b""))


class SpreadTests(SynchronousTestCase):
    """
    Pieces spread over a duration.
    """

    def test_pauses(self) -> None:
        """The pauses lie between the pieces, after the delay."""
        a, b, c = Send(b"a"), Send(b"b"), Send(b"c")
        self.assertEqual(list(spread([b"a", b"b"], 2, 3.0)), [a, Wait(3.0), b])
        self.assertEqual(
            list(spread([b"a", b"b", b"c"], 3, 3.0, 1.0)),
            [Wait(1.0), a, Wait(1.5), b, Wait(1.5), c],
        )

    def test_single(self) -> None:
        """A single piece comes at the end of the duration, after an empty one."""
        self.assertEqual(list(spread([b"a"], 1, 3.0)), [Send(b""), Wait(3.0), Send(b"a")])
        self.assertEqual(list(spread([b"a"], 1, 0.0)), [Send(b"a")])

    def test_atOnce(self) -> None:
        """Without a duration nothing waits."""
        self.assertEqual(list(spread([b"a", b"b"], 2, 0.0)), [Send(b"a"), Send(b"b")])
        self.assertEqual(list(spread([], 0, 3.0)), [])
