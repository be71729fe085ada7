"""
The histogram of a delay.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.test.lab.calls import json_of, reply_to


class PreviewTests(SynchronousTestCase):
    """
    `/console/preview`.
    """

    def preview(self, delay: str) -> Any:
        """The histogram of a delay."""
        return json_of(reply_to(f"GET /console/preview?delay={delay}"))

    def test_shapes(self) -> None:
        """Each shape has 1000 draws, and its median is where that of the shape is."""
        for delay, median in (
            ("uniform:1s-3s", 2.0),
            ("normal:1s,100ms", 1.0),
            ("lognormal:1s,100ms", 0.995),
            ("exponential:1s", 0.693),
        ):
            found = self.preview(delay)
            self.assertEqual((sum(found["bins"]), len(found["bins"])), (1000, 40))
            self.assertLess(abs(found["median"] - median), 0.1, delay)
            self.assertLess(found["median"], found["p99"])
            self.assertLess(found["p99"], found["end"] * 1.001)

    def test_fixed(self) -> None:
        """A duration is one bin; none at all is one too."""
        for delay, bin_, end in (("2s", 39, 2.0), ("0", 0, 1.0), ("7s", 35, 8.0)):
            found = self.preview(delay)
            self.assertEqual((found["bins"][bin_], found["end"]), (1000, end), delay)
        self.assertEqual((found["median"], found["p99"]), (7.0, 7.0))

    def test_limited(self) -> None:
        """No draw is longer than --max-delay lets a response wait."""
        self.assertEqual(self.preview("uniform:50s-500s")["p99"], 60.0)

    def test_once(self) -> None:
        """The same delay gives the same bytes."""
        first, second = (reply_to("GET /console/preview?delay=exponential:3s") for _ in "12")
        self.assertIs(first.body, second.body)

    def test_mistakes(self) -> None:
        """A delay that is none, and no delay, are mistakes of the client."""
        for query in ("", "?delay=soon", "?delay=normal:1s", "?delay=61s"):
            with self.assertRaisesRegex(BadCall, "delay"):
                reply_to(f"GET /console/preview{query}")
