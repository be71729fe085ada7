"""
The texts of each option: a flag beats the environment, that the file, and that the default.

Rules: knows texts; only `OptionValue` makes values of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from attrs import frozen
from twisted.python.usage import UsageError

from netd.setting_types import Option
from netd.settings import OPTIONS
from netd.values import quote_unprintable


@frozen
class OptionValue:
    """The texts of an option (none, one, or several when it is repeatable) and their origin."""

    option: Option
    texts: tuple[str, ...]
    origin: str
    """`flag`, the environment variable, the file, or `default`."""

    def error(self, text: str, reason: object) -> UsageError:
        """The line for the operator: option, value, origin, and what is wrong."""
        source = "" if self.origin == "flag" else f" ({self.origin})"
        shown = quote_unprintable(self.option.type.shown(text))
        return UsageError(f"--{self.option.name} {shown}{source}: {reason}")

    def values(self, parse: Callable[[str], object] | None = None) -> tuple[Any, ...]:
        """The value of each text, by the option's own type or by `parse`."""
        parse = parse or self.option.type.parse
        values = []
        for text in self.texts:
            try:
                values.append(parse(text))
            except ValueError as error:
                raise self.error(text, error) from None
        return tuple(values)

    def value(self) -> Any:
        """The value of the last text; None without any."""
        return self.values()[-1] if self.texts else None


_PREFIX: Final = "NETD_"
_CONFIG_VARIABLE: Final = "NETD_CONFIG"
_OTHERS_VARIABLES: Final = ("NETD_ENV_", "NETD_TEST_")
"""Beginnings of variables that are no options: what /env shows, and what tests use."""


def not_an_option(name: str, close: str, known: Iterable[str], prefix: str = "") -> str:
    """The message for an unknown `name`: that of `known` nearest to `close`, with `prefix`."""
    near = difflib.get_close_matches(close, list(known), 1)
    hint = f", did you mean {prefix}{near[0]}?" if near else "; see netd --help"
    return f"{quote_unprintable(name)}: not an option{hint}"


def check_variables(environ: Mapping[str, str]) -> None:
    """UsageError for the first variable NETD_* that is not empty and no option."""
    known = (_CONFIG_VARIABLE, *(option.variable for option in OPTIONS))
    for name in sorted(environ):
        free = name in known or name.startswith(_OTHERS_VARIABLES)
        if name.startswith(_PREFIX) and environ[name] and not free:
            names = (each.removeprefix(_PREFIX) for each in known)
            close = name.removeprefix(_PREFIX)
            raise UsageError(not_an_option(name, close, names, _PREFIX))


def option_values(
    flags: Mapping[str, tuple[str, ...]],
    environ: Mapping[str, str],
    file: Mapping[str, tuple[str, ...]],
    path: str,
) -> dict[str, OptionValue]:
    """Each option by its name; `file` is what `path` holds, an empty variable is absent."""
    values = {}
    for option in OPTIONS:
        if option.name in flags:
            texts, origin = flags[option.name], "flag"
        elif texts := option.split(environ.get(option.variable, "")):
            origin = option.variable
        elif option.name in file:
            texts, origin = file[option.name], path
        else:
            texts, origin = option.split(option.default), "default"
        values[option.name] = OptionValue(option, texts, origin)
    return values
