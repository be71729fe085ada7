"""
Tests of netd.ops.logging.json_log.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.http.context import AccessDetails, AccessRecord
from netd.ops.logging.json_log import JSONLog
from netd.ops.logging.line_writer import LineWriter

# Sunday, 6 November 1994, as in RFC 9110 5.6.7
NOW = 784111777.25


class JSONTests(SynchronousTestCase):
    """
    One object on each line.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.lines = LineWriter(self.path, self.clock, Counters())
        self.addCleanup(self.lines.stop)
        self.log = JSONLog(self.lines, lambda: NOW)

    def written(self) -> list[dict[str, Any]]:
        """Every object in the file."""
        data = self.path.read_bytes()
        self.assertTrue(data.endswith(b"\n") or not data)
        self.assertTrue(data.isascii())
        return [json.loads(line) for line in data.splitlines()]

    def test_response(self) -> None:
        """A response is an object with time and level, written with the next batch."""
        self.log.record(
            AccessRecord(b"::1", b"GET / HTTP/1.1", 200, 58, b"-", b"curl/8", b"Alice")
        )
        self.assertEqual(self.written(), [])
        self.clock.advance(1)
        (members,) = self.written()
        self.assertEqual(
            members,
            {
                "time": "1994-11-06T08:49:37.250Z",
                "level": "info",
                "event": "access",
                "message": '"GET / HTTP/1.1" 200 58',
                "peer": "::1",
                "user": "Alice",
                "method": "GET",
                "target": "/",
                "protocol": "HTTP/1.1",
                "status": 200,
                "bytes": 58,
                "agent": "curl/8",
            },
        )

    def test_details(self) -> None:
        """A JSON log asks for details and writes them as numbers and texts."""
        self.assertTrue(self.log.detailed)
        details = AccessDetails(0.25, "http", 40000, 7, 2, (("rpc_method", "\ud800"),))
        self.log.record(
            AccessRecord(b"::1", b"GET / HTTP/1.1", 200, 58, b"-", b"-", b"-", details)
        )
        self.clock.advance(1)
        (members,) = self.written()
        self.assertEqual(
            (members["duration"], members["listener"], members["rpc_method"]),
            (0.25, "http", "\ud800"),
        )

    def test_time(self) -> None:
        """The time goes on within a second and from one to the next, and never has 1000 ms."""
        for seconds, text in (
            (1.001, "1970-01-01T00:00:01.001Z"),
            (1.9999999, "1970-01-01T00:00:01.999Z"),
            (2.0, "1970-01-01T00:00:02.000Z"),
            (1.5, "1970-01-01T00:00:01.500Z"),
        ):
            self.log({"log_format": "x", "log_time": seconds})
            self.assertEqual(self.written()[-1]["time"], text)

    def test_noUser(self) -> None:
        """Without a certificate there is no `user`."""
        self.log.record(AccessRecord(b"::1", b"GET / HTTP/1.1", 200, 58, b"-", b"-"))
        self.clock.advance(1)
        self.assertNotIn("user", self.written()[0])

    def test_event(self) -> None:
        """An event has its own time and is written at once."""
        self.log(
            {
                "log_format": "a\nb",
                "log_level": LogLevel.error,
                "log_namespace": "netd.x",
                "log_time": 0.0015,
                "log_failure": Failure(ValueError("no")),
            }
        )
        (members,) = self.written()
        self.assertEqual(members["time"], "1970-01-01T00:00:00.001Z")
        self.assertEqual((members["level"], members["message"]), ("error", "a\nb"))
        self.assertIn("ValueError", members["traceback"])

    def test_empty(self) -> None:
        """An empty event is not written; an event without a time happens now."""
        self.log({})
        self.log({"log_format": "x"})
        (members,) = self.written()
        self.assertEqual(members["time"], "1994-11-06T08:49:37.250Z")

    def test_hostile(self) -> None:
        """Any bytes make one line of valid JSON."""
        every = bytes(range(256))
        self.log.record(AccessRecord(every, every, 200, 0, every, every, every))
        self.clock.advance(1)
        self.assertEqual(len(self.written()), 1)
