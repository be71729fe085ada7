"""
What can be called by which name.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.faults import NO_METHOD, Fault
from netd.xmlrpc.registry import Procedure, Registry, RPCOptions, procedure, rpc, rpc_options


def greet(name: str, loud: bool = False) -> str:
    """Say hello.

    Loudly if asked.
    """
    return f"HELLO {name}" if loud else f"hello {name}"


class OptionsTests(SynchronousTestCase):
    """
    `@rpc`.
    """

    def test_function(self) -> None:
        """A marked function stays what it is."""
        self.assertIs(rpc("x")(greet), greet)
        del greet.__rpc__  # type: ignore[attr-defined]

    def test_mark(self) -> None:
        """The mark says what was said, and that nothing was."""

        @rpc("a.b", offload=True, signatures=[["int"]], timeout=2)
        def function() -> int:
            raise NotImplementedError

        self.assertEqual(rpc_options(function), RPCOptions("a.b", True, (("int",),), 2))
        self.assertIsNone(rpc_options(greet))
        self.assertEqual(rpc_options(rpc()(lambda: 1)), RPCOptions())

    def test_oddAttribute(self) -> None:
        """Something else of the same name is no mark."""

        class Odd:
            __rpc__ = 1

        self.assertIsNone(rpc_options(Odd()))


class ProcedureTests(SynchronousTestCase):
    """
    One method.
    """

    def test_function(self) -> None:
        """It has the function's name, docstring and hints."""
        made = procedure(greet)
        self.assertEqual(made.name, "greet")
        self.assertEqual(made.help, "Say hello.\n\nLoudly if asked.")
        self.assertEqual(
            made.signature.variants, (("string", "string"), ("string", "string", "boolean"))
        )
        self.assertFalse(made.offload)

    def test_marked(self) -> None:
        """It has what the mark says; a name given stands above that."""
        marked = rpc("a", offload=True, signatures=[("int", "int")], timeout=1.5)(lambda x: x)
        made = procedure(marked)
        self.assertEqual((made.name, made.offload, made.timeout), ("a", True, 1.5))
        self.assertEqual(made.signature.variants, (("int", "int"),))
        self.assertEqual(procedure(marked, "b").name, "b")

    def test_text(self) -> None:
        """Without a docstring its help is empty; another text can be given."""
        self.assertEqual(procedure(lambda: 1, "x").help, "")
        self.assertEqual(procedure(greet, text="other").help, "other")

    def test_refused(self) -> None:
        """Names that are none, async functions for the pool and odd timeouts are refused."""

        async def later() -> None:
            raise NotImplementedError

        def needed(*, a: int) -> None:
            raise NotImplementedError

        for function, name in ((greet, "a b"), (greet, "x" * 201), (lambda: 1, None),
                               (rpc(offload=True)(later), None), (needed, None),
                               (rpc("a", timeout=0)(lambda: 1), None),
                               (rpc("a", timeout=1e9)(lambda: 1), None)):  # fmt: skip
            self.assertRaises(ValueError, procedure, function, name)


class RegistryTests(SynchronousTestCase):
    """
    All of them.
    """

    def setUp(self) -> None:
        self.registry = Registry([procedure(greet, "b")])

    def test_get(self) -> None:
        """What is registered is found by its name."""
        self.assertIs(self.registry["b"].function, greet)
        self.assertIsNone(self.registry.get("c"))

    def test_unknown(self) -> None:
        """An unknown name, private and dotted ones too, is the fault for that."""
        for name in ("nope", "", "__class__", "b.__call__", "_procedures", "x" * 10_000):
            wrong = self.assertRaises(Fault, self.registry.__getitem__, name)
            self.assertEqual(wrong.code, NO_METHOD, name)
            self.assertLess(len(wrong.text), 100)

    def test_order(self) -> None:
        """They are listed by name, with their prefixes."""
        self.registry.add(procedure(greet, "z"), "a")
        self.registry.publish(greet)

        @self.registry.publish
        def also() -> int:
            raise NotImplementedError

        self.assertEqual([each.name for each in self.registry], ["a.z", "also", "b", "greet"])
        self.assertEqual(len(self.registry), 4)

    def test_twice(self) -> None:
        """A second method of one name is refused, and so is a prefix that is none."""
        self.assertRaises(ValueError, self.registry.publish, greet, "b")
        self.assertRaises(ValueError, self.registry.add, procedure(greet), "a b")
        self.assertIsInstance(self.registry["b"], Procedure)
