"""
Tests for netd.workers.messages.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.options.build import build_settings
from netd.options.sources import OptionValue
from netd.settings import OPTIONS, Settings
from netd.test.options.examples import EXAMPLES
from netd.workers import messages
from netd.workers.messages import Envelope, Response, Snapshot


class PackTests(SynchronousTestCase):
    """
    Messages as bytes.
    """

    def test_settings(self) -> None:
        """Settings of every type arrive as they were sent."""
        values = {
            option.name: OptionValue(option, EXAMPLES[option.name][:1], "flag")
            for option in OPTIONS
        }
        start = messages.Start(build_settings(values), 3)
        self.assertNotEqual(start.settings, Settings())
        self.assertEqual(messages.unpack(messages.pack(Envelope(start))), Envelope(start))

    def test_counters(self) -> None:
        """Counters arrive with their numbers, and count on."""
        counters = Counters(connections=3)
        counters.responses[200] += 2
        counters.delays.add(1.0)
        sent = Snapshot(counters, {"http": 1}, {}, 0, 0, {"default": 1.5})
        received = messages.unpack(messages.pack(Response(sent, 7)))
        assert isinstance(received, Response)
        self.assertEqual(received, Response(sent, 7))
        taken = received.value
        assert isinstance(taken, Snapshot)
        taken.counters.responses[404] += 1
        self.assertEqual(taken.counters.responses, {200: 2, 404: 1})

    def test_large(self) -> None:
        """A message of more bytes than the other end takes is refused."""
        self.assertRaises(ValueError, messages.pack, Envelope(bytes(messages.MAX_BYTES)))
