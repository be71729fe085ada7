"""
Writes docs/reference/ from the tables in the code: `python docs/generate.py`.

Rules: `tests/test_docs.py` compares what this would write with what is there.
"""

from __future__ import annotations

from pathlib import Path

from netd.options.table import OPTIONS
from netd.web.lab.table import ROUTES
from netd.web.parameters import Parameter

REFERENCE = Path(__file__).parent / "reference"

_OPTIONS = """\
# Options

A flag beats the environment, that beats the file named by `--config` (or `NETD_CONFIG`), that beats the default.
A key of the TOML file is the flag's name without dashes in front: `max-delay = "90s"`. Repeatable options are lists there; in the environment spaces separate their texts, and in `NETD_FILES_CACHE` and `NETD_FILES_HEADER`, whose texts may hold spaces, line breaks do.
A duration is `3`, `3s`, `250ms` or `1m30s`; a size is `1024`, `10MB` or `64KiB`; an endpoint is a port number, `tcp:PORT`, `tcp:PORT:interface=ADDRESS` or `tcp6:PORT:interface=\\:\\:1`.
`--print-config` prints every value and where it came from, in a form that `--config` takes; `--check-config` exits 0 or 1.

| flag | environment | default | what |
|---|---|---|---|
"""

_URLS = """\
# URLs

What `/help` of a running daemon says; HEAD is answered wherever GET is, OPTIONS everywhere.

| path | methods | what | parameters |
|---|---|---|---|
"""


def _parameter(each: Parameter) -> str:
    """A parameter with its default and limits."""
    limits = f" ({each.limits})" if each.limits else ""
    return f"`{each.name}`: {each.help}{limits}"


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    options = "".join(
        f"| `--{each.name}` | `{each.variable}` | "
        f"{f'`{each.default}`' if each.default else ''} | "
        f"{each.help}{', repeatable' if each.repeatable else ''} |\n"
        for each in OPTIONS
    )
    urls = "".join(
        f"| `{route.path}` | {', '.join(route.methods) or 'any'} | {route.help} | "
        f"{'; '.join(map(_parameter, route.parameters))} |\n"
        for route in ROUTES
    )
    return {"options.md": _OPTIONS + options, "urls.md": _URLS + urls}


def main() -> None:
    """Write them all."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text)


if __name__ == "__main__":
    main()
