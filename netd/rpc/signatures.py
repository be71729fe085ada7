"""
What a function takes and gives in XML-RPC's words, from its type hints.

Rules: pure.  A `Form` is what one parameter may be; it says what is wrong with
a value in words for the caller.  Hints that say nothing here become "undef",
which takes everything.
"""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import types
import typing
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import attrs
from attrs import frozen

from netd.rpc.faults import BadParameters

Signature: TypeAlias = tuple[str, ...]
"""XML-RPC type names, the result's first."""

MOST: Final = 16
"""How many signatures one function may have; more of them say "undef"."""

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
_BY_HINT: Final[dict[Any, str]] = {
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


def called(value: object) -> str:
    """The XML-RPC type of a value that came in."""
    return _NAMES.get(type(value), type(value).__name__)


@frozen
class Form:
    """What a value may be: one of `types`, all when empty, and what is in it."""

    names: tuple[str, ...]
    """The XML-RPC types, for signatures."""
    types: frozenset[type] = frozenset()
    choices: tuple[Any, ...] = ()
    item: Form | None = None
    """What each item of an array, or each value of a struct, may be."""
    members: Mapping[str, Form] = attrs.field(factory=dict)
    """What the named members of a struct may be."""
    needed: frozenset[str] = frozenset()
    others: tuple[Form, ...] = ()
    """A union's forms; one of them has to fit."""

    @property
    def plain(self) -> bool:
        """Whether the type alone decides."""
        return bool(self.types) and not (
            self.choices
            or self.item
            or self.members
            or (any(not each.plain for each in self.others))
        )

    def wrong(self, value: Any, where: str) -> str | None:
        """What is wrong with `value`, which stands at `where`; None when nothing is."""
        if self.types and type(value) not in self.types:
            return (
                f"{where} must be {' or '.join(dict.fromkeys(self.names))}, got {called(value)}"
            )
        if self.others:
            fits = [each for each in self.others if not each.types or type(value) in each.types]
            found = [each.wrong(value, where) for each in fits]
            return None if None in found else found[0]
        if self.choices and value not in self.choices:
            return f"{where} must be one of {', '.join(map(repr, self.choices))}"
        if type(value) is list:
            return self._wrong_item(value, where)
        return self._wrong_member(value, where) if type(value) is dict else None

    def _wrong_item(self, value: list[Any], where: str) -> str | None:
        if self.item is None:
            return None
        found = (self.item.wrong(each, f"{where}[{n}]") for n, each in enumerate(value))
        return next((each for each in found if each), None)

    def _wrong_member(self, value: dict[str, Any], where: str) -> str | None:
        if missing := sorted(self.needed - value.keys()):
            return f"{where} has no member {missing[0]}"
        for name, each in value.items():
            form = self.members.get(name, self.item)
            if form is not None and (found := form.wrong(each, f"{where}[{name[:40]!r}]")):
                return found
            if form is None and self.members:
                return f"{where} has a member {name[:40]!r} that is not wanted"
        return None


ANY: Final = Form(("undef",))


def named(name: str) -> Form:
    """The form of an XML-RPC type name; ValueError when it is none."""
    if name not in _BY_NAME:
        raise ValueError(f"{name} is no XML-RPC type; known are {', '.join(_BY_NAME)}")
    return Form((name,), frozenset(_BY_NAME[name]))


def form(hint: Any) -> Form:
    """The form that a type hint asks for."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, typing.NewType):
        return form(hint.__supertype__)
    if origin in (typing.Annotated, typing.Required, typing.NotRequired):
        return form(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _either([form(each) for each in arguments])
    if origin is typing.Literal:
        kinds = dict.fromkeys(map(type, arguments))
        both = _either([form(each) for each in kinds])
        return attrs.evolve(both, choices=arguments, others=())
    if typing.is_typeddict(hint):
        hints = typing.get_type_hints(hint)
        members = {name: form(each) for name, each in hints.items()}
        return attrs.evolve(named("struct"), members=members, needed=hint.__required_keys__)
    bare = origin or hint
    if bare in _BY_HINT:
        return named(_BY_HINT[bare])
    return _container(bare, arguments)


def _container(bare: Any, arguments: tuple[Any, ...]) -> Form:
    """The form of a hint that is no scalar's."""
    if not isinstance(bare, type):
        return ANY
    if issubclass(bare, Mapping):
        item = form(arguments[1]) if len(arguments) == 2 else None
        return attrs.evolve(named("struct"), item=item)
    if issubclass(bare, tuple):
        return named("array")
    if issubclass(bare, Iterable) and issubclass(list, bare):
        item = form(arguments[0]) if arguments else None
        return attrs.evolve(named("array"), item=item)
    if dataclasses.is_dataclass(bare) or attrs.has(bare):
        return named("struct")
    return ANY


def _either(forms: Sequence[Form]) -> Form:
    """A form that takes what one of `forms` takes."""
    names = tuple(dict.fromkeys(name for each in forms for name in each.names))
    if any(not each.types for each in forms):
        return Form(names)
    return Form(names, frozenset().union(*(each.types for each in forms)), others=tuple(forms))


@frozen
class Shape:
    """Everything that is known of how a function is called."""

    signatures: tuple[Signature, ...]
    parameters: tuple[tuple[str, Form], ...]
    least: int
    """How many of `parameters` have no default."""
    rest: tuple[str, Form] | None = None
    """What each further parameter may be, where the function takes any number."""
    strict: tuple[tuple[Form, ...], ...] = ()
    """The parameters' forms by signature, where the signatures were given by hand."""
    accepted: frozenset[tuple[type, ...]] = frozenset()
    """The types of parameters of which nothing more has to be asked: the short way."""

    def check(self, method: str, values: Sequence[Any]) -> None:
        """BadParameters naming the parameter, what was wanted and what came."""
        if tuple(map(type, values)) in self.accepted:
            return
        if len(values) < self.least or (
            self.rest is None and len(values) > len(self.parameters)
        ):
            raise BadParameters(f"{method} takes {self._count()}, got {len(values)}")
        for (name, each), value in zip(self.parameters, values, strict=False):
            self._refuse(method, each.wrong(value, name))
        if self.rest is not None:
            for number, value in enumerate(values[len(self.parameters) :], 1):
                self._refuse(method, self.rest[1].wrong(value, f"{self.rest[0]} {number}"))
        if self.strict and not any(self._fits(each, values) for each in self.strict):
            wanted = " or ".join(f"({', '.join(each[1:])})" for each in self.signatures)
            got = ", ".join(map(called, values))
            raise BadParameters(f"{method} takes {wanted}, got ({got})")

    def _count(self) -> str:
        most = len(self.parameters)
        if self.rest is not None:
            return f"at least {self.least} parameters"
        count = f"{most}" if most == self.least else f"{self.least} to {most}"
        return f"{count} parameter{'' if count == '1' else 's'}"

    @staticmethod
    def _refuse(method: str, wrong: str | None) -> None:
        if wrong is not None:
            raise BadParameters(f"{method}: {wrong}")

    @staticmethod
    def _fits(forms: tuple[Form, ...], values: Sequence[Any]) -> bool:
        return len(forms) == len(values) and not any(
            each.wrong(value, "") for each, value in zip(forms, values, strict=True)
        )


def shape(
    function: Callable[..., Any], given: Iterable[Signature] | None = None, skip: int = 0
) -> Shape:
    """
    How `function` is called over XML-RPC, its first `skip` parameters left out.

    `given` replaces what its hints say.  ValueError when a parameter can only
    be given by name, or a signature is none.
    """
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    # A hint that cannot be evaluated says nothing; the function can still be called.
    except (NameError, TypeError, AttributeError, SyntaxError):
        hints = {}
    parameters: list[tuple[str, Form]] = []
    rest, least = None, 0
    for each in list(inspect.signature(function).parameters.values())[skip:]:
        wanted = form(hints[each.name]) if each.name in hints else ANY
        if each.kind is each.VAR_POSITIONAL:
            rest = (each.name, wanted)
        elif each.kind is each.KEYWORD_ONLY and each.default is each.empty:
            raise ValueError(f"the parameter {each.name} can only be given by name")
        elif each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD):
            parameters.append((each.name, wanted))
            least += each.default is each.empty
    if given is not None:
        return _by_hand([name for name, _ in parameters], least, rest, list(map(tuple, given)))
    results = _result(hints.get("return", Any)).names
    signatures = () if rest else _expanded(results, parameters, least)
    counts = range(least, len(parameters) + 1)
    accepted = _accepted([form for _, form in parameters[:count]] for count in counts)
    return Shape(signatures, tuple(parameters), least, rest, accepted=accepted)


