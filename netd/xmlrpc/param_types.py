"""
What one parameter may be, from its type hint.

Rules: pure.  A `ParamType` says what is wrong with a value in words for the caller.
Hints that say nothing here become "undef", which takes everything.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs
from attrs import frozen

from netd.xmlrpc.scalars import Value
from netd.xmlrpc.steps import Steps

_PIECE: Final = 500
"""Items of an array between two steps of a check."""

_BY_NAME: Final[dict[str, tuple[type, ...]]] = {
    "int": (int,),
    "i4": (int,),
    "i8": (int,),
    # An int is accepted where a double is wanted; a bool is neither.
    "double": (float, int),
    "string": (str,),
    "boolean": (bool,),
    "base64": (bytes,),
    "dateTime.iso8601": (datetime,),
    "array": (list,),
    "struct": (dict,),
    "nil": (type(None),),
    "undef": (),
}
_BY_HINT: Final[dict[object, str]] = {
    int: "int",
    float: "double",
    str: "string",
    bool: "boolean",
    bytes: "base64",
    bytearray: "base64",
    datetime: "dateTime.iso8601",
    None: "nil",
    type(None): "nil",
}
_NAMES: Final = {
    int: "int",
    float: "double",
    str: "string",
    bool: "boolean",
    bytes: "base64",
} | {
    datetime: "dateTime.iso8601",
    list: "array",
    dict: "struct",
    type(None): "nil",
}


def type_name(value: object) -> str:
    """The XML-RPC type of a value that came in."""
    return _NAMES.get(type(value), type(value).__name__)


@frozen
class ParamType:
    """What a value may be: one of `types`, all when empty, and what is in it."""

    names: tuple[str, ...]
    """The XML-RPC types, for signatures."""
    types: frozenset[type] = frozenset()
    choices: tuple[Value, ...] = ()
    item: ParamType | None = None
    """What each item of an array, or each value of a struct, may be."""
    members: Mapping[str, ParamType] = attrs.field(factory=dict)
    """What the named members of a struct may be."""
    required: frozenset[str] = frozenset()
    alternatives: tuple[ParamType, ...] = ()
    """A union's forms; one of them has to fit."""

    plain: bool = attrs.field(init=False)
    """Whether the type alone decides."""

    @plain.default
    def _plain(self) -> bool:
        return bool(self.types) and not (
            self.choices
            or self.item
            or self.members
            or (any(not each.plain for each in self.alternatives))
        )

    def problem(self, value: Value, where: str) -> str | None:
        """What is wrong with `value`, which stands at `where`; None when nothing is."""
        if self.types and type(value) not in self.types:
            expected = " or ".join(dict.fromkeys(self.names))
            return f"{where} must be {expected}, got {type_name(value)}"
        if self.alternatives:
            fits = [
                each
                for each in self.alternatives
                if not each.types or type(value) in each.types
            ]
            found = [each.problem(value, where) for each in fits]
            return None if None in found else found[0]
        if self.choices and value not in self.choices:
            return f"{where} must be one of {', '.join(map(repr, self.choices))}"
        if type(value) is list:
            return self._item_problem(value, where)
        return self._member_problem(value, where) if type(value) is dict else None

    def problem_in_steps(self, value: Value, where: str) -> Steps[str | None]:
        """The same as `wrong`, a long array a piece at a time."""
        if (
            type(value) is not list
            or self.item is None
            or self.alternatives
            or len(value) <= _PIECE
        ):
            return self.problem(value, where)
        for start in range(0, len(value), _PIECE):
            if found := self._item_problem(value[start : start + _PIECE], where, start):
                return found
            yield
        return self.problem([], where)

    def _item_problem(self, value: list[Value], where: str, first: int = 0) -> str | None:
        """What is wrong with an item of `value`, whose first one is number `first`."""
        item = self.item
        # Where the type decides, only what is wrong is looked at one by one.
        if item is None or (item.plain and item.types.issuperset(map(type, value))):
            return None
        found = (item.problem(each, f"{where}[{n}]") for n, each in enumerate(value, first))
        return next((each for each in found if each), None)

    def _member_problem(self, value: dict[str, Value], where: str) -> str | None:
        if self.item is None and not self.members:
            return None
        if missing := sorted(self.required - value.keys()):
            return f"{where} has no member {missing[0]}"
        for name, each in value.items():
            form = self.members.get(name, self.item)
            if form is not None and (found := form.problem(each, f"{where}[{name[:40]!r}]")):
                return found
            if form is None and self.members:
                return f"{where} has a member {name[:40]!r} that is not wanted"
        return None


ANY: Final = ParamType(("undef",))


def from_name(name: str) -> ParamType:
    """The form of an XML-RPC type name; ValueError when it is none."""
    if name not in _BY_NAME:
        raise ValueError(f"{name} is no XML-RPC type; known are {', '.join(_BY_NAME)}")
    return ParamType((name,), frozenset(_BY_NAME[name]))


def from_hint(hint: Any) -> ParamType:
    """The form that a type hint asks for."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, typing.NewType):
        return from_hint(hint.__supertype__)
    if origin in (typing.Annotated, typing.Required, typing.NotRequired):
        return from_hint(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return union([from_hint(each) for each in arguments])
    if origin is typing.Literal:
        kinds = dict.fromkeys(map(type, arguments))
        both = union([from_hint(each) for each in kinds])
        return attrs.evolve(both, choices=arguments, alternatives=())
    if typing.is_typeddict(hint):
        hints = typing.get_type_hints(hint)
        members = {name: from_hint(each) for name, each in hints.items()}
        return attrs.evolve(
            from_name("struct"), members=members, required=hint.__required_keys__
        )
    bare = origin or hint
    if bare in _BY_HINT:
        return from_name(_BY_HINT[bare])
    return _container(bare, arguments)


def _container(bare: object, arguments: tuple[object, ...]) -> ParamType:
    """The form of a hint that is no scalar's."""
    if not isinstance(bare, type):
        return ANY
    if issubclass(bare, Mapping):
        item = _within(arguments[1]) if len(arguments) == 2 else None
        return attrs.evolve(from_name("struct"), item=item)
    if issubclass(bare, tuple):
        return from_name("array")
    if issubclass(bare, Iterable) and issubclass(list, bare):
        item = _within(arguments[0]) if arguments else None
        return attrs.evolve(from_name("array"), item=item)
    if dataclasses.is_dataclass(bare) or attrs.has(bare):
        return from_name("struct")
    return ANY


def _within(hint: object) -> ParamType | None:
    """What is in a container; None when that may be everything."""
    found = from_hint(hint)
    return None if found == ANY else found


def union(forms: Sequence[ParamType]) -> ParamType:
    """A form that takes what one of `forms` takes."""
    names = tuple(dict.fromkeys(name for each in forms for name in each.names))
    if any(not each.types for each in forms):
        return ParamType(names)
    return ParamType(
        names, frozenset().union(*(each.types for each in forms)), alternatives=tuple(forms)
    )
