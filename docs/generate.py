"""
Writes docs/reference/, contrib/netd.toml, the table of coming-from-httpbin.md and the URL
builders of netd.testing from the code.

Rules: `python docs/generate.py` writes; `tests/test_docs.py` compares the files with the
output of this module.
"""

from __future__ import annotations

import json
from pathlib import Path

from twisted.internet.task import Clock

from netd.counters import Counters
from netd.http.errors import REQUEST_ERRORS
from netd.lab.document import themes
from netd.lab.parameters import Parameter
from netd.lab.table import ROUTES
from netd.ops.logging.journal import field_name
from netd.ops.logging.log_fields import FIELDS
from netd.options.help import ALL
from netd.setting_types import SWITCH, Group, Option
from netd.settings import OPTIONS
from netd.test.differences.table import markdown
from netd.test.testing.url_builders import module
from netd.workers.messages import Snapshot
from netd.workers.metrics import GroupCollector
from netd.xmlrpc import service
from netd.xmlrpc.page import declarations, groups
from netd.xmlrpc.registry import Procedure

REFERENCE = Path(__file__).parent / "reference"
COMING = Path(__file__).parent / "coming-from-httpbin.md"
BUILDERS = Path(__file__).parent.parent / "netd" / "testing" / "lab_urls.py"
KEYS = Path(__file__).parent.parent / "contrib" / "netd.toml"

_OPTIONS = """\
# Options

- A flag beats the environment, that beats the file named by `--config` (or `NETD_CONFIG`), that beats the default.
- A key of the TOML file is the flag's name without dashes in front: `max-delay = "90s"`. [contrib/netd.toml](../../contrib/netd.toml) has every key.
- Repeatable options are lists in the file. In the environment spaces separate their texts, and in `NETD_FILES_CACHE` and `NETD_FILES_HEADER`, whose texts may hold spaces, line breaks do.
- A switch is `yes` or `no`, and in the file `true` or `false` too.
- A key or a variable `NETD_*` that is no option stops the start, except variables `NETD_ENV_*` and `NETD_TEST_*`.
- A duration is `3`, `3s`, `250ms` or `1m30s`; a size is `1024`, `10MB` or `64KiB`; an endpoint is a port number, `tcp:PORT`, `tcp:PORT:interface=ADDRESS` or `tcp6:PORT:interface=\\:\\:1`.
- `--print-config` prints every value and where it came from, in a form that `--config` takes. `--check-config` exits 0 or 1, and tries no address.
- The column "changes on" says whether a reload (SIGHUP) changes the option, or only a restart.
"""

_GROUP = """
## {}

| flag | what | default | changes on | environment |
|---|---|---|---|---|
"""

_URLS = """\
# URLs

What `/help` of a running daemon says. HEAD works wherever GET does, OPTIONS everywhere. The parameters stand in the query, but for those of the path: `<name>` is a segment, `<path:name>` the rest.
"""

_FEW = 5
"""As many parameters are not repeated for each URL that takes the same."""

_METHODS = """\
# XML-RPC methods

What `system.listMethods`, `system.methodSignature` and `system.methodHelp` of a running daemon say, for the methods that netd has without `--rpc`. [XML-RPC](../rpc.md) says how they are called.
"""

_PREFIX = """
## {}

| method | signatures | what |
|---|---|---|
"""

_METRICS = """\
# Metrics

What `/metrics` of a running daemon says. Metrics of the queue have values with `--rpc-queue`, those of workers with `--workers`. `process_*` are the resources of the process, as in every client of Prometheus. [Prometheus](../prometheus.md) says how they are read.

| metric | type | what |
|---|---|---|
"""

_LOG_FIELDS = """\
# Log fields

The members of a line with `--log json`, and the fields of an entry with `--log journal`. What is not known is left out. [Logs](../operations.md#logs) says where the log goes.

| JSON | journal | what |
|---|---|---|
"""

