"""
Responses that are wrong.
"""

from __future__ import annotations

from collections import Counter
from math import inf

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.lab.endpoints.faults import MAX_HANG
from netd.script import Abort, Send, Wait
from netd.test.lab.calls import content, fields, json_of, lab_state, reply_to, steps
from netd.test.lab.client import limited, parse


class FaultTests(SynchronousTestCase):
    """
    `/fault/<kind>`: the bytes that are sent.
    """

    def test_close(self) -> None:
        """close sends nothing and ends the connection."""
        reply = reply_to("GET /fault/close")
        self.assertEqual((steps(reply), reply.raw), ([], True))

    def test_reset(self) -> None:
        """reset sends half of the body, and resets the connection after a moment."""
        result = steps(reply_to("GET /fault/reset"))
        self.assertEqual(result[1:], [Wait(0.05), Abort()])
        assert isinstance(result[0], Send)
        response = parse(result[0].data)
        self.assertEqual(len(response.body) * 2, int(response.headers["content-length"]))

    def test_truncate(self) -> None:
        """truncate sends half of the body and ends the connection."""
        response = parse(content(reply_to("GET /fault/truncate")))
        self.assertEqual(len(response.body) * 2, int(response.headers["content-length"]))

    def test_badLength(self) -> None:
        """bad-length has two lengths, both wrong."""
        result = content(reply_to("GET /fault/bad-length"))
        self.assertEqual(result.count(b"Content-Length:"), 2)
        response = parse(result)
        self.assertEqual(int(response.headers["content-length"]), len(response.body) + 1)

    def test_badChunk(self) -> None:
        """bad-chunk sends a good chunk, and a chunk without a size."""
        result = content(reply_to("GET /fault/bad-chunk"))
        self.assertIn(b"Transfer-Encoding: chunked\r\n", result)
        self.assertTrue(result.endswith(b"\r\nnetd\r\nno size\r\n"))

    def test_garbage(self) -> None:
        """garbage is not HTTP."""
        self.assertFalse(content(reply_to("GET /fault/garbage")).startswith(b"HTTP"))

    def test_hang(self) -> None:
        """hang sends nothing for the longest time."""
        self.assertEqual(steps(reply_to("GET /fault/hang")), [Wait(60.0)])
        state = lab_state()
        state.config = limited(max_delay=inf)
        self.assertEqual(steps(reply_to("GET /fault/hang", state=state)), [Wait(MAX_HANG)])

    def test_delay(self) -> None:
        """A fault may be delayed, and takes any method."""
        self.assertEqual(steps(reply_to("BREW /fault/close?delay=1s")), [Wait(1.0)])

    def test_logged(self) -> None:
        """The log has the kind of each fault that happens, and of no other response."""
        state = lab_state()
        for target, fault in (
            ("/fault/reset", "reset"),
            ("/fault/reset?rate=0", ""),
            ("/echo?fault=hang", "hang"),
            ("/retry/1/a", "fail-first"),
            ("/retry/1/a", ""),
            ("/echo?fail_first=1&key=b&delay=1s", "fail-first"),
            ("/echo?fail_first=1&key=b&delay=1s", ""),
            ("/unstable?failure_rate=1", "unstable"),
            ("/unstable?failure_rate=0", ""),
        ):
            self.assertEqual(reply_to(f"GET {target}", state=state).fault, fault, target)

    def test_rate(self) -> None:
        """A fault occurs at its rate; other responses say that it did not happen."""
        state = lab_state()
        result = Counter(
            reply_to("GET /fault/close?rate=0.5", state=state).raw for _ in range(400)
        )
        self.assertTrue(160 < result[True] < 240, result)
        self.assertEqual(
            json_of(reply_to("GET /fault/close?rate=0")), {"fault": "close", "happened": False}
        )

    def test_unknown(self) -> None:
        """An unknown fault is a 400 that lists the faults."""
        error = self.assertRaises(BadCall, reply_to, "GET /fault/fire")
        self.assertIn("truncate", error.detail)


