"""
The types of parameters, from their hints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict, Union

from twisted.trial.unittest import SynchronousTestCase

from netd.steps import run_now
from netd.xmlrpc.param_types import ANY, from_hint, from_name, type_name

Port = NewType("Port", int)


class Member(TypedDict):
    name: str
    age: int


class Loose(TypedDict, total=False):
    name: str


@dataclass
class Record:
    name: str


class ParamTypeTests(SynchronousTestCase):
    """
    A type from one hint or name.
    """

    def test_names(self) -> None:
        """A hint becomes an XML-RPC type name, or undef."""
        for hint, names in (
            (int, "int"),
            (float, "double"),
            (str, "string"),
            (bool, "boolean"),
            (bytes, "base64"),
            (datetime, "dateTime.iso8601"),
            (None, "nil"),
            (Port, "int"),
            (Annotated[int, "seconds"], "int"),
            (Literal["a", "b"], "string"),
            (list, "array"),
            (list[int], "array"),
            (Sequence[str], "array"),
            (Iterable[str], "array"),
            (tuple[int, str], "array"),
            (dict[str, int], "struct"),
            (Mapping[str, int], "struct"),
            (dict, "struct"),
            (Member, "struct"),
            (Record, "struct"),
            (int | str, "int string"),
            (Union[int, str], "int string"),  # noqa: UP007  # also as it was once written
            (Optional[int], "int nil"),  # noqa: UP045
            (Any, "undef"),
            (object, "undef"),
            (Callable[[], int], "undef"),
            ("nonsense", "undef"),
            (int | Any, "int undef"),
        ):
            self.assertEqual(" ".join(from_hint(hint).names), names, hint)

    def test_fromName(self) -> None:
        """A type name becomes a type; an unknown name is refused."""
        self.assertEqual(from_name("undef").types, frozenset())
        self.assertRaises(ValueError, from_name, "float")

    def test_fits(self) -> None:
        """A value that fits its hint has no problem."""
        for hint, value in (
            (int, 1),
            (float, 1),
            (float, 0.5),
            (list[int], []),
            (list[int | None], [1, None]),
            (dict[str, list[int]], {"a": [1]}),
            (Member, {"name": "n", "age": 1}),
            (Loose, {}),
            (Literal["a", 1], 1),
            (int | Any, "x"),
            (list[int] | str, "x"),
            (list[int] | list[str], ["x"]),
            (Any, object()),
        ):
            self.assertIsNone(from_hint(hint).problem(value, "x"), (hint, value))

    def test_wrong(self) -> None:
        """A problem names the place, the expected and the received type."""
        for hint, value, problem in (
            (int, True, "x must be int, got boolean"),
            (int, 0.5, "x must be int, got double"),
            (float, False, "x must be double, got boolean"),
            (int | str, None, "x must be int or string, got nil"),
            (list[int], [1, "a"], "x[1] must be int, got string"),
            (dict[str, int], {"a": "b"}, "x['a'] must be int, got string"),
            (list[list[int]], [[], [None]], "x[1][0] must be int, got nil"),
            (Member, {"name": "n"}, "x has no member age"),
            (Member, {"name": 1, "age": 1}, "x['name'] must be string, got int"),
            (Member, {"name": "", "age": 1, "b": 1}, "x has a member 'b' that is not wanted"),
            (Literal["a", "b"], "c", "x must be one of 'a', 'b'"),
            (list[int] | str, ["a"], "x[0] must be int, got string"),
        ):
            self.assertEqual(from_hint(hint).problem(value, "x"), problem)

    def test_typeName(self) -> None:
        """A value has the name of its XML-RPC type."""
        values = [1, 0.5, "", True, b"", datetime.min, [], {}, None, 1j]
        self.assertEqual(
            " ".join(map(type_name, values)),
            "int double string boolean base64 dateTime.iso8601 array struct nil complex",
        )

    def test_plain(self) -> None:
        """Scalars and unions of scalars are decided by the type alone."""
        plain = [from_hint(hint).plain for hint in (int, int | str, list, list[int], Any)]
        self.assertEqual(plain, [True, True, True, False, False])
        self.assertFalse(from_hint(Literal["a"]).plain)
        self.assertFalse(from_hint(list[int] | str).plain)

    def test_steps(self) -> None:
        """A long array is checked in steps with the same outcome."""
        for hint, item, bad in ((int, 1, "x"), (Member, {"name": "", "age": 1}, {"name": ""})):
            tested = from_hint(list[hint])  # type: ignore[valid-type]  # it is a hint at run time
            for value in ([item] * 2000, [*[item] * 1999, bad], [bad], [], 1):
                self.assertEqual(
                    run_now(tested.problem_in_steps(value, "x")), tested.problem(value, "x")
                )
            self.assertEqual(len(list(tested.problem_in_steps([item] * 2000, "x"))), 4)
            self.assertIn("x[1999]", str(tested.problem([*[item] * 1999, bad], "x")))

    def test_everything(self) -> None:
        """Containers of anything are not looked into."""
        for hint in (list[Any], dict[str, Any], list, dict):
            self.assertIsNone(from_hint(hint).item)
        self.assertTrue(from_hint(list[dict[str, Any]]).item.plain)  # type: ignore[union-attr]
        self.assertIsNone(ANY.problem(object(), "x"))