_REFUSALS = """\
# Refusals

Why the HTTP server refuses a request before anything else reads it. The reason stands in `netd_refusals_total{reason}` and in the field `refusal` of the log; the text is the body of the response.

| reason | status | text |
|---|---|---|
"""

_MAN = r""".\" Written by docs/generate.py; change that.
.TH NETD 1 2026-11-22 netd "User Commands"
.SH NAME
netd \- a network workbench daemon: HTTP, XML-RPC, TCP and UDP on one reactor
.SH SYNOPSIS
.B netd
.RI [ options ]
.br
.B netd \-\-healthcheck
.RI [ URL ]
.br
.B twistd \-n netd
.RI [ options ]
.SH DESCRIPTION
.B netd
answers with exactly the delay, the bytes and the fault that was asked for.
On port 8000 of the loopback it serves HTTP, with a delayed echo at /, files
at /files/, XML-RPC at /RPC2 and everything else that /help lists, and echoes
UDP datagrams.
.PP
A flag beats the environment, that beats the file of
.BR \-\-config ,
that beats the default.
The environment variable of
.B \-\-max\-delay
is NETD_MAX_DELAY.
A duration is 3, 3s, 250ms or 1m30s; a size is 1024, 10MB or 64KiB; an endpoint
is a port number, tcp:PORT or tcp:PORT:interface=ADDRESS.
.SH OPTIONS
"""

_MAN_END = r""".SH SIGNALS
.TP
.B SIGTERM, SIGINT
finish what is in flight, within
.BR \-\-grace ,
and end; a second one does not wait
.TP
.B SIGHUP
read the configuration and the certificates again, if all of it is good
.TP
.B SIGUSR1
open logs anew, after a rotation
.TP
.B SIGUSR2
write the state of the daemon into its log
.SH EXIT STATUS
0 after a stop; 1 when the command line is wrong, a port is taken, or
.B \-\-healthcheck
or
.B \-\-check\-config
found something wrong.
.SH SEE ALSO
.BR twistd (1),
.BR systemd.socket (5),
.BR curl (1)
"""