class RetryTests(SynchronousTestCase):
    """
    `/retry/<times>/<key>`.
    """

    def test_turns(self) -> None:
        """A key fails n times, succeeds once, and begins again."""
        state = lab_state()
        result = [reply_to("GET /retry/2/k?retry_after=3", state=state) for _ in range(6)]
        self.assertEqual([each.status for each in result], [503, 503, 200] * 2)
        self.assertEqual(
            (json_of(result[1]), fields(result[1])),
            ({"failure": 2, "failures": 2}, {"retry-after": "3"}),
        )
        self.assertEqual(json_of(result[2]), {"key": "k", "failures": 2})

    def test_keys(self) -> None:
        """Every key and every number of times is counted on its own."""
        state = lab_state()
        for path in ("/retry/1/a", "/retry/1/b", "/retry/2/a"):
            self.assertEqual(reply_to(f"GET {path}?status=429", state=state).status, 429)
        self.assertEqual(reply_to("GET /retry/0/a", state=state).status, 200)

    def test_forgotten(self) -> None:
        """DELETE begins again with the failures of this key, and says how many it counted."""
        state = lab_state()
        for _ in range(2):
            reply_to("GET /retry/2/k", state=state)
            reply_to("GET /retry/2/other", state=state)
        for count in (2, 0):
            reply = reply_to("DELETE /retry/2/k", state=state)
            self.assertEqual(
                (reply.status, json_of(reply)), (200, {"forgotten": count, "key": "k"})
            )
        self.assertEqual(reply_to("GET /retry/2/k", state=state).status, 503)
        self.assertEqual(reply_to("GET /retry/2/other", state=state).status, 200)

    def test_bad(self) -> None:
        """A status that is no failure is a 400."""
        for line in ("GET /retry/1/a?status=200", "GET /retry/x/a", "GET /retry/1001/a"):
            self.assertRaises(BadCall, reply_to, line)


class AttemptsTests(SynchronousTestCase):
    """
    `/attempts/<key>`.
    """

    def test_backoff(self) -> None:
        """It lists the requests for the key, whoever counted them, and never itself."""
        times = iter((10.0, 10.5, 12.0, 13.0))
        state = evolve(lab_state(), seconds=lambda: next(times))
        for line in ("GET /retry/1/k?status=429", "PUT /retry/1/k", "GET /retry/1/other"):
            reply_to(line, state=state)
        reply_to("GET /echo?fail_first=2&key=k&status=500", state=state)
        for _ in range(2):
            reply = reply_to("GET /attempts/k", state=state)
            self.assertEqual((reply.status, reply.type), (200, "application/json"))
            self.assertEqual(
                json_of(reply),
                [
                    {"at": 0.0, "method": "GET", "path": "/retry/1/k", "status": 429},
                    {"at": 0.5, "method": "PUT", "path": "/retry/1/k", "status": 200},
                    {"at": 3.0, "method": "GET", "path": "/echo", "status": 500},
                ],
            )

    def test_unknown(self) -> None:
        """A key of which nothing is known has no attempts."""
        self.assertEqual(json_of(reply_to("GET /attempts/nobody")), [])


class UnstableTests(SynchronousTestCase):
    """
    `/unstable`.
    """

    def test_rate(self) -> None:
        """The response is 500 at the rate, else 200, and the same for the same seed."""
        state = lab_state()
        result = Counter(reply_to("GET /unstable", state=state).status for _ in range(400))
        self.assertTrue(160 < result[500] < 240, result)
        self.assertEqual(reply_to("GET /unstable?failure_rate=1").status, 500)
        self.assertEqual(reply_to("GET /unstable?failure_rate=0").status, 200)
        self.assertEqual(len({reply_to("GET /unstable?seed=4").status for _ in range(9)}), 1)
        for rate in ("2", "x", "-1", "nan"):
            self.assertRaises(BadCall, reply_to, f"GET /unstable?failure_rate={rate}")
