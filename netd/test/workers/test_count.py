"""
Tests for netd.workers.count.
"""

from __future__ import annotations

import os
from math import ceil
from pathlib import Path
from sys import maxsize

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.settings import HTTP, RPC, Access, Lab, Limits, Settings
from netd.test.chance import by_chance
from netd.workers.count import auto, divided, part, quota


class AutoTests(SynchronousTestCase):
    """
    The number of CPUs.
    """

    def files(self, **texts: str) -> None:
        """The kernel's files; `__` in a name stands for the slash."""
        self.texts = {f"/{name.replace('__', '/')}": text for name, text in texts.items()}

    def read(self, path: Path) -> str:
        """The text of a file of `files`."""
        return self.texts.get(str(path).replace("cpu.max", "max"), "")

    def auto(self, cpus: int) -> int:
        """The number for a process with this affinity."""
        return auto(lambda: cpus, self.read)

    def test_affinity(self) -> None:
        """Without a quota it is the number of CPUs of the affinity."""
        self.files()
        self.assertEqual([self.auto(cpus) for cpus in (1, 2, 160)], [1, 2, 160])
        self.files(proc__self__cgroup="0::/a\n", sys__fs__cgroup__a__max="max 100000\n")
        self.assertEqual(self.auto(7), 7)

    def test_quota(self) -> None:
        """The quota of the group, or of one around it, is a limit that is rounded up."""
        self.files(
            proc__self__cgroup="1:name=x:/b\n0::/a/b\n",
            sys__fs__cgroup__a__b__max="400000 100000\n",
            sys__fs__cgroup__a__max="150000 100000\n",
        )
        self.assertEqual(quota(self.read), 1.5)
        self.assertEqual([self.auto(cpus) for cpus in (1, 2, 160)], [1, 2, 2])

    def test_namespace(self) -> None:
        """In a container the group is the root."""
        self.files(proc__self__cgroup="0::/\n", sys__fs__cgroup__max="10000 100000\n")
        self.assertEqual(self.auto(160), 1)

    def test_malformed(self) -> None:
        """A file that says something else is no quota."""
        for text in ("", "x", "max", "-1 100000", "100000 x y"):
            self.files(proc__self__cgroup="0::/", sys__fs__cgroup__max=text)
            self.assertEqual(self.auto(3), 3)

    def test_here(self) -> None:
        """On this machine it is at least 1 and at most the CPUs of this process."""
        self.assertLessEqual(1, auto())
        self.assertLessEqual(auto(), len(os.sched_getaffinity(0)))


class DividedTests(SynchronousTestCase):
    """
    Limits in parts.
    """

    def test_limits(self) -> None:
        """Limits of clients, buffers and offloaded calls are divided, all others stay."""
        limits = Limits(
            spool=10, unsent=10, client_connections=10, client_waiting=1, connections=10
        )
        whole = Settings(
            http=HTTP(limits=limits, console_watchers=10),
            access=Access(connect_rate=5),
            rpc=RPC(workers=2, backlog=9),
        )
        divided_limits = evolve(
            limits, spool=3, unsent=3, client_connections=3, client_waiting=1
        )
        expected = Settings(
            http=HTTP(limits=divided_limits, console_watchers=3),
            access=Access(connect_rate=2),
            rpc=RPC(workers=1, backlog=3),
        )
        self.assertEqual(divided(whole, 4), expected)

    def test_off(self) -> None:
        """A limit that is off stays off."""
        self.assertEqual((part(0, 4), part(maxsize, 4)), (0, maxsize))

    @given(st.integers(1, 10**9), st.integers(1, 256))
    @by_chance
    def test_enough(self, limit: int, workers: int) -> None:
        """The parts add up to the limit, or to less than one more for each worker."""
        self.assertEqual(part(limit, workers), ceil(limit / workers))
        self.assertTrue(limit <= part(limit, workers) * workers < limit + workers)

    def test_seed(self) -> None:
        """--seed is refused."""
        caught = self.assertRaises(ValueError, divided, Settings(http=HTTP(lab=Lab(seed=0))), 2)
        self.assertIn("--seed: needs --workers 1", str(caught))
