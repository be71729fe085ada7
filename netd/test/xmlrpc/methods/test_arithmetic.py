"""
pow, add and mul.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netd.test.chance import by_chance
from netd.xmlrpc.faults import BAD_PARAMETERS, BadParameters
from netd.xmlrpc.methods.arithmetic import PROCEDURES
from netd.xmlrpc.registry import Procedure

I64 = st.integers(-(2**63), 2**63 - 1)


add, mul, power = PROCEDURES


def call(procedure: Procedure, *parameters: Any) -> Any:
    """The result of a call, its parameters checked first."""
    procedure.signature.check(procedure.name, parameters)
    return procedure.function(*parameters)


def outcome(procedure: Procedure, *parameters: Any) -> Any:
    """The result, or the word `refused`."""
    try:
        return call(procedure, *parameters)
    except BadParameters:
        return "refused"


class ArithmeticTests(SynchronousTestCase):
    """
    Results and faults.
    """

    def test_seed(self) -> None:
        """pow(2, 3), add(2, 3) and mul(5, 2) give 8, 5 and 10."""
        results = [call(power, 2, 3), call(add, 2, 3), call(mul, 5, 2)]
        self.assertEqual(results, [8, 5, 10])

    def test_doubles(self) -> None:
        """A double on either side makes the result a double."""
        self.assertEqual(repr(call(add, 1, 0.5)), "1.5")
        self.assertEqual(repr(call(mul, 2.0, 3)), "6.0")
        self.assertEqual(repr(call(power, 2.0, -1)), "0.5")

    def test_powRefusedBeforehand(self) -> None:
        """A power that cannot fit 64 bits is refused without being computed."""
        # Computed, these would run for minutes; the test ends only if they are not.
        for x, y in ((7, 10**9), (3, 10**7), (-2, 2**62), (2**62, 2**62)):
            self.assertEqual(outcome(power, x, y), "refused")

    def test_powAtTheEdge(self) -> None:
        """The largest and smallest powers that fit are computed."""
        self.assertEqual(call(power, 2, 62), 2**62)
        self.assertEqual(call(power, -2, 63), -(2**63))
        self.assertEqual(outcome(power, 2, 63), "refused")
        self.assertEqual([call(power, x, 10**18) for x in (-1, 0, 1)], [1, 0, 1])

    def test_powOfInts(self) -> None:
        """A negative power of an int is refused."""
        self.assertEqual(outcome(power, 2, -1), "refused")

    def test_notReal(self) -> None:
        """Results that are infinite or complex are refused."""
        self.assertEqual(outcome(mul, 1e308, 10.0), "refused")
        self.assertEqual(outcome(power, -8.0, 0.5), "refused")
        self.assertEqual(outcome(power, 10.0, 400.0), "refused")
        self.assertEqual(outcome(power, 0.0, -1.0), "refused")

    def test_hugeIntWithDouble(self) -> None:
        """An int too large to become a double is refused without an internal error."""
        self.assertEqual(outcome(add, 10**400, 1.0), "refused")
        self.assertEqual(outcome(mul, 10**400, 1.0), "refused")
        self.assertEqual(outcome(power, 10**400, 1.0), "refused")

    @by_chance
    @given(I64, I64)
    def test_exactOrRefused(self, x: int, y: int) -> None:
        """The result of ints is exact, and refused only when it does not fit 64 bits."""
        for procedure, exact in ((add, x + y), (mul, x * y)):
            fits = -(2**63) <= exact < 2**63
            self.assertEqual(outcome(procedure, x, y), exact if fits else "refused")

    @by_chance
    @given(st.integers(-1000, 1000), st.integers(0, 200))
    def test_powAgainstPython(self, x: int, y: int) -> None:
        """pow agrees with Python's wherever the result fits 64 bits."""
        exact = x**y
        fits = -(2**63) <= exact < 2**63
        self.assertEqual(outcome(power, x, y), exact if fits else "refused")

    @by_chance
    @given(st.floats(), st.floats())
    def test_doublesNeverBreak(self, x: float, y: float) -> None:
        """Any pair of doubles gives a finite double or is refused."""
        for procedure in (add, mul, power):
            result = outcome(procedure, x, y)
            if result != "refused":
                self.assertEqual(result - result, 0.0)

    def test_types(self) -> None:
        """Booleans and strings are refused with the expected and the received type."""
        refused: list[tuple[Any, ...]] = [(True, 1), ("a", 2), (1,), (1, 2, 3), ([], {})]
        for bad in refused:
            self.assertEqual(outcome(mul, *bad), "refused", bad)
        fault = self.assertRaises(BadParameters, call, mul, "a", 3 * 10**7)
        self.assertEqual(fault.code, BAD_PARAMETERS)
        self.assertEqual(fault.text, "mul: x must be int or double, got string")

    def test_modular(self) -> None:
        """A third int gives the remainder, however large the power."""
        self.assertEqual(call(power, 7, 10**9, 1000), 1)
        self.assertEqual(call(power, 3, -1, 7), 5)
        self.assertEqual(call(power, 2**62, 2**62, 2**61 - 1), pow(2**62, 2**62, 2**61 - 1))

    def test_modularRefused(self) -> None:
        """A modulus of 0, a missing inverse, doubles and larger ints are refused."""
        for values in ((2, 3, 0), (2, -1, 4), (2.0, 3, 5), (2, 3, 5.0), (True, 3, 5)):
            self.assertEqual(outcome(power, *values), "refused", values)
        for values in ((2.0, 3, 5), (2**64, 3, 5)):
            self.assertRaises(BadParameters, power.function, *values)

    def test_described(self) -> None:
        """Each method has signatures and a help text."""
        self.assertEqual([each.name for each in PROCEDURES], ["add", "mul", "pow"])
        for each in PROCEDURES:
            self.assertTrue(each.help)
            self.assertEqual(each.signature.variants[0], ("int", "int", "int"))
