"""
Tests of netd.transport.tls_connection.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from netd.test.transport.tls_stages import client_context
from netd.transport import temporary_certificate, tls
from netd.transport.tls_connection import MAX_EMPTY_RECORDS, Connection, RecordSplitter


def record(content: bytes, kind: int = 23) -> bytes:
    """A TLS record."""
    return bytes((kind, 3, 3)) + len(content).to_bytes(2, "big") + content


class RecordSplitterTests(SynchronousTestCase):
    """Records in a stream of bytes."""

    STREAM = record(b"abc") + record(b"d" * 300) + record(b"") + record(b"e")

    def test_whole(self) -> None:
        """A piece ends with its last record."""
        for most, expected in (
            (1, (8, 1)),
            (2, (8 + 305, 2)),
            (4, (len(self.STREAM), 4)),
            (9, (len(self.STREAM), 4)),
        ):
            self.assertEqual(RecordSplitter().split(self.STREAM, most), expected)

    def test_cut(self) -> None:
        """Wherever the stream is cut, as many records end."""
        for at in range(len(self.STREAM)):
            splitter = RecordSplitter()
            pieces = self.STREAM[:at], self.STREAM[at:]
            seen = [splitter.split(piece, 9) for piece in pieces]
            self.assertEqual([length for length, _ in seen], [*map(len, pieces)])
            self.assertEqual(sum(ended for _, ended in seen), 4, at)

    def test_bytes(self) -> None:
        """Byte by byte, a record ends with its last byte, an empty one with its header."""
        splitter = RecordSplitter()
        ends = [
            number
            for number in range(1, len(self.STREAM) + 1)
            if splitter.split(self.STREAM[number - 1 : number])[1]
        ]
        self.assertEqual(ends, [8, 313, 318, 324])


class ConnectionTests(SynchronousTestCase):
    """A server's side, and a client's."""

    def setUp(self) -> None:
        pair = temporary_certificate.make([], 1_751_784_577.0)
        self.server = Connection(tls.context(pair))
        self.server.set_accept_state()
        # Any, because the stubs of pyOpenSSL are older than pyOpenSSL.
        self.client: Any = SSL.Connection(client_context(), None)
        self.client.set_connect_state()

    def hello(self) -> bytes:
        """The client's first record."""
        self.assertRaises(SSL.WantReadError, self.client.do_handshake)
        data: bytes = self.client.bio_read(65_536)
        return data

    def handshake(self, hello: bytes) -> None:
        """A whole handshake that begins with `hello`."""
        self.server.bio_write(hello)
        self.assertRaises(SSL.WantReadError, self.server.do_handshake)
        self.client.bio_write(self.server.bio_read(65_536))
        self.client.do_handshake()
        self.server.bio_write(self.client.bio_read(65_536))
        self.server.do_handshake()

    def fragments(self, pieces: int) -> bytes:
        """The ClientHello in so many records."""
        content = self.hello()[5:]
        size = len(content) // pieces
        cuts = [*range(0, size * pieces, size), len(content)]
        return b"".join(record(content[start:end], 22) for start, end in pairwise(cuts))

    def test_data(self) -> None:
        """Thousands of small records with data are received, however many come at once."""
        self.handshake(self.hello())
        for _ in range(3000):
            self.client.send(b"a")
        self.server.bio_write(self.client.bio_read(1_000_000))
        received = b"".join(self.server.recv(32_768) for _ in range(3000))
        self.assertEqual(received, b"a" * 3000)
        self.assertRaises(SSL.WantReadError, self.server.recv, 32_768)

    def test_fragments(self) -> None:
        """A ClientHello may come in several records."""
        self.handshake(self.fragments(MAX_EMPTY_RECORDS - 8))
        self.client.send(b"hello")
        self.server.bio_write(self.client.bio_read(65_536))
        self.assertEqual(self.server.recv(32_768), b"hello")

    def test_manyFragments(self) -> None:
        """A ClientHello in more records ends the handshake."""
        self.server.bio_write(self.fragments(2 * MAX_EMPTY_RECORDS))
        caught = self.assertRaises(SSL.Error, self.server.do_handshake)
        self.assertIn("too many records without data", str(caught))

    def test_empty(self) -> None:
        """Records without data are an error once there are too many of them in all."""

        def recv(*_: object) -> bytes:
            raise SSL.WantReadError

        self.patch(SSL.Connection, "recv", recv)
        for _ in range(4):
            self.server.bio_write(record(b"key update") * (MAX_EMPTY_RECORDS // 4))
            self.assertRaises(SSL.WantReadError, self.server.recv, 32_768)
        self.server.bio_write(record(b"key update"))
        caught = self.assertRaises(SSL.Error, self.server.recv, 32_768)
        self.assertIn("too many records without data", str(caught))
