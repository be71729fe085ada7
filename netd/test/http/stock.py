"""
The stock server as an oracle: netd's Resources on `twisted.web.server.Site`.

Rules: knows no test.  What `netd.http.request.Request` offers beyond `IRequest` is
made here of what stock has.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.web import http, server
from twisted.web.resource import IResource

from netd.http import response_head
from netd.http.context import Notes
from netd.http.request_head import Head, parse
from netd.http.response_head import HeaderBlock

_NO_TRAILERS: Final[Mapping[bytes, tuple[bytes, ...]]] = MappingProxyType({})


class StockRequest(server.Request):
    """A stock request with the methods of netd's own."""

    trailers = _NO_TRAILERS
    notes: Notes = ()

    @cached_property
    def head(self) -> Head:
        """The head, put together again from what stock made of it."""
        lines = [b"%b %b %b" % (self.method, self.uri, self.clientproto)]
        for name, values in self.requestHeaders.getAllRawHeaders():
            lines += [b"%b: %b" % (name, value) for value in values]
        raw = b"\r\n".join([*lines, b"", b""])
        return parse(raw, len(raw), len(raw))

    def setHeaders(self, block: HeaderBlock) -> None:
        """Set each field of `block`."""
        for name, value in response_head.pairs(block.by_name):
            self.setHeader(name, value)

    def begin(self, length: int) -> None:
        """Send the header of a body of `length` bytes."""
        self.setHeader(b"Content-Length", b"%d" % length)
        self.write(b"")

    def respond(self, body: bytes) -> None:
        """Send `body` as the whole response, unless the client left."""
        if self.finished or self._disconnected:
            return
        # A response to HEAD may know its length better than its empty body.
        if body or not self.responseHeaders.hasHeader(b"content-length"):
            self.setHeader(b"Content-Length", b"%d" % len(body))
        if self.method != b"HEAD":
            self.write(body)
        self.finish()

    def write(self, data: bytes) -> None:
        """Write `data`; a status without a body has no Content-Length either."""
        if self.code in response_head.NO_BODY:
            self.responseHeaders.removeHeader(b"content-length")
        server.Request.write(self, data)

    def finish(self) -> None:
        """End the response; after the client left, or a second time, this does nothing."""
        if not self.finished and not self._disconnected:
            server.Request.finish(self)

    def addTrailer(self, name: bytes | str, value: bytes | str) -> None:
        """Do nothing: stock sends no trailer fields."""

    def flush(self) -> None:
        """Do nothing: stock keeps no output."""

    def sentOutside(self, count: int) -> None:
        """Count bytes of the body that went to the transport directly."""
        self.sentLength += count


class StockSite(server.Site):
    """A stock site that logs nothing and tells clients nothing of an exception."""

    displayTracebacks = False

    def __init__(self, resource: IResource, clock: IReactorTime) -> None:
        server.Site.__init__(
            self, resource, requestFactory=StockRequest, reactor=clock, timeout=None
        )
        # Without the wrapper that chooses between HTTP/1.1 and HTTP/2.
        self.protocol = http.HTTPChannel  # type: ignore[assignment]  # made by calling it

    def log(self, request: http.Request) -> None:
        """Log nothing."""


def stock_site(resource: IResource, clock: IReactorTime) -> StockSite:
    """`resource` on stock's server, timed by `clock`, with `StockRequest` as its request."""
    return StockSite(resource, clock)
