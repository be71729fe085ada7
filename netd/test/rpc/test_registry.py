"""
What can be called, and how it describes itself.
"""

from __future__ import annotations

import datetime

from twisted.trial.unittest import SynchronousTestCase

from netd.rpc.registry import NO_METHOD, BadParameters, Refused, Registry, procedure


@procedure("greet", ("string", "string"), ("string", "string", "boolean"))
def greet(name: str, loud: bool = False) -> str:
    """Say hello.

    Loudly if asked.
    """
    return f"HELLO {name}" if loud else f"hello {name}"


class ProcedureTests(SynchronousTestCase):
    """
    One method.
    """

    def test_call(self) -> None:
        """It is called by whichever signature fits."""
        self.assertEqual(greet.call(("you",)), "hello you")
        self.assertEqual(greet.call(("you", True)), "HELLO you")

    def test_help(self) -> None:
        """Its help is the docstring without its indentation."""
        self.assertEqual(greet.help, "Say hello.\n\nLoudly if asked.")

    def test_unknownType(self) -> None:
        """A value of a type without a name here is named by its own."""
        wrong = self.assertRaises(BadParameters, greet.call, (datetime.datetime.min,))
        self.assertIn("not (datetime)", wrong.text)

    def test_noHelp(self) -> None:
        """A function without a docstring has an empty help."""
        self.assertEqual(procedure("x", ("int",))(lambda: 1).help, "")


class RegistryTests(SynchronousTestCase):
    """
    All of them.
    """

    def setUp(self) -> None:
        self.registry = Registry([greet])

    def call(self, name: str, *parameters: object) -> object:
        """The result of a call by name."""
        return self.registry[name].call(parameters)

    def test_list(self) -> None:
        """listMethods gives every name, sorted."""
        self.assertEqual(
            self.call("system.listMethods"),
            ["greet", "system.listMethods", "system.methodHelp", "system.methodSignature"],
        )

    def test_help(self) -> None:
        """Every method has a help."""
        names = self.call("system.listMethods")
        assert isinstance(names, list)
        for name in names:
            self.assertTrue(self.call("system.methodHelp", name), name)

    def test_signature(self) -> None:
        """methodSignature gives one list of type names a signature, the result's first."""
        self.assertEqual(
            self.call("system.methodSignature", "greet"),
            [["string", "string"], ["string", "string", "boolean"]],
        )

    def test_unknown(self) -> None:
        """An unknown name, private and dotted ones too, is the fault for that."""
        for name in ("nope", "", "__class__", "greet.call", "_procedures"):
            wrong = self.assertRaises(Refused, self.registry.__getitem__, name)
            self.assertEqual(wrong.code, NO_METHOD, name)
        self.assertRaises(Refused, self.call, "system.methodHelp", "nope")
