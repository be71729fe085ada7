"""
What can be called by which name, and how it describes itself.

Rules: pure.  Only registered names can be called; nothing is looked up by
attribute.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from attrs import frozen

Signature: TypeAlias = tuple[str, ...]
"""XML-RPC type names, the result's first."""

# The codes of the public "Specification for Fault Code Interoperability".
NO_METHOD: Final = -32601
BAD_PARAMETERS: Final = -32602
INTERNAL: Final = -32603
NOT_WELL_FORMED: Final = -32700
NOT_XMLRPC: Final = -32600


class Refused(Exception):
    """A call that ends in a Fault of this code and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class BadParameters(Refused):
    """The parameters are of the wrong number, type or size."""

    def __init__(self, text: str) -> None:
        super().__init__(BAD_PARAMETERS, text)


@frozen
class Procedure:
    """One method: its name, what it takes, and the function behind it."""

    name: str
    signatures: tuple[Signature, ...]
    function: Callable[..., Any]

    @property
    def help(self) -> str:
        """The function's docstring."""
        return inspect.getdoc(self.function) or ""

    def call(self, parameters: Sequence[Any]) -> Any:
        """The result; BadParameters says what was taken when none of the signatures fits."""
        wanted: list[str] = []
        for _, *types in self.signatures:
            if len(types) == len(parameters) and all(map(_is, parameters, types)):
                return self.function(*parameters)
            wanted.append(f"({', '.join(types)})")
        got = ", ".join(_name(value) for value in parameters)
        raise BadParameters(f"{self.name} takes {' or '.join(wanted)}, not ({got})")


def procedure(name: str, *signatures: Signature) -> Callable[[Callable[..., Any]], Procedure]:
    """Make a function the Procedure `name`, described by its docstring and `signatures`."""

    def wrap(function: Callable[..., Any]) -> Procedure:
        return Procedure(name, signatures, function)

    return wrap


# An int is accepted where a double is wanted; a bool is neither (XML-RPC spec, scalars).
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "int": (int,),
    "double": (float, int),
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
    "struct": (dict,),
}


def _is(value: object, name: str) -> bool:
    return type(value) in _TYPES[name]


def _name(value: object) -> str:
    return next((name for name in _TYPES if _is(value, name)), type(value).__name__)


class Registry:
    """Every procedure by name, `system.*` introspection among them."""

    def __init__(self, procedures: Sequence[Procedure]) -> None:
        own = (
            Procedure("system.listMethods", (("array",),), self._list),
            Procedure("system.methodHelp", (("string", "string"),), self._help),
            Procedure("system.methodSignature", (("array", "string"),), self._signature),
        )
        self._procedures = {each.name: each for each in (*procedures, *own)}

    def __getitem__(self, name: str) -> Procedure:
        """The procedure `name`; Refused with the code for an unknown method when none is."""
        try:
            return self._procedures[name]
        except KeyError:
            raise Refused(NO_METHOD, f"no method {name}") from None

    def _list(self) -> list[str]:
        """The names of all methods, sorted."""
        return sorted(self._procedures)

    def _help(self, name: str) -> str:
        """What the method does."""
        return self[name].help

    def _signature(self, name: str) -> list[list[str]]:
        """The type names of each signature of the method, the result's first."""
        return [list(signature) for signature in self[name].signatures]
