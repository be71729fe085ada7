"""
Tests of netd.services.table.
"""

from __future__ import annotations

from math import inf

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.services import messages, table
from netd.settings import SERVICES
from netd.test.services import test_messages, test_tcp
from netd.test.services.test_messages import NOW


class TableTests(SynchronousTestCase):
    """
    The names of the services.
    """

    def test_names(self) -> None:
        """The table has the services that the settings allow, over UDP and over TCP."""
        for kind, services in (
            ("udp", set(table.DATAGRAM)),
            ("tcp", {*table.STREAM, *table.SOCKET}),
        ):
            allowed = {name for name, kinds in SERVICES.items() if kind in kinds}
            self.assertEqual(services, allowed)

    def test_noAmplification(self) -> None:
        """chargen is not offered over UDP."""
        self.assertNotIn("chargen", table.DATAGRAM)


class DatagramTests(SynchronousTestCase):
    """
    Over UDP.
    """

    def respond(self, name: str, data: bytes = b"?", hops: int = 64) -> bytes | None:
        """The response of the service `name`."""
        return table.datagram(name, lambda: NOW).respond(data, hops)

    def test_responses(self) -> None:
        """Each service gives its own response."""
        self.assertEqual(self.respond("echo"), b"?")
        self.assertIsNone(self.respond("discard"))
        self.assertEqual(self.respond("daytime"), messages.daytime(NOW))
        self.assertEqual(self.respond("time"), messages.time(NOW))
        self.assertEqual(self.respond("qotd"), messages.qotd(NOW))
        self.assertEqual(
            self.respond("sockperf", test_messages.SockperfTests.REQUEST),
            messages.sockperf(test_messages.SockperfTests.REQUEST),
        )

    def test_stamp(self) -> None:
        """A STAMP response has the hop limit, and is sent after the test was received."""
        self.assertTrue(table.datagram("stamp").hops)
        response = self.respond("stamp", test_messages.StampTests.TEST, hops=61)
        assert response is not None
        self.assertEqual(response[40], 61)
        self.assertLessEqual(response[16:24], response[4:12])
        self.assertIsNone(self.respond("stamp", b"?"))


class StreamTests(SynchronousTestCase):
    """
    Over TCP.
    """

    def exchange(self, name: str, data: bytes = b"") -> bytes:
        """What the service `name` sends at once after `data`."""
        factory = table.stream(name, Clock(), Counters(), now=lambda: NOW)
        self.assertEqual(factory.logPrefix(), name)
        client = test_tcp.Client(factory)
        if data:
            client.send(data)
        client.leave()
        return client.received

    def test_idle(self) -> None:
        """A setting of 0 means no idle limit."""
        for idle, limit in ((0.0, inf), (3.0, 3.0)):
            self.assertEqual(table.stream("echo", Clock(), Counters(), idle).idle, limit)

    def test_responses(self) -> None:
        """Each service gives its own response."""
        self.assertEqual(self.exchange("echo", b"hello"), b"hello")
        self.assertEqual(self.exchange("discard", b"hello"), b"")
        self.assertEqual(self.exchange("tls-stall", b"\x16\x03\x01"), b"")
        self.assertEqual(self.exchange("daytime"), messages.daytime(NOW))
        self.assertEqual(self.exchange("time"), messages.time(NOW))
        self.assertEqual(self.exchange("qotd"), messages.qotd(NOW))
        self.assertTrue(self.exchange("chargen").startswith(b" !\"#$%&'()"))
