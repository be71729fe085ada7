"""
Where an endpoint answers: routes, and the table that finds the one for a path.

Rules: pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from attrs import Factory, field, frozen

from netd.lab.call import BadCall, Call, Reply
from netd.lab.parameters import Parameter

EndpointFunction: TypeAlias = Callable[[Call], Reply]

ANY: Final = ()
"""The methods of a route that takes every method, invented ones too."""

_REST: Final = "<path:"


@frozen
class Route:
    """
    One line of the table: where, by which methods, what answers, and what it is for.

    A `<name>` segment of `path` matches any one segment that is not empty; a
    `<path:name>` at its end matches whatever is left, slashes included.
    """

    path: str
    endpoint: EndpointFunction
    help: str
    methods: tuple[str, ...] = ("GET",)
    parameters: tuple[Parameter, ...] = ()
    cors: bool = True
    """Whether scripts of any origin may read the answer, as with httpbin."""
    composable: bool = False
    """Whether parameters may be said in X-Netd- headers as well."""
    segments: tuple[str, ...] = field(
        init=False,
        default=Factory(lambda self: tuple(self.path[1:].split("/")), takes_self=True),
    )
    _named: Mapping[str, Parameter] = field(
        init=False,
        default=Factory(lambda self: {p.name: p for p in self.parameters}, takes_self=True),
    )

    def parameter(self, name: str) -> Parameter:
        """The parameter called `name`; KeyError, a bug, when the table has none."""
        return self._named[name]

    def takes(self, method: str) -> bool:
        """Whether the endpoint answers `method` itself; HEAD is asked of it as GET is."""
        return (
            not self.methods
            or method in self.methods
            or (method == "HEAD" and "GET" in self.methods)
        )

    @property
    def allow(self) -> str:
        """The value of an Allow header (RFC 9110 10.2.1)."""
        head = ("HEAD",) if "GET" in self.methods else ()
        return ", ".join(sorted({*self.methods, *head, "OPTIONS"}))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of what the path holds."""
        marked = [each[1:-1] for each in self.segments if each.startswith("<")]
        return tuple(each.removeprefix("path:") for each in marked)

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The parameters when `segments`, decoded, fit the path; None when they do not."""
        found = {}
        for at, pattern in enumerate(self.segments):
            if pattern.startswith(_REST):
                found[pattern[len(_REST) : -1]] = "/".join(segments[at:])
                return found if at < len(segments) else None
            if at == len(segments):
                return None
            if pattern.startswith("<"):
                if not segments[at]:
                    return None
                found[pattern[1:-1]] = segments[at]
            elif pattern != segments[at]:
                return None
        return found if len(segments) == len(self.segments) else None


class Table:
    """Finds the first route that fits a path, most of them with one look."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes: Final = tuple(routes)
        self._literal: dict[bytes, Route] = {}
        self._by_first: dict[str, list[Route]] = {}
        for route in routes:
            if "<" not in route.path:
                self._literal.setdefault(route.path.encode(), route)
            self._by_first.setdefault(route.segments[0], []).append(route)

    def find(self, path: bytes) -> tuple[Route, Mapping[str, str]]:
        """The route of `path` as it came over the wire, and what its segments hold."""
        literal = self._literal.get(path)
        if literal is not None:
            return literal, {}
        segments = _segments(path)
        for route in self._by_first.get(segments[0], ()):
            parameters = route.match(segments)
            if parameters is not None:
                return route, parameters
        raise BadCall("nothing is here; /help lists what is", 404)


def _segments(path: bytes) -> list[str]:
    try:
        return [unquote_to_bytes(part).decode() for part in path[1:].split(b"/")]
    except UnicodeDecodeError:
        raise BadCall("the path is not UTF-8") from None
