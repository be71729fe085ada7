"""
The documentation page: every method of a registry by its prefix, and a form that calls one.

Rules: pure.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from html import escape
from importlib import resources
from itertools import groupby
from string import Template
from typing import Final

from attrs import frozen

from netd import look
from netd.steps import run_now
from netd.xmlrpc.methods.interop import PREFIXES as SUITES
from netd.xmlrpc.registry import Procedure, Registry
from netd.xmlrpc.scalars import Value
from netd.xmlrpc.writer import Writer

_FILES: Final = resources.files("netd.xmlrpc")
_STYLE: Final = look.STYLE + _FILES.joinpath("page.css").read_text("utf-8")
_SCRIPT: Final = _FILES.joinpath("page.js").read_text("utf-8")
_PAGE: Final = Template(_FILES.joinpath("page.html").read_text("utf-8"))

POLICY: Final = look.policy(_STYLE, _SCRIPT)
"""The Content-Security-Policy of the page."""

_URL: Final = "http://localhost:8000/RPC2"
"""The address in the snippets; the script replaces it by the page's own."""

_EXAMPLES: Final = json.loads(_FILES.joinpath("examples.json").read_text("utf-8"))
"""Values for each type that JSON has, and better ones for some of netd's methods."""
_TYPES: Final[dict[str, Value]] = {
    **_EXAMPLES["types"],
    "base64": b"bytes",
    "dateTime.iso8601": datetime(2026, 11, 27, 12, 30),  # XML-RPC has no zone
}
_TEXTS: Final = ("dateTime.iso8601", "base64")
"""Types that are texts in the JSON of the form."""


def prefix(method: Procedure) -> str:
    """The part of a method's name in front of its first dot; empty without a dot."""
    head, dot, _ = method.name.partition(".")
    return head if dot else ""


def example(method: Procedure) -> list[Value]:
    """Parameters to try a method with."""
    parameters: list[Value] | None = _EXAMPLES["methods"].get(method.name)
    if parameters is not None:
        return parameters
    signature = method.signature
    needed = signature.parameters[: signature.required]
    names = signature.variants[0][1:] if signature.variants else [k.names[0] for _, k in needed]
    return [_TYPES[name] for name in names]


def _text(value: object) -> str:
    """The text in JSON of what JSON lacks."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    assert isinstance(value, datetime)  # noqa: S101  # `_TYPES` has nothing else
    return value.strftime("%Y%m%dT%H:%M:%S")


def _parameters(method: Procedure) -> str:
    """The example as the form takes it: JSON with commas between."""
    return json.dumps(example(method), ensure_ascii=False, default=_text)[1:-1]


def _texts(method: Procedure) -> list[str]:
    """For each parameter the type that its text in JSON stands for; empty for a string."""
    columns = zip(*(types[1:] for types in method.signature.variants), strict=False)
    return [
        next((name for name in _TEXTS if name in types and "string" not in types), "")
        for types in columns
    ]


def declarations(method: Procedure) -> list[str]:
    """The signatures of a method, each as a declaration: `int pow(int x, int y)`."""
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
    arguments = ", ".join(map(repr, example(method)))
    dates = "import datetime\n" if "datetime." in arguments else ""
    python = (
        f"{dates}from xmlrpc.client import ServerProxy\n"
        f"server = ServerProxy({_URL!r}, allow_none=True)\n"
        f"print(server.{method.name}({arguments}))"
    )
    return f"<pre>{escape(python)}</pre><pre>{escape(curl)}</pre>"


def _article(method: Procedure) -> str:
    """The description of a method."""
    name = method.name
    lines = "".join(f"<li><code>{escape(line)}</code></li>" for line in declarations(method))
    offload = ' <span class="tag">runs in a worker process</span>' if method.offload else ""
    return (
        f'<article id="{name}"><h3>{name}{offload}</h3>'
        f"<p>{escape(method.help) or 'No description.'}</p><ul>{lines}</ul>"
        f'<button type="button" data-method="{name}" aria-label="Try {name}">Try</button>'
        "<details><summary>From Python and curl</summary>"
        f"{_snippets(method)}</details></article>"
    )


def _option(method: Procedure) -> str:
    """A method in the form, with the example that fills in the parameters."""
    texts = json.dumps(_texts(method))
    return (
        f'<option data-parameters="{escape(_parameters(method))}" '
        f'data-texts="{escape(texts)}">{method.name}</option>'
    )


@frozen
class Group:
    """The methods of one prefix."""

    prefix: str
    methods: Sequence[Procedure]

    @property
    def title(self) -> str:
        """The group's heading; an id too, as no method has a name with an asterisk."""
        return f"{self.prefix}.*" if self.prefix else "No prefix"

    @property
    def folded(self) -> bool:
        """Whether the group is a suite that tests clients, which few readers look for."""
        return self.prefix in SUITES

    def options(self) -> str:
        """The methods in the form."""
        options = "".join(map(_option, self.methods))
        return f'<optgroup label="{self.title}">{options}</optgroup>'

    def links(self) -> str:
        """A link to each method, or one to all that are folded."""
        names = [self.title] if self.folded else [method.name for method in self.methods]
        return "".join(f'<li><a href="#{name}">{name}</a></li>' for name in names)

    def section(self) -> str:
        """The methods' descriptions."""
        articles = "".join(map(_article, self.methods))
        heading = f"<h2>{self.title}</h2>"
        if not self.folded:
            return f'<section class="card">{heading}{articles}</section>'
        count = f"{len(self.methods)} methods of a suite that tests clients"
        summary = f"<summary>{heading} {count}</summary>"
        return f'<details class="card" id="{self.title}">{summary}{articles}</details>'


def groups(registry: Registry) -> list[Group]:
    """The methods by prefix; the suites stand last."""
    ordered = sorted(registry, key=lambda method: (prefix(method) in SUITES, prefix(method)))
    return [Group(name, tuple(methods)) for name, methods in groupby(ordered, prefix)]


def page(registry: Registry, pages: Sequence[tuple[str, str]] = look.PAGES) -> bytes:
    """The page in UTF-8, with links to the other `pages` of its listener."""
    listed = groups(registry)
    texts = {
        "top": look.top("XML-RPC", pages),
        "options": "".join(group.options() for group in listed),
        "parameters": escape(_parameters(listed[0].methods[0])) if listed else "",
        "links": "".join(f"<ul>{group.links()}</ul>" for group in listed),
        "sections": "".join(group.section() for group in listed),
    }
    return _PAGE.substitute(texts, style=_STYLE, script=_SCRIPT).encode()
