"""
What the daemon says of itself; never delayed.

Rules: pure functions from a Call to a Reply; the help is made from the table.
"""

from __future__ import annotations

import json
from html import escape
from typing import Final

from netd.http import negotiation
from netd.lab.call import HTML, JSON, TEXT, Call, Reply
from netd.lab.endpoints.openapi import document
from netd.lab.routes import Route

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>netd: what answers here</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid #8886; padding: .3em .8em .3em 0; text-align: left }
td, th { vertical-align: top }
code { font: 14px ui-monospace, monospace; overflow-wrap: anywhere }
small { display: block; opacity: .75 }
:root { color-scheme: light dark }
</style>
<h1>What answers here</h1>
<p>HEAD is answered wherever GET is, OPTIONS everywhere. The same as
<a href="/help?format=text">text</a>, as <a href="/help?format=json">JSON</a> and as an
<a href="/help/openapi.json">OpenAPI document</a>.</p>
<table>
<thead><tr><th>path<th>methods<th>what it does<th>parameters</thead>
<tbody>
"""

# The page brings its own style and nothing else.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"
_FORMS: Final = {b"text/plain": "text", b"text/html": "html", b"application/json": "json"}


def health(call: Call) -> Reply:
    """Say that the reactor turns."""
    return Reply(b"ok\n", headers=(("Cache-Control", "no-store"),), ours=True)


def help_page(call: Call) -> Reply:
    """List every route with its methods, its parameters and what it is for."""
    form = call.value("format") or _form(call.header("accept") or "")
    routes = call.bench.routes
    vary = ("Vary", "Accept")
    if form == "html":
        policy = ("Content-Security-Policy", _POLICY)
        return Reply(_html(routes).encode(), type=HTML, headers=(vary, policy), ours=True)
    if form == "json":
        return Reply(_json(routes), type=JSON, headers=(vary,), ours=True)
    return Reply(_text(routes).encode(), type=TEXT, headers=(vary,), ours=True)


def openapi(call: Call) -> Reply:
    """The table as an OpenAPI 3.1 document."""
    body = (
        json.dumps(document(call.bench.routes, call.config.lab.version), indent=2).encode()
        + b"\n"
    )
    return Reply(body, type=JSON, ours=True)


def _form(accept: str) -> str:
    """The form that `accept` prefers; text when it prefers none."""
    media = negotiation.choose_media([accept.encode()], tuple(_FORMS))
    return _FORMS[media] if media is not None else "text"


def _methods(route: Route) -> str:
    return ", ".join(route.methods) or "any"


def _text(routes: tuple[Route, ...]) -> str:
    wide = [
        max(map(len, cells))
        for cells in ([r.path for r in routes], [_methods(r) for r in routes])
    ]
    lines = []
    for route in routes:
        lines.append(f"{route.path:{wide[0]}}  {_methods(route):{wide[1]}}  {route.help}\n")
        for each in route.parameters:
            limits = f" ({each.limits})" if each.limits else ""
            lines.append(f"{'':{wide[0]}}    {each.name}: {each.help}{limits}\n")
    return "".join(lines)


def _json(routes: tuple[Route, ...]) -> bytes:
    said = [
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
    return json.dumps({"routes": said}, indent=2).encode() + b"\n"


def _html(routes: tuple[Route, ...]) -> str:
    rows = []
    for route in routes:
        where = f"<code>{escape(route.path)}</code>"
        if "<" not in route.path and route.takes("GET"):
            where = f'<a href="{escape(route.path)}">{where}</a>'
        asked = "".join(
            f"<small><code>{each.name}</code> {escape(each.help)}"
            f"{escape(f' ({each.limits})' if each.limits else '')}</small>"
            for each in route.parameters
        )
        rows.append(
            f"<tr><td>{where}<td>{_methods(route)}<td>{escape(route.help)}<td>{asked}\n"
        )
    return f"{_PAGE}{''.join(rows)}</tbody>\n</table>\n"
