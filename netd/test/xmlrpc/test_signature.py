"""
What a function takes and gives, from its hints.
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
    A whole function.
    """

    def refused(self, function: Callable[..., Any], *values: Any) -> str:
        """Why `values` cannot be given to a function named m."""
        wrong = self.assertRaises(BadParameters, signature_of(function).check, "m", values)
        self.assertEqual(wrong.code, BAD_PARAMETERS)
        text: str = wrong.text
        return text

    def test_signatures(self) -> None:
        """Defaults and unions expand, in order."""

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
        """More than 16 signatures are none."""

        def sixteen(a: int | str, b: int | str, c: int | str, d: int | str) -> int:
            raise NotImplementedError

        def more(a: int | str | None, b: int | str, c: int | str, d: int | str) -> int:
            raise NotImplementedError

        self.assertEqual(len(signature_of(sixteen).variants), 16)
        self.assertEqual(signature_of(more).variants, ())

    def test_results(self) -> None:
        """What is awaited counts, and a missing hint is undef."""
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
        """Hints that cannot be evaluated say nothing."""

        def function(a: Nowhere) -> int:  # type: ignore[name-defined]  # noqa: F821
            raise NotImplementedError

        self.assertEqual(signature_of(function).variants, (("undef", "undef"),))

    def test_counts(self) -> None:
        """Too few and too many parameters are refused, naming how many there may be."""
        self.assertEqual(self.refused(lambda a: a), "m takes 1 parameter, got 0")
        self.assertEqual(self.refused(lambda: 1, 2), "m takes 0 parameters, got 1")
        self.assertEqual(
            self.refused(lambda a, b=1: a, 1, 2, 3), "m takes 1 to 2 parameters, got 3"
        )
        self.assertEqual(self.refused(lambda a, *b: a), "m takes at least 1 parameters, got 0")

    def test_types(self) -> None:
        """A wrong parameter is named."""

        def function(a: int, b: list[int], *c: str) -> None:
            raise NotImplementedError

        self.assertEqual(self.refused(function, "", []), "m: a must be int, got string")
        self.assertEqual(self.refused(function, 1, [""]), "m: b[0] must be int, got string")
        self.assertEqual(self.refused(function, 1, [], "", 2), "m: c 2 must be string, got int")
        signature_of(function).check("m", (1, [2], "3", "4"))
        self.assertEqual(signature_of(function).variants, ())

    def test_kinds(self) -> None:
        """Parameters that have to be named are refused, those with a default overlooked."""

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
        """Parameters in front that netd itself gives are not the caller's."""

        def function(peer: str, a: int) -> int:
            raise NotImplementedError

        self.assertEqual(signature_of(function, skip=1).variants, (("int", "int"),))

    def test_byHand(self) -> None:
        """Signatures given by hand replace the hints and are enforced."""
        given = (("int", "int"), ("int", "string", "undef"))
        made = signature_of(lambda a, b=None: a, given)
        self.assertEqual((made.variants, made.required), (given, 1))
        made.check("m", [1])
        made.check("m", ["a", {}])
        wrongs: tuple[tuple[list[Any], str], ...] = (
            ([0.5], "m: a must be int or string, got double"),
            (["a"], "m takes (int) or (string, undef), got (string)"),
            ([1, 2], "m takes (int) or (string, undef), got (int, int)"),
            ([], "m takes 1 to 2 parameters, got 0"),
        )
        for values, said in wrongs:
            self.assertEqual(
                self.assertRaises(BadParameters, made.check, "m", values).text, said
            )

    def test_byHandAnyNumber(self) -> None:
        """They can say how many of any number there are."""
        made = signature_of(lambda *a: a, [("array", "int", "int")])
        made.check("m", [1, 2])
        wrong = self.assertRaises(BadParameters, made.check, "m", [1, ""])
        self.assertEqual(wrong.text, "m: a 2 must be int, got string")

    def test_byHandWrong(self) -> None:
        """Signatures that are none, or do not fit the function, are refused."""
        for given in (
            [()],
            [("float",)],
            [("int", "float")],
            [("int", "int", "int")],
            [("int",)],
        ):
            self.assertRaises(ValueError, signature_of, lambda a: a, given)

    def test_any(self) -> None:
        """Without hints everything is taken."""
        signature_of(lambda a: a).check("m", [object()])
