"""
Tests for netd.ops.logging.log_fields.
"""

from __future__ import annotations

from twisted.logger import LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netd.http.context import AccessRecord
from netd.ops.logging.log_fields import LONGEST, access_fields, happening, level


class AnswerTests(SynchronousTestCase):
    """
    The fields of an answer.
    """

    def test_fields(self) -> None:
        """
        Every field has its name, and numbers are numbers.
        """
        self.assertEqual(
            access_fields(
                AccessRecord(
                    b"::1", b"GET /a HTTP/1.1", 200, 58, b"http://a/", b"curl/8", b"Alice"
                )
            ),
            {
                "event": "access",
                "message": '"GET /a HTTP/1.1" 200 58',
                "peer": "::1",
                "user": "Alice",
                "method": "GET",
                "target": "/a",
                "protocol": "HTTP/1.1",
                "status": 200,
                "bytes": 58,
                "referer": "http://a/",
                "agent": "curl/8",
            },
        )

    def test_unknown(self) -> None:
        """
        What is not known is left out; what is no request line is kept whole.
        """
        said = access_fields(AccessRecord(b"-", b"nonsense", 400, 0, b"-", b"-", b"-"))
        self.assertEqual(
            said,
            {
                "event": "access",
                "message": '"nonsense" 400 0',
                "request": "nonsense",
                "status": 400,
                "bytes": 0,
            },
        )
        self.assertNotIn("request", access_fields(AccessRecord(b"-", b"-", 400, 0)))

    def test_any_bytes(self) -> None:
        """
        Bytes that are no text are shown as such.
        """
        every = bytes(range(256))
        said = access_fields(
            AccessRecord(b"-", b"GET /\xff HTTP/1.1", 200, 0, every, "ä".encode(), b"-")
        )
        self.assertEqual(said["target"], "/\\xff")
        self.assertEqual(said["agent"], "ä")
        self.assertTrue(said["referer"].encode())


class HappeningTests(SynchronousTestCase):
    """
    The fields of an event of the daemon.
    """

    def test_message(self) -> None:
        """
        The message is formatted, and who says it is named.
        """
        event = {"log_format": "hello {name}", "name": "you", "log_namespace": "netd.x"}
        self.assertEqual(
            happening(event), {"event": "daemon", "logger": "netd.x", "message": "hello you"}
        )

    def test_failure(self) -> None:
        """
        A failure brings its traceback, within a limit.
        """
        failure = Failure(ValueError("x" * 2 * LONGEST))
        said = happening({"log_format": "y" * 2 * LONGEST, "log_failure": failure})
        self.assertIn("ValueError", said["traceback"])
        self.assertEqual(len(said["traceback"]), LONGEST)
        self.assertEqual(len(said["message"]), LONGEST)

    def test_nothing(self) -> None:
        """
        An event that says nothing has no fields.
        """
        self.assertEqual(happening({}), {})

    def test_level(self) -> None:
        """
        How grave it is has a name, that of news unless said.
        """
        self.assertEqual(level({}), "info")
        for each in LogLevel.iterconstants():
            self.assertEqual(level({"log_level": each}), each.name)
