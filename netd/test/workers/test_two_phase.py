"""
Tests for netd.workers.two_phase.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from netd.ops.reload import Reload, Reloadable
from netd.settings import Settings
from netd.test.workers.stages import FakeWorker
from netd.values import Duration
from netd.workers import messages
from netd.workers.messages import Prepared
from netd.workers.slot import Slot
from netd.workers.two_phase import RESPONSE_SECONDS, TwoPhase

_OLD = Settings()
_NEW = evolve(_OLD, grace=Duration.parse("1s"))


class FakeTLS:
    """Certificates with known fingerprints."""

    def fingerprints(self) -> tuple[str, ...]:
        return ("default ab",)


class TwoPhaseTests(SynchronousTestCase):
    """
    A reload of two workers.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.slots = [Slot(0), Slot(1)]
        self.workers = [FakeWorker.of(slot) for slot in self.slots]
        for worker in self.workers:
            worker.returns(messages.Commit, None)
        self.used: list[Settings] = []
        self.settings: Settings | Exception = _NEW
        part = Reloadable(
            lambda new: lambda: self.used.append(new), lambda _: None, always=True
        )
        tls: Any = FakeTLS()
        self.two_phase = TwoPhase(
            Reload(_OLD, self.read, [part]), tls, self.slots, _OLD, self.clock
        )

    def read(self) -> Settings:
        """The settings of now."""
        if isinstance(self.settings, Exception):
            raise self.settings
        return self.settings

    def prepared(self, *outcomes: Prepared | None) -> None:
        """What the workers return to `Prepare`; None: nothing."""
        for worker, outcome in zip(self.workers, outcomes, strict=True):
            if outcome is not None:
                worker.returns(messages.Prepare, outcome)

    def start(self) -> Deferred[str]:
        """Begin a reload."""
        with capturedLogs() as self.events:
            outcome = Deferred.fromCoroutine(self.two_phase())
            self.hear()
        return outcome

    def hear(self) -> None:
        """Deliver all messages, several times, as an answer brings about others."""
        for _ in range(4):
            for worker in self.workers:
                worker.hear()

    def told(self, number: int) -> list[type[object]]:
        """The types of what a worker was told."""
        return [type(message) for message in self.workers[number].told]

    def unchanged(self) -> None:
        """Nothing is as the new settings say."""
        self.assertEqual((self.used, self.two_phase.settings), ([], _OLD))
        self.assertEqual(self.two_phase.generation, 0)

    _GOOD = Prepared(certificates=("default ab",))

    def test_good(self) -> None:
        """All are asked, then all change, the supervisor too."""
        self.prepared(self._GOOD, self._GOOD)
        self.assertEqual(self.successResultOf(self.start()), "Reloaded")
        for number in range(2):
            self.assertEqual(self.told(number), [messages.Prepare, messages.Commit])
            self.assertEqual(self.workers[number].told[0], messages.Prepare(_NEW))
            self.assertEqual(self.slots[number].generation, 1)
        self.assertEqual((self.used, self.two_phase.settings), ([_NEW], _NEW))

    def test_used(self) -> None:
        """It is over when each worker uses the settings, or takes too long or dies."""
        for number, end in enumerate(("leave", "advance", "hear"), 1):
            self.setUp()
            self.prepared(self._GOOD, self._GOOD)
            del self.workers[1].answers[messages.Commit]
            outcome = self.start()
            self.assertNoResult(outcome)
            self.assertEqual((self.used, self.told(1)[-1]), ([], messages.Commit))
            with capturedLogs():
                if end == "leave":
                    self.workers[1].leave()
                elif end == "advance":
                    self.clock.advance(RESPONSE_SECONDS)
                else:
                    (asked,) = self.workers[1].link._asked.values()
                    asked.callback(None)
            self.assertEqual(self.successResultOf(outcome), "Reloaded", number)
            self.assertEqual(self.used, [_NEW])

    def test_unreadable(self) -> None:
        """Settings that cannot be read are nobody's."""
        self.settings = UsageError("--grace x")
        outcome = self.successResultOf(self.start())
        self.assertEqual(outcome, "Not reloaded: --grace x")
        self.assertEqual(self.told(0), [])
        self.unchanged()

    def test_objection(self) -> None:
        """The objection of one worker is named, and no worker changes."""
        self.prepared(self._GOOD, Prepared("--files /x: no"))
        outcome = self.successResultOf(self.start())
        self.assertEqual(outcome, "Not reloaded: worker 2: --files /x: no")
        self.assertEqual(self.told(0), [messages.Prepare, messages.Abort])
        self.unchanged()

    def test_otherCertificate(self) -> None:
        """A worker that read another certificate objects."""
        self.prepared(Prepared(certificates=("default cd",)), self._GOOD)
        outcome = self.successResultOf(self.start())
        self.assertEqual(outcome, "Not reloaded: worker 1: a certificate changed meanwhile")
        self.unchanged()

    def test_late(self) -> None:
        """A worker that does not respond in time objects."""
        self.prepared(self._GOOD, None)
        outcome = self.start()
        self.assertNoResult(outcome)
        with capturedLogs():
            self.clock.advance(RESPONSE_SECONDS)
        self.assertEqual(
            self.successResultOf(outcome), "Not reloaded: worker 2: did not respond in time"
        )
        self.unchanged()

    def test_gone(self) -> None:
        """A worker that dies objects to nothing."""
        self.prepared(self._GOOD, None)
        outcome = self.start()
        self.workers[1].leave()
        with capturedLogs():
            self.hear()
        self.assertEqual(self.successResultOf(outcome), "Reloaded")
        self.assertEqual(self.two_phase.settings, _NEW)
        self.assertEqual(self.told(1), [messages.Prepare])

    def test_meanwhile(self) -> None:
        """A worker that became ready meanwhile is brought up to date after the others."""
        self.slots[1].ready = False
        self.prepared(None, self._GOOD)
        outcome = self.start()
        self.slots[1].ready = True
        self.workers[0].answers[messages.Prepare] = lambda _: self._GOOD
        self.assertNoResult(outcome)
        # Its response comes now.
        number = 1
        self.workers[0].link._asked.pop(number).callback(self._GOOD)
        with capturedLogs():
            self.hear()
        self.assertEqual(self.successResultOf(outcome), "Reloaded")
        self.assertEqual(self.told(1), [messages.Prepare, messages.Commit])
        self.assertEqual(self.slots[1].generation, 1)

    def update(self, outcome: Prepared | None) -> list[type[object]]:
        """What a worker is told that has older settings than the others."""
        self.two_phase.generation = 3
        self.prepared(outcome, None)
        with capturedLogs() as self.events:
            updated = Deferred.fromCoroutine(self.two_phase.update(self.slots[0]))
            self.hear()
            if outcome is None:
                self.workers[0].leave()
        self.successResultOf(updated)
        return self.told(0)

    def test_update(self) -> None:
        """An older worker gets the settings in use; one that is up to date gets nothing."""
        self.assertEqual(self.update(self._GOOD), [messages.Prepare, messages.Commit])
        self.assertEqual(self.update(self._GOOD), [messages.Prepare, messages.Commit])

    def test_updateRefused(self) -> None:
        """A worker that cannot have them is replaced, and one line says why."""
        self.assertEqual(self.update(Prepared("--x: no")), [messages.Prepare, messages.Stop])
        (event,) = self.events
        text = "worker 1 cannot be reloaded and is replaced: --x: no"
        self.assertEqual(formatEvent(event), text)

    def test_updateGone(self) -> None:
        """Nothing more is said to one that dies."""
        self.assertEqual(self.update(None), [messages.Prepare])

    def test_noTLS(self) -> None:
        """Without HTTPS there is no certificate to compare."""
        self.two_phase._tls = None
        self.prepared(Prepared(), Prepared())
        self.assertEqual(self.successResultOf(self.start()), "Reloaded")
