"""
Fixed documents: HTML, XML, JSON, a form, images, what robots get.

Rules: pure functions from a Call to a Reply; nothing in them is a client's.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Final

from netd.http import negotiation
from netd.lab.call import HTML, JSON, Call, Reply
from netd.lab.endpoints.status import of

_HERE: Final = Path(__file__).parent.parent / "documents"

_TYPES: Final = {
    "webp": "image/webp",
    "svg": "image/svg+xml",
    "jpeg": "image/jpeg",
    "png": "image/png",
}
"""Images by the last segment of their path, in the order that /image prefers."""

_SLIDES: Final = {
    "slideshow": {
        "title": "Sample Slide Show",
        "date": "date of publication",
        "author": "Yours Truly",
        "slides": [
            {"type": "all", "title": "Wake up to WonderWidgets!"},
            {
                "type": "all",
                "title": "Overview",
                "items": [
                    "Why <em>WonderWidgets</em> are great",
                    "Who <em>buys</em> WonderWidgets",
                ],
            },
        ],
    }
}


@lru_cache
def _read(name: str) -> bytes:
    """A document that the package brings; there are ten, each a few kilobytes."""
    return (_HERE / name).read_bytes()


def html(call: Call) -> Reply:
    """A page of HTML."""
    return Reply(_read("page.html"), type=HTML, ours=True)


def xml(call: Call) -> Reply:
    """A document of XML."""
    return Reply(_read("slides.xml"), type="application/xml", ours=True)


def sample(call: Call) -> Reply:
    """A document of JSON."""
    body = json.dumps(_SLIDES, indent=2, sort_keys=True).encode() + b"\n"
    return Reply(body, type=JSON, ours=True)


def form(call: Call) -> Reply:
    """A form that posts to /post."""
    return Reply(_read("form.html"), type=HTML, ours=True)


def utf8(call: Call) -> Reply:
    """A page in many scripts, in UTF-8."""
    return Reply(_read("utf8.html"), type=HTML, ours=True)


def robots(call: Call) -> Reply:
    """Rules for robots: not to /deny."""
    return Reply(b"User-agent: *\nDisallow: /deny\n", type="text/plain", ours=True)


def deny(call: Call) -> Reply:
    """Where robots may not go."""
    return Reply(_read("deny.txt"), type="text/plain", ours=True)


def image(call: Call) -> Reply:
    """An image of a type that Accept has; PNG without one, 406 when none fits."""
    accepted = negotiation.weights([(call.header("accept") or "image/*").encode()])
    for name, kind in _TYPES.items():
        if accepted.get(kind.encode()):
            return _image(name)
    return _image("png") if accepted.get(b"image/*") else of(406)


def image_of(call: Call) -> Reply:
    """An image of the type in the path."""
    return _image(call.value("kind"))


def _image(name: str) -> Reply:
    return Reply(_read(f"image.{name}"), type=_TYPES[name], ours=True)
