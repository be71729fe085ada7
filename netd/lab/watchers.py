"""
Who watches the daemon in the console, and the events that wait for them.

Rules: pure.  Nothing is kept for those who may come: without a watcher there is no event.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from attrs import define, field

from netd.lab.figures import Figures

MAX_EVENTS: Final = 50
"""Events that wait for one watcher, who takes them every 100 ms."""
MAX_BYTES: Final = 256 * 1024
"""Bytes of events that wait for one watcher, but for the last event."""
MAX_CLIENT: Final = 8
"""Watchers of one client, except on loopback."""
REQUESTS: Final = "requests"
"""The topic of all requests; the others are bins, `b-KEY`."""

START: Final = "start"
"""The member of events that may be lost: the end of the same request says it again."""

Event: TypeAlias = Mapping[str, object]
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
_START: Final = b'data: {"%b":' % START.encode()


def encoded(event: Event) -> bytes:
    """A server-sent event with an object in JSON."""
    return f"data: {_encode(event)}\n\n".encode()


@define(eq=False)
class Watcher:
    """Who watches: one stream of a page."""

    topics: tuple[str, ...] = ()
    figures: bool = False
    client: bytes | None = None
    """The network that counts as one client; None: its watchers have no limit."""
    _waiting: list[bytes] = field(init=False, factory=list)
    _size: int = field(init=False, default=0)
    missed: int = field(init=False, default=0)
    """Events since the last look for which there was no room."""

    @property
    def full(self) -> bool:
        """Whether there is no room for another event."""
        return len(self._waiting) >= MAX_EVENTS or self._size >= MAX_BYTES

    @property
    def roomy(self) -> bool:
        """Whether at least half of the room is free."""
        return len(self._waiting) < MAX_EVENTS // 2 and self._size < MAX_BYTES // 2

    def offer(self, event: bytes) -> None:
        """Let `event` wait for the next look, or count it as missed, unless it is a start."""
        if not self.full:
            self._waiting.append(event)
            self._size += len(event)
        elif not event.startswith(_START):
            self.missed += 1

    def take(self) -> list[bytes]:
        """The events that wait, and how many were missed."""
        waiting, missed = self._waiting, self.missed
        if waiting or missed:
            self._waiting, self._size, self.missed = [], 0, 0
        return [*waiting, encoded({"missed": missed})] if missed else waiting


def tell(watchers: Iterable[Watcher], event: Callable[[], Event]) -> None:
    """Put an event, made once and only where there is room for it, before `watchers`."""
    made = b""
    for each in watchers:
        if each.full:
            each.missed += 1
        else:
            made = made or encoded(event())
            each.offer(made)


def tell_start(watchers: Iterable[Watcher], event: Callable[[], Event]) -> None:
    """Put an event, made once, before those of `watchers` who have room for many more."""
    roomy = [each for each in watchers if each.roomy]
    if roomy:
        made = encoded({START: event()})
        for each in roomy:
            each.offer(made)


@define(eq=False)
class Watchers:
    """Those who watch one daemon."""

    figures: Figures | None = None
    """None: they are not for the clients of this site."""
    running: Callable[[], bool] = lambda: True
    """Whether the daemon takes new work; once it does not, streams end."""
    token: str = ""
    """What those who watch all requests must know; empty: nobody may."""
    changed: Callable[[], None] = lambda: None
    """Called when somebody has entered or left."""
    by_topic: dict[str, list[Watcher]] = field(init=False, factory=dict)
    """Only topics that somebody watches."""
    count: int = field(init=False, default=0)
    """How many watchers there are."""
    _clients: Counter[bytes] = field(init=False, factory=Counter)

    def crowded(self, client: bytes | None, most: int) -> bool:
        """Whether there is no room for another watcher, of `client`, among `most`."""
        return self.count >= most or (
            client is not None and self._clients[client] >= MAX_CLIENT
        )

    def enter(self, watcher: Watcher) -> None:
        """Let `watcher` have the events of its topics."""
        self.count += 1
        if watcher.client is not None:
            self._clients[watcher.client] += 1
        for topic in watcher.topics:
            self.join(topic, watcher)
        self.changed()

    def leave(self, watcher: Watcher) -> None:
        """Forget `watcher`, who has entered."""
        self.count -= 1
        if watcher.client is not None:
            self._clients[watcher.client] -= 1
            self._clients += Counter()
        for topic in watcher.topics:
            self.part(topic, watcher)
        self.changed()

    def join(self, topic: str, watcher: Watcher) -> None:
        """Let `watcher`, who need not have entered, have the events of `topic`."""
        self.by_topic.setdefault(topic, []).append(watcher)

    def part(self, topic: str, watcher: Watcher) -> None:
        """Let `watcher` have the events of `topic` no longer."""
        self.by_topic[topic].remove(watcher)
        if not self.by_topic[topic]:
            del self.by_topic[topic]
