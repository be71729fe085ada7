"""The half of a request that is read."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import ISSLTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from netd.test.http.stages import Stage

ASK = b"GET /held/a%20b/%2F?x=1&y=%32&x=3&z HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nx-one: 2\r\n\r\n"


class QuestionTests(SynchronousTestCase):
    """What a client asked."""

    def setUp(self) -> None:
        self.stage = Stage(body_memory=4)

    def ask(self, data: bytes = ASK) -> Any:
        """The request that came of `data`."""
        self.client = self.stage.ask(data, host="192.0.2.7")
        return self.stage.tree.children[b"held"].requests[-1]

    def test_line(self) -> None:
        """The line is taken apart, and the path is walked."""
        request = self.ask()
        self.assertEqual(request.method, b"GET")
        self.assertEqual(request.uri, b"/held/a%20b/%2F?x=1&y=%32&x=3&z")
        self.assertEqual(request.path, b"/held/a%20b/%2F")
        self.assertEqual((request.prepath, request.postpath), ([b"held"], [b"a b", b"/"]))
        self.assertEqual(request.clientproto, b"HTTP/1.1")
        self.assertEqual(self.ask(b"GET /held HTTP/1.0\r\n\r\n").clientproto, b"HTTP/1.0")

    def test_args(self) -> None:
        """The query is taken apart as stock does; without one there is nothing."""
        request = self.ask()
        self.assertEqual(request.args, {b"x": [b"1", b"3"], b"y": [b"2"]})
        self.assertIs(request.args, request.args)
        self.assertEqual(self.ask(b"GET /held HTTP/1.0\r\n\r\n").args, {})

    def test_headers(self) -> None:
        """A field is found in any case; of several, the last."""
        request = self.ask()
        for _ in range(2):
            self.assertEqual(request.getHeader(b"X-ONE"), b"2")
            self.assertEqual(request.getHeader("x-one"), "2")
            self.assertIsNone(request.getHeader(b"x-two"))
            self.assertIsNone(request.getHeader("x-two"))
            self.assertEqual(request.requestHeaders.getRawHeaders(b"X-One"), [b"1", b"2"])
        request.requestHeaders.setRawHeaders(b"X-Two", [b"set"])
        self.assertEqual(request.getHeader(b"x-two"), b"set")

    def test_raw(self) -> None:
        """The head is there as it came over the wire."""
        self.assertEqual(self.ask().head.raw, ASK)

    def test_content(self) -> None:
        """The body is a file at its start, in memory or on disk, and closed in time."""
        for body in (b"", b"abc", b"abcdefgh"):
            request = self.ask(
                b"POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            self.assertIs(request.content, request.content)
            self.assertEqual(request.content.read(), body)
            self.assertEqual(request.content.seek(0), 0)
            self.assertEqual(request.content.read(2), body[:2])
            request.finish()
            self.assertTrue(request.content.closed)
        self.assertEqual(self.stage.site.spools.held, 0)

    def test_contentOfTheLost(self) -> None:
        """The body of a client that left is given back."""
        request = self.ask(b"POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        self.client.reset()
        self.assertEqual(self.stage.site.spools.held, 0)
        self.assertTrue(request.content.closed)

    def test_who(self) -> None:
        """The client's address is that of the connection, or what the gate found out."""
        self.assertEqual(self.ask().getClientAddress(), IPv4Address("TCP", "192.0.2.7", 40000))
        channel = self.stage.site.buildProtocol(None)
        channel.transport = self.client.transport
        self.assertEqual(channel.client_address(), self.client.transport.getPeer())

    def test_secure(self) -> None:
        """Over TLS the request is secure."""
        request = self.ask()
        self.assertFalse(request.isSecure())
        alsoProvides(self.client.transport, ISSLTransport)
        request.channel.carry(self.client.transport)
        self.assertTrue(request.isSecure())
