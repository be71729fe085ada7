"""
The TOML file: what `--config` reads and `--print-config` writes.

Rules: any fault of the file is one line that begins with its name.
"""

from __future__ import annotations

import difflib
import reprlib
import tomllib
from collections.abc import Mapping
from typing import Final

from twisted.python.usage import UsageError

from netd.options.sources import OptionValue
from netd.regular_file import read_file
from netd.settings import BY_NAME
from netd.values import escape_unprintable, quote_unprintable


def read_toml(path: str) -> dict[str, tuple[str, ...]]:
    """The texts of each option in the TOML file `path`; UsageError names file and fault."""
    try:
        document = tomllib.loads(read_file(path).decode())
        return {key: _texts(key, value) for key, value in document.items()}
    except ValueError as error:
        raise UsageError(f"--config {path}: {error}") from None
    except RecursionError:
        raise UsageError(f"--config {path}: nested too deep") from None


def _texts(key: str, value: object) -> tuple[str, ...]:
    """The texts of one key; ValueError when the key is unknown or has no such value."""
    option = BY_NAME.get(key)
    if option is None:
        near = difflib.get_close_matches(key, BY_NAME, 1)
        hint = f", did you mean {near[0]}?" if near else ""
        raise ValueError(f"unknown key {quote_unprintable(key)}{hint}")
    items = value if option.repeatable and isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, bool) or not isinstance(item, (str, int, float)):
            # Shortened: a value may be nested deeper than repr() can follow.
            raise ValueError(f"{key} = {reprlib.repr(item)}: not a string or a number")
    return tuple(str(item) for item in items)


def dump(values: Mapping[str, OptionValue]) -> str:
    """Every option with its effective value and origin, as a file that `--config` takes."""
    lines = []
    for name, value in values.items():
        quoted = [_quoted(text) for text in value.texts]
        toml = f"[{', '.join(quoted)}]" if value.option.repeatable else "".join(quoted)
        origin = escape_unprintable(value.origin)
        lines.append(f"{name} = {toml}  # {origin}\n" if quoted else f"# {name} is not set\n")
    return "".join(lines)


_ESCAPES: Final = str.maketrans({'"': '\\"', "\\": "\\\\"})


def _quoted(text: str) -> str:
    """A TOML basic string; surrogates (bytes that are no text, PEP 383) are escaped too."""
    safe = (c if c.isprintable() else f"\\U{ord(c):08x}" for c in text.translate(_ESCAPES))
    return f'"{"".join(safe)}"'
