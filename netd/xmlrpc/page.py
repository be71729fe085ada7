"""
The documentation page: every method of a registry, and a form that calls one.

Rules: pure.  The page loads nothing from elsewhere; its style and its script are
inline and allowed by their hashes, so that nothing else can run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib import resources
from string import Template
from typing import Final

from netd.steps import run_now
from netd.xmlrpc.registry import Procedure, Registry
from netd.xmlrpc.scalars import Value
from netd.xmlrpc.writer import Writer

_FILES: Final = resources.files("netd.xmlrpc")
_STYLE: Final = _FILES.joinpath("page.css").read_text("utf-8")
_SCRIPT: Final = _FILES.joinpath("page.js").read_text("utf-8")
_PAGE: Final = Template(_FILES.joinpath("page.html").read_text("utf-8"))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY: Final = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page."""

_URL: Final = "http://localhost:8000/RPC2"
"""The address in the snippets; the script replaces it by the page's own."""

_EXAMPLES: Final = json.loads(_FILES.joinpath("examples.json").read_text("utf-8"))
"""Values for each type, and better ones for some of netd's methods."""


def example(method: Procedure) -> list[Value]:
    """Parameters to try a method with."""
    parameters: list[Value] | None = _EXAMPLES["methods"].get(method.name)
    if parameters is not None:
        return parameters
    signature = method.signature
    needed = signature.parameters[: signature.required]
    names = signature.variants[0][1:] if signature.variants else [k.names[0] for _, k in needed]
    return [_EXAMPLES["types"][name] for name in names]


def _signatures(method: Procedure) -> list[str]:
    """The signatures as a declaration: `int pow(int x, int y)`."""
    names = [name for name, _ in method.signature.parameters]
    return [
        f"{result} {method.name}({', '.join(map(' '.join, zip(types, names, strict=False)))})"
        for result, *types in method.signature.variants
    ] or [f"undef {method.name}(...)"]


def _snippets(method: Procedure) -> str:
    """The calls of a method from Python and curl."""
    values = (run_now(Writer().write(value)).decode() for value in example(method))
    params = "".join(f"<param>{value}</param>" for value in values)
    body = (
        f"<methodCall><methodName>{method.name}</methodName>"
        f"<params>{params}</params></methodCall>"
    )
    curl = f"curl -H 'Content-Type: text/xml' --data-binary @- {_URL} <<'END'\n{body}\nEND"
    python = (
        "from xmlrpc.client import ServerProxy\n"
        f"server = ServerProxy({_URL!r}, allow_none=True)\n"
        f"print(server.{method.name}({', '.join(map(repr, example(method)))}))"
    )
    return f"<pre>{escape(python)}</pre><pre>{escape(curl)}</pre>"


def _article(method: Procedure) -> str:
    """The description of a method."""
    name = method.name
    lines = "".join(f"<li><code>{escape(line)}</code></li>" for line in _signatures(method))
    parameters = json.dumps(example(method), ensure_ascii=False)[1:-1]
    offload = ' <span class="tag">runs in a worker process</span>' if method.offload else ""
    return (
        f'<article id="{name}"><h3>{name}{offload}</h3>'
        f"<p>{escape(method.help) or 'No description.'}</p><ul>{lines}</ul>"
        f'<button type="button" data-method="{name}" data-parameters="{escape(parameters)}" '
        f'aria-label="Try {name}">Try</button>'
        "<details><summary>From Python and curl</summary>"
        f"{_snippets(method)}</details></article>"
    )


def page(registry: Registry) -> bytes:
    """The page in UTF-8."""
    names = [method.name for method in registry]
    options = "".join(f"<option>{name}</option>" for name in names)
    links = "".join(f'<li><a href="#{name}">{name}</a></li>' for name in names)
    texts = {"options": options, "links": links, "articles": "".join(map(_article, registry))}
    return _PAGE.substitute(texts, style=_STYLE, script=_SCRIPT).encode()
