"""
The texts of the lab's parameters, and their place in a URL.

Rules: the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from urllib.parse import quote, urlencode

Value: TypeAlias = str | int | float
"""The value of a parameter: True is `yes`, a number a number, durations are in seconds."""
Values: TypeAlias = Value | Sequence[str]
"""One value, or those of a parameter that repeats."""


def text(value: Value) -> str:
    """The text of a value, which the lab understands."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        # Without an exponent, which no duration has; to the microsecond.
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return str(value)


def path_of(*segments: Value) -> str:
    """A path of these segments, percent-encoded, slashes within them too."""
    return "".join(f"/{quote(text(each), safe='')}" for each in segments)


def query_of(parameters: Mapping[str, Values | None]) -> str:
    """The query with these parameters, without those that are None; empty without any."""
    pairs = [
        (name, text(each))
        for name, values in parameters.items()
        if values is not None
        for each in ([values] if isinstance(values, str | int | float) else values)
    ]
    return f"?{urlencode(pairs, quote_via=quote)}" if pairs else ""
