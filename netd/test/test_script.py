"""
Tests for netd.script.
"""

from __future__ import annotations

import math
from typing import Any

from attrs.exceptions import FrozenInstanceError
from twisted.trial.unittest import SynchronousTestCase

from netd.script import Abort, Send, Wait


class WaitTests(SynchronousTestCase):
    """
    A wait has a length that a clock can count.
    """

    def test_seconds(self) -> None:
        """
        Zero, whole and broken seconds are kept as they are given.
        """
        for seconds in (0, 0.0, 1e-9, 3, 2.5, 1e9):
            self.assertEqual(Wait(seconds).seconds, seconds)

    def test_refused(self) -> None:
        """
        What no clock can count is refused, with the value in the message.
        """
        for seconds in (-1, -1e-9, math.inf, -math.inf, math.nan):
            with self.assertRaises(ValueError) as caught:
                Wait(seconds)
            self.assertEqual(str(caught.exception), f"cannot wait {seconds} seconds")

    def test_frozen(self) -> None:
        """
        A step cannot be changed once a script holds it.
        """
        step: Any = Wait(1)
        with self.assertRaises(FrozenInstanceError):
            step.seconds = 2


class SendTests(SynchronousTestCase):
    """
    What is said is bytes.
    """

    def test_bytes(self) -> None:
        """
        Any bytes can be said, none at all included.
        """
        for data in (b"", b"a", bytes(range(256))):
            self.assertEqual(Send(data).data, data)

    def test_refused(self) -> None:
        """
        Text, and a buffer that could change afterwards, are refused at once.
        """
        wrong: Any
        for wrong in ("text", bytearray(b"a"), memoryview(b"a"), None, 1):
            with self.assertRaises(TypeError):
                Send(wrong)

    def test_equal(self) -> None:
        """
        Two steps that say the same are equal, so that a test can compare scripts.
        """
        self.assertEqual([Wait(1), Send(b"a"), Abort()], [Wait(1.0), Send(b"a"), Abort()])
        self.assertNotEqual(Send(b"a"), Send(b"b"))
        self.assertNotEqual(Abort(), Send(b""))
