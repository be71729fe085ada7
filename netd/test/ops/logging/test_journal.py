"""
Tests for netd.ops.logging.journal.
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
from netd.http.context import AccessRecord
from netd.ops.logging.journal import KEPT, Journal, datagram, listens
from netd.test.options.examples import by_chance


def parse(data: bytes) -> dict[str, bytes]:
    """The fields of one datagram, as <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/> has them."""
    found = {}
    while data:
        line, _, data = data.partition(b"\n")
        key, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + length], data[8 + length :]
            assert data[:1] == b"\n"
            data = data[1:]
        found[key.decode()] = value
    return found


class EntryTests(SynchronousTestCase):
    """
    One entry as bytes.
    """

    def test_fields(self) -> None:
        """
        The message is the journal's own field, all others carry the daemon's name.
        """
        self.assertEqual(
            datagram(6, {"message": "hello", "status": 200}),
            b"PRIORITY=6\nSYSLOG_IDENTIFIER=netd\nMESSAGE=hello\nNETD_STATUS=200\n",
        )

    def test_line_feed(self) -> None:
        """
        A value with a line feed in it goes by its length.
        """
        self.assertEqual(
            datagram(3, {"message": "a\nb"}),
            b"PRIORITY=3\nSYSLOG_IDENTIFIER=netd\nMESSAGE\n\x03\0\0\0\0\0\0\0a\nb\n",
        )

    @by_chance
    @given(st.text())
    def test_any(self, value: str) -> None:
        """
        No value adds a field, whatever is in it.
        """
        found = parse(datagram(6, {"message": value, "target": value}))
        said = value.encode("utf-8", "backslashreplace")
        self.assertEqual(
            found,
            {
                "PRIORITY": b"6",
                "SYSLOG_IDENTIFIER": b"netd",
                "MESSAGE": said,
                "NETD_TARGET": said,
            },
        )


class JournalTests(SynchronousTestCase):
    """
    A journal that these tests play.
    """

    def setUp(self) -> None:
        # A socket's path is short, and the test's own directory may not be.
        room = self.enterContext(tempfile.TemporaryDirectory())
        self.path = str(Path(room) / "socket")
        self.clock = Clock()
        self.counters = Counters()
        self.journal = Journal(self.clock, self.counters, self.path)
        self.addCleanup(self.journal._socket.close)

    def listen(self, room: int | None = None) -> socket.socket:
        """Where entries arrive; at most about `room` bytes of them."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        if room is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        sock.bind(self.path)
        sock.setblocking(False)
        return sock

    def heard(self, sock: socket.socket) -> list[dict[str, bytes]]:
        """Every entry that has arrived."""
        found = []
        try:
            while True:
                found.append(parse(sock.recv(1 << 20)))
        except BlockingIOError:
            return found

    def say(self, number: int = 0) -> None:
        """One answer."""
        self.journal.record(
            AccessRecord(b"::1", b"GET /%d HTTP/1.1" % number, 200, 58, b"-", b"curl/8")
        )

    def test_answer(self) -> None:
        """
        An answer is there at once, field by field.
        """
        sock = self.listen()
        self.journal.record(
            AccessRecord(b"::1", b"GET / HTTP/1.1", 200, 58, b"-", b"curl/8", b"Alice")
        )
        (found,) = self.heard(sock)
        self.assertEqual(
            found,
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
        """
        An event has the priority that syslog has for how grave it is.
        """
        sock = self.listen()
        for level, priority in (
            (LogLevel.debug, b"7"),
            (LogLevel.info, b"6"),
            (LogLevel.warn, b"4"),
            (LogLevel.error, b"3"),
            (LogLevel.critical, b"2"),
        ):
            self.journal({"log_format": "x", "log_level": level, "log_namespace": "n"})
            (found,) = self.heard(sock)
            self.assertEqual((found["PRIORITY"], found["MESSAGE"]), (priority, b"x"))
            self.assertEqual((found["NETD_EVENT"], found["NETD_LOGGER"]), (b"daemon", b"n"))

    def test_failure(self) -> None:
        """
        A traceback is a field of its own; an event of nothing is no entry.
        """
        sock = self.listen()
        self.journal({"log_format": "x", "log_failure": Failure(ValueError("a\nb"))})
        self.journal({})
        (found,) = self.heard(sock)
        self.assertIn(b"ValueError: a\nb", found["NETD_TRACEBACK"])

    def test_missing(self) -> None:
        """
        Where no journal is entries are lost and counted; one that comes later gets the rest.
        """
        self.say(0)
        self.assertEqual(self.counters.log_drops, 1)
        sock = self.listen()
        self.say(1)
        sock.close()
        self.say(2)
        self.assertEqual(self.counters.log_drops, 2)
        os.unlink(self.path)
        sock = self.listen()
        self.say(3)
        self.assertEqual([each["NETD_TARGET"] for each in self.heard(sock)], [b"/3"])

    def test_busy(self) -> None:
        """
        Entries for a busy journal are kept in their order, and sent when it has room again.
        """
        sock = self.listen(room=4096)
        count = 0
        while not self.journal._kept:
            self.say(count)
            count += 1
        for number in range(count, count + 5):
            self.say(number)
        found = self.heard(sock)
        self.assertLess(len(found), count)
        for _ in range(count):
            self.clock.advance(1)
            found += self.heard(sock)
        targets = [each["NETD_TARGET"] for each in found]
        self.assertEqual(targets, [b"/%d" % number for number in range(count + 5)])
        self.assertEqual(self.counters.log_drops, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_too_many(self) -> None:
        """
        Of those only so many are kept, the others are counted.
        """
        self.listen(room=4096)
        for number in range(KEPT // 100):
            self.say(number)
        self.assertLessEqual(self.journal._size, KEPT)
        self.assertGreater(self.counters.log_drops, 0)
        self.journal.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_too_large(self) -> None:
        """
        An entry that no datagram can hold is lost and counted.
        """
        self.listen()
        self.journal.record(AccessRecord(b"-", b"x" * 10_000_000, 200, 0, b"-", b"-"))
        self.assertEqual(self.counters.log_drops, 1)

    def test_stop(self) -> None:
        """
        At the end what was kept is sent or counted, and from then on nothing is kept.
        """
        sock = self.listen(room=4096)
        while not self.journal._kept:
            self.say()
        self.journal.stop()
        self.assertEqual(self.counters.log_drops, 1)
        self.say()
        self.assertEqual(self.counters.log_drops, 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.heard(sock)
        self.say(9)
        self.assertEqual(self.heard(sock)[-1]["NETD_TARGET"], b"/9")

    def test_reopen(self) -> None:
        """
        There is nothing to open anew.
        """
        self.listen()
        self.journal.reopen()
        self.say()
        self.assertEqual(self.counters.log_drops, 0)


class ListensTests(SynchronousTestCase):
    """
    Whose standard error is.
    """

    def test_listens(self) -> None:
        """
        The journal's, where device and inode are those that JOURNAL_STREAM names.
        """
        path = Path(self.mktemp())
        path.touch()
        with path.open() as file:
            found = os.fstat(file.fileno())
            here = f"{found.st_dev}:{found.st_ino}"
            self.assertTrue(listens({"JOURNAL_STREAM": here}, file.fileno()))
            for other in (
                f"{found.st_dev}:{found.st_ino + 1}",
                f"{found.st_dev + 1}:{found.st_ino}",
                f"{found.st_dev}",
                ":",
                "",
                "a:b",
                f"{here}:1",
            ):
                self.assertFalse(listens({"JOURNAL_STREAM": other}, file.fileno()), other)
            self.assertFalse(listens({}, file.fileno()))
        self.assertFalse(listens({"JOURNAL_STREAM": here}, 9999))
