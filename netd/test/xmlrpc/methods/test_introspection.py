"""
system.*.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.faults import NO_METHOD, Fault
from netd.xmlrpc.methods import introspection
from netd.xmlrpc.registry import Registry, procedure


def half(x: int) -> float:
    """Half of x."""
    raise NotImplementedError


class SystemTests(SynchronousTestCase):
    """
    Questions about a registry.
    """

    def setUp(self) -> None:
        self.registry = Registry([procedure(half), procedure(lambda *a: a, "any")])
        for each in introspection.procedures(self.registry):
            self.registry.add(each)

    def ask(self, name: str, *values: Any) -> Any:
        """The result of system.NAME."""
        method = self.registry[f"system.{name}"]
        method.signature.check(method.name, values)
        return method.function(*values)

    def test_list(self) -> None:
        """listMethods gives the sorted names of all methods, itself included."""
        self.assertEqual(
            self.ask("listMethods"),
            [
                "any",
                "half",
                "system.getCapabilities",
                "system.listMethods",
                "system.methodExist",
                "system.methodHelp",
                "system.methodSignature",
            ],
        )

    def test_help(self) -> None:
        """methodHelp gives the docstring, which every method of system.* has."""
        self.assertEqual(self.ask("methodHelp", "half"), "Half of x.")
        for each in introspection.procedures(self.registry):
            self.assertTrue(each.help, each.name)

    def test_signature(self) -> None:
        """methodSignature gives lists of type names, or undef."""
        self.assertEqual(self.ask("methodSignature", "half"), [["double", "int"]])
        self.assertEqual(self.ask("methodSignature", "any"), "undef")
        self.assertEqual(
            self.ask("methodSignature", "system.methodSignature"),
            [["array", "string"], ["string", "string"]],
        )

    def test_exist(self) -> None:
        """methodExist is False for an unknown method; help and signature are faults."""
        self.assertEqual(
            [self.ask("methodExist", name) for name in ("half", "x")], [True, False]
        )
        for question in ("methodHelp", "methodSignature"):
            fault = self.assertRaises(Fault, self.ask, question, "x")
            self.assertEqual(fault.code, NO_METHOD)

    def test_capabilities(self) -> None:
        """getCapabilities gives the specification and version of each extension."""
        method = self.ask("getCapabilities")
        self.assertEqual(
            sorted(method),
            [
                "faults_interop",
                "introspect",
                "introspection",
                "nil",
                "system.multicall",
                "xmlrpc",
            ],
        )
        for each in method.values():
            self.assertTrue(each["specUrl"].startswith("http"))
            self.assertIs(type(each["specVersion"]), int)
