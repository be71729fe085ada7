"""
`/` and `/echo`.
"""

from __future__ import annotations

import gzip
import tracemalloc
from collections import Counter
from itertools import islice
from math import inf

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import TEXT, BadCall
from netd.lab.endpoints.compression import ENCODERS
from netd.lab.endpoints.echo import GREETING, pattern
from netd.script import Abort, Send, Wait
from netd.test.chance import by_chance
from netd.test.lab.calls import (
    content,
    fields,
    json_of,
    lab_state,
    make_call,
    reply_to,
    run,
    script,
    steps,
    waits,
)
from netd.test.lab.client import HTTP, limited
from netd.values import Distribution


class EchoTests(SynchronousTestCase):
    """
    `/` without parameters.
    """

    def test_greeting(self) -> None:
        """A request without a body gets 58 bytes after --delay."""
        reply = reply_to("GET /")
        self.assertEqual(steps(reply), [Wait(3.0), Send(GREETING)])
        self.assertEqual((reply.type, reply.headers), (TEXT, ()))
        self.assertEqual(len(GREETING), 58)

    def test_body(self) -> None:
        """A request body is returned after --delay with its type."""
        reply = reply_to("PUT /", "Content-Type: application/json", body=b"{}")
        self.assertEqual(steps(reply), [Wait(3.0), Send(b"{}")])
        self.assertEqual(reply.type, "application/json")

    def test_largeBody(self) -> None:
        """A large body is returned in pieces and never read whole."""
        pieces = [
            each.data
            for each in steps(reply_to("PUT /", body=bytes(200_000)))
            if isinstance(each, Send)
        ]
        self.assertEqual(b"".join(pieces), bytes(200_000))
        self.assertLessEqual(max(map(len, pieces)), 65_536)

    def test_lazy(self) -> None:
        """The body is not read before the delay is over."""
        for body in (b"later", bytes(200_000)):
            call = make_call("PUT /", body=body)
            reply = run(call)
            if not callable(reply.body):
                self.assertEqual(next(iter(reply.body)), Wait(3.0))
            self.assertEqual(call.content.tell(), 0)

    def test_distribution(self) -> None:
        """--delay may be a distribution."""
        state = lab_state()
        state.config = evolve(HTTP, delay=Distribution.parse("uniform:1s-2s"))
        result = {waits(reply_to("GET /", state=state))[0] for _ in range(50)}
        self.assertGreater(len(result), 40)
        self.assertTrue(all(1 <= each <= 2 for each in result))

    def test_parameters(self) -> None:
        """With parameters --delay still counts, unless `delay` is there."""
        self.assertEqual(waits(reply_to("GET /?status=204")), [3.0])
        self.assertEqual(waits(reply_to("GET /?delay=0")), [0.0])
        self.assertEqual(waits(reply_to("GET /", "X-Netd-Delay: 1s")), [1.0])


