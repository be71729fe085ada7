"""
Tests of netd.ops.logging.log_fields.
"""

from __future__ import annotations

from twisted.logger import LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netd.http.context import AccessDetails, AccessRecord
from netd.ops.logging.log_fields import MAX_CHARACTERS, access_fields, event_fields, level_name


class AccessFieldsTests(SynchronousTestCase):
    """
    The fields of a response.
    """

    def test_fields(self) -> None:
        """Status and length are numbers, the other fields are text."""
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
        """Unknown fields are left out; a bad request line is kept as `request`."""
        fields = access_fields(AccessRecord(b"-", b"nonsense", 400, 0, b"-", b"-", b"-"))
        self.assertEqual(
            fields,
            {
                "event": "access",
                "message": '"nonsense" 400 0',
                "request": "nonsense",
                "status": 400,
                "bytes": 0,
            },
        )
        self.assertNotIn("request", access_fields(AccessRecord(b"-", b"-", 400, 0)))

    def test_details(self) -> None:
        """Details and notes are fields; times are rounded to microseconds."""
        notes = ("fault", "hang"), ("delay", 0.1234567), ("rpc_fault", -32601)
        details = AccessDetails(1.00000049, "http", 40000, 7, 2, notes)
        record = AccessRecord(b"::1", b"GET / HTTP/1.1", 200, 58)
        plain = access_fields(record)
        fields = access_fields(record._replace(details=details))
        self.assertEqual(
            {name: fields[name] for name in fields.keys() - plain.keys()},
            {
                "duration": 1.0,
                "listener": "http",
                "peer_port": 40000,
                "connection": 7,
                "connection_requests": 2,
                "fault": "hang",
                "delay": 0.123457,
                "rpc_fault": -32601,
            },
        )
        details = AccessDetails(None, None, None, 7, 2)
        fields = access_fields(record._replace(details=details))
        self.assertEqual(fields.keys() - plain.keys(), {"connection", "connection_requests"})

    def test_anyBytes(self) -> None:
        """Bytes that are not UTF-8 are escaped."""
        every = bytes(range(256))
        fields = access_fields(
            AccessRecord(b"-", b"GET /\xff HTTP/1.1", 200, 0, every, "ä".encode(), b"-")
        )
        self.assertEqual(fields["target"], "/\\xff")
        self.assertEqual(fields["agent"], "ä")
        self.assertTrue(str(fields["referer"]).encode())


class EventFieldsTests(SynchronousTestCase):
    """
    The fields of an event.
    """

    def test_message(self) -> None:
        """The message is formatted, and the logger is named."""
        event = {"log_format": "hello {name}", "name": "you", "log_namespace": "netd.x"}
        self.assertEqual(
            event_fields(event), {"event": "daemon", "logger": "netd.x", "message": "hello you"}
        )

    def test_failure(self) -> None:
        """A failure has a traceback, and the length of the fields is limited."""
        failure = Failure(ValueError("x" * 2 * MAX_CHARACTERS))
        fields = event_fields({"log_format": "y" * 2 * MAX_CHARACTERS, "log_failure": failure})
        self.assertIn("ValueError", str(fields["traceback"]))
        self.assertEqual(len(str(fields["traceback"])), MAX_CHARACTERS)
        self.assertEqual(len(str(fields["message"])), MAX_CHARACTERS)

    def test_worker(self) -> None:
        """A line of a worker has its number, and the traceback that it came with."""
        event = {"log_format": "worker {worker}: {worker_text}", "worker": 2}
        said = event_fields(event | {"worker_text": "a", "worker_traceback": ""})
        self.assertEqual((said["worker"], said["message"]), (2, "a"))
        self.assertNotIn("traceback", said)
        said = event_fields(event | {"worker_text": "a", "worker_traceback": "x"})
        self.assertEqual((said["message"], said["traceback"]), ("a", "x"))
        about = event_fields({"log_format": "worker {worker} ended", "worker": 2})
        self.assertEqual((about["worker"], about["message"]), (2, "worker 2 ended"))

    def test_refusal(self) -> None:
        """A refusal has its peer, its listener and its reason, as far as these are known."""
        event = {"log_format": "no", "refusal": "rate", "peer": "::1", "listener": "http"}
        fields = event_fields(event)
        self.assertEqual(
            (fields["refusal"], fields["peer"], fields["listener"]), ("rate", "::1", "http")
        )
        self.assertNotIn("peer", event_fields({"log_format": "no", "refusal": "rate"}))
        self.assertNotIn("peer", event_fields({"log_format": "no", "peer": "::1"}))

    def test_empty(self) -> None:
        """An empty event has no fields."""
        self.assertEqual(event_fields({}), {})

    def test_level(self) -> None:
        """The level has a name, which is info by default."""
        self.assertEqual(level_name({}), "info")
        for level in LogLevel.iterconstants():
            self.assertEqual(level_name({"log_level": level}), level.name)
