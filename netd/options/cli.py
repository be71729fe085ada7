"""
The command line that Twisted parses.

Rules: holds no setting by name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from twisted.python.usage import Options as _Options
from twisted.python.usage import UsageError

from netd import __version__
from netd.options.build import build_settings
from netd.options.help import ACTIONS, ALL, usage
from netd.options.sources import OptionValue, check_variables, not_an_option, option_values
from netd.options.toml import read_toml
from netd.setting_types import Option
from netd.settings import Settings
from netd.values import escape_unprintable


def read_values(
    flags: Mapping[str, tuple[str, ...]],
    environ: Mapping[str, str],
    config: str | None = None,
    directory: str = "",
) -> dict[str, OptionValue]:
    """
    The texts of every option; the file is `config`, or what NETD_CONFIG names.

    UsageError says what is wrong with the environment or the file.
    """
    check_variables(environ)
    path = config or environ.get("NETD_CONFIG") or ""
    path = path and os.path.join(directory, path)
    return option_values(flags, environ, read_toml(path) if path else {}, path)


class Options(_Options):
    """What `twistd netd` takes; after parsing `settings` holds all that is set."""

    environ: Mapping[str, str] = os.environ
    settings: Settings
    option_values: dict[str, OptionValue]
    url: str | None = None
    """What --healthcheck requests; None: the daemon of these settings."""

    def __init__(self) -> None:
        _Options.__init__(self)
        self.update((action.name, None) for action in ACTIONS)
        self._flags: dict[str, tuple[str, ...]] = {}
        self._directory = ""

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse `options`, sys.argv when None; UsageError says in one line what is wrong."""
        options = sys.argv[1:] if options is None else options
        try:
            _Options.parseOptions(self, _flags_first(options))
        except UsageError as error:
            raise UsageError(escape_unprintable(str(error))) from None

    def parseArgs(self, *arguments: str) -> None:
        """Take the URL of --healthcheck; refuse any other argument."""
        if self["healthcheck"] and arguments:
            self.url, *arguments = arguments  # type: ignore[assignment]  # a list is as good
        if arguments:
            raise UsageError(f"{arguments[0]}: not an option; see netd --help")

    def postOptions(self) -> None:
        """Read every source for the first time."""
        self.read()
        # twistd may change the directory before the file is read again.
        with suppress(OSError):
            self._directory = os.getcwd()

    def read(self) -> Settings:
        """
        Make the settings of the flags, the environment and the file as they are now.

        UsageError says what is wrong; `settings` and `option_values` stay as before then.
        """
        values = read_values(self._flags, self.environ, self["config"], self._directory)
        self.settings, self.option_values = build_settings(values), values
        return self.settings


_FLAGS: Final = {
    **{f"--{option.name}": option for option in ALL},
    **{f"-{option.short}": option for option in ALL if option.short},
}


def _flags_first(words: Sequence[str]) -> list[str]:
    """
    The command line with its flags before all other words.

    UsageError for an unknown or abbreviated flag, and for one without its value.
    Neither is left to getopt, which completes beginnings and names no alternative.
    """
    flags: list[str] = []
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            others += rest
        elif word.startswith("-") and word != "-":
            flags += _one_flag(word, rest)
        else:
            others.append(word)
    return [*flags, "--", *others]


def _one_flag(word: str, rest: Iterator[str]) -> list[str]:
    """The flag `word` with its value, which may be the next of `rest`."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
    else:
        name, value = word[:2], word[2:]
        equals = value
    option = _FLAGS.get(name)
    if option is None:
        name = word.partition("=")[0]
        names = (option.name for option in ALL)
        raise UsageError(not_an_option(name, name.lstrip("-"), names, "--"))
    if not option.type.placeholder:
        if equals:
            raise UsageError(f"{word}: not {name}, which takes no value")
        return [name]
    if not equals:
        following = next(rest, None)
        if following is None:
            raise UsageError(
                f"{name}: not given a value, as in {name} {option.type.placeholder}"
            )
        value = following
    return [f"--{option.name}", value]


_PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "version": lambda: f"netd {__version__}\n",
    "help": lambda: usage(everything=False),
    "help-all": lambda: usage(everything=True),
}


def _method(option: Option) -> Callable[..., None]:
    """The method that Twisted calls each time the flag of `option` is given."""

    def take(self: Options, text: str) -> None:
        before = self._flags.get(option.name, ()) if option.repeatable else ()
        self._flags[option.name] = (*before, text)
        self[option.name] = text

    def turn_on(self: Options) -> None:
        if option.name in _PAGES:
            sys.stdout.write(_PAGES[option.name]())
            raise SystemExit(0)
        self[option.name] = True

    return take if option.type.placeholder else turn_on


for _option in ALL:
    setattr(Options, f"opt_{_option.name.replace('-', '_')}", _method(_option))
