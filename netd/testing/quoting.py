"""
The texts of the lab's parameters, and their place in a URL.

Rules: the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias
from urllib.parse import quote, urlencode

Value: TypeAlias = str | int | float | timedelta
"""The value of a parameter: True is `yes`, a number a number, durations are in seconds."""
Values: TypeAlias = Value | Sequence[str] | Mapping[str, str]
"""One value, those of a parameter that repeats, or names and values of a header."""


def text(value: Value) -> str:
    """The text of a value, which the lab understands; TypeError for any other object."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, float):
        # Without an exponent, which no duration has; to the microsecond.
        return f"{value:.6f}".rstrip("0").rstrip(".")
    if isinstance(value, str | int):
        return str(value)
    raise TypeError(f"{value!r}: not a str, an int, a float or a timedelta")


def _each(values: Values) -> Iterable[Value]:
    """The values of a parameter, one after the other."""
    if isinstance(values, Mapping):
        return [f"{name}: {value}" for name, value in values.items()]
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        return values
    return [values]


def target(*segments: Value, **parameters: Values | None) -> str:
    """
    The path of these segments with the query of these parameters, percent-encoded.

    Slashes within a segment are encoded too; a parameter that is None is left out.
    """
    path = "".join(f"/{quote(text(each), safe='')}" for each in segments)
    pairs = [
        (name, text(each))
        for name, values in parameters.items()
        if values is not None
        for each in _each(values)
    ]
    return f"{path}?{urlencode(pairs, quote_via=quote)}" if pairs else path
