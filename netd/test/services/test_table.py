"""
The table of small services.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.services import messages, table
from netd.settings import SERVICES
from netd.test.services import test_messages, test_tcp
from netd.test.services.test_messages import NOW


class TableTests(SynchronousTestCase):
    """
    What is offered.
    """

    def test_offered(self) -> None:
        """What the options offer is what there is, over UDP and over TCP."""
        for kind, offers in (("udp", table.DATAGRAM), ("tcp", table.STREAM)):
            offered = {name for name, kinds in SERVICES.items() if kind in kinds}
            self.assertEqual(set(offers), offered)

    def test_no_weapon(self) -> None:
        """Chargen is not offered over UDP."""
        self.assertNotIn("chargen", table.DATAGRAM)


class DatagramTests(SynchronousTestCase):
    """
    Over UDP.
    """

    def ask(self, name: str, data: bytes = b"?", hops: int = 64) -> bytes | None:
        """What `name` answers."""
        return table.datagram(name, lambda: NOW).answer(data, hops)

    def test_answers(self) -> None:
        """Each says what it is for."""
        self.assertEqual(self.ask("echo"), b"?")
        self.assertIsNone(self.ask("discard"))
        self.assertEqual(self.ask("daytime"), messages.daytime(NOW))
        self.assertEqual(self.ask("time"), messages.time(NOW))
        self.assertEqual(self.ask("qotd"), messages.qotd(NOW))
        self.assertEqual(
            self.ask("sockperf", test_messages.SockperfTests.ASKED),
            messages.sockperf(test_messages.SockperfTests.ASKED),
        )

    def test_stamp(self) -> None:
        """STAMP tells the hop limit, and that it answered after it had received."""
        self.assertTrue(table.datagram("stamp").hops)
        answer = self.ask("stamp", test_messages.StampTests.TEST, hops=61)
        assert answer is not None
        self.assertEqual(answer[40], 61)
        self.assertLessEqual(answer[16:24], answer[4:12])
        self.assertIsNone(self.ask("stamp", b"?"))


class StreamTests(SynchronousTestCase):
    """
    Over TCP.
    """

    def say(self, name: str, data: bytes = b"") -> bytes:
        """What `name` says to `data`, at once."""
        factory = table.stream(name, Clock(), Counters(), now=lambda: NOW)
        self.assertEqual(factory.logPrefix(), name)
        line = test_tcp.Line(factory)
        if data:
            line.come(data)
        line.leave()
        return line.said

    def test_said(self) -> None:
        """Each says what it is for."""
        self.assertEqual(self.say("echo", b"hello"), b"hello")
        self.assertEqual(self.say("discard", b"hello"), b"")
        self.assertEqual(self.say("daytime"), messages.daytime(NOW))
        self.assertEqual(self.say("time"), messages.time(NOW))
        self.assertEqual(self.say("qotd"), messages.qotd(NOW))
        self.assertTrue(self.say("chargen").startswith(b" !\"#$%&'()"))
