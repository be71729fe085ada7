"""
The console: one HTML document, whose Reference needs no script.

Rules: pure; made from the routes.  Style and script are inside, and the policy allows nothing
else; every text is escaped.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Final

from attrs import Factory, field, frozen

from netd import look
from netd.lab.call import HTML
from netd.lab.parameters import Parameter
from netd.lab.routes import Route

_FILES: Final = resources.files("netd.lab").joinpath("documents", "console")
_SCRIPTS: Final = (
    *("base", "plot", "stream", "watch", "bin", "gantt", "experiment"),
    *("result", "send", "compose", "snippets", "routes", "form", "app"),
)
"""The parts of the script: what watches, what tries, and at the end what starts both."""


def _read(name: str) -> str:
    return _FILES.joinpath(name).read_text("utf-8")


def _trimmed_style(style: str) -> str:
    """A style sheet without the spaces that mean nothing."""
    text = "".join(line.strip() for line in style.splitlines())
    for mark in ("{ ", "} ", "; ", ": ", ", ", " {", " }"):
        text = text.replace(mark, mark.strip())
    return text.replace(";}", "}")


def _trimmed_script(script: str) -> str:
    """A script without its comments and indentation."""
    lines = (line.strip() for line in script.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))


_PAGE: Final = Template(_read("page.html"))
_SECTIONS: Final = "".join(
    _read(f"{name}.html") for name in ("figures", "try", "experiment", "watch")
)
_STYLE: Final = _trimmed_style(look.STYLE + _read("console.css"))
_SCRIPT: Final = "".join(_trimmed_script(_read(f"{name}.js")) for name in _SCRIPTS)
_POLICY: Final = look.policy(
    _STYLE, _SCRIPT, "img-src blob: data:", "require-trusted-types-for 'script'"
)
_REFERENCE_POLICY: Final = look.policy(_STYLE)
_REFERENCE: Final = ("Reference", "#reference")
_SECTION_LINKS: Final = (("Try", "#try"), ("Experiment", "#experiment"), ("Watch", "#watch"))
_LINKS: Final = (*_SECTION_LINKS, _REFERENCE, *look.PAGES[1:])
_FOOTER: Final = '<div id="scheme" hidden></div>'
_SEGMENT: Final = re.compile("&lt;[^&]*+&gt;")
_NO_LETTERS: Final = re.compile("[^a-z]+")


@frozen
class Document:
    """A text that is kept as it is sent."""

    body: bytes
    type: str
    policy: str = ""
    """Its Content-Security-Policy; for pages only."""
    compressed: bytes = field(
        init=False, default=Factory(lambda self: gzip.compress(self.body, mtime=0), True)
    )
    """The body in gzip."""
    tag: str = field(
        init=False,
        default=Factory(lambda self: hashlib.sha256(self.body).hexdigest()[:16], True),
    )
    """The opaque part of its entity tag."""


def document(routes: Sequence[Route], console: bool) -> Document:
    """The document of these `routes`, with the console or the Reference alone."""
    count = Counter(each for route in routes for each in route.parameters)
    shared = [each for each, times in count.items() if times > 1]
    texts = {
        "title": "console" if console else "all URLs",
        "style": _STYLE,
        "top": look.top("Try", _LINKS if console else (_REFERENCE, *look.PAGES[1:])),
        "console": _SECTIONS if console else "",
        "themes": "".join(
            _theme(name, [each for each in routes if each.theme == name], shared)
            for name in themes(routes)
        ),
        "shared": "".join(
            _definition(each, f' id="p-{number}"') for number, each in enumerate(shared)
        ),
        "footer": _FOOTER if console else "",
        "script": f'<script type="module">{_SCRIPT}</script>' if console else "",
    }
    policy = _POLICY if console else _REFERENCE_POLICY
    return Document(_PAGE.substitute(texts).encode(), HTML, policy)


def themes(routes: Sequence[Route]) -> list[str]:
    """The headings, in the order of their last routes: the daemon has its own all over."""
    return list(reversed(dict.fromkeys(route.theme for route in reversed(routes))))


def _theme(name: str, routes: Sequence[Route], shared: Sequence[Parameter]) -> str:
    """The routes of one theme."""
    key = _NO_LETTERS.sub("-", name.lower())
    rows = "".join(_row(route, shared) for route in routes)
    return f'<section class="theme"><h3 id="{key}">{escape(name)}</h3><ul>{rows}</ul></section>'


def _row(route: Route, shared: Sequence[Parameter]) -> str:
    """One route: what it is, and its parameters or links to those that others have too."""
    path = _SEGMENT.sub(lambda match: f"<i>{match[0]}</i>", escape(route.path))
    path = f"<code>{path}</code>"
    if route.takes("GET"):
        path = f'<a href="{escape(route.example)}">{path}</a>'
    links = "".join(
        f'<a href="#p-{shared.index(each)}">{each.name}</a> '
        for each in route.parameters
        if each in shared
    )
    own = "".join(_definition(each) for each in route.parameters if each not in shared)
    methods = ", ".join(route.methods) or "any"
    return (
        f'<li class="route"><div>{path}<span>{methods}</span></div>'
        f"<div>{escape(route.help)}{f'<dl>{own}</dl>' if own else ''}"
        f"{f'<p class=tags>{links}</p>' if links else ''}</div></li>"
    )


def _definition(each: Parameter, identity: str = "") -> str:
    """A parameter with its limits."""
    text = escape(each.help + each.in_brackets)
    return f"<div{identity}><dt>{each.name}</dt><dd>{text}</dd></div>"
