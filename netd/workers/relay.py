"""
Events of one process for those who watch in the console of another.

Rules: nothing is relayed that nobody watches; what waits is limited as for any watcher.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from netd.lab.watchers import Watcher, Watchers
from netd.workers.messages import Seen, Watch
from netd.workers.slot import Slot

SECONDS: Final = 0.1
"""Interval at which events leave for other processes."""


@define(eq=False)
class Relay:
    """A worker's end: tells what is watched here, and stands for those who watch elsewhere."""

    _watchers: Watchers
    _offer: Callable[[object], bool]
    """Sends a message to the supervisor, or loses it."""
    _clock: IReactorTime
    _away: dict[str, Watcher] = field(init=False, factory=dict)
    """Who stands for others, by topic."""
    _told: frozenset[str] = field(init=False, default=frozenset())
    _loop: LoopingCall | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._watchers.changed = self._changed

    def _changed(self) -> None:
        """Tell the supervisor which topics are watched here."""
        own = frozenset(
            topic
            for topic, watchers in self._watchers.by_topic.items()
            if watchers != [self._away.get(topic)]
        )
        if own != self._told and self._offer(Watch(own)):
            self._told = own

    def handle(self, message: Watch | Seen) -> None:
        """Take what the supervisor says."""
        if isinstance(message, Watch):
            self._stand_for(message.topics)
        else:
            self._show(message)

    def _stand_for(self, topics: frozenset[str]) -> None:
        """Relay the events of `topics`, which others watch, and of no others."""
        for topic in self._away.keys() - topics:
            self._watchers.part(topic, self._away.pop(topic))
        for topic in topics - self._away.keys():
            self._away[topic] = Watcher()
            self._watchers.join(topic, self._away[topic])
        if self._away and self._loop is None:
            self._loop = LoopingCall(self._send)
            self._loop.clock = self._clock
            self._loop.start(SECONDS, now=False)
        elif not self._away and self._loop is not None:
            self._loop.stop()
            self._loop = None

    def _send(self) -> None:
        for topic, watcher in self._away.items():
            missed = watcher.missed
            events = watcher.take()[: -1 if missed else None]
            if events or missed:
                self._offer(Seen(topic, tuple(events), missed))

    def _show(self, message: Seen) -> None:
        """Show events of another process to those who watch here."""
        for watcher in self._watchers.by_topic.get(message.topic, ()):
            if watcher is not self._away.get(message.topic):
                watcher.missed += message.missed
                for event in message.events:
                    watcher.offer(event)


@define(eq=False)
class Exchange:
    """The supervisor's end: who watches what, and events from one worker to the others."""

    _slots: Sequence[Slot]
    _topics: dict[int, frozenset[str]] = field(init=False, factory=dict)

    def handle(self, slot: Slot, message: Watch | Seen) -> None:
        """Take what the worker of `slot` says."""
        if isinstance(message, Watch):
            self._topics[slot.index] = message.topics
            self._tell()
            return
        for other in self._slots:
            if other is not slot and message.topic in self._topics.get(other.index, ()):
                other.offer(message)

    def gone(self, slot: Slot) -> None:
        """The worker of `slot` has ended, and with it those who watched there."""
        if self._topics.pop(slot.index, None):
            self._tell()

    def ready(self, slot: Slot) -> None:
        """The worker of `slot` serves: tell it what others watch."""
        if self._topics:
            slot.send(Watch(self._others(slot)))

    def _tell(self) -> None:
        for slot in self._slots:
            if slot.ready:
                slot.send(Watch(self._others(slot)))

    def _others(self, slot: Slot) -> frozenset[str]:
        """What is watched in other workers than that of `slot`."""
        others = (topics for index, topics in self._topics.items() if index != slot.index)
        return frozenset().union(*others)
