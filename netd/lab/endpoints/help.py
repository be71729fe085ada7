"""
The help page, which lists every route.

Rules: pure functions from a Call to a Reply; the help is made from the routes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from attrs import Factory, frozen

from netd.http import negotiation
from netd.lab.call import HTML, JSON, TEXT, Call, Headers, Reply
from netd.lab.endpoints.openapi import document
from netd.lab.parameters import Parameter
from netd.lab.routes import Route

_PAGE: Final = (Path(__file__).parent.parent / "documents" / "help.html").read_text()
"""The page through the head of its table."""

# The page may use its own style sheet and nothing else.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"
_MEDIA_TYPES: Final = {b"text/plain": "text", b"text/html": "html", b"application/json": "json"}
_FORMAT: Final = Parameter(
    "format", "text", "the format; by default Accept chooses", choices=("html", "text", "json")
)


@frozen
class Help:
    """The endpoints that describe `routes`."""

    listed: Sequence[Route]
    _made: dict[str, bytes] = Factory(dict)
    """The documents, each made when it is first requested."""

    def page(self, call: Call) -> Reply:
        """List every route with its methods and parameters, as HTML, JSON or text."""
        accept = (call.header("accept") or "").encode("latin-1")
        media = negotiation.choose_media([accept], tuple(_MEDIA_TYPES))
        form = call.value("format") or _MEDIA_TYPES.get(media or b"", "text")
        write, content_type, headers = _FORMATS[form]
        body = self._once(form, lambda: write(self.listed))
        vary = ("Vary", "Accept")
        return Reply(body, type=content_type, headers=(vary, *headers), sandbox=False)

    def openapi(self, call: Call) -> Reply:
        """Return the routes as an OpenAPI 3.1 document."""
        version = call.config.lab.version

        def write() -> str:
            return json.dumps(document(self.listed, version), indent=2) + "\n"

        body = self._once(f"openapi {version}", write)
        return Reply(body, type=JSON, sandbox=False)

    def _once(self, key: str, write: Callable[[], str]) -> bytes:
        if key not in self._made:
            self._made[key] = write().encode()
        return self._made[key]

    def routes(self) -> tuple[Route, ...]:
        """The routes of the help."""
        return (
            Route("/help", self.page, "a list of all URLs", parameters=(_FORMAT,), cors=False),
            Route("/help/openapi.json", self.openapi, "all URLs as an OpenAPI document"),
        )


def _methods(route: Route) -> str:
    return ", ".join(route.methods) or "any"


def _text(routes: Sequence[Route]) -> str:
    path_width = max(len(route.path) for route in routes)
    methods_width = max(len(_methods(route)) for route in routes)
    lines = []
    for route in routes:
        methods = f"{_methods(route):{methods_width}}"
        lines.append(f"{route.path:{path_width}}  {methods}  {route.help}\n")
        for each in route.parameters:
            lines.append(f"{'':{path_width}}    {each.name}: {each.help}{each.in_brackets}\n")
    return "".join(lines)


def _json(routes: Sequence[Route]) -> str:
    members = [
        {
            "path": route.path,
            "methods": list(route.methods) or ["*"],
            "help": route.help,
            "parameters": {
                each.name: {"help": each.help, **each.schema} for each in route.parameters
            },
        }
        for route in routes
    ]
    return json.dumps({"routes": members}, indent=2) + "\n"


def _html(routes: Sequence[Route]) -> str:
    rows = []
    for route in routes:
        path = f"<code>{escape(route.path)}</code>"
        if "<" not in route.path and route.takes("GET"):
            path = f'<a href="{escape(route.path)}">{path}</a>'
        parameters = "".join(
            f"<small><code>{each.name}</code> {escape(each.help + each.in_brackets)}</small>"
            for each in route.parameters
        )
        cells = (path, _methods(route), escape(route.help), parameters)
        rows.append(f"<tr><td>{'<td>'.join(cells)}\n")
    return f"{_PAGE}{''.join(rows)}</tbody>\n</table>\n"


_FORMATS: Final[dict[str, tuple[Callable[[Sequence[Route]], str], str, Headers]]] = {
    "html": (_html, HTML, (("Content-Security-Policy", _POLICY),)),
    "json": (_json, JSON, ()),
    "text": (_text, TEXT, ()),
}
