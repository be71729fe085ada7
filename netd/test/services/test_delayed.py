"""
Tests of netd.services.delayed.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.services import delayed
from netd.services.delayed import DelayedSender
from netd.services.impairment import Impairments
from netd.settings import Impairment
from netd.values import Duration


class DelayedSenderTests(SynchronousTestCase):
    """
    Datagrams, each sent by its own script.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.sent: list[tuple[float, bytes, Any]] = []
        self.dropped: list[str] = []
        self.reason: str | None = None

    def sender(self, **impairment: Any) -> DelayedSender:
        """A sender through a network with this impairment."""

        def send(data: bytes, ancillary: Any, address: Any) -> str | None:
            self.sent.append((self.clock.seconds(), data, (ancillary, address)))
            return self.reason

        impairments = Impairments(Impairment(**{"seed": 1, **impairment}))
        return DelayedSender(impairments, send, self.dropped.append, self.clock)

    def test_at_once(self) -> None:
        """Without impairment a datagram is sent at once and not kept."""
        sender = self.sender()
        sender.send(b"a", (), ("127.0.0.1", 1))
        self.assertEqual(self.sent, [(0.0, b"a", ((), ("127.0.0.1", 1)))])
        self.assertEqual((sender.waiting_bytes, sender.waiting, self.dropped), (0, set(), []))

    def test_delay(self) -> None:
        """Delayed datagrams are sent when they are due, in order."""
        sender = self.sender(delay=Duration(500_000))
        sender.send(b"a", (), ("", 1))
        self.clock.advance(0.1)
        sender.send(b"bc", (), ("", 2))
        self.assertEqual((sender.waiting_bytes, len(sender.waiting), self.sent), (3, 2, []))
        self.clock.pump([0.1] * 10)
        self.assertEqual(
            [(data, to[1][1]) for _, data, to in self.sent], [(b"a", 1), (b"bc", 2)]
        )
        self.assertAlmostEqual(self.sent[1][0] - self.sent[0][0], 0.1)
        self.assertEqual((sender.waiting_bytes, sender.waiting), (0, set()))

    def test_lost(self) -> None:
        """A lost datagram is a drop."""
        self.sender(loss=1.0).send(b"a", (), ("", 1))
        self.assertEqual((self.sent, self.dropped), ([], ["impairment"]))

    def test_twice(self) -> None:
        """A duplicated datagram is sent twice."""
        self.sender(duplicate=1.0).send(b"a", (), ("", 1))
        self.assertEqual([data for _, data, _ in self.sent], [b"a", b"a"])

    def test_unsendable(self) -> None:
        """A datagram that cannot be sent is a drop, at once or delayed."""
        self.reason = "unsendable"
        self.sender().send(b"a", (), ("", 1))
        self.sender(delay=Duration(1)).send(b"b", (), ("", 1))
        self.assertEqual(self.dropped, ["unsendable"])
        self.clock.advance(1)
        self.assertEqual(self.dropped, ["unsendable"] * 2)

    def test_backlog(self) -> None:
        """The waiting datagrams and their bytes are limited; the rest is dropped."""
        self.patch(delayed, "MAX_DATAGRAMS", 3)
        sender = self.sender(delay=Duration(1_000_000))
        for _ in range(4):
            sender.send(b"a", (), ("", 1))
        self.assertEqual((len(sender.waiting), self.dropped), (3, ["backlog"]))
        self.patch(delayed, "MAX_BYTES", 5)
        sender.stop()
        sender.send(b"abcd", (), ("", 1))
        sender.send(b"ab", (), ("", 1))
        self.assertEqual((sender.waiting_bytes, self.dropped), (4, ["backlog"] * 2))
        sender.stop()

    def test_stop(self) -> None:
        """After a stop nothing is sent and no timer is left."""
        sender = self.sender(delay=Duration(1_000_000))
        sender.send(b"a", (), ("", 1))
        sender.stop()
        self.assertEqual((self.clock.getDelayedCalls(), sender.waiting_bytes), ([], 0))
        self.assertEqual(sender.waiting, set())

    def test_broken(self) -> None:
        """A script that raises is logged once and forgotten."""
        sender = self.sender()

        class Broken:
            """Impairments that fail."""

            def script(self, data: bytes) -> Any:
                """Fail at the first step."""
                raise RuntimeError("no step")
                yield

        sender._impairments = Broken()  # type: ignore[assignment]  # as a bug would be
        sender.send(b"a", (), ("", 1))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual((sender.waiting_bytes, sender.waiting), (0, set()))
