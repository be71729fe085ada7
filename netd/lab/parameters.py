"""
The parameters of endpoints as data: names, kinds, defaults and limits.

Rules: pure.  A parameter turns a text into a value or raises ValueError, and
does not know where the text came from.  /help, the reference and the OpenAPI
document are made from these.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias

from attrs import Attribute, field, frozen

from netd.values import Distribution, Duration, Size, integer, switch

Schema: TypeAlias = dict[str, object]
"""A schema in the vocabulary of JSON Schema."""

_NUMBER: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12}", re.ASCII)
_DURATION: Final = r"([0-9]+(\.[0-9]*)?(d|h|ms|m|s|us)?)+"
_SIZE: Final = r"^[0-9]+([kKMGT]?i?B)?$"
_DISTRIBUTION: Final = rf"(uniform|normal|lognormal|exponential):{_DURATION}([-,]{_DURATION})?"


def _number(text: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("not a number such as 0.5")
    return float(text)


@lru_cache(maxsize=256)
def _seconds(text: str) -> float:
    # Defaults are parsed for every request.
    return Duration.parse(text).seconds


def _delay(text: str) -> float | Distribution:
    return Distribution.parse(text) if ":" in text else _seconds(text)


_KINDS: Final[dict[str, tuple[Callable[[str], object], Schema]]] = {
    "integer": (lambda text: integer(text, 0, 10**18), {"type": "integer"}),
    "number": (_number, {"type": "number"}),
    "duration": (_seconds, {"type": "string", "pattern": f"^{_DURATION}$"}),
    "size": (lambda text: Size.parse(text).count, {"type": "string", "pattern": _SIZE}),
    "delay": (_delay, {"type": "string", "pattern": f"^({_DURATION}|{_DISTRIBUTION})$"}),
    "switch": (switch, {"type": "string", "enum": ["yes", "no"]}),
    "text": (str, {"type": "string"}),
}
"""The parser and the JSON Schema of each kind; durations are in seconds, sizes in bytes."""


@frozen
class Parameter:
    """One parameter of an endpoint."""

    name: str
    kind: str = field()
    help: str
    default: str | None = None
    """The text that stands in for a missing one."""
    least: float | None = None
    most: float | None = None
    """In seconds, in bytes, or as a number; --max-delay limits durations further."""
    clamps: bool = False
    """Whether a value above `most` becomes that, as in httpbin, or is refused."""
    required: bool = False
    repeats: bool = False
    choices: tuple[str, ...] = ()
    clamps_least: bool = False
    """Whether a value below `least` becomes that, as in httpbin, or is refused."""

    @kind.validator
    def _known(self, _: Attribute[str], kind: str) -> None:
        if kind not in _KINDS:
            raise ValueError(f"no kind of parameter is called {kind}")

    def parse(self, text: str) -> object:
        """The value of `text`, perhaps beyond the limits; ValueError says what is wrong."""
        value: object = _KINDS[self.kind][0](text)
        if self.choices and value not in self.choices:
            raise ValueError(f"not one of {', '.join(self.choices)}")
        return value

    def limited(self, value: Any) -> object:
        """`value` within the limits; ValueError when it is beyond one and none is clamped."""
        if self.least is not None and value < self.least:
            return self._clamp(value, self.least, "less", self.clamps_least)
        if self.most is not None and value > self.most:
            return self._clamp(value, self.most, "more", self.clamps)
        return value

    def _clamp(self, value: float, limit: float, relation: str, clamps: bool) -> float:
        if not clamps:
            raise ValueError(f"{relation} than {limit:.15g}")
        return type(value)(limit)

    @property
    def schema(self) -> Schema:
        """The values in the vocabulary of JSON Schema."""
        schema = dict(_KINDS[self.kind][1])
        numeric = schema["type"] in ("integer", "number")
        if self.choices:
            schema["enum"] = list(self.choices)
        if numeric:
            schema["minimum"] = self.least or 0
            if self.most is not None and not self.clamps:
                schema["maximum"] = self.most
        if self.default is not None:
            schema["default"] = _KINDS[self.kind][0](self.default) if numeric else self.default
        return {"type": "array", "items": schema} if self.repeats else schema

    @property
    def in_brackets(self) -> str:
        """The `limits`, to follow the help."""
        return f" ({self.limits})" if self.limits else ""

    @property
    def limits(self) -> str:
        """The default and the limits in words, for the help."""
        words = [] if self.default is None else [f"default {self.default}"]
        if self.least:
            words.append(f"at least {self.least:.15g}")
        if self.most is not None:
            words.append(f"at most {self.most:.15g}")
        if self.choices:
            words.append(", ".join(self.choices))
        return "; ".join(words)
