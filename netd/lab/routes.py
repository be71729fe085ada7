"""
Routes, and the table that finds the route of a path.

Rules: pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from attrs import Factory, field, frozen

from netd.lab.call import BadCall, Call, Reply
from netd.lab.near_miss import near_miss
from netd.lab.parameters import Parameter

Endpoint: TypeAlias = Callable[[Call], Reply]

ANY: Final = ()
"""The methods of a route that takes every method, unregistered ones too."""

_REST: Final = "<path:"
_MOST_HINTS: Final = 3


def elsewhere(call: Call) -> Reply:
    """404: the site has a resource of its own at this path, in front of the router."""
    raise BadCall("nothing is here; /help lists what is", 404)


@frozen
class Route:
    """
    One line of the table: a path, its endpoint, and a description of both.

    A `<name>` segment of `path` matches any one segment that is not empty; a
    `<path:name>` at its end matches the rest, slashes included.
    """

    path: str
    endpoint: Endpoint
    help: str
    methods: tuple[str, ...] = ("GET",)
    parameters: tuple[Parameter, ...] = ()
    cors: bool = True
    """Whether scripts of any origin may read the response, as with httpbin."""
    composable: bool = False
    """Whether parameters may come in X-Netd- headers too."""
    prompt: bool = False
    """Whether X-Netd-Delay is ignored."""
    costly: bool = False
    """Whether a small request can take more than a millisecond."""
    body: str = "text/plain"
    """The media type of a request body, for the OpenAPI document."""
    theme: str = ""
    """The heading under which people find it."""
    example: str = field(default=Factory(lambda self: self.path, True), kw_only=True)
    """A path and query to try it with; the path itself where that has no `<name>`."""
    segments: tuple[str, ...] = field(
        init=False, default=Factory(lambda self: tuple(self.path[1:].split("/")), True)
    )
    by_name: Mapping[str, Parameter] = field(
        init=False, default=Factory(lambda self: {p.name: p for p in self.parameters}, True)
    )
    """The parameters by their names."""
    delayable: bool = field(
        init=False,
        default=Factory(
            lambda self: (
                not (
                    self.prompt
                    or self.composable
                    or any(p.kind in ("delay", "duration") for p in self.parameters)
                )
            ),
            True,
        ),
    )
    """Whether X-Netd-Delay delays the response: the route has no time of its own."""

    def takes(self, method: str) -> bool:
        """Whether the endpoint takes `method`; it takes HEAD where it takes GET."""
        methods = self.methods
        return not methods or method in methods or (method == "HEAD" and "GET" in methods)

    @property
    def allow(self) -> str:
        """The value of an Allow header (RFC 9110 10.2.1)."""
        head = ("HEAD",) if "GET" in self.methods else ()
        return ", ".join(sorted({*self.methods, *head, "OPTIONS"}))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the path's `<name>` segments."""
        names = [part[1:-1] for part in self.segments if part.startswith("<")]
        return tuple(name.removeprefix("path:") for name in names)

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The values of the `<name>` segments; None when decoded `segments` do not match."""
        values = {}
        for index, pattern in enumerate(self.segments):
            if pattern.startswith(_REST):
                values[pattern[len(_REST) : -1]] = "/".join(segments[index:])
                return values if index < len(segments) else None
            if index == len(segments):
                return None
            if pattern.startswith("<"):
                if not segments[index]:
                    return None
                values[pattern[1:-1]] = segments[index]
            elif pattern != segments[index]:
                return None
        return values if len(segments) == len(self.segments) else None


_NO_VALUES: Final[Mapping[str, str]] = MappingProxyType({})


class Table:
    """Finds the first route that matches a path, most of them by one look-up."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._literal: dict[bytes, Route] = {}
        self._by_first: dict[str, list[Route]] = {}
        for route in routes:
            if "<" not in route.path:
                self._literal.setdefault(route.path.encode(), route)
            self._by_first.setdefault(route.segments[0], []).append(route)

    def find(self, path: bytes) -> tuple[Route, Mapping[str, str]]:
        """The route of a `path` as received, and the values of its `<name>` segments."""
        literal = self._literal.get(path)
        if literal is not None:
            return literal, _NO_VALUES
        segments = _segments(path)
        for route in self._by_first.get(segments[0], ()):
            values = route.match(segments)
            if values is not None:
                return route, values
        raise BadCall(self._nothing(segments[0]), 404)

    def _nothing(self, first: str) -> str:
        """What a 404 says: the routes with this first segment, or one that is almost it."""
        if first not in self._by_first:
            first = near_miss(first, tuple(self._by_first)) or ""
        if not first:
            return "nothing is here; /help lists what is"
        routes = self._by_first[first][:_MOST_HINTS]
        paths = " or ".join(route.path for route in routes)
        words = {
            parameter.name: f"; {parameter.name}: {parameter.help}{parameter.in_brackets}"
            for route in routes
            for parameter in route.parameters
            if parameter.name in route.names
        }
        return f"nothing is here, but at {paths}{''.join(words.values())}"


def _segments(path: bytes) -> list[str]:
    try:
        return [unquote_to_bytes(part).decode() for part in path[1:].split(b"/")]
    except UnicodeDecodeError:
        raise BadCall("the path is not UTF-8") from None
