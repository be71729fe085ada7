"""
The methods of a daemon.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.registry import Registry
from netd.xmlrpc.resource import RPC
from netd.xmlrpc.service import build


def registry(resource: RPC) -> Registry:
    """The registry of a resource."""
    return resource._registry


class BuildTests(SynchronousTestCase):
    """
    Methods and pool.
    """

    def test_own(self) -> None:
        """All of netd's groups of methods are published, each with a help text."""
        published = registry(build(Clock()).resource)
        for name in ("add", "pow", "ip.hosts", "lab.burn", "validator1.easyStructTest",
                     "interopEchoTests.echoValue", "system.multicall"):  # fmt: skip
            self.assertIsNotNone(published.get(name), name)
        self.assertEqual([each.name for each in published if not each.help], [])

    def test_suites(self) -> None:
        """The suites can be left out."""
        names = [each.name for each in registry(build(Clock(), suites=False).resource)]
        self.assertFalse([each for each in names if "Test" in each])

    def test_published(self) -> None:
        """The operator's methods are published beside netd's."""
        published = registry(
            build(Clock(), ["a=netd.test.xmlrpc.published", "math:sqrt"]).resource
        )
        for name in ("a.double", "a.other.name", "sqrt"):
            self.assertIsNotNone(published.get(name), name)

    def test_refused(self) -> None:
        """An object that cannot be published, or whose name is taken, is named."""
        for text, why in (
            ("no_such_module_1:x", "no_such_module_1:x: ModuleNotFoundError"),
            ("math:pow", "math:pow: there are two methods pow"),
        ):
            error = self.assertRaises(ValueError, build, Clock(), [text])
            self.assertIn(why, str(error))

    def test_pool(self) -> None:
        """The pool is a named service."""
        self.assertEqual(build(Clock()).pool.name, "rpc-workers")

    def test_keptPool(self) -> None:
        """An existing pool is used."""
        pool = build(Clock()).pool
        self.assertIs(build(Clock(), pool=pool).pool, pool)
