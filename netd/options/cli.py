"""
The command line that Twisted parses.

Rules: holds no setting by name.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from twisted.python.usage import Options as _Options
from twisted.python.usage import UsageError

from netd import __version__
from netd.options.build import build_settings
from netd.options.help import ACTIONS, ALL, usage
from netd.options.sources import OptionValue, option_values
from netd.options.toml import read_toml
from netd.setting_types import Option
from netd.settings import Settings
from netd.values import escape_unprintable


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
            self._refuse_abbreviated(options)
            _Options.parseOptions(self, options)
        except UsageError as error:
            raise UsageError(escape_unprintable(str(error))) from None

    def _refuse_abbreviated(self, options: Sequence[str]) -> None:
        """Refuse the beginnings of flags, which getopt would complete."""
        takes_value = {name.rstrip("="): name.endswith("=") for name in self.longOpt}
        rest = iter(options)
        for argument in rest:
            name, equals, _ = argument.removeprefix("--").partition("=")
            if not argument.startswith("--") or not name:
                return
            if name not in takes_value and not name.startswith("_"):
                near = difflib.get_close_matches(name, takes_value, 1)
                hint = f", did you mean --{near[0]}?" if near else "; see netd --help"
                raise UsageError(f"--{name}: not an option{hint}")
            if takes_value.get(name) and not equals:
                next(rest, None)

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
        path = self["config"] or self.environ.get("NETD_CONFIG") or None
        path = path and os.path.join(self._directory, path)
        file = read_toml(path) if path else {}
        values = option_values(self._flags, self.environ, file, path or "")
        self.settings, self.option_values = build_settings(values), values
        return self.settings


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
