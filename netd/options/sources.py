"""
The texts of each option: a flag beats the environment, that the file, and that the default.

Rules: knows texts; only `OptionValue` makes values of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
        return UsageError(f"--{self.option.name} {quote_unprintable(text)}{source}: {reason}")

    def values(self, parse: Callable[[str], Any] | None = None) -> tuple[Any, ...]:
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
