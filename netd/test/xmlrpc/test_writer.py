"""
Values as XML.
"""

from __future__ import annotations

import dataclasses
import enum
from collections import OrderedDict, UserDict
from datetime import UTC, datetime
from typing import Any, NamedTuple

import attrs
from twisted.trial.unittest import SynchronousTestCase

from netd.steps import run_now
from netd.xmlrpc.faults import INTERNAL, TOO_LARGE, Fault
from netd.xmlrpc.reader import DEPTH
from netd.xmlrpc.writer import LARGEST, Encoded, Writer


@dataclasses.dataclass
class Point:
    x: int
    y: float


@attrs.frozen
class Frozen:
    name: str


class Pair(NamedTuple):
    a: int
    b: int


class Color(enum.IntEnum):
    RED = 1


class Text(enum.StrEnum):
    RED = "red"


class Later(datetime):
    """A kind of datetime."""


class Half(float):
    """A kind of float."""


def write(value: Any, most: int = LARGEST) -> str:
    """The XML inside the `<value>` of `value`."""
    text = run_now(Writer(most).write(value)).decode()
    assert text.startswith("<value>")
    assert text.endswith("</value>")
    return text[7:-8]


class WriterTests(SynchronousTestCase):
    """
    Types, limits, steps.
    """

    def test_types(self) -> None:
        """Each type has its element."""
        for value, form in (
            (1, "<int>1</int>"),
            (2**40, "<i8>1099511627776</i8>"),
            (True, "<boolean>1</boolean>"),
            (False, "<boolean>0</boolean>"),
            ("<", "<string>&lt;</string>"),
            (0.5, "<double>0.5</double>"),
            (None, "<nil/>"),
            (b"A", "<base64>QQ==</base64>"),
            (bytearray(b"A"), "<base64>QQ==</base64>"),
            (memoryview(b"A"), "<base64>QQ==</base64>"),
            ([], "<array><data></data></array>"),
            ((), "<array><data></data></array>"),
            ({}, "<struct></struct>"),
            (Encoded(b"<value>x</value>"), "x"),
        ):
            self.assertEqual(write(value), form, value)

    def test_nested(self) -> None:
        """Arrays and structs hold each other."""
        item = "<value><int>1</int></value>"
        inner = f"<value><array><data>{item}</data></array></value>"
        self.assertEqual(
            write({"a": [1], "b": {"c": Encoded(b"<value>x</value>")}}),
            f"<struct><member><name>a</name>{inner}</member><member><name>b</name><value><struct>"
            "<member><name>c</name><value>x</value></member></struct></value></member></struct>",
        )

    def test_kindsOf(self) -> None:
        """A subclass is written as its base class, and a record as a struct."""
        now = datetime(2026, 1, 2, tzinfo=UTC)
        for value, same in (
            (Color.RED, 1),
            (Text.RED, "red"),
            (Half(0.5), 0.5),
            (Pair(1, 2), [1, 2]),
            (OrderedDict(a=1), {"a": 1}),
            (UserDict(a=1), {"a": 1}),
            (Later(2026, 1, 2, tzinfo=UTC), now),
            (Point(1, 0.5), {"x": 1, "y": 0.5}),
            (Frozen("n"), {"name": "n"}),
        ):
            self.assertEqual(write(value), write(same), value)

    def test_unsendable(self) -> None:
        """A value that XML-RPC cannot carry is a Fault."""
        for value in (
            1j,
            object(),
            Point,
            {1},
            {1: 2},
            {None: 1},
            2**63,
            float("nan"),
            float("inf"),
            "\x00",
            {"\x00": 1},
            "x" * 100_000 + "\x00",
            enum.Enum("E", "A").A,  # type: ignore[attr-defined]  # made on the spot
        ):
            self.assertEqual(
                self.assertRaises(Fault, write, value).code, INTERNAL, repr(value)[:50]
            )

    def test_endless(self) -> None:
        """Values nest as deep as the reader allows; deeper or endless ones are a Fault."""
        endless: list[Any] = []
        endless.append(endless)
        self.assertEqual(self.assertRaises(Fault, write, endless).code, INTERNAL)
        deep: Any = 1
        for _ in range(DEPTH):
            deep = [deep]
        self.assertIn("<int>1</int>", write(deep))
        self.assertRaises(Fault, write, [deep])

    def test_tooLarge(self) -> None:
        """A result above the limit is a Fault, whatever its type."""
        for value in ("x" * 200_000, b"x" * 200_000, [1] * 10_000, {"x" * 200_000: 1},
                      "\u00e9" * 60_000, ["\u00e9" * 1000] * 60,
                      Encoded(b"x" * 100_001)):  # fmt: skip
            fault = self.assertRaises(Fault, write, value, 100_000)
            self.assertEqual(fault.code, TOO_LARGE)
        self.assertEqual(len(write("\u00e9" * 45_000, 100_000)), 45_017)

    def test_long(self) -> None:
        """Long strings and bytes are written in pieces."""
        text = "a<\u00e9" * 50_000
        self.assertEqual(write(text), f"<string>{text.replace('<', '&lt;')}</string>")
        self.assertEqual(write(bytearray(100_000))[8:-9], "A" * 133_334 + "==")
        self.assertIn("</string></value></member>", write({"a": text}))

    def test_steps(self) -> None:
        """Large values are written in many steps."""
        self.assertGreater(len(list(Writer().write([1] * 10_000))), 9)
        self.assertGreater(len(list(Writer().write("x" * 1_000_000))), 20)
        self.assertEqual(len(list(Writer().write([1] * 100))), 0)
