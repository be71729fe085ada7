"""
ApacheBench against the default delay of 3 s, and against none.

ab 2.4.34 and later opens one connection first and holds the other four back
until it has read the head of the first response ("Use only one connection to
determine working destination socket address" in its changelog), so that five
concurrent requests to any server that waits 3 s take it 6 s.  What netd
promises, five clients in 3.0 to 3.3 s, is shown by five of them at once.
"""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import GREETING, ab, curl, threads
from tests.programs import needs
from tests.running import Daemon, shared, undisturbed


class SeedTests(SynchronousTestCase):
    """
    `ab -n 5 -c 5 http://localhost:PORT/` and similar commands, with the default delay of 3 s.
    """

    @needs("ab")
    def test_seedCommand(self) -> None:
        """
        ab -n 5 -c 5 reports 58 bytes and no failure, and takes one delay, not five.
        """
        url = self.enterContext(shared()).url

        def measure() -> float:
            bench = ab(f"{url}/", "-n", "5", "-c", "5")
            self.assertEqual((bench.length, bench.complete, bench.failed), (58, 5, 0))
            self.assertGreaterEqual(bench.shortest, 3.0)
            self.assertGreaterEqual(bench.seconds, 3.0)
            # One delay; or two, where ab sends the first request alone.
            return bench.seconds

        self.assertLess(undisturbed(measure, 9.0), 9.0)

    @needs("ab")
    def test_fiveAtOnce(self) -> None:
        """
        Five `ab -n 1 -c 1` started together take one delay in all.
        """
        url = self.enterContext(shared()).url

        def measure() -> float:
            started = time.monotonic()
            with threads(5) as pool:
                benches = list(pool.map(lambda _: ab(f"{url}/", "-n1", "-c1"), range(5)))
            seconds = time.monotonic() - started
            for bench in benches:
                self.assertEqual((bench.length, bench.complete, bench.failed), (58, 1, 0))
                self.assertGreaterEqual(bench.shortest, 3.0)
            return seconds

        self.assertLess(undisturbed(measure, 6.0), 6.0)

    @needs("curl")
    def test_fiveCurls(self) -> None:
        """
        Five curls started together each get 58 bytes, all within one delay.
        """
        url = self.enterContext(shared()).url

        def measure() -> float:
            started = time.monotonic()
            with threads(5) as pool:
                responses = list(pool.map(lambda _: curl(f"{url}/"), range(5)))
            seconds = time.monotonic() - started
            self.assertEqual([response.body for response in responses], [GREETING] * 5)
            self.assertGreaterEqual(min(response.seconds for response in responses), 3.0)
            return seconds

        self.assertLess(undisturbed(measure, 6.0), 6.0)


@needs("ab")
class LoadTests(SynchronousTestCase):
    """
    ab with many requests and a short delay.
    """

    def test_keepAlive(self) -> None:
        """
        `ab -k`, which keeps HTTP/1.0 connections, reports no failed request.
        """
        url = self.enterContext(Daemon("--delay", "50ms")).url
        bench = ab(f"{url}/", "-k", "-n100", "-c10")
        self.assertEqual((bench.length, bench.complete, bench.failed), (58, 100, 0))

    def test_noDelay(self) -> None:
        """
        A thousand requests without a delay, fifty at once, succeed.
        """
        url = self.enterContext(Daemon("--delay", "0")).url
        bench = ab(f"{url}/", "-n1000", "-c50")
        self.assertEqual((bench.length, bench.complete, bench.failed), (58, 1000, 0))
