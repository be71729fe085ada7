"""
The allowance of descriptors.
"""

from __future__ import annotations

import resource
from sys import maxsize

from twisted.trial.unittest import SynchronousTestCase

from netd.ops.rlimit import RESERVE, allowance, connections


class AllowanceTests(SynchronousTestCase):
    """
    The soft limit and the hard one, in a kernel that is played.
    """

    def kernel(self, soft: int, hard: int, refuses: type[Exception] | None = None) -> None:
        """A kernel with these limits, which may refuse to change them."""
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
        self.assertEqual(allowance(), 4096)
        self.assertEqual(self.limits, (4096, 4096))

    def test_alreadyThere(self) -> None:
        """A soft limit at the hard one is left alone."""
        self.kernel(4096, 4096, OSError)
        self.assertEqual(allowance(), 4096)

    def test_refused(self) -> None:
        """What the kernel refuses to raise stays as it was."""
        for reason in (ValueError, OSError):
            self.kernel(256, resource.RLIM_INFINITY, reason)
            self.assertEqual(allowance(), 256)

    def test_connections(self) -> None:
        """Connections leave a reserve, and there is always room for one."""
        self.kernel(1024, 1024)
        self.assertEqual(connections(), 1024 - RESERVE)
        self.kernel(10, 10)
        self.assertEqual(connections(), 1)

    def test_unlimited(self) -> None:
        """Without a limit there is none on connections."""
        self.kernel(resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self.assertEqual(connections(), maxsize)
