"""
The header fields that follow from a reply and from the client.

Rules: knows no route and no endpoint.
"""

from __future__ import annotations

from functools import lru_cache

from netd.http.request import Request
from netd.http.response_head import HeaderBlock
from netd.lab.call import SANDBOX, Headers


@lru_cache(maxsize=256)
def block(content_type: str, sandbox: bool, cors: bool) -> HeaderBlock:
    """The fields that are the same for every client; an empty `content_type` is left out."""
    fields = [(b"Content-Type", content_type.encode("latin-1"))] if content_type else []
    fields.append((b"X-Content-Type-Options", b"nosniff"))
    if sandbox:
        fields.append((b"Content-Security-Policy", SANDBOX.encode()))
    if cors:
        # Scripts of any origin may read the response, as with httpbin.
        fields.append((b"Access-Control-Allow-Origin", b"*"))
        fields.append((b"Access-Control-Allow-Credentials", b"true"))
    return HeaderBlock(fields)


def share(request: Request) -> None:
    """Allow the Origin of the request by name, and allow what its preflight asks for."""
    # The search in the bytes comes first: parsing the fields costs as much as a small response.
    if request.head.raw.lower().find(b"\norigin:") >= 0:
        origin = request.getHeader(b"origin")
        if origin is not None:
            request.setHeader(b"Access-Control-Allow-Origin", origin)
    if request.method == b"OPTIONS":
        methods = b"GET, POST, PUT, DELETE, PATCH, OPTIONS"
        request.setHeader(b"Access-Control-Allow-Methods", methods)
        request.setHeader(b"Access-Control-Max-Age", b"3600")
        headers = request.getHeader(b"access-control-request-headers")
        if headers is not None:
            request.setHeader(b"Access-Control-Allow-Headers", headers)


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
