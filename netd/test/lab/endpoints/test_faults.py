"""
Answers that are wrong.
"""

from __future__ import annotations

from collections import Counter
from math import inf

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.lab.endpoints.faults import MOST_HANG
from netd.script import Abort, Send, Wait
from netd.test.lab.calling import ask, bench, fields, said, shown, steps
from netd.test.lab.conversation import limited, parse


class FaultTests(SynchronousTestCase):
    """
    `/fault/<kind>`: what goes over the wire.
    """

    def test_close(self) -> None:
        """Nothing at all, and the end."""
        reply = ask("GET /fault/close")
        self.assertEqual((steps(reply), reply.wire), ([], True))

    def test_reset(self) -> None:
        """Half of the body, and a reset once that is on its way."""
        found = steps(ask("GET /fault/reset"))
        self.assertEqual(found[1:], [Wait(0.05), Abort()])
        assert isinstance(found[0], Send)
        answer = parse(found[0].data)
        self.assertEqual(len(answer.body) * 2, int(answer.headers["content-length"]))

    def test_truncate(self) -> None:
        """Half of the body, and the end."""
        answer = parse(said(ask("GET /fault/truncate")))
        self.assertEqual(len(answer.body) * 2, int(answer.headers["content-length"]))

    def test_badLength(self) -> None:
        """Two lengths, both wrong."""
        found = said(ask("GET /fault/bad-length"))
        self.assertEqual(found.count(b"Content-Length:"), 2)
        answer = parse(found)
        self.assertEqual(int(answer.headers["content-length"]), len(answer.body) + 1)

    def test_badChunk(self) -> None:
        """A whole chunk, and one whose size is none."""
        found = said(ask("GET /fault/bad-chunk"))
        self.assertIn(b"Transfer-Encoding: chunked\r\n", found)
        self.assertTrue(found.endswith(b"\r\nnetd\r\nno size\r\n"))

    def test_garbage(self) -> None:
        """Bytes that are no HTTP."""
        self.assertFalse(said(ask("GET /fault/garbage")).startswith(b"HTTP"))

    def test_hang(self) -> None:
        """Nothing for as long as can be waited for."""
        self.assertEqual(steps(ask("GET /fault/hang")), [Wait(60.0)])
        on = bench()
        on.config = limited(max_delay=inf)
        self.assertEqual(steps(ask("GET /fault/hang", on=on)), [Wait(MOST_HANG)])

    def test_delay(self) -> None:
        """After a delay, for any method."""
        self.assertEqual(steps(ask("BREW /fault/close?delay=1s")), [Wait(1.0)])

    def test_rate(self) -> None:
        """At a rate; the rest of the time it says that nothing happened."""
        on = bench()
        found = Counter(ask("GET /fault/close?rate=0.5", on=on).wire for _ in range(400))
        self.assertTrue(160 < found[True] < 240, found)
        self.assertEqual(
            shown(ask("GET /fault/close?rate=0")), {"fault": "close", "happened": False}
        )

    def test_unknown(self) -> None:
        """An unknown fault is a 400 that names those there are."""
        wrong = self.assertRaises(BadCall, ask, "GET /fault/fire")
        self.assertIn("truncate", wrong.detail)


class RetryTests(SynchronousTestCase):
    """
    `/retry/<times>/<key>`.
    """

    def test_turns(self) -> None:
        """It fails so often for a key, then succeeds, then begins again."""
        on = bench()
        found = [ask("GET /retry/2/k?retry_after=3", on=on) for _ in range(6)]
        self.assertEqual([each.status for each in found], [503, 503, 200] * 2)
        self.assertEqual(
            (shown(found[1]), fields(found[1])),
            ({"failure": 2, "failures": 2}, {"retry-after": "3"}),
        )
        self.assertEqual(shown(found[2]), {"key": "k", "failures": 2})

    def test_keys(self) -> None:
        """Keys and numbers of times do not count for one another."""
        on = bench()
        for path in ("/retry/1/a", "/retry/1/b", "/retry/2/a"):
            self.assertEqual(ask(f"GET {path}?status=429", on=on).status, 429)
        self.assertEqual(ask("GET /retry/0/a", on=on).status, 200)

    def test_bad(self) -> None:
        """What is no failure is a 400."""
        for line in ("GET /retry/1/a?status=200", "GET /retry/x/a", "GET /retry/1001/a"):
            self.assertRaises(BadCall, ask, line)


class UnstableTests(SynchronousTestCase):
    """
    `/unstable`.
    """

    def test_rate(self) -> None:
        """500 at a rate, 200 the rest of the time, the same for the same seed."""
        on = bench()
        found = Counter(ask("GET /unstable", on=on).status for _ in range(400))
        self.assertTrue(160 < found[500] < 240, found)
        self.assertEqual(ask("GET /unstable?failure_rate=1").status, 500)
        self.assertEqual(ask("GET /unstable?failure_rate=0").status, 200)
        self.assertEqual(len({ask("GET /unstable?seed=4").status for _ in range(9)}), 1)
        for rate in ("2", "x", "-1", "nan"):
            self.assertRaises(BadCall, ask, f"GET /unstable?failure_rate={rate}")
