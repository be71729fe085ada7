"""
What an endpoint can be asked: names, kinds, defaults and limits, as data.

Rules: pure.  A parameter turns a text into its value or raises ValueError; it
does not know where the text came from.  /help, the reference and the OpenAPI
document print what stands here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from attrs import Attribute, field, frozen

from netd.values import Duration, Size, delay, integer, switch

_NUMBER: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12}", re.ASCII)


def _number(text: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("not a number such as 0.5")
    return float(text)


_DURATION: Final = r"([0-9]+(\.[0-9]*)?(d|h|ms|m|s|us)?)+"
_DISTRIBUTION: Final = rf"(uniform|normal|lognormal|exponential):{_DURATION}([-,]{_DURATION})?"


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _integer(text: str) -> int:
    return integer(text, 0, 10**18)


def _seconds(text: str) -> float:
    return Duration.parse(text).seconds


def _count(text: str) -> int:
    return Size.parse(text).count


_KINDS: Final[dict[str, tuple[Callable[[str], Any], dict[str, Any]]]] = {
    "integer": (_integer, {"type": "integer"}),
    "number": (_number, {"type": "number"}),
    "duration": (_seconds, {"type": "string", "pattern": f"^{_DURATION}$"}),
    "size": (_count, {"type": "string", "pattern": r"^[0-9]+([kKMGT]?i?B)?$"}),
    "delay": (delay, {"type": "string", "pattern": f"^({_DURATION}|{_DISTRIBUTION})$"}),
    "switch": (switch, {"type": "string", "enum": ["yes", "no"]}),
    "text": (str, {"type": "string"}),
}
"""How each kind is read, and how JSON Schema describes it."""


@frozen
class Parameter:
    """One thing that can be asked of an endpoint."""

    name: str
    kind: str = field()
    help: str
    default: str | None = None
    """What is meant when nothing is said; None: nothing, or it has to be said."""
    least: float | None = None
    most: float | None = None
    """In seconds, bytes or as it is; what is longer than --max-delay is refused as well."""
    clamps: bool = False
    """What is beyond the limits means the limit, as httpbin has it; else it is refused."""
    required: bool = False
    repeats: bool = False
    choices: tuple[str, ...] = ()

    @kind.validator
    def _known(self, _: Attribute[str], kind: str) -> None:
        if kind not in _KINDS:
            raise ValueError(f"no kind of parameter is called {kind}")

    def parse(self, text: str) -> Any:
        """The value of `text` within the limits; ValueError says what is wrong."""
        value = _KINDS[self.kind][0](text)
        if self.choices and value not in self.choices:
            raise ValueError(f"not one of {', '.join(self.choices)}")
        if self.least is not None and value < self.least:
            if not self.clamps:
                raise ValueError(f"less than {_plain(self.least)}")
            return type(value)(self.least)
        if self.most is not None and value > self.most:
            if not self.clamps:
                raise ValueError(f"more than {_plain(self.most)}")
            return type(value)(self.most)
        return value

    @property
    def schema(self) -> dict[str, Any]:
        """The values in the words of JSON Schema."""
        said = dict(_KINDS[self.kind][1])
        if self.choices:
            said["enum"] = list(self.choices)
        if said["type"] in ("integer", "number"):
            said["minimum"] = self.least or 0
            if self.most is not None and not self.clamps:
                said["maximum"] = self.most
        if self.default is not None:
            read = {"integer": int, "number": float}.get(said["type"], str)
            said["default"] = read(self.default)
        return {"type": "array", "items": said} if self.repeats else said

    @property
    def limits(self) -> str:
        """The default and the limits in words, for the help."""
        said = [] if self.default is None else [f"default {self.default}"]
        if self.least:
            said.append(f"at least {_plain(self.least)}")
        if self.most is not None:
            said.append(f"at most {_plain(self.most)}")
        if self.choices:
            said.append(", ".join(self.choices))
        return "; ".join(said)
