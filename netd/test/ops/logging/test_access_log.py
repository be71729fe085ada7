"""
Tests of netd.ops.logging.access_log.
"""

from __future__ import annotations

import time
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.http.context import AccessDetails, AccessRecord
from netd.ops.logging import access_log as module
from netd.ops.logging.access_log import CombinedLog, TextLog, escape
from netd.ops.logging.line_writer import LineWriter

# Sunday, 6 November 1994, as in RFC 9110 5.6.7
NOW = 784111777.0
LINE = (
    b'192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "GET / HTTP/1.1" 200 58 "http://a/" "curl/8"\n'
)


class LogCase(SynchronousTestCase):
    """Logs with a clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.counters = Counters()
        self.path = Path(self.mktemp())

    def make(self, path: Path) -> CombinedLog:
        """A log in the file `path`."""
        self.lines = LineWriter(path, self.clock, self.counters)
        return CombinedLog(self.lines, self.now)

    def now(self) -> float:
        """The time of day."""
        return NOW + self.clock.seconds()

    def record(self, log: CombinedLog, agent: bytes = b"curl/8") -> None:
        """Record one response."""
        log.record(AccessRecord(b"192.0.2.1", b"GET / HTTP/1.1", 200, 58, b"http://a/", agent))


class FormatTests(LogCase):
    """The combined format."""

    def test_line(self) -> None:
        """A line has the fields of the format in their order."""
        log = self.make(self.path)
        self.record(log)
        self.lines.stop()
        self.assertEqual(self.path.read_bytes(), LINE)

    def test_user(self) -> None:
        """The name of a certificate is the third field, without a space."""
        log = self.make(self.path)
        log.record(AccessRecord(b"::1", b"GET /", 200, 0, b"-", b"-", b"Alice Smith\n\xd0"))
        self.lines.stop()
        self.assertTrue(self.path.read_bytes().startswith(b"::1 - Alice\\x20Smith\\x0A\\xD0 ["))

    def test_duration(self) -> None:
        """With durations a line ends in seconds, or in a dash; it has no other detail."""
        for duration, end in ((1.0000004, b"1.000000"), (0.000052, b"0.000052"), (None, b"-")):
            self.lines = LineWriter(self.path, self.clock, self.counters)
            log = CombinedLog(self.lines, self.now, duration=True)
            self.assertTrue(log.detailed)
            details = AccessDetails(duration, "http", 40000, 7, 2, (("fault", "x"),))
            record = AccessRecord(
                b"192.0.2.1", b"GET / HTTP/1.1", 200, 58, b"http://a/", b"curl/8"
            )
            log.record(record._replace(details=details))
            self.lines.stop()
            line = self.path.read_bytes().splitlines(True)[-1]
            self.assertEqual(line, LINE[:-1] + b" " + end + b"\n")
        self.assertFalse(self.make(self.path).detailed)
        self.lines.stop()

    def test_dashes(self) -> None:
        """An unknown field is a dash."""
        log = self.make(self.path)
        log.record(AccessRecord(b"-", b"-", 400, 0, b"-", b"-"))
        self.lines.stop()
        self.assertEqual(
            self.path.read_bytes(), b'- - - [06/Nov/1994:08:49:37 +0000] "-" 400 0 "-" "-"\n'
        )

    def test_escape(self) -> None:
        """Bytes that end a field or a line or control a terminal are escaped."""
        for field, expected in (
            (b'a"b', b"a\\x22b"),
            (b"a\\b", b"a\\x5Cb"),
            (b"a\nb\r", b"a\\x0Ab\\x0D"),
            (b"\x1b[2J\x7f", b"\\x1B[2J\\x7F"),
            (b"\xe4", b"\\xE4"),
            (b"plain ~!#[]", b"plain ~!#[]"),
        ):
            self.assertEqual(escape(field), expected)
            log = self.make(self.path)
            self.record(log, field)
            self.lines.stop()
            self.assertTrue(self.path.read_bytes().endswith(b'"' + expected + b'"\n'))

    def test_everyByte(self) -> None:
        """Any bytes make one line with six quotes."""
        log = self.make(self.path)
        every = bytes(range(256))
        log.record(AccessRecord(b"-", every, 200, 0, every, every))
        self.lines.stop()
        data = self.path.read_bytes()
        self.assertEqual((data.count(b"\n"), data.count(b'"')), (1, 6))

    def test_timestamp(self) -> None:
        """The timestamp is made once a second."""
        log = self.make(self.path)
        seconds: list[int] = []
        timestamp = module._timestamp

        def count(now: int) -> bytes:
            seconds.append(now)
            return timestamp(now)

        self.patch(module, "_timestamp", count)
        for _ in range(3):
            self.record(log)
        self.clock.advance(1)
        self.record(log)
        self.lines.stop()
        self.assertEqual(seconds, [int(NOW), int(NOW) + 1])
        self.assertIn(b":38 +0000", self.path.read_bytes())

    def test_months(self) -> None:
        """Every month has its English name."""
        for month in range(1, 13):
            when = int(time.mktime((2024, month, 15, 12, 0, 0, 0, 0, 0)))
            name = time.strftime("%b", time.gmtime(when)).encode()
            self.assertIn(b"/" + name + b"/2024", module._timestamp(when))


class TextTests(LogCase):
    """Events as text."""

    def test_event(self) -> None:
        """An event is written at once as twistd writes it; an empty event is not."""
        observer = TextLog(LineWriter(self.path, self.clock, self.counters))
        observer(
            {
                "log_format": "hello {name}",
                "name": "\u00e4\ud800",
                "log_namespace": "netd",
                "log_level": LogLevel.warn,
                "log_time": NOW,
            }
        )
        observer({})
        text = self.path.read_text()
        self.assertRegex(text, "^1994-11-06T..:..:37[+-]....")
        self.assertTrue(text.endswith(" [netd#warn] hello \u00e4\\ud800\n"), text)

    def test_escaped(self) -> None:
        """No field of an event controls a terminal, and a traceback keeps its lines."""
        observer = TextLog(LineWriter(self.path, self.clock, self.counters))
        try:
            raise ValueError("\x1b[2J\x9b\r")
        except ValueError:
            failure = Failure()
        observer({"log_format": "{x}\nb", "x": "a\x1b]0;", "log_failure": failure})
        text = self.path.read_text()
        self.assertIn("a\\x1b]0;\n\tb\n\tTraceback", text)
        self.assertIn(r"ValueError: \x1b[2J\x9b\r", text)
