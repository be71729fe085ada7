"""
The TOML file: what `--config` reads and `--print-config` writes.

Rules: any fault of the file is one line that begins with its name.
"""

from __future__ import annotations

import reprlib
import tomllib
from collections.abc import Mapping
from typing import Final

from twisted.python.usage import UsageError

from netd.options.help import ACTIONS
from netd.options.sources import OptionValue, not_an_option
from netd.regular_file import read_file
from netd.setting_types import SWITCH
from netd.settings import BY_NAME
from netd.values import escape_unprintable, quote_unprintable

_NOT_IN_FILES: Final = {action.name for action in ACTIONS}


def read_toml(path: str) -> dict[str, tuple[str, ...]]:
    """The texts of each option in the TOML file `path`; UsageError names file and fault."""
    try:
        document = tomllib.loads(read_file(path).decode())
        return {key: _texts(key, value, path) for key, value in document.items()}
    except ValueError as error:
        raise UsageError(f"--config {path}: {error}") from None
    except RecursionError:
        raise UsageError(f"--config {path}: nested too deep") from None


def _texts(key: str, value: object, path: str) -> tuple[str, ...]:
    """The texts of one key; ValueError for an unknown key, UsageError for another type."""
    option = BY_NAME.get(key)
    if option is None:
        raise ValueError(_unknown(key, value))
    texts = []
    for item in value if option.repeatable and isinstance(value, list) else [value]:
        if isinstance(item, bool):
            text, fits = str(item).lower(), option.type is SWITCH
        else:
            # Shortened: a value may be nested deeper than repr() can follow.
            fits = isinstance(item, (str, int, float))
            text = str(item) if fits else reprlib.repr(item)
        if not fits:
            expected = "true, false, a string" if option.type is SWITCH else "a string"
            raise OptionValue(option, (), path).error(text, f"not {expected} or a number")
        texts.append(text)
    return tuple(texts)


def _unknown(key: str, value: object) -> str:
    """The message for a key that is not an option, with a hint how the option is written."""
    if key in _NOT_IN_FILES:
        return f"{key}: not an option of a file; --{key} stands on the command line"
    close = key.removeprefix("NETD_").lstrip("-").lower().replace("_", "-")
    if isinstance(value, dict) and close not in BY_NAME:
        return f"[{quote_unprintable(key)}]: not an option; options stand in no table"
    return not_an_option(key, close, BY_NAME)


def dump(values: Mapping[str, OptionValue]) -> str:
    """
    Every option with its effective value and origin, as a file that `--config` takes.

    Passwords of URLs are masked.
    """
    lines = []
    for name, value in values.items():
        quoted = [_quoted(value.option.type.shown(text)) for text in value.texts]
        toml = f"[{', '.join(quoted)}]" if value.option.repeatable else "".join(quoted)
        origin = escape_unprintable(value.origin)
        lines.append(f"{name} = {toml}  # {origin}\n" if quoted else f"# {name} is not set\n")
    return "".join(lines)


_ESCAPES: Final = str.maketrans({'"': '\\"', "\\": "\\\\"})


def _quoted(text: str) -> str:
    """A TOML basic string; surrogates (bytes that are no text, PEP 383) are escaped too."""
    safe = (c if c.isprintable() else f"\\U{ord(c):08x}" for c in text.translate(_ESCAPES))
    return f'"{"".join(safe)}"'
