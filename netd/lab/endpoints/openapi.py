"""
The table of the lab as an OpenAPI 3.1 document.

Rules: pure; says nothing that the table does not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from netd.lab.parameters import Parameter
from netd.lab.routes import Route

_ANY: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_BODILESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_SEGMENT: Final = re.compile(r"<(?:path:)?([a-z_]+)>")


def document(routes: Sequence[Route], version: str | None) -> dict[str, Any]:
    """The document that describes `routes`, ready for JSON, of a netd of that `version`."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "netd",
            "version": version or "not told",
            "description": "HTTP with the delay, the bytes and the fault you ask for.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": {_SEGMENT.sub(r"{\1}", each.path): _item(each) for each in routes},
        "components": {"schemas": {"Error": _ERROR}},
    }


_ERROR: Final = {
    "type": "object",
    "required": ["status_code", "error", "detail"],
    "properties": {
        "status_code": {"type": "integer"},
        "error": {"type": "string"},
        "detail": {"type": "string"},
    },
}


def _item(route: Route) -> dict[str, Any]:
    """One path; every method of its route does the same."""
    said: dict[str, Any] = {"summary": route.help}
    if route.parameters or route.names:
        said["parameters"] = [_place(route, each) for each in _all(route)]
    name = re.sub(r"[^a-z0-9]+", "_", route.path.lower()).strip("_") or "root"
    for method in route.methods or _ANY:
        said[method.lower()] = _operation(f"{method.lower()}_{name}", method, route)
    return said


def _operation(name: str, method: str, route: Route) -> dict[str, Any]:
    said: dict[str, Any] = {"operationId": name, "summary": route.help}
    if method not in _BODILESS:
        schema: dict[str, Any] = {"type": "string"}
        said["requestBody"] = {"content": {"text/plain": {"schema": schema}}}
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    said["responses"] = {
        "default": {"description": route.help},
        "400": {"description": "what was asked for cannot be", "content": problem},
    }
    return said


def _all(route: Route) -> list[Parameter]:
    """The parameters of a route, with those of its path that are any text."""
    named = {each.name for each in route.parameters}
    rest = [Parameter(name, "text", "any text") for name in route.names if name not in named]
    return [*rest, *route.parameters]


def _place(route: Route, parameter: Parameter) -> dict[str, Any]:
    in_path = parameter.name in route.names
    said: dict[str, Any] = {
        "name": parameter.name,
        "in": "path" if in_path else "query",
        "required": in_path or parameter.required,
        "description": parameter.help,
        "schema": parameter.schema,
    }
    if in_path and parameter.kind == "text" and not parameter.choices:
        said["schema"] = {"type": "string", "minLength": 1}
    return said
