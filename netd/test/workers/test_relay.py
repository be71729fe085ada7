"""
Tests for netd.workers.relay.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.watchers import MAX_EVENTS, Watcher, Watchers, tell
from netd.test.workers.stages import FakeWorker
from netd.workers.messages import Seen, Watch
from netd.workers.relay import SECONDS, Exchange, Relay
from netd.workers.slot import Slot

TOPIC = "b-abc"


def values(watcher: Watcher) -> list[Any]:
    """What a watcher takes."""
    return [json.loads(each[6:]) for each in watcher.take()]


class RelayTests(SynchronousTestCase):
    """
    A worker's end.
    """

    def setUp(self) -> None:
        self.clock, self.watchers = Clock(), Watchers()
        self.sent: list[object] = []
        self.room = True
        self.relay = Relay(self.watchers, self.offer, self.clock)

    def offer(self, message: object) -> bool:
        """Send where there is room."""
        if self.room:
            self.sent.append(message)
        return self.room

    def happen(self, number: int = 1) -> None:
        """Tell of as many events of the topic."""
        for _ in range(number):
            tell(self.watchers.by_topic.get(TOPIC, ()), lambda: {"n": 1})

    def test_told(self) -> None:
        """The supervisor learns what is watched here when that changes."""
        first, second = Watcher((TOPIC,)), Watcher((TOPIC, "requests"))
        for each in (first, second):
            self.watchers.enter(each)
        self.watchers.enter(Watcher())
        for each in (first, second):
            self.watchers.leave(each)
        expected = [{TOPIC}, {TOPIC, "requests"}, set()]
        self.assertEqual(self.sent[:2], [Watch(frozenset(each)) for each in expected[:2]])
        self.assertEqual(self.sent[-1], Watch(frozenset()))

    def test_relayed(self) -> None:
        """What others watch is sent in batches, and there is no timer for anything else."""
        self.happen()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.relay.handle(Watch(frozenset({TOPIC})))
        self.assertEqual((self.sent, self.watchers.count), ([], 0))
        self.clock.advance(SECONDS)
        self.assertEqual(self.sent, [])
        self.happen(2)
        self.clock.advance(SECONDS)
        event = b'data: {"n":1}\n\n'
        self.assertEqual(self.sent, [Seen(TOPIC, (event, event))])
        self.happen(MAX_EVENTS + 3)
        self.clock.advance(SECONDS)
        self.assertEqual(self.sent[1:], [Seen(TOPIC, (event,) * MAX_EVENTS, 3)])
        self.relay.handle(Watch(frozenset({TOPIC, "requests"})))
        self.relay.handle(Watch(frozenset()))
        self.assertEqual(self.watchers.by_topic, {})
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.relay.handle(Watch(frozenset()))

    def test_shown(self) -> None:
        """Events of others show to who watches here, and are not sent back."""
        watcher = Watcher((TOPIC,))
        self.watchers.enter(watcher)
        self.relay.handle(Watch(frozenset({TOPIC})))
        self.sent.clear()
        self.relay.handle(Seen(TOPIC, (b'data: {"n":2}\n\n',), 4))
        self.relay.handle(Seen("other", (b"x",)))
        self.assertEqual(values(watcher), [{"n": 2}, {"missed": 4}])
        self.clock.advance(SECONDS)
        self.assertEqual(self.sent, [])
        self.watchers.leave(watcher)
        self.assertEqual(self.sent, [Watch(frozenset())])

    def test_lost(self) -> None:
        """What could not be said is said with the next change."""
        watcher = Watcher((TOPIC,))
        self.room = False
        self.watchers.enter(watcher)
        self.room = True
        self.watchers.enter(Watcher())
        self.assertEqual(self.sent, [Watch(frozenset({TOPIC}))])


class ExchangeTests(SynchronousTestCase):
    """
    The supervisor's end, with three workers.
    """

    def setUp(self) -> None:
        self.slots = [Slot(index) for index in range(3)]
        self.workers = [FakeWorker.of(slot) for slot in self.slots]
        self.exchange = Exchange(self.slots)

    def heard(self) -> list[list[object]]:
        """What each worker was told since the last call."""
        return [worker.hear() for worker in self.workers]

    def test_watch(self) -> None:
        """Each worker learns what the others watch."""
        self.exchange.handle(self.slots[0], Watch(frozenset({"a"})))
        self.heard()
        self.exchange.handle(self.slots[1], Watch(frozenset({"b"})))
        told = [[Watch(frozenset(each))] for each in ("b", "a", "ab")]
        self.assertEqual(self.heard(), told)

    def test_seen(self) -> None:
        """Events go to the workers where somebody watches, and not back."""
        for slot in self.slots[:2]:
            self.exchange.handle(slot, Watch(frozenset({"a"})))
        self.heard()
        message = Seen("a", (b"x",))
        self.exchange.handle(self.slots[0], message)
        self.assertEqual(self.heard(), [[], [message], []])
        self.exchange.handle(self.slots[2], message)
        self.assertEqual(self.heard(), [[message], [message], []])

    def test_gone(self) -> None:
        """Who watched in a worker that is gone is forgotten; a new worker learns the rest."""
        self.exchange.ready(self.slots[2])
        self.exchange.gone(self.slots[2])
        self.assertEqual(self.heard(), [[], [], []])
        self.exchange.handle(self.slots[0], Watch(frozenset({"a"})))
        self.heard()
        self.exchange.ready(self.slots[2])
        self.assertEqual(self.heard()[2], [Watch(frozenset({"a"}))])
        self.slots[1].ready = False
        self.exchange.gone(self.slots[0])
        self.assertEqual([bool(each) for each in self.heard()], [True, False, True])
        self.slots[2].link = None
        self.exchange.handle(self.slots[2], Watch(frozenset({"a"})))
        self.exchange.handle(self.slots[0], message := Seen("a", (b"x",)))
        self.assertNotIn([message], self.heard())
