"""
Messages on a pipe.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.test.chance import by_chance
from netd.xmlrpc.framing import FrameReader, framed


class FrameReaderTests(SynchronousTestCase):
    """
    Messages with their lengths in front.
    """

    @by_chance
    @given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 60))
    def test_pieces(self, messages: list[bytes], piece: int) -> None:
        """Messages arrive unchanged however the pipe cuts them."""
        data = b"".join(map(framed, messages))
        frames = FrameReader(50)
        received = []
        for start in range(0, len(data), piece):
            received += frames.feed(data[start : start + piece])
        self.assertEqual(received, messages)

    def test_tooLong(self) -> None:
        """A message that is too long is refused as soon as its length is read."""
        self.assertRaises(ValueError, FrameReader(10).feed, framed(b"x" * 11)[:4])
        self.assertEqual(FrameReader(10).feed(framed(b"x" * 10)), [b"x" * 10])
