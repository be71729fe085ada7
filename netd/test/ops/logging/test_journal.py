"""
Tests of netd.ops.logging.journal.
"""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netd.counters import Counters
from netd.http.context import AccessDetails, AccessRecord
from netd.ops.logging.journal import MAX_BYTES, JournalLog, datagram, is_stderr
from netd.test.chance import by_chance


def parse(data: bytes) -> dict[str, bytes]:
    """The fields of a datagram of <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>."""
    fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        key, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + length], data[8 + length :]
            assert data[:1] == b"\n"
            data = data[1:]
        fields[key.decode()] = value
    return fields


class EntryTests(SynchronousTestCase):
    """
    The bytes of an entry.
    """

    def test_fields(self) -> None:
        """Every field but the message has a prefix."""
        self.assertEqual(
            datagram(6, {"message": "hello", "status": 200}),
            b"PRIORITY=6\nSYSLOG_IDENTIFIER=netd\nMESSAGE=hello\nNETD_STATUS=200\n",
        )

    def test_lineFeed(self) -> None:
        """A value with a line feed is sent with its length."""
        self.assertEqual(
            datagram(3, {"message": "a\nb"}),
            b"PRIORITY=3\nSYSLOG_IDENTIFIER=netd\nMESSAGE\n\x03\0\0\0\0\0\0\0a\nb\n",
        )

    @by_chance
    @given(st.text())
    def test_any(self, value: str) -> None:
        """No value adds a field."""
        entry = parse(datagram(6, {"message": value, "target": value}))
        expected = value.encode("utf-8", "backslashreplace")
        self.assertEqual(
            entry,
            {
                "PRIORITY": b"6",
                "SYSLOG_IDENTIFIER": b"netd",
                "MESSAGE": expected,
                "NETD_TARGET": expected,
            },
        )


