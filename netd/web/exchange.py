"""
One HTTP exchange as an endpoint sees it: a Call comes in, a Reply goes out.

Rules: pure; no Twisted, no transport, no clock.  `netd.web.router` makes the
Call of a request and performs the Reply on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import BinaryIO, Final, TypeAlias

from attrs import Factory, field, frozen

from netd.script import Script
from netd.settings import HTTP

Headers: TypeAlias = tuple[tuple[str, str], ...]

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"


@frozen
class Reply:
    """What goes back: a status, headers, and a body that is ready or a script of it."""

    body: bytes | Script = b""
    status: int = 200
    type: str = TEXT
    length: int | None = None
    """The bytes that a script will say when that is known; a ready body knows its own."""
    headers: Headers = ()


class BadCall(Exception):
    """The client asked for something that cannot be: answered with a 4xx."""

    def __init__(self, detail: str, status: int = 400, headers: Headers = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.headers = headers

    def reply(self) -> Reply:
        """The answer: `{"detail": ..., "error": ..., "status_code": ...}`."""
        said = {
            "status_code": self.status,
            "error": HTTPStatus(self.status).phrase,
            "detail": self.detail,
        }
        body = json.dumps(said, indent=2, sort_keys=True).encode() + b"\n"
        return Reply(body, self.status, JSON, headers=self.headers)


@frozen
class Call:
    """A request that found its route."""

    method: str
    route: Route
    routes: tuple[Route, ...]
    """The whole table that `route` stands in."""
    config: HTTP
    parameters: Mapping[str, str]
    """What the `<name>` segments of the path held, percent-decoded."""
    content: BinaryIO
    """The request body, read from its start; it lives as long as the exchange."""
    length: int
    """The bytes of `content`."""
    content_type: str | None = None


Endpoint: TypeAlias = Callable[[Call], Reply]

ANY: Final = ()
"""The methods of a route that takes every method, invented ones too."""


@frozen
class Route:
    """
    One line of the table: where, by which methods, what answers, and what it is for.

    A `<name>` segment of `path` matches any one segment that is not empty.
    """

    path: str
    endpoint: Endpoint
    help: str
    methods: tuple[str, ...] = ("GET",)
    segments: tuple[str, ...] = field(
        init=False,
        default=Factory(lambda self: tuple(self.path[1:].split("/")), takes_self=True),
    )

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

    def match(self, segments: Iterable[str]) -> dict[str, str] | None:
        """The parameters when `segments`, decoded, fit the path; None when they do not."""
        found = {}
        for pattern, segment in zip(self.segments, segments, strict=True):
            if pattern.startswith("<"):
                if not segment:
                    return None
                found[pattern[1:-1]] = segment
            elif pattern != segment:
                return None
        return found
