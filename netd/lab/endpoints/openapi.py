"""
The routes as an OpenAPI 3.1 document.

Rules: pure; says nothing that the routes do not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from netd.lab.parameters import Parameter, Schema
from netd.lab.routes import Route

_ANY: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_SEGMENT: Final = re.compile(r"<(?:path:)?([a-z_]+)>")
_NO_NAME: Final = re.compile(r"[^a-z0-9]+")

_STRING: Final = {"type": "string"}
_ERROR: Final = {
    "type": "object",
    "required": ["status_code", "error", "detail"],
    "properties": {"status_code": {"type": "integer"}, "error": _STRING, "detail": _STRING},
}


def document(routes: Sequence[Route], version: str | None) -> dict[str, object]:
    """The OpenAPI document of `routes`, ready for JSON; `version` is netd's, None if hidden."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "netd",
            "version": version or "not told",
            "description": "HTTP with the delay, the bytes and the fault you ask for.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": {_SEGMENT.sub(r"{\1}", route.path): _path_item(route) for route in routes},
        "components": {"schemas": {"Error": _ERROR}},
    }


def _path_item(route: Route) -> Schema:
    item: Schema = {"summary": route.help}
    if route.parameters or route.names:
        item["parameters"] = [_parameter(route, each) for each in _all_parameters(route)]
    name = _NO_NAME.sub("_", route.path.lower()).strip("_") or "root"
    for method in route.methods or _ANY:
        item[method.lower()] = _operation(f"{method.lower()}_{name}", method, route)
    return item


def _operation(name: str, method: str, route: Route) -> Schema:
    operation: Schema = {"operationId": name, "summary": route.help}
    if method not in _WITHOUT_BODY:
        operation["requestBody"] = {"content": {route.body: {"schema": _STRING}}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    operation["responses"] = {
        "default": {"description": route.help},
        "400": {"description": "the request is not valid", "content": error},
    }
    return operation


def _all_parameters(route: Route) -> list[Parameter]:
    """The parameters of a route; a `<name>` of its path that is none may be any text."""
    others = [Parameter(n, "text", "any text") for n in route.names if n not in route.by_name]
    return [*others, *route.parameters]


def _parameter(route: Route, parameter: Parameter) -> Schema:
    in_path = parameter.name in route.names
    schema = parameter.schema
    if in_path and parameter.kind == "text" and not parameter.choices:
        schema = {"type": "string", "minLength": 1}
    return {
        "name": parameter.name,
        "in": "path" if in_path else "query",
        "required": in_path or parameter.required,
        "description": parameter.help,
        "schema": schema,
    }