class JournalTests(SynchronousTestCase):
    """
    Entries for a fake journal.
    """

    def setUp(self) -> None:
        # The path of mktemp() may be too long for a socket.
        room = self.enterContext(tempfile.TemporaryDirectory())
        self.path = str(Path(room) / "socket")
        self.clock = Clock()
        self.counters = Counters()
        self.journal = JournalLog(self.clock, self.counters, self.path)
        self.addCleanup(self.journal._socket.close)

    def listen(self, room: int | None = None) -> socket.socket:
        """The socket of the journal, with a buffer of about `room` bytes."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        if room is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        sock.bind(self.path)
        sock.setblocking(False)
        return sock

    def received(self, sock: socket.socket) -> list[dict[str, bytes]]:
        """Every entry that has come to `sock`."""
        entries = []
        try:
            while True:
                entries.append(parse(sock.recv(1 << 20)))
        except BlockingIOError:
            return entries

    def record(self, number: int = 0) -> None:
        """Record a response for the target /`number`."""
        self.journal.record(
            AccessRecord(b"::1", b"GET /%d HTTP/1.1" % number, 200, 58, b"-", b"curl/8")
        )

    def test_details(self) -> None:
        """The journal asks for details; seconds are written without an exponent."""
        self.assertTrue(self.journal.detailed)
        sock = self.listen()
        details = AccessDetails(0.000052, "http", 40000, 7, 2, (("rpc_fault", -1),))
        self.journal.record(
            AccessRecord(b"::1", b"GET / HTTP/1.1", 200, 58, b"-", b"-", b"-", details)
        )
        (entry,) = self.received(sock)
        names = ("NETD_DURATION", "NETD_PEER_PORT", "NETD_RPC_FAULT")
        self.assertEqual([entry[name] for name in names], [b"0.000052", b"40000", b"-1"])

    def test_response(self) -> None:
        """A response is sent at once with its fields."""
        sock = self.listen()
        self.journal.record(
            AccessRecord(b"::1", b"GET / HTTP/1.1", 200, 58, b"-", b"curl/8", b"Alice")
        )
        (entry,) = self.received(sock)
        self.assertEqual(
            entry,
            {
                "PRIORITY": b"6",
                "SYSLOG_IDENTIFIER": b"netd",
                "MESSAGE": b'"GET / HTTP/1.1" 200 58',
                "NETD_EVENT": b"access",
                "NETD_PEER": b"::1",
                "NETD_USER": b"Alice",
                "NETD_METHOD": b"GET",
                "NETD_TARGET": b"/",
                "NETD_PROTOCOL": b"HTTP/1.1",
                "NETD_STATUS": b"200",
                "NETD_BYTES": b"58",
                "NETD_AGENT": b"curl/8",
            },
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_event(self) -> None:
        """An event has the priority of its level."""
        sock = self.listen()
        for level, priority in (
            (LogLevel.debug, b"7"),
            (LogLevel.info, b"6"),
            (LogLevel.warn, b"4"),
            (LogLevel.error, b"3"),
            (LogLevel.critical, b"2"),
        ):
            self.journal({"log_format": "x", "log_level": level, "log_namespace": "n"})
            (entry,) = self.received(sock)
            self.assertEqual((entry["PRIORITY"], entry["MESSAGE"]), (priority, b"x"))
            self.assertEqual((entry["NETD_EVENT"], entry["NETD_LOGGER"]), (b"daemon", b"n"))

    def test_failure(self) -> None:
        """A failure adds a traceback; an empty event is no entry."""
        sock = self.listen()
        self.journal({"log_format": "x", "log_failure": Failure(ValueError("a\nb"))})
        self.journal({})
        (entry,) = self.received(sock)
        self.assertIn(b"ValueError: a\nb", entry["NETD_TRACEBACK"])

    def test_missing(self) -> None:
        """Without a journal entries are lost; a later journal gets the next ones."""
        self.record(0)
        self.assertEqual(self.counters.log_drops, 1)
        sock = self.listen()
        self.record(1)
        sock.close()
        self.record(2)
        self.assertEqual(self.counters.log_drops, 2)
        os.unlink(self.path)
        sock = self.listen()
        self.record(3)
        self.assertEqual([entry["NETD_TARGET"] for entry in self.received(sock)], [b"/3"])

    def test_busy(self) -> None:
        """Entries wait for a busy journal and are sent in order."""
        sock = self.listen(room=4096)
        count = 0
        while not self.journal._waiting:
            self.record(count)
            count += 1
        for number in range(count, count + 5):
            self.record(number)
        entries = self.received(sock)
        self.assertLess(len(entries), count)
        for _ in range(count):
            self.clock.advance(1)
            entries += self.received(sock)
        targets = [entry["NETD_TARGET"] for entry in entries]
        self.assertEqual(targets, [b"/%d" % number for number in range(count + 5)])
        self.assertEqual(self.counters.log_drops, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_tooMany(self) -> None:
        """The waiting entries are limited, and others are counted as lost."""
        self.listen(room=4096)
        for number in range(MAX_BYTES // 100):
            self.record(number)
        self.assertLessEqual(self.journal._size, MAX_BYTES)
        self.assertGreater(self.counters.log_drops, 0)
        self.journal.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_tooLarge(self) -> None:
        """An entry that is too large for a datagram is lost and counted."""
        self.listen()
        self.journal.record(AccessRecord(b"-", b"x" * 10_000_000, 200, 0, b"-", b"-"))
        self.assertEqual(self.counters.log_drops, 1)

    def test_stop(self) -> None:
        """A stop sends the waiting entries or counts them; later entries never wait."""
        sock = self.listen(room=4096)
        while not self.journal._waiting:
            self.record()
        self.journal.stop()
        self.assertEqual(self.counters.log_drops, 1)
        self.record()
        self.assertEqual(self.counters.log_drops, 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.received(sock)
        self.record(9)
        self.assertEqual(self.received(sock)[-1]["NETD_TARGET"], b"/9")

    def test_reopen(self) -> None:
        """A reopening has no effect."""
        self.listen()
        self.journal.reopen()
        self.record()
        self.assertEqual(self.counters.log_drops, 0)


class IsStderrTests(SynchronousTestCase):
    """
    JOURNAL_STREAM.
    """

    def test_isStderr(self) -> None:
        """Device and inode must be those of JOURNAL_STREAM."""
        path = Path(self.mktemp())
        path.touch()
        with path.open() as file:
            status = os.fstat(file.fileno())
            stream = f"{status.st_dev}:{status.st_ino}"
            self.assertTrue(is_stderr({"JOURNAL_STREAM": stream}, file.fileno()))
            for other in (
                f"{status.st_dev}:{status.st_ino + 1}",
                f"{status.st_dev + 1}:{status.st_ino}",
                f"{status.st_dev}",
                ":",
                "",
                "a:b",
                f"{stream}:1",
            ):
                self.assertFalse(is_stderr({"JOURNAL_STREAM": other}, file.fileno()), other)
            self.assertFalse(is_stderr({}, file.fileno()))
        self.assertFalse(is_stderr({"JOURNAL_STREAM": stream}, 9999))
