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
from typing import Final

from netd.xmlrpc.registry import Procedure, Registry
from netd.xmlrpc.scalars import Value
from netd.xmlrpc.steps import run_now
from netd.xmlrpc.writer import Writer

_FILES: Final = resources.files("netd.xmlrpc")
_STYLE: Final = _FILES.joinpath("page.css").read_text("utf-8")
_SCRIPT: Final = _FILES.joinpath("page.js").read_text("utf-8")


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

_BY_TYPE: Final[dict[str, Value]] = {
    "int": 3,
    "i4": 3,
    "i8": 3,
    "double": 0.5,
    "string": "text",
    "boolean": True,
    "array": [],
    "struct": {},
    "base64": "",
    "dateTime.iso8601": "",
    "nil": None,
    "undef": "anything",
}
_BY_METHOD: Final[dict[str, list[Value]]] = {
    "ip.address": ["2001:db8::1"],
    "ip.collapse": [["192.0.2.0/25", "192.0.2.128/25"]],
    "ip.contains": ["192.0.2.0/24", "192.0.2.7"],
    "ip.exclude": ["192.0.2.0/24", "192.0.2.64/26"],
    "ip.hosts": ["192.0.2.0/29"],
    "ip.network": ["192.0.2.0/28"],
    "ip.overlaps": ["192.0.2.0/24", "192.0.2.128/25"],
    "ip.subnets": ["192.0.2.0/24", 26],
    "ip.summarize": ["192.0.2.0", "192.0.2.130"],
    "ip.supernet": ["192.0.2.0/26", 24],
    "lab.fault": [7, "as you wished"],
    "system.methodHelp": ["pow"],
    "system.methodSignature": ["pow"],
    "system.methodExist": ["pow"],
    "system.multicall": [[{"methodName": "add", "params": [2, 3]}]],
}
"""Better examples for netd's own methods than the types alone can give."""


def example(method: Procedure) -> list[Value]:
    """Parameters to try a method with."""
    if method.name in _BY_METHOD:
        return _BY_METHOD[method.name]
    signature = method.signature
    if signature.variants:
        return [_BY_TYPE[name] for name in signature.variants[0][1:]]
    return [_BY_TYPE[kind.names[0]] for _, kind in signature.parameters[: signature.required]]


def _signatures(method: Procedure) -> list[str]:
    """The signatures as a declaration: `int pow(int x, int y)`."""
    names = [name for name, _ in method.signature.parameters]
    return [
        f"{result} {method.name}({', '.join(map(' '.join, zip(types, names, strict=False)))})"
        for result, *types in method.signature.variants
    ] or [f"undef {method.name}(...)"]


def _snippets(method: Procedure) -> str:
    """The calls of a method from Python and curl."""
    values = "".join(
        f"<param>{run_now(Writer().write(value)).decode()}</param>" for value in example(method)
    )
    body = (
        f"<methodCall><methodName>{method.name}</methodName>"
        f"<params>{values}</params></methodCall>"
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
        f"<details><summary>From Python and curl</summary>{_snippets(method)}</details></article>"
    )


def page(registry: Registry) -> bytes:
    """The page in UTF-8."""
    names = [method.name for method in registry]
    options = "".join(f"<option>{name}</option>" for name in names)
    links = "".join(f'<li><a href="#{name}">{name}</a></li>' for name in names)
    articles = "".join(map(_article, registry))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>XML-RPC methods of netd</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><style>{_STYLE}</style></head><body><main>
<h1>XML-RPC methods</h1>
<p>POST a methodCall as <code>text/xml</code> to <code>/RPC2</code>. Introspection,
<a href="#system.multicall">multicall</a>, i8 and nil are there.</p>
<form><label for="method">Method</label><select id="method" name="method">{options}</select>
<label for="parameters">Parameters, as JSON with commas between</label>
<textarea id="parameters" name="parameters" spellcheck="false">2, 3</textarea>
<button>Call</button><output aria-live="polite" for="method parameters"></output>
<noscript>The form needs JavaScript; Python and curl below do not.</noscript></form>
<h2>Methods</h2><nav aria-label="Methods"><ul>{links}</ul></nav>
{articles}</main><script>{_SCRIPT}</script></body></html>
""".encode()
