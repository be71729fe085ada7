"""
Answers that are wrong.
"""

from __future__ import annotations

from collections import Counter
from math import inf

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.lab.endpoints.faults import MAX_HANG
from netd.script import Abort, Send, Wait
from netd.test.lab.calls import content, fields, json_of, lab_state, reply_to, steps
from netd.test.lab.client import limited, parse


class FaultTests(SynchronousTestCase):
    """
    `/fault/<kind>`: what goes over the wire.
    """

    def test_close(self) -> None:
        """Nothing at all, and the end."""
        reply = reply_to("GET /fault/close")
        self.assertEqual((steps(reply), reply.raw), ([], True))

    def test_reset(self) -> None:
        """Half of the body, and a reset once that is on its way."""
        result = steps(reply_to("GET /fault/reset"))
        self.assertEqual(result[1:], [Wait(0.05), Abort()])
        assert isinstance(result[0], Send)
        answer = parse(result[0].data)
        self.assertEqual(len(answer.body) * 2, int(answer.headers["content-length"]))

    def test_truncate(self) -> None:
        """Half of the body, and the end."""
        answer = parse(content(reply_to("GET /fault/truncate")))
        self.assertEqual(len(answer.body) * 2, int(answer.headers["content-length"]))

    def test_badLength(self) -> None:
        """Two lengths, both wrong."""
        result = content(reply_to("GET /fault/bad-length"))
        self.assertEqual(result.count(b"Content-Length:"), 2)
        answer = parse(result)
        self.assertEqual(int(answer.headers["content-length"]), len(answer.body) + 1)

    def test_badChunk(self) -> None:
        """A whole chunk, and one whose size is none."""
        result = content(reply_to("GET /fault/bad-chunk"))
        self.assertIn(b"Transfer-Encoding: chunked\r\n", result)
        self.assertTrue(result.endswith(b"\r\nnetd\r\nno size\r\n"))

    def test_garbage(self) -> None:
        """Bytes that are no HTTP."""
        self.assertFalse(content(reply_to("GET /fault/garbage")).startswith(b"HTTP"))

    def test_hang(self) -> None:
        """Nothing for as long as can be waited for."""
        self.assertEqual(steps(reply_to("GET /fault/hang")), [Wait(60.0)])
        state = lab_state()
        state.config = limited(max_delay=inf)
        self.assertEqual(steps(reply_to("GET /fault/hang", state=state)), [Wait(MAX_HANG)])

    def test_delay(self) -> None:
        """After a delay, for any method."""
        self.assertEqual(steps(reply_to("BREW /fault/close?delay=1s")), [Wait(1.0)])

    def test_rate(self) -> None:
        """At a rate; the rest of the time it says that nothing happened."""
        state = lab_state()
        result = Counter(
            reply_to("GET /fault/close?rate=0.5", state=state).raw for _ in range(400)
        )
        self.assertTrue(160 < result[True] < 240, result)
        self.assertEqual(
            json_of(reply_to("GET /fault/close?rate=0")), {"fault": "close", "happened": False}
        )

    def test_unknown(self) -> None:
        """An unknown fault is a 400 that names those there are."""
        error = self.assertRaises(BadCall, reply_to, "GET /fault/fire")
        self.assertIn("truncate", error.detail)


class RetryTests(SynchronousTestCase):
    """
    `/retry/<times>/<key>`.
    """

    def test_turns(self) -> None:
        """It fails so often for a key, then succeeds, then begins again."""
        state = lab_state()
        result = [reply_to("GET /retry/2/k?retry_after=3", state=state) for _ in range(6)]
        self.assertEqual([each.status for each in result], [503, 503, 200] * 2)
        self.assertEqual(
            (json_of(result[1]), fields(result[1])),
            ({"failure": 2, "failures": 2}, {"retry-after": "3"}),
        )
        self.assertEqual(json_of(result[2]), {"key": "k", "failures": 2})

    def test_keys(self) -> None:
        """Keys and numbers of times do not count for one another."""
        state = lab_state()
        for path in ("/retry/1/a", "/retry/1/b", "/retry/2/a"):
            self.assertEqual(reply_to(f"GET {path}?status=429", state=state).status, 429)
        self.assertEqual(reply_to("GET /retry/0/a", state=state).status, 200)

    def test_bad(self) -> None:
        """What is no failure is a 400."""
        for line in ("GET /retry/1/a?status=200", "GET /retry/x/a", "GET /retry/1001/a"):
            self.assertRaises(BadCall, reply_to, line)


class UnstableTests(SynchronousTestCase):
    """
    `/unstable`.
    """

    def test_rate(self) -> None:
        """500 at a rate, 200 the rest of the time, the same for the same seed."""
        state = lab_state()
        result = Counter(reply_to("GET /unstable", state=state).status for _ in range(400))
        self.assertTrue(160 < result[500] < 240, result)
        self.assertEqual(reply_to("GET /unstable?failure_rate=1").status, 500)
        self.assertEqual(reply_to("GET /unstable?failure_rate=0").status, 200)
        self.assertEqual(len({reply_to("GET /unstable?seed=4").status for _ in range(9)}), 1)
        for rate in ("2", "x", "-1", "nan"):
            self.assertRaises(BadCall, reply_to, f"GET /unstable?failure_rate={rate}")
