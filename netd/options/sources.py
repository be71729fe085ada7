"""
What was said of each option, and by whom: flag beats environment beats file beats default.

Rules: knows texts; only `OptionValue` makes values of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from twisted.python.usage import UsageError

from netd.options.messages import shown
from netd.options.table import OPTIONS, Option
from netd.options.toml import read_toml


@frozen
class OptionValue:
    """The texts that an option got (none, one, or several when repeatable) and from where."""

    option: Option
    texts: tuple[str, ...]
    origin: str

    def refuse(self, text: str, why: object) -> UsageError:
        """The one line for the operator: option, value, where it was said, what is wrong."""
        source = "" if self.origin == "flag" else f" ({self.origin})"
        return UsageError(f"--{self.option.name} {shown(text)}{source}: {why}")

    def values(self) -> list[Any]:
        """Every text as its value."""
        found = []
        for text in self.texts:
            try:
                found.append(self.option.parse(text))
            except ValueError as wrong:
                raise self.refuse(text, wrong) from None
        return found

    def value(self) -> Any:
        """The last text as its value; None when nothing was said."""
        return self.values()[-1] if self.texts else None


def collect(
    flags: Mapping[str, list[str]], environ: Mapping[str, str], path: str | None
) -> dict[str, OptionValue]:
    """What was said of each option by whom comes first; an empty variable says nothing."""
    file = read_toml(path) if path else {}
    said = {}
    for option in OPTIONS:
        name, spoken = option.name, option.split(environ.get(option.variable, ""))
        if name in flags:
            texts, origin = tuple(flags[name]), "flag"
        elif spoken:
            texts, origin = spoken, option.variable
        elif name in file:
            texts, origin = file[name], f"{path}"
        else:
            texts, origin = () if option.default is None else (option.default,), "default"
        said[name] = OptionValue(option, texts, origin)
    return said
