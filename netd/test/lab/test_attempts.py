"""
Tests of netd.lab.attempts.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.lab import attempts
from netd.lab.attempts import MAX_ATTEMPTS, MAX_KEYS, MAX_PATH, Attempt, Attempts


class AttemptsTests(SynchronousTestCase):
    """
    The requests of each key.
    """

    def setUp(self) -> None:
        self.attempts = Attempts()

    def add(self, key: str, now: float = 0.0, target: str = "/p") -> None:
        """A GET that got a 503."""
        self.attempts.add(key, now, "GET", target, 503)

    def test_order(self) -> None:
        """The attempts are in their order, with the time since the first, without the query."""
        self.attempts.add("k", 100.0, "GET", "/retry/1/k?status=500", 500)
        self.attempts.add("k", 101.5, "POST", "/retry/1/k", 200)
        self.assertEqual(
            self.attempts.of("k"),
            (
                Attempt(0.0, "GET", "/retry/1/k", 500),
                Attempt(1.5, "POST", "/retry/1/k", 200),
            ),
        )

    def test_keys(self) -> None:
        """Each key has its own, and an unknown one none."""
        self.add("a")
        self.add("b", 5.0)
        self.assertEqual([each.at for each in self.attempts.of("b")], [0.0])
        self.assertEqual(self.attempts.of("c"), ())

    def test_latest(self) -> None:
        """A key has its latest attempts, timed from the very first."""
        for number in range(MAX_ATTEMPTS + 10):
            self.add("k", float(number))
        times = [each.at for each in self.attempts.of("k")]
        self.assertEqual(times, [float(each) for each in range(10, MAX_ATTEMPTS + 10)])

    def test_leastRecent(self) -> None:
        """Of too many keys the one that was idle for longest is forgotten."""
        for number in range(MAX_KEYS):
            self.add(str(number))
        self.add("0")
        self.add("new")
        self.assertEqual(len(self.attempts.of("0")), 2)
        self.assertEqual(self.attempts.of("1"), ())
        self.assertEqual(len(self.attempts.of("2")), 1)

    def test_inAll(self) -> None:
        """All keys together are bounded too, and what is forgotten counts no more."""
        self.patch(attempts, "MAX_IN_ALL", 6)
        for key in ("a", "a", "b", "b", "b", "c", "c", "c", "c"):
            self.add(key)
        self.assertEqual([len(self.attempts.of(key)) for key in "abc"], [0, 0, 4])
        self.add("d")
        self.add("d")
        self.assertEqual([len(self.attempts.of(key)) for key in "cd"], [4, 2])

    def test_forget(self) -> None:
        """A key that is forgotten begins again, and leaves its place to others."""
        self.patch(attempts, "MAX_IN_ALL", 2)
        self.add("a")
        self.add("b")
        self.attempts.forget("a")
        self.attempts.forget("nobody")
        self.add("c")
        self.assertEqual([len(self.attempts.of(key)) for key in "abc"], [0, 1, 1])

    def test_path(self) -> None:
        """A long path is cut."""
        self.add("k", target="/" + "x" * 5000)
        self.assertEqual(len(self.attempts.of("k")[0].path), MAX_PATH)
