"""
What a function takes and gives in XML-RPC's words, from its type hints.

Rules: pure.  What one parameter may be is its form's to say.
"""

from __future__ import annotations

import inspect
import itertools
import typing
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, TypeAlias

from attrs import frozen

from netd.xmlrpc.faults import BadParameters
from netd.xmlrpc.param_types import ANY, ParamType, from_hint, from_name, type_name, union
from netd.xmlrpc.scalars import Value
from netd.xmlrpc.steps import Steps, run_now

TypeNames: TypeAlias = tuple[str, ...]
"""XML-RPC type names, the result's first."""

MOST: Final = 16
"""How many signatures one function may have; more of them say "undef"."""


@frozen
class Signature:
    """Everything that is known of how a function is called."""

    variants: tuple[TypeNames, ...]
    parameters: tuple[tuple[str, ParamType], ...]
    required: int
    """How many of `parameters` have no default."""
    rest: tuple[str, ParamType] | None = None
    """What each further parameter may be, where the function takes any number."""
    strict: tuple[tuple[ParamType, ...], ...] = ()
    """The parameters' forms by signature, where the signatures were given by hand."""
    accepted: frozenset[tuple[type, ...]] = frozenset()
    """The types of parameters of which nothing more has to be asked: the short way."""

    def check(self, method: str, values: Sequence[Value]) -> None:
        """BadParameters naming the parameter, what was wanted and what came."""
        if tuple(map(type, values)) not in self.accepted:
            run_now(self.check_in_steps(method, values))

    def check_in_steps(self, method: str, values: Sequence[Value]) -> Steps[None]:
        """The same as `check`, of long arrays a piece at a time."""
        if len(values) < self.required or (
            self.rest is None and len(values) > len(self.parameters)
        ):
            raise BadParameters(f"{method} takes {self._count()}, got {len(values)}")
        for (name, each), value in zip(self.parameters, values, strict=False):
            self._refuse(method, (yield from each.problem_in_steps(value, name)))
        if self.rest is not None:
            for number, value in enumerate(values[len(self.parameters) :], 1):
                found = yield from self.rest[1].problem_in_steps(
                    value, f"{self.rest[0]} {number}"
                )
                self._refuse(method, found)
        if self.strict and not any(self._fits(each, values) for each in self.strict):
            wanted = " or ".join(f"({', '.join(each[1:])})" for each in self.variants)
            got = ", ".join(map(type_name, values))
            raise BadParameters(f"{method} takes {wanted}, got ({got})")

    def _count(self) -> str:
        most = len(self.parameters)
        if self.rest is not None:
            return f"at least {self.required} parameters"
        count = f"{most}" if most == self.required else f"{self.required} to {most}"
        return f"{count} parameter{'' if count == '1' else 's'}"

    @staticmethod
    def _refuse(method: str, wrong: str | None) -> None:
        if wrong is not None:
            raise BadParameters(f"{method}: {wrong}")

    @staticmethod
    def _fits(forms: tuple[ParamType, ...], values: Sequence[Value]) -> bool:
        return len(forms) == len(values) and not any(
            each.problem(value, "") for each, value in zip(forms, values, strict=True)
        )


def signature_of(
    function: Callable[..., object], given: Iterable[TypeNames] | None = None, skip: int = 0
) -> Signature:
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
    parameters: list[tuple[str, ParamType]] = []
    rest, required = None, 0
    for each in list(inspect.signature(function).parameters.values())[skip:]:
        wanted = from_hint(hints[each.name]) if each.name in hints else ANY
        if each.kind is each.VAR_POSITIONAL:
            rest = (each.name, wanted)
        elif each.kind is each.KEYWORD_ONLY and each.default is each.empty:
            raise ValueError(f"the parameter {each.name} can only be given by name")
        elif each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD):
            parameters.append((each.name, wanted))
            required += each.default is each.empty
    if given is not None:
        return _by_hand(
            [name for name, _ in parameters], required, rest, list(map(tuple, given))
        )
    results = _result(hints.get("return", object)).names
    signatures = () if rest else _expanded(results, parameters, required)
    counts = range(required, len(parameters) + 1)
    accepted = _accepted([form for _, form in parameters[:count]] for count in counts)
    return Signature(signatures, tuple(parameters), required, rest, accepted=accepted)


def _by_hand(
    names: list[str], required: int, rest: tuple[str, ParamType] | None, given: list[TypeNames]
) -> Signature:
    """The shape of a function whose signatures somebody wrote down."""
    for each in given:
        if not each:
            raise ValueError("a signature starts with the type of the result")
        from_name(each[0])
        if len(each) - 1 < required or (rest is None and len(each) - 1 > len(names)):
            raise ValueError(f"the signature {', '.join(each)} does not fit the function")
    strict = [tuple(map(from_name, each[1:])) for each in given]
    most = max(map(len, strict), default=0)
    names += [f"{rest[0] if rest else ''} {number}" for number in range(1, most + 1)]
    columns = [[each[n] for each in strict if len(each) > n] for n in range(most)]
    parameters = tuple((names[n], union(column)) for n, column in enumerate(columns))
    required = min(map(len, strict), default=0)
    return Signature(
        tuple(given), parameters, required, strict=tuple(strict), accepted=_accepted(strict)
    )


def _accepted(alternatives: Iterable[Sequence[ParamType]]) -> frozenset[tuple[type, ...]]:
    """The combinations of types that fit without a look inside, while they are few."""
    found: set[tuple[type, ...]] = set()
    for forms in alternatives:
        if all(each.plain for each in forms) and len(forms) <= 4:
            found.update(itertools.product(*(each.types for each in forms)))
    return frozenset(found)


def _result(hint: Any) -> ParamType:
    """The form of what a function gives, awaited where it has to be."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(origin, type) and arguments:
        if issubclass(origin, Coroutine):
            return from_hint(arguments[2])
        if issubclass(origin, Awaitable):
            return from_hint(arguments[0])
    return from_hint(hint)


def _expanded(
    results: Sequence[str], parameters: Sequence[tuple[str, ParamType]], required: int
) -> tuple[TypeNames, ...]:
    """Every combination of what may come and go, while there are not too many."""
    found: list[TypeNames] = []
    for count in range(required, len(parameters) + 1):
        alternatives = [results, *(each.names for _, each in parameters[:count])]
        for combination in itertools.product(*alternatives):
            found.append(combination)
            if len(found) > MOST:
                return ()
    return tuple(found)
