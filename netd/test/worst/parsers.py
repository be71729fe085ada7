"""
Every function of netd's pure modules that takes text, ready to be fed with any text.

Rules: finds them by itself.  `GIVEN` has what a function needs and no default is right for.
"""

from __future__ import annotations

import gzip
import inspect
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import GeneratorType, ModuleType
from typing import Any, Final, TypeAlias

from netd.http.conditional import Validators
from netd.test.lab.calls import make_call
from netd.test.test_layers import PACKAGE, pure, read
from netd.test.worst.patterns import modules

Parser: TypeAlias = Callable[[str], object]
"""Reads a text of which each character is a byte; it may raise anything."""

_FIELDS: Final = ("if-match", "if-none-match", "if-modified-since", "if-range")
_FIRST: Final[Mapping[str, Callable[[str], object]]] = {
    "str": str,
    "bytes": lambda text: text.encode("latin-1"),
    "Iterable[bytes]": lambda text: [text.encode("latin-1")],
    "Fields": lambda text: {name.encode(): (text.encode("latin-1"),) for name in _FIELDS},
    "Headers": lambda text: (("Cookie", text),),
}
"""The first arguments that text can be, and how it becomes one."""
_OTHERS: Final[Mapping[str, object]] = {
    # Beyond all limits.
    "int": 1 << 30,
    "int | None": None,
    "float": 0.0,
    "bool": False,
    "str": "a",
    "str | None": None,
    "bytes": b"a",
    "Validators": Validators(b'"a"', 0),
    "Iterable[bytes]": (b"gzip",),
    "Sequence[bytes]": (b"text/html", b"image/png"),
    "Call": make_call("GET /get"),
}
OPERATOR: Final = frozenset({"setting_types", "settings"})
"""Modules that read what the operator writes only."""
_BY_REQUESTS: Final = frozenset({"netd.static.headers.select"})
"""Functions whose arguments only a request has; those for files feed them."""
GIVEN: Final[Mapping[str, Mapping[str, object]]] = {
    "netd.addresses.foreign_name": {"names": ("localhost",)},
    "netd.lab.near_miss.near_miss": {"known": ("delay", "body_delay")},
    "netd.static.paths.resolve": {"depth": 1 << 30},
    "netd.values.integer": {"least": 0},
    "netd.xmlrpc.codec.call_body": {"parameters": ()},
    "netd.xmlrpc.content_coding.decompressed": {"coding": "gzip"},
}
"""Arguments by the name of the function."""
_ENCODED: Final[Mapping[str, Callable[[str], object]]] = {
    "netd.xmlrpc.content_coding.decompressed": lambda text: gzip.compress(
        text.encode("latin-1")
    )
}
"""Functions for which text is too far from what they read."""


def parsers() -> dict[str, Parser]:
    """The parsers by their names, such as `netd.http.ranges.parse`."""
    rooms = pure(read(PACKAGE)) - OPERATOR
    names = {f"netd.{name}" for name in rooms}
    return {
        name: parser
        for module in modules()
        if module.__name__ in names
        for name, parser in _of_module(module)
    }


def _of_module(module: ModuleType) -> Iterator[tuple[str, Parser]]:
    for name, value in vars(module).items():
        full = f"{module.__name__}.{name}"
        if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
            continue
        if inspect.isfunction(value):
            first = _first(value)
            if first is not None and full not in _BY_REQUESTS:
                yield full, _parser(full, value, first)
        elif inspect.isclass(value):
            yield from _of_class(full, value)


def _of_class(full: str, value: Any) -> Iterator[tuple[str, Parser]]:
    """The class method `parse`, and `feed` of a new instance each time."""
    if inspect.ismethod(getattr(value, "parse", None)):
        yield f"{full}.parse", _parser(f"{full}.parse", value.parse, str)
    if hasattr(value, "feed"):
        others = _arguments(full, list(inspect.signature(value).parameters.values()))
        yield f"{full}.feed", lambda text: value(*others).feed(text.encode("latin-1"))


def _first(function: Callable[..., object]) -> Callable[[str], object] | None:
    """How text becomes the first argument of `function`; None where it cannot."""
    parameters = list(inspect.signature(function).parameters.values())
    return _FIRST.get(str(parameters[0].annotation)) if parameters else None


def _parser(
    full: str, function: Callable[..., object], first: Callable[[str], object]
) -> Parser:
    first = _ENCODED.get(full, first)
    others = _arguments(full, list(inspect.signature(function).parameters.values())[1:])

    def parse(text: str) -> None:
        result = function(first(text), *others)
        if isinstance(result, GeneratorType):
            deque(result, 0)

    return parse


def _arguments(full: str, parameters: list[inspect.Parameter]) -> list[object]:
    """What comes after the text; LookupError where it is neither given nor of a known type."""
    given = GIVEN.get(full, {})
    arguments = []
    for each in parameters:
        kind = str(each.annotation)
        if each.name in given:
            arguments.append(given[each.name])
        elif each.default is not each.empty:
            arguments.append(each.default)
        elif kind in _OTHERS:
            arguments.append(_OTHERS[kind])
        else:
            raise LookupError(f"{full}: GIVEN lacks {each.name}: {kind}")
    return arguments
