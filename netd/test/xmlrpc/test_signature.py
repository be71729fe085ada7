"""
Signatures of functions, from their hints.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.faults import BAD_PARAMETERS, BadParameters
from netd.xmlrpc.signature import signature_of


def returns(hint: Any) -> Callable[[], Any]:
    """A function with this hint for its result."""

    def function() -> Any: ...

    function.__annotations__["return"] = hint
    return function


class SignatureTests(SynchronousTestCase):
    """
    The signature of a function.
    """

    def refused(self, function: Callable[..., Any], *values: Any) -> str:
        """The text of the fault when m is called with `values`."""
        fault = self.assertRaises(BadParameters, signature_of(function).check, "m", values)
        self.assertEqual(fault.code, BAD_PARAMETERS)
        text: str = fault.text
        return text

    def test_signatures(self) -> None:
        """Defaults and unions expand to variants, in order."""

        def function(a: int | str, b: float = 0.5) -> str:
            raise NotImplementedError

        self.assertEqual(
            signature_of(function).variants,
            (
                ("string", "int"),
                ("string", "string"),
                ("string", "int", "double"),
                ("string", "string", "double"),
            ),
        )

    def test_tooMany(self) -> None:
        """A function with more than 16 variants has none."""

        def sixteen(a: int | str, b: int | str, c: int | str, d: int | str) -> int:
            raise NotImplementedError

        def more(a: int | str | None, b: int | str, c: int | str, d: int | str) -> int:
            raise NotImplementedError

        self.assertEqual(len(signature_of(sixteen).variants), 16)
        self.assertEqual(signature_of(more).variants, ())

    def test_results(self) -> None:
        """The result is the awaited one, and undef without a hint."""
        for hint, name in (
            (Deferred[int], "int"),
            (Awaitable[str], "string"),
            (Coroutine[Any, Any, bool], "boolean"),
            (list[int], "array"),
            (None, "nil"),
        ):
            self.assertEqual(signature_of(returns(hint)).variants, ((name,),), hint)
        self.assertEqual(signature_of(lambda: 1).variants, (("undef",),))

    def test_unknownHints(self) -> None:
        """Hints that cannot be evaluated are undef."""

        def function(a: Nowhere) -> int:  # type: ignore[name-defined]  # noqa: F821
            raise NotImplementedError

        self.assertEqual(signature_of(function).variants, (("undef", "undef"),))

    def test_counts(self) -> None:
        """Too few or too many parameters are refused with the number expected."""
        self.assertEqual(self.refused(lambda a: a), "m takes 1 parameter, got 0")
        self.assertEqual(self.refused(lambda: 1, 2), "m takes 0 parameters, got 1")
        self.assertEqual(
            self.refused(lambda a, b=1: a, 1, 2, 3), "m takes 1 to 2 parameters, got 3"
        )
        self.assertEqual(self.refused(lambda a, *b: a), "m takes at least 1 parameters, got 0")

    def test_types(self) -> None:
        """The fault names the wrong parameter."""

        def function(a: int, b: list[int], *c: str) -> None:
            raise NotImplementedError

        self.assertEqual(self.refused(function, "", []), "m: a must be int, got string")
        self.assertEqual(self.refused(function, 1, [""]), "m: b[0] must be int, got string")
        self.assertEqual(self.refused(function, 1, [], "", 2), "m: c 2 must be string, got int")
        signature_of(function).check("m", (1, [2], "3", "4"))
        self.assertEqual(signature_of(function).variants, ())

    def test_kinds(self) -> None:
        """Required keyword parameters are refused, optional ones ignored."""

        def optional(a: int, *, b: int = 1) -> int:
            raise NotImplementedError

        def needed(*, b: int) -> int:
            raise NotImplementedError

        def anything(**more: int) -> int:
            raise NotImplementedError

        self.assertEqual(signature_of(optional).variants, (("int", "int"),))
        self.assertEqual(signature_of(anything).variants, (("int",),))
        self.assertRaises(ValueError, signature_of, needed)

    def test_skip(self) -> None:
        """Skipped parameters are no part of the signature."""

        def function(peer: str, a: int) -> int:
            raise NotImplementedError

        self.assertEqual(signature_of(function, skip=1).variants, (("int", "int"),))

    def test_byHand(self) -> None:
        """Signatures given by hand replace the hints and are enforced."""
        given = (("int", "int"), ("int", "string", "undef"))
        signature = signature_of(lambda a, b=None: a, given)
        self.assertEqual((signature.variants, signature.required), (given, 1))
        signature.check("m", [1])
        signature.check("m", ["a", {}])
        bad: tuple[tuple[list[Any], str], ...] = (
            ([0.5], "m: a must be int or string, got double"),
            (["a"], "m takes (int) or (string, undef), got (string)"),
            ([1, 2], "m takes (int) or (string, undef), got (int, int)"),
            ([], "m takes 1 to 2 parameters, got 0"),
        )
        for values, text in bad:
            self.assertEqual(
                self.assertRaises(BadParameters, signature.check, "m", values).text, text
            )

    def test_byHandAnyNumber(self) -> None:
        """Signatures given by hand limit `*args`."""
        signature = signature_of(lambda *a: a, [("array", "int", "int")])
        signature.check("m", [1, 2])
        fault = self.assertRaises(BadParameters, signature.check, "m", [1, ""])
        self.assertEqual(fault.text, "m: a 2 must be int, got string")

    def test_byHandWrong(self) -> None:
        """Signatures that are invalid or do not fit the function are refused."""
        for given in (
            [()],
            [("float",)],
            [("int", "float")],
            [("int", "int", "int")],
            [("int",)],
        ):
            self.assertRaises(ValueError, signature_of, lambda a: a, given)

    def test_any(self) -> None:
        """Parameters without hints accept everything."""
        signature_of(lambda a: a).check("m", [object()])
