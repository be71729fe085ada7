"""
Tests for netd.lab.access_tee.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.http.context import AccessRecord
from netd.lab.access_tee import AccessTee
from netd.lab.watchers import REQUESTS, Watcher, Watchers
from netd.test.chance import by_chance
from netd.test.http.stages import RecordingLog


def entry(line: bytes) -> AccessRecord:
    """A response to a request with this first line."""
    return AccessRecord(b"192.0.2.7", line, 200, 58, b"http://ref", b"agent", b"user")


class AccessTeeTests(SynchronousTestCase):
    """
    A log with somebody who watches it.
    """

    def setUp(self) -> None:
        self.log, self.watchers = RecordingLog(), Watchers()
        self.watcher = Watcher((REQUESTS,))
        self.tee = AccessTee(self.log, self.watchers, lambda: 1000.5)

    def event(self, line: bytes) -> Any:
        """The event of a request with this first line."""
        self.watchers.enter(self.watcher)
        self.tee.record(entry(line))
        (event,) = self.watcher.take()
        self.watchers.leave(self.watcher)
        return json.loads(event[6:])["request"]

    def test_log(self) -> None:
        """The log gets every record, whether somebody watches or not."""
        self.tee.record(entry(b"GET / HTTP/1.1"))
        self.event(b"GET /a HTTP/1.1")
        lines = [each.request_line for each in self.log.entries]
        self.assertEqual(lines, [b"GET / HTTP/1.1", b"GET /a HTTP/1.1"])
        self.assertTrue(self.tee.detailed)

    def test_withoutLog(self) -> None:
        """Without a log there are events, and no details are asked for."""
        self.tee = AccessTee(None, self.watchers)
        self.assertFalse(self.tee.detailed)
        self.assertEqual(self.event(b"GET /a HTTP/1.1")["path"], "/a")

    def test_event(self) -> None:
        """An event has what the log has, but for values of the query, agent and user."""
        self.assertEqual(
            self.event(b"GET /a/b?key=secret&c&d=%20 HTTP/1.1"),
            {
                "at": 1000.5,
                "method": "GET",
                "path": "/a/b",
                "names": ["key", "c", "d"],
                "status": 200,
                "bytes": 58,
                "client": "192.0.2.7",
            },
        )

    def test_none(self) -> None:
        """A first line that is no request line shows nothing of itself."""
        event = self.event(b"secret \xff\x00")
        self.assertEqual((event["method"], event["path"], event["names"]), ("-", "-", []))

    def test_long(self) -> None:
        """Names and paths are cut."""
        event = self.event(b"GET /%b?%b HTTP/1.1" % (b"p" * 8000, b"n=v&" * 2000))
        self.assertEqual((len(event["path"]), len(event["names"])), (1024, 50))

    @given(st.binary(max_size=40).filter(lambda value: not set(value) & set(b" &=")))
    @by_chance
    def test_masked(self, value: bytes) -> None:
        """No value of a query is ever in an event."""
        event = self.event(b"GET /?a=S%bS HTTP/1.1" % value)
        self.assertEqual(event["names"], ["a"])
        self.assertNotIn("S", json.dumps(event))
