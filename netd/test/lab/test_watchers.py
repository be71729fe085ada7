"""
Tests for netd.lab.watchers.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.watchers import (
    MAX_BYTES,
    MAX_CLIENT,
    MAX_EVENTS,
    Event,
    Watcher,
    Watchers,
    encoded,
    tell,
    tell_start,
)


def values(watcher: Watcher) -> list[Any]:
    """What a watcher takes, without the framing."""
    found = []
    for event in watcher.take():
        assert event.startswith(b"data: ")
        assert event.endswith(b"\n\n")
        assert event.count(b"\n") == 2
        found.append(json.loads(event[6:]))
    return found


class WatcherTests(SynchronousTestCase):
    """
    The events of one watcher.
    """

    def test_missed(self) -> None:
        """Fifty events wait for a look; of the others it has the number."""
        watcher = Watcher()
        for number in range(MAX_EVENTS + 7):
            tell([watcher], lambda: {"n": number})  # noqa: B023 - called at once
        found = values(watcher)
        self.assertEqual(found[:-1], [{"n": number} for number in range(MAX_EVENTS)])
        self.assertEqual(found[-1], {"missed": 7})
        self.assertEqual(values(watcher), [])

    def test_bytes(self) -> None:
        """Large events fill the room sooner."""
        watcher = Watcher()
        for _ in range(5):
            tell([watcher], lambda: {"text": "x" * (MAX_BYTES // 2)})
        *found, missed = values(watcher)
        self.assertEqual((len(found), missed), (2, {"missed": 3}))
        self.assertFalse(watcher.full)

    def test_start(self) -> None:
        """Starts have half of the room, and none is counted as missed."""
        watchers = [Watcher(), Watcher()]
        tell(watchers[:1], lambda: {"n": 1})
        for number in range(MAX_EVENTS):
            tell_start(watchers, lambda: {"s": number})  # noqa: B023 - called at once
        starts = [{"start": {"s": number}} for number in range(MAX_EVENTS // 2)]
        first, second = map(values, watchers)
        self.assertEqual(first, [{"n": 1}, *starts[:-1]])
        self.assertEqual(second, starts)
        large = Watcher()
        tell([large], lambda: {"text": "x" * (MAX_BYTES // 2)})
        self.assertFalse(large.roomy)
        tell([large], lambda: {"text": "x" * (MAX_BYTES // 2)})
        large.offer(encoded({"start": 1}))
        self.assertEqual((large.full, large.missed), (True, 0))

    def test_once(self) -> None:
        """An event is made once for all watchers, and not at all where none has room."""
        made = []

        def event() -> Event:
            made.append(1)
            return {"a": "line\n\nbreak"}

        watchers = [Watcher() for _ in range(3)]
        tell(watchers, event)
        self.assertEqual(len(made), 1)
        self.assertEqual([values(each) for each in watchers], [[{"a": "line\n\nbreak"}]] * 3)
        full = Watcher()
        while not full.full:
            full.offer(b"x")
        tell([full], event)
        self.assertEqual((len(made), full.missed), (1, 1))


class WatchersTests(SynchronousTestCase):
    """
    All watchers.
    """

    def test_topics(self) -> None:
        """A topic is there as long as somebody watches it."""
        watchers, first, second = Watchers(), Watcher(("b-1", "requests")), Watcher(("b-1",))
        self.assertFalse(watchers.by_topic)
        watchers.enter(first)
        watchers.enter(second)
        self.assertEqual(watchers.by_topic, {"b-1": [first, second], "requests": [first]})
        watchers.leave(first)
        self.assertEqual(watchers.by_topic, {"b-1": [second]})
        watchers.leave(second)
        self.assertEqual((watchers.by_topic, watchers.count), ({}, 0))

    def test_crowded(self) -> None:
        """There is room for so many in all, and for eight of one client."""
        watchers, client = Watchers(), b"\xc0\0\x02\1"
        here = [Watcher(client=client) for _ in range(MAX_CLIENT)]
        for each in here:
            self.assertFalse(watchers.crowded(client, 64))
            watchers.enter(each)
        self.assertTrue(watchers.crowded(client, 64))
        self.assertFalse(watchers.crowded(b"\xc0\0\x02\2", 64))
        self.assertFalse(watchers.crowded(None, 64))
        for _ in range(64 - MAX_CLIENT):
            watchers.enter(Watcher())
        self.assertTrue(watchers.crowded(None, 64))
        watchers.leave(here[0])
        self.assertFalse(watchers.crowded(client, 64))
        for each in here[1:]:
            watchers.leave(each)
        self.assertEqual(watchers._clients, {})

    def test_encoded(self) -> None:
        """An event is one line of JSON in ASCII."""
        self.assertEqual(
            encoded({"a": "\u2028\r\n\udcff"}), b'data: {"a":"\\u2028\\r\\n\\udcff"}\n\n'
        )
