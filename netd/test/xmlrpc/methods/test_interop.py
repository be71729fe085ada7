"""
The public suites' methods.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.faults import BadParameters
from netd.xmlrpc.methods.interop import PROCEDURES

BY_NAME = {each.name: each for each in PROCEDURES}
NOON = datetime(2026, 11, 22, 12)
STOOGES = {"moe": 1, "larry": 2, "curly": 3, "other": "x"}


def ask(name: str, *values: Any) -> Any:
    """The result of a method."""
    method = BY_NAME[name]
    method.signature.check(name, values)
    return method.function(*values)


class ValidatorTests(SynchronousTestCase):
    """
    validator1, by its documentation.
    """

    def test_results(self) -> None:
        """Each method gives the result that the suite defines."""
        entities = dict.fromkeys(
            ("ctLeftAngleBrackets", "ctRightAngleBrackets", "ctAmpersands", "ctApostrophes"), 1
        )
        for name, values, result in (
            ("arrayOfStructsTest", [[STOOGES, STOOGES]], 6),
            ("countTheEntities", ['<>&\'""x'], {**entities, "ctQuotes": 2}),
            ("easyStructTest", [STOOGES], 6),
            ("echoStructTest", [STOOGES], STOOGES),
            ("manyTypesTest", [1, True, "a", 0.5, NOON, b"b"], [1, True, "a", 0.5, NOON, b"b"]),
            ("moderateSizeArrayCheck", [["a", "b", "c"]], "ac"),
            ("nestedStructTest", [{"2000": {"04": {"01": STOOGES}}}], 6),
            (
                "simpleStructReturnTest",
                [3],
                {"times10": 30, "times100": 300, "times1000": 3000},
            ),
        ):
            self.assertEqual(ask(f"validator1.{name}", *values), result, name)

    def test_wrong(self) -> None:
        """Values of another structure are refused."""
        for name, value in (
            ("arrayOfStructsTest", [{}]),
            ("arrayOfStructsTest", [1]),
            ("easyStructTest", {**STOOGES, "moe": True}),
            ("moderateSizeArrayCheck", []),
            ("nestedStructTest", {"2000": {"04": 1}}),
        ):
            self.assertRaises(BadParameters, ask, f"validator1.{name}", value)


class EchoTests(SynchronousTestCase):
    """
    interopEchoTests.
    """

    def test_echoes(self) -> None:
        """Each echo returns its value and refuses other types, in arrays too."""
        for name, value in (
            ("String", "a"),
            ("Integer", 1),
            ("Float", 0.5),
            ("Boolean", True),
            ("Date", NOON),
            ("Base64", b"a"),
            ("Struct", {"a": 1}),
            ("StringArray", ["a"]),
            ("IntegerArray", [1]),
            ("FloatArray", [0.5]),
            ("StructArray", [{}]),
        ):
            self.assertEqual(ask(f"interopEchoTests.echo{name}", value), value)
            self.assertRaises(BadParameters, ask, f"interopEchoTests.echo{name}", None)
        self.assertRaises(BadParameters, ask, "interopEchoTests.echoStringArray", [1])
        self.assertIsNone(ask("interopEchoTests.echoValue", None))

    def test_others(self) -> None:
        """whichToolkit names netd, and noInParams takes no parameters."""
        self.assertEqual(ask("interopEchoTests.whichToolkit")["toolkitName"], "netd")
        self.assertTrue(ask("interopEchoTests.noInParams"))