def _by_hand(
    names: list[str], least: int, rest: tuple[str, Form] | None, given: list[Signature]
) -> Shape:
    """The shape of a function whose signatures somebody wrote down."""
    for each in given:
        if not each:
            raise ValueError("a signature starts with the type of the result")
        named(each[0])
        if len(each) - 1 < least or (rest is None and len(each) - 1 > len(names)):
            raise ValueError(f"the signature {', '.join(each)} does not fit the function")
    strict = [tuple(map(named, each[1:])) for each in given]
    most = max(map(len, strict), default=0)
    names += [f"{rest[0] if rest else ''} {number}" for number in range(1, most + 1)]
    columns = [[each[n] for each in strict if len(each) > n] for n in range(most)]
    parameters = tuple((names[n], _either(column)) for n, column in enumerate(columns))
    least = min(map(len, strict), default=0)
    return Shape(
        tuple(given), parameters, least, strict=tuple(strict), accepted=_accepted(strict)
    )


def _accepted(alternatives: Iterable[Sequence[Form]]) -> frozenset[tuple[type, ...]]:
    """The combinations of types that fit without a look inside, while they are few."""
    found: set[tuple[type, ...]] = set()
    for forms in alternatives:
        if all(each.plain for each in forms) and len(forms) <= 4:
            found.update(itertools.product(*(each.types for each in forms)))
    return frozenset(found)


def _result(hint: Any) -> Form:
    """The form of what a function gives, awaited where it has to be."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(origin, type) and arguments:
        if issubclass(origin, Coroutine):
            return form(arguments[2])
        if issubclass(origin, Awaitable):
            return form(arguments[0])
    return form(hint)


def _expanded(
    results: Sequence[str], parameters: Sequence[tuple[str, Form]], least: int
) -> tuple[Signature, ...]:
    """Every combination of what may come and go, while there are not too many."""
    found: list[Signature] = []
    for count in range(least, len(parameters) + 1):
        alternatives = [results, *(each.names for _, each in parameters[:count])]
        for combination in itertools.product(*alternatives):
            found.append(combination)
            if len(found) > MOST:
                return ()
    return tuple(found)
