"""
Tests of netd.services.impairment.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.script import Abort, Send, Step, Wait
from netd.services import impairment
from netd.services.impairment import REORDER_SECONDS, DelayedSender, Impairments, flip_bit
from netd.settings import Impairment
from netd.test.chance import by_chance
from netd.values import Distribution, Duration


def scripts(count: int = 1000, data: bytes = b"data", **shares: Any) -> list[list[Step]]:
    """The scripts of `count` datagrams."""
    impairments = Impairments(Impairment(**{"seed": 1, **shares}))
    return [list(impairments.script(data)) for _ in range(count)]


class ImpairmentsTests(SynchronousTestCase):
    """
    The scripts of datagrams.
    """

    def near(self, share: float, expected: float, within: float) -> None:
        """`share` is about `expected`."""
        self.assertLessEqual(abs(share - expected), within)

    def share(self, drawn: list[list[Step]], like: list[Step]) -> float:
        """The share of `like` in `drawn`."""
        return sum(script == like for script in drawn) / len(drawn)

    def test_nothing(self) -> None:
        """Without impairment each datagram is sent once and at once."""
        self.assertEqual(scripts(3), [[Send(b"data")]] * 3)

    def test_loss(self) -> None:
        """The requested share of datagrams is lost."""
        drawn = scripts(loss=0.25)
        self.near(self.share(drawn, [Abort()]), 0.25, 0.05)
        self.near(self.share(drawn, [Send(b"data")]), 0.75, 0.05)
        self.assertEqual(self.share(scripts(loss=1.0), [Abort()]), 1.0)

    def test_duplicate(self) -> None:
        """The requested share of datagrams is sent twice."""
        drawn = scripts(duplicate=0.1)
        self.near(self.share(drawn, [Send(b"data")] * 2), 0.1, 0.05)

    def test_delay(self) -> None:
        """The delay is fixed or drawn for each datagram."""
        self.assertEqual(scripts(2, delay=Duration(250_000)), [[Wait(0.25), Send(b"data")]] * 2)
        waits = [
            step.seconds
            for script in scripts(delay=Distribution.parse("uniform:1s-3s"))
            for step in script
            if isinstance(step, Wait)
        ]
        self.assertEqual(len(waits), 1000)
        self.near(sum(waits) / 1000, 2.0, 0.1)

    def test_reorder(self) -> None:
        """The requested share of datagrams waits a little longer."""
        drawn = scripts(reorder=0.3)
        reordered: list[Step] = [Wait(REORDER_SECONDS), Send(b"data")]
        self.near(self.share(drawn, reordered), 0.3, 0.05)

    def test_corrupt(self) -> None:
        """A corrupted datagram has one bit inverted, at any position."""
        sent = [script[0] for script in scripts(corrupt=1.0)]
        data = {step.data for step in sent if isinstance(step, Send)}
        self.assertEqual(len(data), 32)
        for corrupted in data:
            difference = int.from_bytes(corrupted, "big") ^ int.from_bytes(b"data", "big")
            self.assertEqual(difference.bit_count(), 1)

    def test_seed(self) -> None:
        """The same seed gives the same scripts; another seed or none gives others."""
        everything: dict[str, Any] = {
            "loss": 0.1,
            "duplicate": 0.2,
            "reorder": 0.2,
            "corrupt": 0.3,
        }
        self.assertEqual(scripts(seed=7, **everything), scripts(seed=7, **everything))
        self.assertNotEqual(scripts(seed=7, **everything), scripts(seed=8, **everything))
        self.assertNotEqual(scripts(seed=None, **everything), scripts(seed=None, **everything))

    def test_independent(self) -> None:
        """One probability does not affect the draws of another."""
        lost = [script == [Abort()] for script in scripts(loss=0.5)]
        more = [script == [Abort()] for script in scripts(loss=0.5, duplicate=0.5, corrupt=0.5)]
        self.assertEqual(lost, more)


class FlipBitTests(SynchronousTestCase):
    """
    Corruption.
    """

    @by_chance
    @given(st.binary(), st.floats(0, 1, exclude_max=True))
    def test_one(self, data: bytes, position: float) -> None:
        """Exactly one bit differs, except in b""."""
        flipped = flip_bit(data, position)
        self.assertEqual(len(flipped), len(data))
        difference = int.from_bytes(flipped, "big") ^ int.from_bytes(data, "big")
        self.assertEqual(difference.bit_count(), min(1, len(data)))


class DelayedSenderTests(SynchronousTestCase):
    """
    Datagrams, each sent by its own script.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.sent: list[tuple[float, bytes, Any]] = []
        self.dropped: list[str] = []
        self.reason: str | None = None

    def sender(self, **changes: Any) -> DelayedSender:
        """A sender through a network with this impairment."""

        def send(data: bytes, ancillary: Any, address: Any) -> str | None:
            self.sent.append((self.clock.seconds(), data, (ancillary, address)))
            return self.reason

        impairments = Impairments(Impairment(**{"seed": 1, **changes}))
        return DelayedSender(impairments, send, self.dropped.extend, self.clock)

    def test_atOnce(self) -> None:
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
        self.patch(impairment, "MAX_DATAGRAMS", 3)
        sender = self.sender(delay=Duration(1_000_000))
        for _ in range(4):
            sender.send(b"a", (), ("", 1))
        self.assertEqual((len(sender.waiting), self.dropped), (3, ["backlog"]))
        self.patch(impairment, "MAX_BYTES", 5)
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