class ComposedTests(SynchronousTestCase):
    """
    `/echo`: each parameter, and combinations.
    """

    def test_nothing(self) -> None:
        """Without parameters the request body is returned at once."""
        for path in ("/echo", "/echo/a/b"):
            self.assertEqual(
                (waits(reply_to(f"GET {path}")), content(reply_to(f"GET {path}"))),
                ([0.0], GREETING),
            )
        self.assertEqual(content(reply_to("PUT /echo", body=b"abc")), b"abc")

    def test_together(self) -> None:
        """One URL sets delay, status, headers, body and type."""
        query = "delay=100ms&status=429&header=X-A:%201&header=X-B:2&body=hi"
        query += "&type=text/csv&retry_after=7"
        reply = reply_to(f"POST /echo?{query}")
        self.assertEqual((reply.status, reply.type, content(reply)), (429, "text/csv", b"hi"))
        self.assertEqual(fields(reply), {"x-a": "1", "x-b": "2", "retry-after": "7"})
        self.assertEqual(waits(reply_to(f"POST /echo?{query}")), [0.1])

    def test_headers(self) -> None:
        """X-Netd- headers set parameters too."""
        reply = reply_to(
            "GET /echo", "X-Netd-Status: 201", "X-Netd-Header: X-A: 1", "x-netd-Body: hi"
        )
        self.assertEqual(
            (reply.status, fields(reply), content(reply)), (201, {"x-a": "1"}, b"hi")
        )

    def test_pace(self) -> None:
        """The head is sent alone, then chunks of a size with waits between them."""
        reply = reply_to("GET /echo?body=abcde&chunk=2&pace=1s&body_delay=500ms")
        expected = [
            Wait(0.0),
            Send(b""),
            Wait(0.5),
            Send(b"ab"),
            Wait(1.0),
            Send(b"cd"),
            Wait(1.0),
            Send(b"e"),
        ]
        self.assertEqual((steps(reply), reply.length), (expected, 5))

    def test_paceAlone(self) -> None:
        """Pace without chunk makes ten chunks."""
        self.assertEqual(len(waits(reply_to("GET /echo?pace=10ms&size=1000"))), 10)
        self.assertEqual(waits(reply_to("GET /echo?pace=10ms&body=")), [0.0])

    def test_size(self) -> None:
        """A body of any size is generated while it is sent."""
        reply = reply_to("GET /echo?size=200kB")
        self.assertEqual(reply.length, 200_000)
        self.assertEqual(content(reply), pattern(0, 200_000))
        huge = reply_to("GET /echo?size=1GiB")
        self.assertEqual(huge.length, 1024**3)

    @by_chance
    @given(st.integers(0, 500), st.integers(0, 500))
    def test_pattern(self, at: int, count: int) -> None:
        """A piece of the pattern does not depend on where it is cut."""
        self.assertEqual(pattern(at, count), pattern(0, at + count)[at:])

    def test_encoding(self) -> None:
        """The body is encoded, and Content-Encoding names the coding."""
        reply = reply_to("GET /echo?encoding=GZIP&size=1000")
        self.assertEqual(fields(reply)["content-encoding"], "gzip")
        self.assertEqual(gzip.decompress(content(reply)), pattern(0, 1000))

    def test_streamedEncoding(self) -> None:
        """A large body is encoded in pieces, between which the reactor is free."""
        for line, body, plain in (
            ("GET /echo?encoding=gzip&size=1MB", b"", pattern(0, 1_000_000)),
            ("PUT /echo?encoding=gzip", bytes(range(256)) * 1000, bytes(range(256)) * 1000),
        ):
            reply = reply_to(line, body=body)
            self.assertIsNone(reply.length)
            done = steps(reply)
            pieces = [each.data for each in done if isinstance(each, Send)]
            self.assertEqual(gzip.decompress(b"".join(pieces)), plain)
            self.assertLessEqual(max(map(len, pieces)), 65_536)
            self.assertGreaterEqual(done.count(Wait(0.0)), len(plain) // 16_384)

    def test_bomb(self) -> None:
        """A body of any size is encoded lazily, and little of it is in memory."""
        if "zstd" in ENCODERS:
            self.assertIsNone(reply_to("GET /echo?encoding=zstd&size=1GiB").length)
        reply = script(reply_to("GET /echo?encoding=deflate&size=1GiB"))
        tracemalloc.start()
        try:
            for _ in islice(reply, 600):
                pass
            self.assertLess(tracemalloc.get_traced_memory()[1], 2_000_000)
        finally:
            tracemalloc.stop()

    def test_pacedEncoding(self) -> None:
        """An encoded body is paced by its bytes on the wire."""
        reply = steps(reply_to("GET /echo?encoding=deflate&size=1MB&chunk=1000&pace=10ms"))
        sizes = [len(each.data) for each in reply if isinstance(each, Send)]
        self.assertEqual({*sizes[:-1]}, {1000})
        self.assertEqual(reply.count(Wait(0.01)), len(sizes) - 1)

    def test_largeChunks(self) -> None:
        """A large chunk is sent in pieces, and pauses are between chunks only."""
        reply = steps(reply_to("GET /echo?size=1MB&chunk=200kB&pace=1s"))
        sizes = [len(each.data) for each in reply if isinstance(each, Send)]
        self.assertEqual((sum(sizes), max(sizes)), (1_000_000, 65_536))
        self.assertEqual(reply.count(Wait(1.0)), 4)
        self.assertEqual(
            content(reply_to("GET /echo?size=1MB&chunk=200kB")), pattern(0, 1_000_000)
        )

    def test_head(self) -> None:
        """HEAD makes no body."""
        for query in ("size=1GiB", "size=1GiB&encoding=gzip", "body=x"):
            self.assertEqual(content(reply_to(f"HEAD /echo?{query}")), b"")
        self.assertEqual(reply_to("HEAD /echo?body=x").length, 1)

    def test_faultOfEncoded(self) -> None:
        """The body of a fault is encoded too."""
        sent = content(reply_to("GET /echo?fault=bad-length&size=1MB&encoding=gzip"))
        body = sent.partition(b"\r\n\r\n")[2]
        self.assertEqual(gzip.decompress(body), pattern(0, 16_384))

    def test_faults(self) -> None:
        """The fault occurs at its rate; other responses are as described."""
        self.assertEqual(steps(reply_to("GET /echo?fault=close")), [])
        reset = steps(reply_to("GET /echo?fault=reset&delay=1s&body=abcd&status=201"))
        self.assertEqual((reset[0], reset[-1]), (Wait(1.0), Abort()))
        assert isinstance(reset[1], Send)
        self.assertTrue(reset[1].data.startswith(b"HTTP/1.1 201 Created\r\n"))
        self.assertTrue(reset[1].data.endswith(b"\r\n\r\nab"))
        state = lab_state()
        result = Counter(
            reply_to("GET /echo?fault=close&fault_rate=0.25", state=state).raw
            for _ in range(400)
        )
        self.assertTrue(60 < result[True] < 140, result)

    def test_failFirst(self) -> None:
        """A key fails fail_first times, succeeds once, and begins again."""
        state = lab_state()
        line = "GET /echo?fail_first=2&key=k&retry_after=1&status=429"
        result = [reply_to(line, state=state) for _ in range(4)]
        self.assertEqual([each.status for each in result], [429, 429, 200, 429])
        self.assertEqual(fields(result[0])["retry-after"], "1")
        self.assertEqual(json_of(result[0]), {"failure": 1, "failures": 2})
        self.assertEqual(reply_to("GET /echo?fail_first=1&key=other", state=state).status, 503)

    def test_bodiless(self) -> None:
        """A status without content has no body."""
        for status in (204, 205, 304):
            self.assertEqual(steps(reply_to(f"GET /echo?status={status}&body=x")), [Wait(0.0)])

    def test_seed(self) -> None:
        """The same seed repeats all choices."""
        line = "GET /echo?status=200,201,202,203&delay=exponential:1s&seed=3"
        result = {(reply_to(line).status, waits(reply_to(line))[0]) for _ in range(5)}
        self.assertEqual(len(result), 1)

    def test_refused(self) -> None:
        """An invalid parameter is a 400 that names it."""
        for query, name in (
            ("delay=61", "delay"),
            ("delay=x", "delay"),
            ("delay=normal:1s", "delay"),
            ("body_delay=2m", "body_delay"),
            ("status=99", "status"),
            ("status=x", "status"),
            ("header=x", "header"),
            ("header=Set-Cookie:a=b", "Set-Cookie"),
            ("header=X-A:%0d%0aX:1", "X-A"),
            ("size=-1", "size"),
            ("size=2GiB", "size"),
            ("chunk=0", "chunk"),
            ("size=1MB&chunk=1", "chunk"),
            ("pace=1s&size=1000&chunk=1", "pace"),
            ("type=text/html", "type"),
            ("encoding=lzma", "encoding"),
            ("fault=other", "fault"),
            ("fault=close&fault_rate=2", "fault_rate"),
            ("fail_first=1", "fail_first"),
            ("status=200,201&seed=x", "seed"),
        ):
            error = self.assertRaises(BadCall, reply_to, f"GET /echo?{query}")
            self.assertEqual(error.status, 400, query)
            self.assertIn(name, error.detail)

    def test_nearMisses(self) -> None:
        """A name that is almost a parameter's is a 400; other names mean nothing."""
        for query, meant in (
            ("dely=1s", "delay"),
            ("retry-after=3", "retry_after"),
            ("Headers=X-A:1", "header"),
            ("delay=1&bdoy=x", "body"),
        ):
            for path in ("/echo", "/", "/echo/a"):
                error = self.assertRaises(BadCall, reply_to, f"GET {path}?{query}")
                self.assertEqual(error.status, 400)
                self.assertIn(f"did you mean {meant}?", error.detail)
        for name, meant in (("Dely", "Delay"), ("Fail_First", "Fail-First")):
            error = self.assertRaises(BadCall, reply_to, "GET /echo", f"X-Netd-{name}: 1")
            self.assertEqual(error.detail, f"X-Netd-{name}: did you mean X-Netd-{meant}?")
        for query in ("page=1&n=2&q=x&time=3", "DELAY=0&Retry_After=1"):
            self.assertEqual(reply_to(f"GET /echo?{query}", "X-Netd-Clamped: x").status, 200)
        self.assertEqual(reply_to("GET /get?dely=1s").status, 200)

    def test_unlimited(self) -> None:
        """Without --max-delay every delay is allowed."""
        state = lab_state()
        state.config = limited(max_delay=inf)
        self.assertEqual(waits(reply_to("GET /echo?delay=1h", state=state)), [3600.0])
        self.assertEqual(waits(reply_to("GET /delay/1h", state=state)), [3600.0])
        self.assertEqual(
            len(waits(reply_to("GET /echo?pace=1h&body=abc&chunk=1", state=state))), 3
        )


class WorkersTests(SynchronousTestCase):
    """
    `workers` and `timing`.
    """

    def setUp(self) -> None:
        self.state = lab_state()
        self.state.seconds = lambda: self.now
        self.now = 100.0

    def total(self, query: str) -> float:
        """The seconds until the response to a request, from now on, has ended."""
        return sum(waits(run(make_call(f"GET /echo{query}", state=self.state))))

    def test_queue(self) -> None:
        """Five clients of one worker wait for each other, those of five do not."""
        alone = [self.total("?delay=3s&workers=1") for _ in range(5)]
        self.assertEqual(alone, [3.0, 6.0, 9.0, 12.0, 15.0])
        self.assertEqual([self.total("?delay=3s&workers=5") for _ in range(5)], [3.0] * 5)

    def test_held(self) -> None:
        """A worker is busy until the last chunk is due."""
        query = "?delay=1s&body_delay=2s&pace=1s&body=abc&chunk=1&workers=1"
        self.assertEqual([self.total(query) for _ in range(2)], [5.0, 10.0])
        self.now = 107.0
        self.assertEqual(self.total(query), 8.0)

    def test_others(self) -> None:
        """A status without content, a fault and a failure hold a worker for their delay."""
        for query in ("status=204", "fault=close", "fail_first=9"):
            text = f"?delay=2s&workers=1&key={query}&{query}"
            self.assertEqual([self.total(text) for _ in range(2)], [2.0, 4.0], query)
        call = make_call("HEAD /echo?workers=1&pace=1s&size=99", state=self.state)
        self.assertEqual([sum(waits(run(call))) for _ in range(2)], [0.0, 0.0])

    def test_keys(self) -> None:
        """Workers belong to a key, by default to the path."""
        for query in ("/a?", "/b?", "/a?key=x&", "/a?key=y&"):
            self.assertEqual(self.total(f"{query}delay=3s&workers=1"), 3.0)
        self.assertEqual(self.total("/b?key=x&delay=3s&workers=1"), 6.0)

    def test_tooLong(self) -> None:
        """Beyond --max-delay in all a client gets a 503 that says when to come back."""
        self.assertEqual(self.total("?delay=50.5s&workers=1"), 50.5)
        error = self.assertRaises(BadCall, self.total, "?delay=50s&workers=1")
        self.assertEqual((error.status, error.headers), (503, (("Retry-After", "51"),)))

    def test_refused(self) -> None:
        """There are 1 to 1000 workers."""
        for count in ("0", "1001", "x"):
            with self.assertRaisesRegex(BadCall, "workers: "):
                self.total(f"?workers={count}")

    def test_timing(self) -> None:
        """Server-Timing has the queue and the delay in milliseconds, where it is asked for."""
        for query, timing in (
            ("?timing=yes", "queue;dur=0, delay;dur=0"),
            ("?timing=yes&delay=1.058s&workers=1", "queue;dur=0, delay;dur=1058"),
            ("?timing=yes&delay=1s&workers=1", "queue;dur=1058, delay;dur=1000"),
        ):
            reply = run(make_call(f"GET /echo{query}", state=self.state))
            self.assertEqual(fields(reply)["server-timing"], timing)
        self.assertNotIn("server-timing", fields(reply_to("GET /echo")))
        self.assertIn("server-timing", fields(reply_to("GET /", "X-Netd-Timing: yes")))


class TypeTests(SynchronousTestCase):
    """
    Types that a client chooses.
    """

    def test_unsafe(self) -> None:
        """--unsafe-responses allows every type."""
        state = lab_state(unsafe_responses=True)
        self.assertEqual(
            reply_to("GET /echo?type=text/html&body=x", state=state).type, "text/html"
        )
        self.assertEqual(
            reply_to("PUT /", "Content-Type: text/html", body=b"x", state=state).type,
            "text/html",
        )

    def test_safe(self) -> None:
        """Without --unsafe-responses a body of HTML is returned as text."""
        for path in ("/", "/echo", "/?delay=0"):
            self.assertEqual(
                reply_to(f"PUT {path}", "Content-Type: text/html", body=b"x").type, TEXT
            )
