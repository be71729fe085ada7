"""
The TOML file that `--config` names.

Rules: whatever is wrong with the file is one line that begins with its name.
"""

from __future__ import annotations

import difflib
import reprlib
import tomllib
from typing import Any

from twisted.python.usage import UsageError

from netd.options.messages import shown
from netd.options.table import BY_NAME


def read_toml(path: str) -> dict[str, tuple[str, ...]]:
    """The texts that the TOML file `path` gives by option; UsageError names file and fault."""
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
        return {key: _texts(key, value) for key, value in document.items()}
    except OSError as wrong:
        raise UsageError(f"--config {path}: {wrong.strerror}") from None
    except ValueError as wrong:
        raise UsageError(f"--config {path}: {wrong}") from None
    except RecursionError:
        raise UsageError(f"--config {path}: nested too deep") from None


def _texts(key: str, value: Any) -> tuple[str, ...]:
    """What a key of the file says; ValueError when it is none of ours or has no such value."""
    option = BY_NAME.get(key)
    if option is None:
        near = difflib.get_close_matches(key, BY_NAME, 1)
        raise ValueError(
            f"unknown key {shown(key)}" + "".join(f", did you mean {near[0]}?" for _ in near)
        )
    items = value if option.repeatable and isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, bool) or not isinstance(item, (str, int, float)):
            # Shortened: a value may be nested deeper than repr() can follow.
            raise ValueError(f"{key} = {reprlib.repr(item)}: not a string or a number")
    return tuple(str(item) for item in items)
