"""
Fixed documents: HTML, XML, JSON, a form, images, texts for robots.

Rules: pure functions from a Call to a Reply; no byte comes from the client.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from netd.http import negotiation
from netd.lab.call import HTML, JSON, Call, Reply
from netd.lab.endpoints.status import status_reply
from netd.lab.routes import Endpoint

_FOLDER: Final = Path(__file__).parent.parent / "documents"

_TYPES: Final = {
    "webp": "image/webp",
    "svg": "image/svg+xml",
    "jpeg": "image/jpeg",
    "png": "image/png",
}
"""The types of images, in the order in which /image prefers those that Accept names."""
_KINDS: Final = {content_type.encode(): kind for kind, content_type in _TYPES.items()}


@lru_cache
def _read(name: str) -> bytes:
    """A document of the package; there are a dozen, of a few kilobytes each."""
    return (_FOLDER / name).read_bytes()


def _document(name: str, content_type: str, claim: str) -> Endpoint:
    """The endpoint that returns a document; `claim` is its docstring."""

    def endpoint(call: Call) -> Reply:
        return Reply(_read(name), type=content_type, sandbox=False)

    endpoint.__doc__ = claim
    return endpoint


html: Final = _document("page.html", HTML, "Return a page of HTML.")
xml: Final = _document("slides.xml", "application/xml", "Return a document of XML.")
sample: Final = _document("slides.json", JSON, "Return a document of JSON.")
form: Final = _document("form.html", HTML, "Return a form that posts to /post.")
utf8: Final = _document("utf8.html", HTML, "Return a page in many scripts, in UTF-8.")
robots: Final = _document("robots.txt", "text/plain", "Return rules that forbid /deny.")
deny: Final = _document("deny.txt", "text/plain", "Return the page that robots may not visit.")


def image(call: Call) -> Reply:
    """Return an image of a type that Accept prefers, by default PNG; 406 when none fits."""
    accept = [(call.header("accept") or "").encode("latin-1")]
    media = negotiation.choose_media(accept, tuple(_KINDS))
    if media not in negotiation.weights(accept):
        media = negotiation.choose_media(accept, tuple(reversed(_KINDS)))
    return status_reply(406) if media is None else _image(_KINDS[media])


def image_of(call: Call) -> Reply:
    """Return an image of the type in the path."""
    return _image(call.value("kind"))


def _image(name: str) -> Reply:
    return Reply(_read(f"image.{name}"), type=_TYPES[name], sandbox=False)
