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
        """What system.NAME gives."""
        found = self.registry[f"system.{name}"]
        found.signature.check(found.name, values)
        return found.function(*values)

    def test_list(self) -> None:
        """listMethods gives every name, its own among them, sorted."""
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
        """methodHelp gives the docstring; every method of this room has one."""
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
        """methodExist says whether; to ask the others about what is not there is a fault."""
        self.assertEqual(
            [self.ask("methodExist", name) for name in ("half", "x")], [True, False]
        )
        for question in ("methodHelp", "methodSignature"):
            wrong = self.assertRaises(Fault, self.ask, question, "x")
            self.assertEqual(wrong.code, NO_METHOD)

    def test_capabilities(self) -> None:
        """getCapabilities gives specification and version of each."""
        found = self.ask("getCapabilities")
        self.assertEqual(
            sorted(found),
            [
                "faults_interop",
                "introspect",
                "introspection",
                "nil",
                "system.multicall",
                "xmlrpc",
            ],
        )
        for each in found.values():
            self.assertTrue(each["specUrl"].startswith("http"))
            self.assertIs(type(each["specVersion"]), int)
