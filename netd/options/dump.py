"""
What `--print-config` writes.

Rules: what is written is a file that `--config` takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from netd.options.messages import one_line
from netd.options.sources import OptionValue


def dump(said: Mapping[str, OptionValue]) -> str:
    """Every option with its effective value and origin, as a file that --config would take."""
    lines = []
    for name, each in said.items():
        quoted = [_quoted(text) for text in each.texts]
        value = f"[{', '.join(quoted)}]" if each.option.repeatable else "".join(quoted[-1:])
        line = f"{name} = {value}" if each.texts else f"# {name} is not set"
        lines.append(f"{line}  # {one_line(each.origin)}\n" if each.texts else f"{line}\n")
    return "".join(lines)


def _quoted(text: str) -> str:
    """A TOML basic string."""
    return '"' + "".join(_ESCAPED.get(each) or _escaped(each) for each in text) + '"'


_ESCAPED: Final = {'"': '\\"', "\\": "\\\\"}


def _escaped(character: str) -> str:
    # What stands for bytes that are no text (PEP 383) has no TOML form; it is shown alike.
    return character if character.isprintable() else f"\\U{ord(character):08x}"
