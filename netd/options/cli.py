"""
The command line that Twisted parses.

Rules: holds no option of the table by name.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from twisted.python.usage import Options as _Options
from twisted.python.usage import UsageError

from netd import __version__, settings
from netd.options.build import to_settings
from netd.options.messages import one_line
from netd.options.sources import OptionValue, collect
from netd.options.table import BY_NAME, OPTIONS, PREFIX, Option


class Options(_Options):
    """What `twistd netd` takes; after parsing `settings` holds the whole of it."""

    synopsis = "[options]"
    longdesc = (
        "A network workbench daemon: HTTP, XML-RPC, TCP and UDP on one reactor. "
        "Each option is also an environment variable (--max-delay: NETD_MAX_DELAY) and a key "
        "of the --config file (max-delay). "
        "A duration is 3, 250ms or 1m30s, a size 10MB or 64KiB."
    )
    optFlags = [  # noqa: RUF012  # Twisted reads these from the class
        ["print-config", None, "print every value and where it came from, and exit"],
        ["check-config", None, "exit 0 when the daemon could be built, 1 when not"],
        ["healthcheck", None, "ask a daemon, at a URL or its own, if it is well: exit 0 or 1"],
    ]
    optParameters = [  # noqa: RUF012
        ["config", None, None, "TOML file of options", str],
        ["ca", None, None, "PEM file of whom --healthcheck believes, not the system's", str],
        ["completion", None, None, "print completions for bash, zsh or fish, and exit", str],
        *(
            [option.name, None, None, option.doc, str]
            for option in OPTIONS
            if not option.repeatable
        ),
    ]
    environ: Mapping[str, str] = os.environ
    settings: settings.Settings
    url: str | None = None
    """What --healthcheck asks; None: the daemon of these settings."""
    said: dict[str, OptionValue]

    def __init__(self) -> None:
        _Options.__init__(self)
        self._repeated: dict[str, list[str]] = {}
        self._directory = ""

    def opt_version(self) -> None:
        """print the version of netd and exit"""
        sys.stdout.write(f"netd {__version__}\n")
        raise SystemExit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse `options`, sys.argv when None; UsageError says in one line what is wrong."""
        options = sys.argv[1:] if options is None else options
        try:
            self._refuse_abbreviated(options)
            _Options.parseOptions(self, options)
        except UsageError as wrong:
            raise UsageError(one_line(str(wrong))) from None

    def _refuse_abbreviated(self, options: Sequence[str]) -> None:
        """Refuse the beginnings of flags, which getopt would complete."""
        known = {name.rstrip("="): name.endswith("=") for name in self.longOpt}
        rest = iter(options)
        for each in rest:
            name, equals, _ = each.removeprefix("--").partition("=")
            if not each.startswith("--") or not name:
                return
            if name not in known and not name.startswith("_"):
                near = difflib.get_close_matches(name, known, 1)
                hint = "".join(f", did you mean --{one}?" for one in near)
                raise UsageError(f"--{name}: not an option{hint or '; see netd --help'}")
            if known.get(name) and not equals:
                next(rest, None)

    def parseArgs(self, *rest: str) -> None:
        """Take the URL of --healthcheck; refuse whatever else is no option."""
        if self["healthcheck"] and rest:
            self.url, *rest = rest  # type: ignore[assignment]  # a list is as good
        if rest:
            raise UsageError(f"{rest[0]}: not an option; see netd --help")

    def postOptions(self) -> None:
        """Settle what was said by whom, and make the settings of it."""
        single = {name: [self[name]] for name in BY_NAME if self.get(name) is not None}
        self._flags = {**single, **self._repeated}
        self.settle()
        # twistd may change the directory before the file is read again.
        with suppress(OSError):
            self._directory = os.getcwd()

    def settle(self) -> None:
        """
        Make `said` and `settings` of the flags, the environment and the file as they are now.

        UsageError says what is wrong; both are as before then.
        """
        path = self["config"] or self.environ.get(f"{PREFIX}CONFIG") or None
        path = path and os.path.join(self._directory, path)
        said = collect(self._flags, self.environ, path)
        self.said, self.settings = said, to_settings(said)


def _repeatable(option: Option) -> Callable[[Options, str], None]:
    """A method that Twisted calls for each time that `option` is given."""

    def heard(self: Options, text: str) -> None:
        self._repeated.setdefault(option.name, []).append(text)

    heard.__doc__ = f"{option.doc}, repeatable"
    return heard


for _each in OPTIONS:
    if _each.repeatable:
        setattr(Options, f"opt_{_each.name.replace('-', '_')}", _repeatable(_each))
