"""
Tests for netd.ops.logging.json_log.
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
from netd.http.context import AccessRecord
from netd.ops.logging.json_log import JSONLog
from netd.ops.logging.line_writer import LineWriter

# Sunday, 6 November 1994, as in RFC 9110 5.6.7
NOW = 784111777.25


class JSONTests(SynchronousTestCase):
    """
    One object a line.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.lines = LineWriter(self.path, self.clock, Counters())
        self.addCleanup(self.lines.stop)
        self.log = JSONLog(self.lines, lambda: NOW)

    def written(self) -> list[dict[str, Any]]:
        """Every object so far."""
        data = self.path.read_bytes()
        self.assertTrue(data.endswith(b"\n") or not data)
        self.assertTrue(data.isascii())
        return [json.loads(line) for line in data.splitlines()]

    def test_answer(self) -> None:
        """
        An answer is an object with time and level, written with the next batch.
        """
        self.log.record(
            AccessRecord(b"::1", b"GET / HTTP/1.1", 200, 58, b"-", b"curl/8", b"Alice")
        )
        self.assertEqual(self.written(), [])
        self.clock.advance(1)
        (said,) = self.written()
        self.assertEqual(
            said,
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

    def test_nobody(self) -> None:
        """
        Without a certificate there is no user.
        """
        self.log.record(AccessRecord(b"::1", b"GET / HTTP/1.1", 200, 58, b"-", b"-"))
        self.clock.advance(1)
        self.assertNotIn("user", self.written()[0])

    def test_event(self) -> None:
        """
        An event has the time at which it happened, and is there at once.
        """
        self.log(
            {
                "log_format": "a\nb",
                "log_level": LogLevel.error,
                "log_namespace": "netd.x",
                "log_time": 0.0015,
                "log_failure": Failure(ValueError("no")),
            }
        )
        (said,) = self.written()
        self.assertEqual(said["time"], "1970-01-01T00:00:00.001Z")
        self.assertEqual((said["level"], said["message"]), ("error", "a\nb"))
        self.assertIn("ValueError", said["traceback"])

    def test_silence(self) -> None:
        """
        An event of nothing is no line; one without a time happens now.
        """
        self.log({})
        self.log({"log_format": "x"})
        (said,) = self.written()
        self.assertEqual(said["time"], "1994-11-06T08:49:37.250Z")

    def test_hostile(self) -> None:
        """
        Whatever the bytes, an answer is one line that a parser reads.
        """
        every = bytes(range(256))
        self.log.record(AccessRecord(every, every, 200, 0, every, every, every))
        self.clock.advance(1)
        self.assertEqual(len(self.written()), 1)
