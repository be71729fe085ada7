"""
Twisted's own Request with the members that netd's Request adds, for tests on a stock Site.
"""

from __future__ import annotations

from twisted.web import server

from netd.http import request_head, response_head


class StockRequest(server.Request):
    """Give a stock request the members of `netd.http.request.Request` that Resources use."""

    @property
    def head(self) -> request_head.Head:
        """The head, written anew from what stock kept of it."""
        lines = [b"%b %b %b" % (self.method, self.uri, self.clientproto)]
        for name, values in self.requestHeaders.getAllRawHeaders():
            lines += [b"%b: %b" % (name, value) for value in values]
        return request_head.parse(b"\r\n".join([*lines, b"", b""]), 8192, 100)

    def setLines(self, block: response_head.HeaderBlock) -> None:
        """Set the fields of `block` one by one."""
        for name, value in response_head.said(block.by_name):
            self.setHeader(name, value)

    def whole(self, body: bytes) -> None:
        """Respond with `body`, and finish."""
        self.setHeader(b"Content-Length", b"%d" % len(body))
        if self.method != b"HEAD":
            self.write(body)
        self.finish()

    def addTrailer(self, name: bytes, value: bytes) -> None:
        """Leave the trailer out, which stock cannot send."""
