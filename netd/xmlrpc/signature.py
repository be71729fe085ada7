"""
The XML-RPC signatures of a function, from its type hints.

Rules: pure.  A `ParamType` decides what one parameter accepts.
"""

from __future__ import annotations

import inspect
import itertools
import typing
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeAlias

from attrs import frozen

from netd.steps import Steps, run_now
from netd.xmlrpc.faults import BadParameters
from netd.xmlrpc.param_types import ANY, ParamType, from_hint, from_name, type_name, union
from netd.xmlrpc.scalars import Value

TypeNames: TypeAlias = tuple[str, ...]
"""XML-RPC type names, the result's first."""

MOST: Final = 16
"""Variants of a function; with more, they are left out and published as "undef"."""


@frozen
class Signature:
    """How a function may be called."""

    variants: tuple[TypeNames, ...]
    """What system.methodSignature returns."""
    parameters: tuple[tuple[str, ParamType], ...]
    required: int
    """How many of `parameters` have no default."""
    rest: tuple[str, ParamType] | None = None
    """Name and type of each further parameter when the function takes any number."""
    strict: tuple[tuple[ParamType, ...], ...] = ()
    """The parameters' types by variant, when the variants were given by hand."""
    accepted: frozenset[tuple[type, ...]] = frozenset()
    """Combinations of Python types that need no further check: the fast path."""

    def check(self, method: str, values: Sequence[Value]) -> None:
        """BadParameters naming the parameter, the expected and the received type."""
        if tuple(map(type, values)) not in self.accepted:
            run_now(self.check_in_steps(method, values))

    def check_in_steps(self, method: str, values: Sequence[Value]) -> Steps[None]:
        """The same as `check`, with steps in long arrays."""
        most = len(self.parameters)
        if len(values) < self.required or (self.rest is None and len(values) > most):
            raise BadParameters(f"{method} takes {self._count()}, got {len(values)}")
        expected = self.parameters
        if self.rest is not None:
            name, kind = self.rest
            expected += tuple((f"{name} {n}", kind) for n in range(1, len(values) - most + 1))
        for (name, kind), value in zip(expected, values, strict=False):
            if problem := (yield from kind.problem_in_steps(value, name)):
                raise BadParameters(f"{method}: {problem}")
        if self.strict and not any(_fits(types, values) for types in self.strict):
            wanted = " or ".join(f"({', '.join(names[1:])})" for names in self.variants)
            got = ", ".join(map(type_name, values))
            raise BadParameters(f"{method} takes {wanted}, got ({got})")

    def _count(self) -> str:
        most = len(self.parameters)
        if self.rest is not None:
            return f"at least {self.required} parameters"
        count = f"{most}" if most == self.required else f"{self.required} to {most}"
        return f"{count} parameter{'' if count == '1' else 's'}"


def _fits(types: Sequence[ParamType], values: Sequence[Value]) -> bool:
    return len(types) == len(values) and not any(
        kind.problem(value, "") for kind, value in zip(types, values, strict=True)
    )


def signature_of(
    function: Callable[..., object], given: Iterable[TypeNames] | None = None, skip: int = 0
) -> Signature:
    """
    The signature of `function` without its first `skip` parameters.

    `given` replaces its type hints.  ValueError when a parameter can only be
    passed by name, or a given variant is invalid.
    """
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    # A function can be called even when its hints cannot be evaluated.
    except (NameError, TypeError, AttributeError, SyntaxError):
        hints = {}
    parameters: list[tuple[str, ParamType]] = []
    rest, required = None, 0
    for parameter in list(inspect.signature(function).parameters.values())[skip:]:
        kind = from_hint(hints[parameter.name]) if parameter.name in hints else ANY
        if parameter.kind is parameter.VAR_POSITIONAL:
            rest = (parameter.name, kind)
        elif parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            raise ValueError(f"the parameter {parameter.name} can only be given by name")
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            parameters.append((parameter.name, kind))
            required += parameter.default is parameter.empty
    if given is not None:
        names = [name for name, _ in parameters]
        return _by_hand(names, required, rest, list(map(tuple, given)))
    results = _result(hints.get("return", object)).names
    variants = () if rest else _expanded(results, parameters, required)
    counts = range(required, len(parameters) + 1)
    accepted = _accepted([kind for _, kind in parameters[:count]] for count in counts)
    return Signature(variants, tuple(parameters), required, rest, accepted=accepted)


def _by_hand(
    names: list[str], required: int, rest: tuple[str, ParamType] | None, given: list[TypeNames]
) -> Signature:
    """The signature of a function with the variants `given`."""
    for variant in given:
        if not variant:
            raise ValueError("a signature starts with the type of the result")
        from_name(variant[0])
        if len(variant) - 1 < required or (rest is None and len(variant) - 1 > len(names)):
            raise ValueError(f"the signature {', '.join(variant)} does not fit the function")
    strict = [tuple(map(from_name, variant[1:])) for variant in given]
    columns = (union(list(filter(None, kinds))) for kinds in itertools.zip_longest(*strict))
    more = (f"{rest[0] if rest else ''} {number}" for number in itertools.count(1))
    parameters = tuple(zip(itertools.chain(names, more), columns, strict=False))
    required = min(map(len, strict), default=0)
    return Signature(
        tuple(given), parameters, required, strict=tuple(strict), accepted=_accepted(strict)
    )


def _accepted(alternatives: Iterable[Sequence[ParamType]]) -> frozenset[tuple[type, ...]]:
    """The combinations of Python types that need no look inside, for few parameters."""
    accepted: set[tuple[type, ...]] = set()
    for types in alternatives:
        if all(kind.plain for kind in types) and len(types) <= 4:
            accepted.update(itertools.product(*(kind.types for kind in types)))
    return frozenset(accepted)


def _result(hint: object) -> ParamType:
    """The type of a result, or of what an awaitable result gives: its last argument."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    awaitable = isinstance(origin, type) and issubclass(origin, Awaitable)
    return from_hint(arguments[-1] if awaitable and arguments else hint)


def _expanded(
    results: Sequence[str], parameters: Sequence[tuple[str, ParamType]], required: int
) -> tuple[TypeNames, ...]:
    """Every combination of result and parameter types; none when there are too many."""
    variants = itertools.chain.from_iterable(
        itertools.product(results, *(kind.names for _, kind in parameters[:count]))
        for count in range(required, len(parameters) + 1)
    )
    first = tuple(itertools.islice(variants, MOST + 1))
    return first if len(first) <= MOST else ()
