"""
Tests for netd.ops.descriptors.
"""

from __future__ import annotations

import resource
import runpy
import sys
from sys import maxsize
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from netd.ops import descriptors
from netd.ops.descriptors import RESERVE, max_connections, raise_limit


class DescriptorLimitTests(SynchronousTestCase):
    """
    The limits of a fake kernel.
    """

    def kernel(self, soft: int, hard: int, refuses: type[Exception] | None = None) -> None:
        """A kernel with these limits, which raises `refuses` when they are changed."""
        self.limits = (soft, hard)

        def get(which: int) -> tuple[int, int]:
            self.assertEqual(which, resource.RLIMIT_NOFILE)
            return self.limits

        def put(which: int, limits: tuple[int, int]) -> None:
            if refuses is not None:
                raise refuses
            self.limits = limits

        self.patch(resource, "getrlimit", get)
        self.patch(resource, "setrlimit", put)

    def test_raised(self) -> None:
        """The soft limit is raised to the hard one."""
        self.kernel(1024, 4096)
        self.assertEqual(raise_limit(), 4096)
        self.assertEqual(self.limits, (4096, 4096))

    def test_alreadyThere(self) -> None:
        """A soft limit that equals the hard one is not changed."""
        self.kernel(4096, 4096, OSError)
        self.assertEqual(raise_limit(), 4096)

    def test_refused(self) -> None:
        """A limit that the kernel refuses to raise stays in force."""
        for reason in (ValueError, OSError):
            self.kernel(256, resource.RLIM_INFINITY, reason)
            self.assertEqual(raise_limit(), 256)

    def test_connections(self) -> None:
        """Connections leave `RESERVE` descriptors, and at least one is allowed."""
        self.kernel(1024, 1024)
        self.assertEqual(max_connections(), 1024 - RESERVE)
        self.kernel(10, 10)
        self.assertEqual(max_connections(), 1)

    def test_windows(self) -> None:
        """Windows has no limit of descriptors, but select() takes 512 sockets."""
        with mock.patch.dict(sys.modules, {"resource": None}):
            windows = runpy.run_path(descriptors.__file__)
        self.assertEqual(windows["max_connections"](), 512 - RESERVE)

    def test_unlimited(self) -> None:
        """Without a limit of descriptors connections are not limited."""
        self.kernel(resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self.assertEqual(max_connections(), maxsize)
