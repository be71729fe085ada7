"""
The methods that can be called.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.faults import NO_METHOD, Fault
from netd.xmlrpc.registry import (
    SECONDS,
    Procedure,
    Registry,
    RPCOptions,
    procedure,
    rpc,
    rpc_options,
)


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
        """A marked function is returned unchanged."""
        self.assertIs(rpc("x")(greet), greet)
        del greet.__rpc__  # type: ignore[attr-defined]

    def test_mark(self) -> None:
        """The options of a function are those of `@rpc`, and None without it."""

        @rpc("a.b", offload=True, signatures=[["int"]], timeout=2)
        def function() -> int:
            raise NotImplementedError

        self.assertEqual(
            rpc_options(function),
            RPCOptions("a.b", offload=True, signatures=(("int",),), timeout=2),
        )
        self.assertIsNone(rpc_options(greet))
        self.assertEqual(rpc_options(rpc()(lambda: 1)), RPCOptions())

    def test_parentheses(self) -> None:
        """A mere `@rpc` is an error that says what to write."""
        mere: Any = rpc
        wrong = self.assertRaises(TypeError, mere, lambda: 1)
        self.assertEqual(str(wrong), "write @rpc(), with parentheses")

    def test_oddAttribute(self) -> None:
        """Another value of the attribute is ignored."""

        class Odd:
            __rpc__ = 1

        self.assertIsNone(rpc_options(Odd()))


class ProcedureTests(SynchronousTestCase):
    """
    A procedure from a function.
    """

    def test_function(self) -> None:
        """A procedure has the function's name, docstring and hints."""
        built = procedure(greet)
        self.assertEqual(built.name, "greet")
        self.assertEqual(built.help, "Say hello.\n\nLoudly if asked.")
        self.assertEqual(
            built.signature.variants, (("string", "string"), ("string", "string", "boolean"))
        )
        self.assertFalse(built.offload)

    def test_marked(self) -> None:
        """A procedure has the options of `@rpc`; a name argument overrides theirs."""
        marked = rpc("a", offload=True, signatures=[("int", "int")], timeout=1.5)(lambda x: x)
        built = procedure(marked)
        self.assertEqual((built.name, built.offload, built.timeout), ("a", True, 1.5))
        self.assertEqual(built.signature.variants, (("int", "int"),))
        self.assertEqual(procedure(marked, "b").name, "b")

    def test_seconds(self) -> None:
        """A call may take as long as its timeout, else the time of every call."""
        self.assertEqual(procedure(rpc("a", timeout=1.5)(lambda: 1)).seconds, 1.5)
        self.assertEqual(procedure(lambda: 1, "a").seconds, SECONDS)

    def test_queue(self) -> None:
        """An offloaded function may have a queue, whose name is a word; no other one may."""
        queued = procedure(rpc("a", offload=True, queue="gpu_2-a")(lambda: 1))
        self.assertEqual(queued.queue, "gpu_2-a")
        self.assertIsNone(procedure(lambda: 1, "a").queue)
        for queue in ("", "a b", "a.b", "x" * 101):
            function = rpc("a", offload=True, queue=queue)(lambda: 1)
            self.assertRaises(ValueError, procedure, function)
        self.assertRaises(ValueError, procedure, rpc("a", queue="gpu")(lambda: 1))

    def test_text(self) -> None:
        """The help is the docstring, empty without one, or the text argument."""
        self.assertEqual(procedure(lambda: 1, "x").help, "")
        self.assertEqual(procedure(greet, text="other").help, "other")

    def test_refused(self) -> None:
        """Bad names, bad timeouts, named parameters and offloaded coroutines are refused."""

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
    Procedures by name.
    """

    def setUp(self) -> None:
        self.registry = Registry([procedure(greet, "b")])

    def test_get(self) -> None:
        """A registered method is found by its name."""
        self.assertIs(self.registry["b"].function, greet)
        self.assertIsNone(self.registry.get("c"))

    def test_unknown(self) -> None:
        """An unknown name, even of an attribute, is the fault for unknown methods."""
        for name in ("nope", "", "__class__", "b.__call__", "_procedures", "x" * 10_000):
            fault = self.assertRaises(Fault, self.registry.__getitem__, name)
            self.assertEqual(fault.code, NO_METHOD, name)
            self.assertLess(len(fault.text), 100)

    def test_order(self) -> None:
        """Methods are listed by name, prefixes included."""
        self.registry.add(procedure(greet, "z"), "a")
        self.registry.publish(greet)

        @self.registry.publish
        def also() -> int:
            raise NotImplementedError

        self.assertEqual([each.name for each in self.registry], ["a.z", "also", "b", "greet"])
        self.assertEqual(len(self.registry), 4)

    def test_twice(self) -> None:
        """A name that is taken is refused, and so is a bad prefix."""
        self.assertRaises(ValueError, self.registry.publish, greet, "b")
        self.assertRaises(ValueError, self.registry.add, procedure(greet), "a b")
        self.assertIsInstance(self.registry["b"], Procedure)
