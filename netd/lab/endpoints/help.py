"""
The help page, which lists every route.

Rules: pure functions from a Call to a Reply; the help is made from the routes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

from attrs import Factory, frozen

from netd.http import negotiation
from netd.lab.call import JSON, TEXT, Call, Headers, Reply
from netd.lab.document import Document, document, themes
from netd.lab.endpoints import openapi
from netd.lab.endpoints.caching import preconditions
from netd.lab.endpoints.console_stream import stream
from netd.lab.endpoints.preview import preview
from netd.lab.parameters import Parameter
from netd.lab.routes import Route

_MEDIA_TYPES: Final = {b"text/plain": "text", b"text/html": "html", b"application/json": "json"}
_FORMAT: Final = Parameter(
    "format", "text", "the format; by default Accept chooses", choices=("html", "text", "json")
)
_DELAY: Final = Parameter("delay", "delay", "a duration, or uniform:1s-3s", required=True)
_PREVIEW: Final = "a histogram of a delay, its median and 99th percentile"
_CONSOLE: Final = "a page that finds URLs, tries them and watches the daemon"
_STREAM: Final = "what the console watches, as server-sent events; for its own page"
_WATCHED: Final = (
    Parameter("figures", "integer", "1: a frame of figures each second", "0", most=1),
    Parameter("bin", "text", "the key of a bin whose requests are events"),
    Parameter("requests", "integer", "1: all requests, with the token of the log", "0", most=1),
)


@frozen
class Help:
    """The endpoints that describe `routes`."""

    listed: Sequence[Route]
    with_console: bool = True
    """Whether the page has more than the Reference, and is at /console too."""
    _made: dict[str, Document] = Factory(dict)
    """Each document, from when it is first requested."""

    def page(self, call: Call) -> Reply:
        """List every route with its methods and parameters, as HTML, JSON or text."""
        accept = (call.header("accept") or "").encode("latin-1")
        media = negotiation.choose_media([accept], tuple(_MEDIA_TYPES))
        form = call.value("format") or _MEDIA_TYPES.get(media or b"", "text")
        if form == "html":
            return self.console(call)
        write, content_type = _FORMATS[form]
        return self._kept(call, form, lambda: Document(write(self.listed), content_type))

    def console(self, call: Call) -> Reply:
        """Return a page that finds every URL and tries it."""
        return self._kept(call, "html", lambda: document(self.listed, self.with_console))

    def openapi(self, call: Call) -> Reply:
        """Return the routes as an OpenAPI 3.1 document."""
        version = call.config.lab.version

        def make() -> Document:
            return Document(_dumped(openapi.document(self.listed, version)), JSON)

        return self._kept(call, f"openapi {version}", make)

    def _kept(self, call: Call, key: str, make: Callable[[], Document]) -> Reply:
        """A document, in gzip where the client takes it; 304 when the client has it."""
        if key not in self._made:
            self._made[key] = make()
        kept = self._made[key]
        accepted = (call.header("accept-encoding") or "").encode("latin-1")
        zipped = negotiation.choose_coding([accepted], [b"gzip"]) == b"gzip"
        tag = f"{kept.tag}-gzip" if zipped else kept.tag
        fields: Headers = (
            ("Vary", "Accept, Accept-Encoding"),
            ("ETag", f'"{tag}"'),
            ("Cache-Control", "no-cache"),
        )
        if kept.policy:
            fields += (
                ("Content-Security-Policy", kept.policy),
                ("Referrer-Policy", "no-referrer"),
            )
        failed, _ = preconditions(call, tag)
        if failed is not None:
            return Reply(b"", failed, kept.type, headers=fields, sandbox=False)
        if zipped:
            coding = ("Content-Encoding", "gzip")
            return Reply(
                kept.compressed, 200, kept.type, headers=(*fields, coding), sandbox=False
            )
        return Reply(kept.body, type=kept.type, headers=fields, sandbox=False)

    def _console_routes(self) -> tuple[Route, ...]:
        return (
            Route("/console", self.console, _CONSOLE, cors=False),
            Route("/console/preview", preview, _PREVIEW, parameters=(_DELAY,), cors=False),
            Route(
                "/console/stream",
                stream,
                _STREAM,
                parameters=_WATCHED,
                cors=False,
                prompt=True,
            ),
        )

    def routes(self) -> tuple[Route, ...]:
        """The routes of the help."""
        return (
            *(self._console_routes() if self.with_console else ()),
            Route("/help", self.page, "a list of all URLs", parameters=(_FORMAT,), cors=False),
            Route("/help/openapi.json", self.openapi, "all URLs as an OpenAPI document"),
        )


def _methods(route: Route) -> str:
    return ", ".join(route.methods) or "any"


def _text(routes: Sequence[Route]) -> bytes:
    path_width = max(len(route.path) for route in routes)
    methods_width = max(len(_methods(route)) for route in routes)
    lines = []
    for route in routes:
        methods = f"{_methods(route):{methods_width}}"
        lines.append(f"{route.path:{path_width}}  {methods}  {route.help}\n")
        for each in route.parameters:
            lines.append(f"{'':{path_width}}    {each.name}: {each.help}{each.in_brackets}\n")
    return "".join(lines).encode()


def _facts(each: Parameter) -> dict[str, object]:
    """A parameter: its schema, and what it says of itself."""
    facts = {
        "kind": each.kind,
        "least": each.least,
        "most": each.most,
        "choices": list(each.choices),
        "required": each.required,
        "repeats": each.repeats,
    }
    return {"help": each.help, **{k: v for k, v in facts.items() if v}, **each.schema}


def _json(routes: Sequence[Route]) -> bytes:
    members = [
        {
            "path": route.path,
            "theme": route.theme,
            "example": route.example,
            "methods": list(route.methods) or ["*"],
            "help": route.help,
            "composable": route.composable,
            "parameters": {each.name: _facts(each) for each in route.parameters},
        }
        for route in routes
    ]
    return _dumped({"themes": themes(routes), "routes": members})


def _dumped(value: object) -> bytes:
    return f"{json.dumps(value, indent=2)}\n".encode()


_FORMATS: Final[dict[str, tuple[Callable[[Sequence[Route]], bytes], str]]] = {
    "json": (_json, JSON),
    "text": (_text, TEXT),
}