def _roff(text: str) -> str:
    """`text` as roff shows it to the letter."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")


def _entry(option: Option) -> str:
    """An option in the manual page."""
    name, value = _roff(f"--{option.name}"), _roff(option.type.placeholder)
    if option.short:
        name = f'"{_roff(f"-{option.short}")}, {name}"'
    flag = f'.BI {name} " {value}"' if value else f".B {name}"
    return f".TP\n{flag}\n{_roff(option.doc)}\n"


def man() -> str:
    """The manual page."""
    groups = (
        f".SS {group}\n{''.join(_entry(each) for each in ALL if each.group == group)}"
        for group in Group
    )
    return f"{_MAN}{''.join(groups)}{_MAN_END}"


def _row(option: Option) -> str:
    """An option in the table of its group."""
    flag = option.flags.replace("|", "\\|")
    variable = f"`{option.variable}`" if option in OPTIONS else ""
    default = f"`{option.default}`" if option.default else ""
    changes = ("restart" if option.restart else "reload") if option in OPTIONS else ""
    repeatable = " Repeatable." if option.repeatable else ""
    return f"| `{flag}` | {option.help}{repeatable} | {default} | {changes} | {variable} |\n"


def options() -> str:
    """The page of all options."""
    tables = (
        _GROUP.format(group) + "".join(_row(each) for each in ALL if each.group == group)
        for group in Group
    )
    return _OPTIONS + "".join(tables)


_TOML = """\
# Every key of netd's configuration file, commented out, with its default; written by
# docs/generate.py.  Copy it, remove the # before what is to differ, and start netd with
# --config FILE, or with NETD_CONFIG=FILE.  A flag and a variable beat the file.
"""


def _key(option: Option) -> str:
    """A key in the commented file; without a default, with what stands for its text."""
    placeholder = (option.type.placeholder,) if option.type.placeholder else ()
    texts = [_value(option, each) for each in option.split(option.default) or placeholder]
    value = f"[{', '.join(texts)}]" if option.repeatable else texts[-1]
    changes = " A restart changes it." if option.restart else ""
    return f"\n# {option.help}{changes}\n#{option.name} = {value}\n"


def _value(option: Option, text: str) -> str:
    """A text as TOML has it: a switch as a boolean, a number as a number."""
    if option.type is SWITCH:
        return "true" if option.type.parse(text) else "false"
    return text if text.isdigit() else json.dumps(text)


def toml() -> str:
    """The configuration file that contrib/ offers."""
    groups = (
        f"\n\n# {group}\n" + "".join(_key(each) for each in OPTIONS if each.group == group)
        for group in Group
    )
    return _TOML + "".join(groups)


def _parameter(each: Parameter) -> str:
    """A parameter with its default and limits."""
    limits = f" ({each.limits})" if each.limits else ""
    return f"- `{each.name}`: {each.help}{limits}\n"


def urls() -> str:
    """The page of all URLs, by theme."""
    described: dict[tuple[Parameter, ...], str] = {}
    page = _URLS
    for theme in themes(ROUTES):
        page += f"\n## {theme}\n"
        for route in (each for each in ROUTES if each.theme == theme):
            methods = ", ".join(route.methods) or "Any method"
            page += f"\n### `{route.path}`\n\n{methods}: {route.help}.\n"
            if not route.parameters:
                continue
            first = described.setdefault(route.parameters, route.path)
            if first == route.path or len(route.parameters) < _FEW:
                page += "\n" + "".join(map(_parameter, route.parameters))
            else:
                page += f"\nIt takes the parameters of `{first}`.\n"
    return page


def _method(method: Procedure) -> str:
    """A method in the table of its prefix."""
    signatures = "<br>".join(f"`{line}`" for line in declarations(method))
    return f"| `{method.name}` | {signatures} | {' '.join(method.help.split())} |\n"


def methods() -> str:
    """The page of all XML-RPC methods."""
    tables = (
        _PREFIX.format(group.title) + "".join(map(_method, group.methods))
        for group in groups(service.build(Clock()).registry)
    )
    return _METHODS + "".join(tables)


def metrics() -> str:
    """The page of all metrics."""
    nothing = Snapshot(Counters(), {}, {}, 0, 0, {})
    rows = []
    for metric in GroupCollector(nothing, (), 0, lambda pid: {}).collect():
        name = metric.name + {"counter": "_total", "info": "_info"}.get(metric.type, "")
        labels = metric._labelnames or (metric.samples[0].labels if metric.samples else ())
        labels = () if metric.type == "histogram" else tuple(labels)
        shown = f"{name}{{{','.join(labels)}}}" if labels else name
        rows.append(f"| `{shown}` | {metric.type} | {metric.documentation} |\n")
    return _METRICS + "".join(sorted(rows))


def log_fields() -> str:
    """The page of the fields of a log entry."""
    own = {"time": "", "level": "`PRIORITY`"}
    rows = (
        f"| `{name}` | {own.get(name, f'`{field_name(name)}`')} | {text} |\n"
        for name, text in FIELDS.items()
    )
    return _LOG_FIELDS + "".join(rows)


def refusals() -> str:
    """The page of the refusals of the HTTP server."""
    rows = (
        f"| `{key}` | {status} | {text} |\n" for key, (status, text) in REQUEST_ERRORS.items()
    )
    return _REFUSALS + "".join(rows)


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    return {
        "options.md": options(),
        "urls.md": urls(),
        "methods.md": methods(),
        "metrics.md": metrics(),
        "log-fields.md": log_fields(),
        "refusals.md": refusals(),
        "netd.1": man(),
    }


def coming() -> str:
    """The page for users of httpbin, which ends with the table."""
    return COMING.read_text().partition("| where ")[0] + markdown()


def main() -> None:
    """Write every page."""
    COMING.write_text(coming())
    BUILDERS.write_text(module())
    KEYS.write_text(toml())
    for name, text in pages().items():
        (REFERENCE / name).write_text(text)


if __name__ == "__main__":
    main()
