"""
The header fields of an answer that follow from what it is and from who asks.

Rules: knows no route and no endpoint; runs on whatever offers the part of
IRequest that it uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from netd.http import response_head
from netd.lab.call import SANDBOX


class HeaderBlock:
    """Fields that are set together again and again, as lines already where that helps."""

    __slots__ = ("_lines",)

    def __init__(self, *fields: tuple[bytes, bytes]) -> None:
        self._lines = response_head.HeaderBlock(fields)

    def put(self, request: Any) -> None:
        """Set them: all at once where the engine can."""
        put = getattr(request, "setHeaders", None)
        if put is not None:
            put(self._lines)
            return
        for name, value in response_head.pairs(self._lines.by_name):
            request.setHeader(name, value)


@lru_cache(maxsize=256)
def standing(kind: str, ours: bool, cors: bool) -> HeaderBlock:
    """The fields that follow from what an answer is, whoever asked."""
    found = [(b"Content-Type", kind.encode("latin-1"))] if kind else []
    found.append((b"X-Content-Type-Options", b"nosniff"))
    if not ours:
        found.append((b"Content-Security-Policy", SANDBOX.encode()))
    if cors:
        # Scripts of any origin may read the answer, as with httpbin.
        found.append((b"Access-Control-Allow-Origin", b"*"))
        found.append((b"Access-Control-Allow-Credentials", b"true"))
    return HeaderBlock(*found)


def share(request: Any) -> None:
    """Name the origin that asks, and answer its preflight."""
    head = getattr(request, "head", None)
    # Looked for as bytes first: splitting all fields costs as much as a small answer.
    if head is None or head.raw.lower().find(b"\norigin:") >= 0:
        origin = request.getHeader(b"origin")
        if origin is not None:
            request.setHeader(b"Access-Control-Allow-Origin", origin)
    if request.method == b"OPTIONS":
        methods = b"GET, POST, PUT, DELETE, PATCH, OPTIONS"
        request.setHeader(b"Access-Control-Allow-Methods", methods)
        request.setHeader(b"Access-Control-Max-Age", b"3600")
        wanted = request.getHeader(b"access-control-request-headers")
        if wanted is not None:
            request.setHeader(b"Access-Control-Allow-Headers", wanted)


def add(request: Any, headers: Sequence[tuple[str, str]]) -> None:
    """Set fields; a name that comes twice has two lines."""
    seen = set()
    for name, value in headers:
        field = name.encode("latin-1"), value.encode("latin-1")
        if name.lower() in seen:
            request.responseHeaders.addRawHeader(*field)
        else:
            request.setHeader(*field)
            seen.add(name.lower())
