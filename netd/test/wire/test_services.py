"""
The table of small services.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.settings import SERVICES
from netd.test.wire import test_answers, test_tcp
from netd.test.wire.test_answers import NOW
from netd.wire import answers, services


class TableTests(SynchronousTestCase):
    """
    What is offered.
    """

    def test_offered(self) -> None:
        """What the options offer is what there is, over UDP and over TCP."""
        for kind, table in (("udp", services.DATAGRAM), ("tcp", services.STREAM)):
            offered = {name for name, kinds in SERVICES.items() if kind in kinds}
            self.assertEqual(set(table), offered)

    def test_no_weapon(self) -> None:
        """Chargen is not offered over UDP."""
        self.assertNotIn("chargen", services.DATAGRAM)


class DatagramTests(SynchronousTestCase):
    """
    Over UDP.
    """

    def ask(self, name: str, data: bytes = b"?", hops: int = 64) -> bytes | None:
        """What `name` answers."""
        return services.datagram(name, lambda: NOW).answer(data, hops)

    def test_answers(self) -> None:
        """Each says what it is for."""
        self.assertEqual(self.ask("echo"), b"?")
        self.assertIsNone(self.ask("discard"))
        self.assertEqual(self.ask("daytime"), answers.daytime(NOW))
        self.assertEqual(self.ask("time"), answers.time(NOW))
        self.assertEqual(self.ask("qotd"), answers.qotd(NOW))
        self.assertEqual(
            self.ask("sockperf", test_answers.SockperfTests.ASKED),
            answers.sockperf(test_answers.SockperfTests.ASKED),
        )

    def test_stamp(self) -> None:
        """STAMP tells the hop limit, and that it answered after it had received."""
        self.assertTrue(services.datagram("stamp").hops)
        answer = self.ask("stamp", test_answers.StampTests.TEST, hops=61)
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
        factory = services.stream(name, Clock(), Counters(), now=lambda: NOW)
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
        self.assertEqual(self.say("daytime"), answers.daytime(NOW))
        self.assertEqual(self.say("time"), answers.time(NOW))
        self.assertEqual(self.say("qotd"), answers.qotd(NOW))
        self.assertTrue(self.say("chargen").startswith(b" !\"#$%&'()"))
