"""
Datagrams on their way.
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


class LettersTests(SynchronousTestCase):
    """
    Answers, each with its own fate.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.sent: list[tuple[float, bytes, Any]] = []
        self.dropped: list[str] = []
        self.why: str | None = None

    def letters(self, **shares: Any) -> DelayedSender:
        """The answers of one port under these conditions."""

        def send(data: bytes, ancillary: Any, address: Any) -> str | None:
            self.sent.append((self.clock.seconds(), data, (ancillary, address)))
            return self.why

        fates = Impairments(Impairment(**{"seed": 1, **shares}))
        return DelayedSender(fates, send, self.dropped.append, self.clock)

    def test_at_once(self) -> None:
        """What nothing happens to is sent at once, and nothing is kept of it."""
        letters = self.letters()
        letters.post(b"a", "ancillary", "address")
        self.assertEqual(self.sent, [(0.0, b"a", ("ancillary", "address"))])
        self.assertEqual((letters.held, letters.waiting, self.dropped), (0, set(), []))

    def test_delay(self) -> None:
        """What waits is sent when its time has come, in order."""
        letters = self.letters(delay=Duration(500_000))
        letters.post(b"a", (), 1)
        self.clock.advance(0.1)
        letters.post(b"bc", (), 2)
        self.assertEqual((letters.held, len(letters.waiting), self.sent), (3, 2, []))
        self.clock.pump([0.1] * 10)
        self.assertEqual([(data, to[1]) for _, data, to in self.sent], [(b"a", 1), (b"bc", 2)])
        self.assertAlmostEqual(self.sent[1][0] - self.sent[0][0], 0.1)
        self.assertEqual((letters.held, letters.waiting), (0, set()))

    def test_lost(self) -> None:
        """What is lost is a drop."""
        self.letters(loss=1.0).post(b"a", (), 1)
        self.assertEqual((self.sent, self.dropped), ([], ["impairment"]))

    def test_twice(self) -> None:
        """What is doubled is sent twice."""
        self.letters(duplicate=1.0).post(b"a", (), 1)
        self.assertEqual([data for _, data, _ in self.sent], [b"a", b"a"])

    def test_unsendable(self) -> None:
        """What cannot be sent is a drop, now or later."""
        self.why = "unsendable"
        self.letters().post(b"a", (), 1)
        self.letters(delay=Duration(1)).post(b"b", (), 1)
        self.assertEqual(self.dropped, ["unsendable"])
        self.clock.advance(1)
        self.assertEqual(self.dropped, ["unsendable"] * 2)

    def test_backlog(self) -> None:
        """At most so many wait, and so many bytes in them; the rest is dropped."""
        self.patch(delayed, "MOST", 3)
        letters = self.letters(delay=Duration(1_000_000))
        for _ in range(4):
            letters.post(b"a", (), 1)
        self.assertEqual((len(letters.waiting), self.dropped), (3, ["backlog"]))
        self.patch(delayed, "MOST_BYTES", 5)
        letters.stop()
        letters.post(b"abcd", (), 1)
        letters.post(b"ab", (), 1)
        self.assertEqual((letters.held, self.dropped), (4, ["backlog"] * 2))
        letters.stop()

    def test_stop(self) -> None:
        """Stopped, nothing is sent any more and no timer is left."""
        letters = self.letters(delay=Duration(1_000_000))
        letters.post(b"a", (), 1)
        letters.stop()
        self.assertEqual((self.clock.getDelayedCalls(), letters.held), ([], 0))
        self.assertEqual(letters.waiting, set())

    def test_broken(self) -> None:
        """A fate that fails is a bug: logged once, and nothing is left open."""
        letters = self.letters()

        class Broken:
            """Fails."""

            def script(self, data: bytes) -> Any:
                """Fail, when the first step is asked for."""
                raise RuntimeError("no fate")
                yield

        letters._fates = Broken()  # type: ignore[assignment]  # as a bug would be
        letters.post(b"a", (), 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual((letters.held, letters.waiting), (0, set()))
