"""
The parameters of endpoints.
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netd.lab.parameters import Parameter
from netd.values import Distribution


class ParameterTests(SynchronousTestCase):
    """
    Texts become values within limits.
    """

    def test_kinds(self) -> None:
        """Each kind parses its own values."""
        for kind, text, value in (
            ("integer", "12", 12),
            ("number", "0.5", 0.5),
            ("number", "3", 3.0),
            ("duration", "250ms", 0.25),
            ("size", "1KiB", 1024),
            ("delay", "1s", 1.0),
            ("delay", "exponential:1s", Distribution.parse("exponential:1s")),
            ("switch", "YES", True),
            ("switch", "off", False),
            ("text", "x", "x"),
        ):
            self.assertEqual(Parameter("x", kind, "").parse(text), value)

    def test_nonsense(self) -> None:
        """A text that is malformed for its kind is refused."""
        for kind, text in (
            ("integer", "-1"),
            ("integer", "1e3"),
            ("number", "nan"),
            ("number", "inf"),
            ("number", "-0.5"),
            ("number", "1_0"),
            ("duration", "x"),
            ("size", "1XB"),
            ("delay", "uniform:3s-1s"),
            ("switch", "maybe"),
        ):
            self.assertRaises(ValueError, Parameter("x", kind, "").parse, text)

    def test_unknownKind(self) -> None:
        """A parameter of an unknown kind cannot be made."""
        self.assertRaises(ValueError, Parameter, "x", "colour", "")

    def test_limits(self) -> None:
        """A value beyond a limit is refused, or clamped where the parameter clamps."""
        strict = Parameter("x", "integer", "", least=2, most=5)
        self.assertEqual([strict.limited(each) for each in (2, 5)], [2, 5])
        for value in (1, 6):
            self.assertRaises(ValueError, strict.limited, value)
        clamped = Parameter("x", "integer", "", least=2, most=5, clamps=True)
        self.assertEqual(clamped.limited(6), 5)
        self.assertRaises(ValueError, clamped.limited, 1)
        clamped = evolve(clamped, clamps_least=True)
        self.assertEqual([clamped.limited(each) for each in (1, 6)], [2, 5])
        self.assertIsInstance(clamped.limited(6), int)

    def test_choices(self) -> None:
        """Only the choices are accepted."""
        parameter = Parameter("x", "text", "", choices=("a", "b"))
        self.assertEqual(parameter.parse("a"), "a")
        self.assertRaises(ValueError, parameter.parse, "c")

    def test_schema(self) -> None:
        """The schema holds the kind, the limits and the default."""
        parameter = Parameter("x", "integer", "", "3", 1, 5)
        expected = {"type": "integer", "minimum": 1, "maximum": 5, "default": 3}
        self.assertEqual(parameter.schema, expected)
        several = Parameter("x", "text", "", repeats=True, choices=("a",))
        expected = {"type": "array", "items": {"type": "string", "enum": ["a"]}}
        self.assertEqual(several.schema, expected)
        clamped = Parameter("x", "number", "", "0.5", most=1, clamps=True)
        self.assertEqual(clamped.schema, {"type": "number", "minimum": 0, "default": 0.5})
        self.assertEqual(Parameter("x", "duration", "", "1s").schema["default"], "1s")

    def test_words(self) -> None:
        """The words for the help hold the default and the limits."""
        parameter = Parameter("x", "integer", "", "3", 1, 5)
        self.assertEqual(parameter.limits, "default 3; at least 1; at most 5")
        self.assertEqual(Parameter("x", "text", "", choices=("a", "b")).limits, "a, b")
        self.assertEqual(Parameter("x", "text", "").limits, "")
