"""
Tests of the oracle: netd's requests on the stock server.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import NOT_DONE_YET

from netd.http.response_head import HeaderBlock
from netd.test.http.stages import Call, parse_responses
from netd.test.http.stock import stock_site

REQUEST = b"GET /a%20b?c HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nx-one: 2\r\n\r\n"


class StockTests(SynchronousTestCase):
    """
    `StockRequest` offers what `Request` does.
    """

    def connect(self, function: Any, data: bytes = REQUEST) -> Any:
        """A channel of the stock server that has received `data`."""
        self.transport = StringTransport(peerAddress=IPv4Address("TCP", "127.0.0.1", 1))
        channel: Any = stock_site(Call(function), Clock()).buildProtocol(None)
        channel.makeConnection(self.transport)
        channel.dataReceived(data)
        self.addCleanup(channel.connectionLost, Failure(ConnectionLost()))
        return channel

    def test_head(self) -> None:
        """The head has the target and the fields that were sent."""
        heads = []

        def render(request: Any) -> bytes:
            heads.append(request.head)
            return b""

        self.connect(render)
        (head,) = heads
        self.assertEqual((head.uri, head.postpath), (b"/a%20b?c", [b"a b"]))
        self.assertEqual(head.fields[b"x-one"], (b"1", b"2"))

    def test_respond(self) -> None:
        """A whole response has the fields of the block, its length and its body, once."""

        def render(request: Any) -> int:
            request.setHeaders(HeaderBlock([(b"X-A", b"b")]))
            request.addTrailer(b"X-Sum", b"1")
            request.flush()
            for _ in range(2):
                request.respond(b"body")
                request.finish()
            return NOT_DONE_YET

        for method in (b"GET", b"HEAD"):
            self.connect(render, REQUEST.replace(b"GET", method))
            (response,) = parse_responses(
                self.transport.value(), "H" if method == b"HEAD" else ""
            )
            self.assertEqual(response.body, b"body" if method == b"GET" else b"")
            self.assertEqual(response.field(b"content-length"), b"4")
            self.assertEqual(response.field(b"x-a"), b"b")

    def test_sentOutside(self) -> None:
        """Bytes that did not pass through the request are counted."""
        counts = []

        def render(request: Any) -> bytes:
            request.sentOutside(3)
            counts.append(request.sentLength)
            return b""

        self.connect(render)
        self.assertEqual(counts, [3])
