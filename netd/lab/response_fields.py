"""
The header fields that follow from a reply and from the client.

Rules: knows no route and no endpoint.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from netd.http.cors import ANY, Policy
from netd.http.request import Request
from netd.http.response_head import HeaderBlock
from netd.lab.call import SANDBOX, Headers

# Scripts of any origin may read every response, as with httpbin.
_SHARED: Final = Policy(
    b"GET, POST, PUT, DELETE, PATCH, OPTIONS", credentials=True, max_age=3600
)


@lru_cache(maxsize=256)
def block(content_type: str, sandbox: bool, cors: bool) -> HeaderBlock:
    """The fields that are the same for every client; an empty `content_type` is left out."""
    fields = [(b"Content-Type", content_type.encode("latin-1"))] if content_type else []
    fields.append((b"X-Content-Type-Options", b"nosniff"))
    if sandbox:
        fields.append((b"Content-Security-Policy", SANDBOX.encode()))
    if cors:
        fields.extend(_SHARED.allow(ANY))
    return HeaderBlock(fields)


def share(request: Request) -> None:
    """Allow the Origin of the request by name, and allow what its preflight asks for."""
    # The search in the bytes comes first: parsing the fields costs as much as a small response.
    if request.head.raw.lower().find(b"\norigin:") >= 0:
        origin = request.getHeader(b"origin")
        if origin is not None:
            for name, value in _SHARED.allow(origin):
                request.setHeader(name, value)
    if request.method == b"OPTIONS":
        requested = request.getHeader(b"access-control-request-headers")
        for name, value in _SHARED.preflight(requested):
            request.setHeader(name, value)


def add(request: Request, headers: Headers) -> None:
    """Set fields; a name that comes twice gets two lines."""
    names = set()
    for name, value in headers:
        field = name.encode("latin-1"), value.encode("latin-1")
        if name.lower() in names:
            request.responseHeaders.addRawHeader(*field)
        else:
            request.setHeader(*field)
            names.add(name.lower())
