"""
Tests of netd.throttled_log.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.throttled_log import DELAY_SECONDS, INTERVAL_SECONDS, ThrottledLog


class ThrottledLogTests(SynchronousTestCase):
    """
    Many events, few lines.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.lines: list[tuple[str, int, str]] = []
        self.log: ThrottledLog[str] = ThrottledLog(self.clock, self.write)

    def write(self, reason: str, count: int, latest: str) -> None:
        """Keep a line."""
        self.lines.append((reason, count, latest))

    def written(self, seconds: float) -> list[tuple[str, int, str]]:
        """The lines of the next `seconds`."""
        self.lines.clear()
        self.clock.pump([0.5] * int(2 * seconds))
        return self.lines.copy()

    def test_soon(self) -> None:
        """The first events are written after a second, one line a reason, with the latest."""
        self.log.add("rate", "a", 3)
        self.log.add("rate", "b", 2)
        self.log.add("network", "c")
        self.assertEqual(self.written(DELAY_SECONDS - 0.5), [])
        self.assertEqual(self.written(0.5), [("rate", 5, "b"), ("network", 1, "c")])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_onceAMinute(self) -> None:
        """A reason is written once a minute, with the events since its last line."""
        lines = []
        for number in range(180):
            self.log.add("rate", str(number))
            lines += self.written(1)
        self.assertEqual(lines, [("rate", 1, "0"), ("rate", 60, "60"), ("rate", 60, "120")])

    def test_anotherReason(self) -> None:
        """Another reason does not wait for the minute of the first, which ends in time."""
        self.log.add("rate", "a")
        self.written(2)
        self.log.add("rate", "b")
        self.log.add("network", "c")
        self.assertEqual(self.written(1), [("network", 1, "c")])
        self.assertEqual(self.written(INTERVAL_SECONDS - 2.5), [])
        self.assertEqual(self.written(0.5), [("rate", 1, "b")])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_oneTimer(self) -> None:
        """However many events there are, one timer is enough, before and after a line."""
        for _ in range(3):
            for number in range(10):
                self.log.add(str(number % 3), "")
                self.log.report_within()
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
            self.written(1)

    def test_collected(self) -> None:
        """What is counted elsewhere is collected before a line, and needs no timer then."""
        waiting = [7]

        def collect() -> None:
            while waiting:
                log.add("kernel", "", waiting.pop())

        log = ThrottledLog(self.clock, self.write, collect)
        log.report_within()
        self.assertEqual(self.written(1), [("kernel", 7, "")])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        waiting.append(2)
        log.report_within()
        self.assertEqual(self.written(1), [])
        waiting.append(3)
        log.stop()
        self.assertEqual(self.lines, [("kernel", 5, "")])

    def test_stop(self) -> None:
        """A stop writes what no line has yet, whatever the minute, and leaves no timer."""
        self.log.add("rate", "a")
        self.written(1)
        self.log.add("rate", "b")
        self.lines.clear()
        self.log.stop()
        self.log.stop()
        self.assertEqual(self.lines, [("rate", 1, "b")])
        self.assertEqual(self.clock.getDelayedCalls(), [])
