"""
Every method of one daemon.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.registry import Registry
from netd.xmlrpc.resource import RPC
from netd.xmlrpc.service import build


def registry(resource: RPC) -> Registry:
    """What a resource publishes."""
    return resource._registry


class BuildTests(SynchronousTestCase):
    """
    The list.
    """

    def test_own(self) -> None:
        """The seed's, ip, lab, the suites and system are there; each has a help."""
        found = registry(build(Clock()).resource)
        for name in ("add", "pow", "ip.hosts", "lab.burn", "validator1.easyStructTest",
                     "interopEchoTests.echoValue", "system.multicall"):  # fmt: skip
            self.assertIsNotNone(found.get(name), name)
        self.assertEqual([each.name for each in found if not each.help], [])

    def test_suites(self) -> None:
        """The suites can be left out."""
        names = [each.name for each in registry(build(Clock(), suites=False).resource)]
        self.assertFalse([each for each in names if "Test" in each])

    def test_published(self) -> None:
        """The operator's own are beside them."""
        found = registry(build(Clock(), ["a=netd.test.xmlrpc.published", "math:sqrt"]).resource)
        for name in ("a.double", "a.other.name", "sqrt"):
            self.assertIsNotNone(found.get(name), name)

    def test_refused(self) -> None:
        """What cannot be published is named, a second method of one name too."""
        for text, why in (
            ("no_such_module_1:x", "no_such_module_1:x: ModuleNotFoundError"),
            ("math:pow", "math:pow: there are two methods pow"),
        ):
            wrong = self.assertRaises(ValueError, build, Clock(), [text])
            self.assertIn(why, str(wrong))

    def test_pool(self) -> None:
        """The pool is a service with a name, and starts no process by itself."""
        self.assertEqual(build(Clock()).pool.name, "rpc-workers")

    def test_kept_pool(self) -> None:
        """A pool that is there already is used."""
        pool = build(Clock()).pool
        self.assertIs(build(Clock(), pool=pool).pool, pool)
