"""
Responses that are streamed.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BYTES, JSON, BadCall
from netd.lab.endpoints.streams import MAX_DRIP
from netd.script import Send, Wait
from netd.test.lab.calls import (
    NOON,
    content,
    fields,
    json_of,
    make_call,
    reply_to,
    run,
    script,
    steps,
    waits,
)


class StreamTests(SynchronousTestCase):
    """
    `/stream/<n>`.
    """

    def test_lines(self) -> None:
        """Each of the n numbered lines is a piece; there are at most 100."""
        reply = reply_to("GET /stream/3?a=1")
        self.assertEqual(reply.type, JSON)
        lines = [json.loads(each.data) for each in steps(reply) if isinstance(each, Send)]
        self.assertEqual([each.pop("id") for each in lines], [0, 1, 2])
        expected = {
            "url": "http://netd/stream/3?a=1",
            "args": {"a": "1"},
            "headers": {"Host": "netd"},
            "origin": "127.0.0.1",
        }
        self.assertEqual(lines, [expected] * 3)
        self.assertEqual(len(steps(reply_to("GET /stream/1000"))), 100)

    def test_lazy(self) -> None:
        """No line is made before the one before it is taken."""
        lines = script(reply_to("GET /stream/100"))
        next(lines)
        self.assertEqual(len(list(lines)), 99)


class DripTests(SynchronousTestCase):
    """
    `/drip`.
    """

    def test_drops(self) -> None:
        """The bytes are spread over the duration, after the delay."""
        reply = reply_to("GET /drip?numbytes=3&duration=3s&delay=1s")
        star = Send(b"*")
        self.assertEqual(steps(reply), [Wait(1.0), star, Wait(1.5), star, Wait(1.5), star])
        self.assertEqual((reply.length, reply.type, reply.status), (3, BYTES, 200))

    def test_defaults(self) -> None:
        """The default is ten bytes in two seconds without a delay."""
        reply = reply_to("GET /drip")
        self.assertEqual(waits(reply), [2 / 9] * 9)

    def test_duration(self) -> None:
        """The body takes the whole duration, whatever the number of bytes."""
        for count in (1, 2, 5, 1000, MAX_DRIP):
            drops = steps(reply_to(f"GET /drip?duration=1s&delay=1s&numbytes={count}"))
            self.assertAlmostEqual(sum(s.seconds for s in drops if isinstance(s, Wait)), 2.0)
            self.assertIsInstance(drops[-1], Send)

    def test_large(self) -> None:
        """Many bytes are sent in pieces of 64 KiB, at most a hundred times a second."""
        reply = steps(reply_to(f"GET /drip?numbytes={MAX_DRIP}&duration=0"))
        self.assertEqual(
            sum(len(each.data) for each in reply if isinstance(each, Send)), MAX_DRIP
        )
        self.assertLessEqual(len(reply), 330)
        self.assertEqual(len(waits(reply_to("GET /drip?numbytes=100000&duration=1s"))), 99)

    def test_code(self) -> None:
        """The status is that of `code`, and may have no body."""
        self.assertEqual(reply_to("GET /drip?code=503").status, 503)
        self.assertEqual(content(reply_to("GET /drip?code=204")), b"")

    def test_bad(self) -> None:
        """Invalid numbers are a 400; too many bytes are clamped, as in httpbin."""
        for query in (
            "numbytes=0",
            "duration=61",
            "delay=61",
            "duration=x",
            "code=x",
            "delay=-1",
        ):
            self.assertRaises(BadCall, reply_to, f"GET /drip?{query}")
        most = reply_to(f"GET /drip?numbytes={MAX_DRIP + 1}")
        self.assertEqual(most.length, MAX_DRIP)


class EventTests(SynchronousTestCase):
    """
    `/sse` and `/jsonl`.
    """

    def test_events(self) -> None:
        """Each event has a number and the time, evenly over the duration."""
        reply = reply_to("GET /sse?count=3&duration=2s&delay=500ms")
        self.assertEqual((reply.type, waits(reply)), ("text/event-stream", [0.5, 1.0, 1.0]))
        event = b'event: ping\ndata: {"id": 0, "timestamp": %d}\n\n' % (NOON * 1000)
        self.assertTrue(content(reply_to("GET /sse")).startswith(event))

    def test_lines(self) -> None:
        """/jsonl sends the same members as lines."""
        reply = reply_to("GET /jsonl?count=2&duration=1s")
        self.assertEqual(reply.type, "application/jsonl")
        lines = [json.loads(line) for line in content(reply).splitlines()]
        self.assertEqual(
            lines, [{"id": each, "timestamp": int(NOON * 1000)} for each in (0, 1)]
        )

    def test_duration(self) -> None:
        """The body takes the whole duration, whatever the number of events."""
        for path in ("sse", "jsonl"):
            for count in (1, 2, 7, 1000):
                reply = reply_to(f"GET /{path}?duration=3s&count={count}")
                self.assertAlmostEqual(sum(waits(reply)), 3.0)
            self.assertEqual(waits(reply_to(f"GET /{path}?duration=0")), [])

    def test_bad(self) -> None:
        """A count of zero or above 1000 is a 400."""
        for query in ("count=0", "count=1001", "duration=2m"):
            self.assertRaises(BadCall, reply_to, f"GET /sse?{query}")


class TrailerTests(SynchronousTestCase):
    """
    `/trailers`.
    """

    def test_fields(self) -> None:
        """Each argument is a trailer that the head announces."""
        reply = reply_to("GET /trailers?X-A=1&X-B=2&X-A=3")
        self.assertEqual(fields(reply), {"trailer": "X-A, X-B"})
        self.assertEqual(reply.trailers, (("X-A", "1"), ("X-B", "2"), ("X-A", "3")))
        self.assertIsNone(reply.length)
        self.assertEqual(json_of(reply)["args"], {"X-A": ["1", "3"], "X-B": "2"})
        self.assertEqual(reply_to("GET /trailers").headers, ())

    def test_refused(self) -> None:
        """Fields that frame, route or authenticate are refused, and so are line breaks."""
        for query in (
            "Content-Length=1",
            "transfer-encoding=x",
            "Host=x",
            "Set-Cookie=a",
            "a%20b=1",
            "a=%0d%0ab",
            "a=%E2%82%AC",
        ):
            self.assertRaises(BadCall, reply_to, f"GET /trailers?{query}")

    def test_many(self) -> None:
        """A response has at most as many trailer fields as a request may have."""
        self.assertEqual(len(reply_to("GET /trailers?" + "x-a&" * 100).trailers), 100)
        self.assertRaises(BadCall, reply_to, "GET /trailers?" + "x-a&" * 101)


class LeavingTests(SynchronousTestCase):
    """
    A client that leaves.
    """

    def test_closed(self) -> None:
        """A script that is closed sends no more."""
        for path in (
            "/drip",
            "/sse",
            "/stream/9",
            "/stream-bytes/99?chunk_size=1",
            "/range/99?chunk_size=1",
        ):
            call = make_call(f"GET {path}")
            steps_left = script(run(call))
            next(steps_left)
            steps_left.close()  # type: ignore[attr-defined]
            self.assertEqual(list(steps_left), [])
