"""
The look that all pages of the daemon share, and the policy that holds them to themselves.

Rules: pure.  A page loads nothing from elsewhere: its style and its script are inline and
allowed by their hashes, so that nothing else can run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from importlib import resources
from typing import Final

STYLE: Final = resources.files("netd").joinpath("look.css").read_text("utf-8")
"""The style sheet that each page begins with."""

_MARK: Final = (
    '<svg viewBox="0 0 20 20" aria-hidden="true">'
    '<rect x="1" y="2" width="9" height="4" rx="2"/>'
    '<rect x="1" y="8" width="14" height="4" rx="2" opacity=".75"/>'
    '<rect x="1" y="14" width="18" height="4" rx="2" opacity=".5"/></svg>'
)
PAGES: Final = (
    ("Console", "/help"),
    ("XML-RPC", "/RPC2"),
    ("Files", "/files/"),
)
"""The pages of one daemon, by the words of their links."""


def policy(style: str, script: str = "", *more: str) -> str:
    """
    A Content-Security-Policy (CSP 3) for a page with one style and at most one script.

    `more` are further directives, and what replaces a directive by its name.
    """
    directives = {
        "default-src": "'none'",
        "style-src": _source(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    if script:
        directives["script-src"] = _source(script)
        directives["connect-src"] = "'self'"
    directives |= dict(each.split(" ", 1) for each in more)
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _source(text: str) -> str:
    """The hash source of an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def top(current: str = "", pages: Sequence[tuple[str, str]] = PAGES) -> str:
    """
    The bar at the top of a page, with a skip link to its `main`, which has the id "main".

    `current` is the link of this page; without `pages` there are no links.
    """
    if not pages:
        return f'<header class="bar"><div><span class="brand">{_MARK}netd</span></div></header>'
    links = "".join(
        f'<li><a href="{escape(url)}"{" aria-current=page" if word == current else ""}>'
        f"{escape(word)}</a></li>"
        for word, url in pages
    )
    return (
        '<a class="skip" href="#main">Skip to the content</a><header class="bar"><div>'
        f'<a class="brand" href="{escape(pages[0][1])}">{_MARK}netd</a>'
        '<code id="host" class="dim"></code>'
        f'<nav aria-label="Pages"><ul>{links}</ul></nav></div></header>'
    )
