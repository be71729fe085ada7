"""
The types that a parameter may have, from its type hint.

Rules: pure.  The problem with a value is a sentence for the client.  A hint
without an XML-RPC type becomes "undef", which accepts everything.
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

from netd.steps import Steps
from netd.xmlrpc.scalars import Value

_STEP: Final = 500
"""Items of an array between two steps of a check."""

_SCALARS: Final[dict[type, str]] = {
    int: "int",
    float: "double",
    str: "string",
    bool: "boolean",
    bytes: "base64",
    datetime: "dateTime.iso8601",
    type(None): "nil",
}
_BY_HINT: Final[dict[Any, str]] = {**_SCALARS, bytearray: "base64", None: "nil"}
_BY_TYPE: Final[dict[type, str]] = {**_SCALARS, list: "array", dict: "struct"}
_BY_NAME: Final[dict[str, tuple[type, ...]]] = {
    **{name: (kind,) for kind, name in _BY_TYPE.items()},
    "i4": (int,),
    "i8": (int,),
    "undef": (),
    # An int is accepted as a double; a bool is neither.
    "double": (float, int),
}


def type_name(value: Value) -> str:
    """The XML-RPC type of a received value."""
    return _BY_TYPE.get(type(value), type(value).__name__)


@frozen
class ParamType:
    """The values that a parameter accepts."""

    names: tuple[str, ...]
    """The XML-RPC types, for signatures."""
    types: frozenset[type] = frozenset()
    """The Python types; all are accepted when it is empty."""
    choices: tuple[Value, ...] = ()
    item: ParamType | None = None
    """The type of each item of an array, or of each value of a struct."""
    members: Mapping[str, ParamType] = attrs.field(factory=dict)
    """The types of a struct's members by their names."""
    required: frozenset[str] = frozenset()
    alternatives: tuple[ParamType, ...] = ()
    """The members of a union; a value has to fit one of them."""

    plain: bool = attrs.field(init=False)
    """Whether `types` alone decides."""

    @plain.default
    def _plain(self) -> bool:
        nested = self.choices or self.item or self.members
        return bool(self.types) and not nested and all(kind.plain for kind in self.alternatives)

    def problem(self, value: Value, where: str) -> str | None:
        """What is wrong with the value at `where`; None when it is accepted."""
        if self.types and type(value) not in self.types:
            expected = " or ".join(dict.fromkeys(self.names))
            return f"{where} must be {expected}, got {type_name(value)}"
        if self.alternatives:
            problems = [
                kind.problem(value, where)
                for kind in self.alternatives
                if not kind.types or type(value) in kind.types
            ]
            return None if None in problems else problems[0]
        if self.choices and value not in self.choices:
            return f"{where} must be one of {', '.join(map(repr, self.choices))}"
        if type(value) is list:
            return self._item_problem(value, where)
        return self._member_problem(value, where) if type(value) is dict else None

    def problem_in_steps(self, value: Value, where: str) -> Steps[str | None]:
        """The same as `problem`, with steps in a long array."""
        if type(value) is not list or len(value) <= _STEP or not self.item or self.alternatives:
            return self.problem(value, where)
        for start in range(0, len(value), _STEP):
            if problem := self._item_problem(value[start : start + _STEP], where, start):
                return problem
            yield
        return self.problem([], where)

    def _item_problem(self, value: list[Value], where: str, first: int = 0) -> str | None:
        """What is wrong with an item of `value`, whose first item has the index `first`."""
        kind = self.item
        # Items are visited one by one only when their types alone do not decide.
        if kind is None or (kind.plain and kind.types.issuperset(map(type, value))):
            return None
        problems = (kind.problem(item, f"{where}[{n}]") for n, item in enumerate(value, first))
        return next(filter(None, problems), None)

    def _member_problem(self, value: dict[str, Value], where: str) -> str | None:
        if self.item is None and not self.members:
            return None
        if missing := sorted(self.required - value.keys()):
            return f"{where} has no member {missing[0]}"
        for name, member in value.items():
            kind = self.members.get(name, self.item)
            if kind is None:
                return f"{where} has a member {name[:40]!r} that is not wanted"
            if problem := kind.problem(member, f"{where}[{name[:40]!r}]"):
                return problem
        return None


ANY: Final = ParamType(("undef",))


def from_name(name: str) -> ParamType:
    """The type of an XML-RPC type name; ValueError when it is unknown."""
    if name not in _BY_NAME:
        raise ValueError(f"{name} is no XML-RPC type; known are {', '.join(_BY_NAME)}")
    return ParamType((name,), frozenset(_BY_NAME[name]))


def from_hint(hint: Any) -> ParamType:
    """The type that a type hint describes."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, typing.NewType):
        return from_hint(hint.__supertype__)
    if origin in (typing.Annotated, typing.Required, typing.NotRequired):
        return from_hint(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return union(list(map(from_hint, arguments)))
    if origin is typing.Literal:
        kinds = union(list(map(from_hint, dict.fromkeys(map(type, arguments)))))
        return attrs.evolve(kinds, choices=arguments, alternatives=())
    struct = from_name("struct")
    if typing.is_typeddict(hint):
        hints = typing.get_type_hints(hint)
        members = {name: from_hint(member) for name, member in hints.items()}
        return attrs.evolve(struct, members=members, required=hint.__required_keys__)
    bare = origin or hint
    if bare in _BY_HINT:
        return from_name(_BY_HINT[bare])
    if not isinstance(bare, type):
        return ANY
    if issubclass(bare, Mapping):
        return attrs.evolve(struct, item=_item(arguments[1]) if len(arguments) == 2 else None)
    if issubclass(bare, tuple):
        return from_name("array")
    if issubclass(bare, Iterable) and issubclass(list, bare):
        return attrs.evolve(from_name("array"), item=_item(arguments[0]) if arguments else None)
    return struct if dataclasses.is_dataclass(bare) or attrs.has(bare) else ANY


def _item(hint: object) -> ParamType | None:
    """The type of a container's items; None when they may be anything."""
    item = from_hint(hint)
    return None if item == ANY else item


def union(alternatives: Sequence[ParamType]) -> ParamType:
    """The type of the values that one of `alternatives` accepts."""
    names = tuple(dict.fromkeys(name for kind in alternatives for name in kind.names))
    if not all(kind.types for kind in alternatives):
        return ParamType(names)
    accepted = frozenset[type]().union(*(kind.types for kind in alternatives))
    return ParamType(names, accepted, alternatives=tuple(alternatives))
