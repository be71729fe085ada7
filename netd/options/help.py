"""
What `--help` and `--help-all` print, and the options that are no settings.

Rules: pure.
"""

from __future__ import annotations

import textwrap
from functools import partial
from typing import Final

from netd.setting_types import DURATION, FILE, FLAG, Group, Option, choice
from netd.settings import OPTIONS

SHELLS: Final = choice("bash", "zsh", "fish")

_action: Final = partial(Option, default="", group=Group.OPERATIONS)
ACTIONS: Final = (
    _action(
        "config", FILE, help="TOML file of options, also named by NETD_CONFIG.", common=True
    ),
    _action("print-config", FLAG, help="Print every value and its origin, and exit."),
    _action(
        "check-config",
        FLAG,
        help="Exit 0 if the daemon could be built, 1 if not; addresses are not tried.",
    ),
    _action("healthcheck", FLAG, help="Request /healthz, or a URL; exit 0 if it is well."),
    _action("ca", FILE, help="PEM file of the authorities that --healthcheck trusts."),
    _action("wait", DURATION, help="Time that --healthcheck may try again until all is well."),
    _action("completion", SHELLS, help="Print completions for a shell, and exit."),
    _action("version", FLAG, help="Print the version of netd, and exit."),
    _action("help", FLAG, help="Print the most common options, and exit."),
    _action("help-all", FLAG, help="Print all options, and exit."),
)
"""What the command line takes beside settings; neither variable nor key has these names."""
ALL: Final = (*OPTIONS, *ACTIONS)

_WIDTH: Final = 80
_COLUMN: Final = 29
"""Where the texts begin; a longer flag has a line of its own."""
_USAGE: Final = """\
Usage: netd [options]
       twistd -n netd [options]
Example: netd --port 8080 --delay 500ms --files .

netd is a network workbench daemon: HTTP, XML-RPC, TCP and UDP on one reactor.
Each option is also an environment variable (--max-delay: NETD_MAX_DELAY) and a
key of the --config file (max-delay). A DURATION is 3, 250ms or 1m30s, a SIZE
10MB or 64KiB, an ENDPOINT 8080 or tcp:8080:interface=10.0.0.1.
"""


def usage(everything: bool) -> str:
    """The help page with the most common options, or with all."""
    page = [_USAGE]
    for group in Group:
        options = [each for each in ALL if each.group == group and (everything or each.common)]
        page.append(f"\n{group}:\n")
        page += map(_entry, options)
    if not everything:
        page.append(f"\nnetd --help-all lists all {len(ALL)} options.\n")
    return "".join(page)


def _entry(option: Option) -> str:
    flag = f"  {option.flags}"
    margin = " " * _COLUMN
    text = option.doc.replace("default: ", "default:\xa0")
    lines = textwrap.wrap(text, _WIDTH - _COLUMN, break_on_hyphens=False)
    if len(flag) + 2 <= _COLUMN:
        lines[0] = flag.ljust(_COLUMN) + lines[0]
    else:
        lines[0] = f"{flag}\n{margin}{lines[0]}"
    return f"\n{margin}".join(lines).replace("\xa0", " ") + "\n"
