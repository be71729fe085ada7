"""
Tests for netd.net.tls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from netd.net import tls
from netd.test.stages import Identity, identity


class _Files(SynchronousTestCase):
    """
    PEM files of one test.
    """

    def setUp(self) -> None:
        self.room = Path(self.mktemp())
        self.room.mkdir(parents=True)
        self.server = identity()
        self.certificate, self.key = self.server.write(self.room)

    def file(self, content: bytes, name: str = "file.pem") -> Path:
        """The path of a file that holds `content`."""
        path = self.room / name
        path.write_bytes(content)
        return path


class ContextTests(_Files):
    """
    What is made of files that the operator names.
    """

    def refused(self, certificate: Path, key: Path | None) -> str:
        """The one line with which they are refused."""
        with self.assertRaises(UsageError) as caught:
            tls.context(certificate, key)
        said = str(caught.exception)
        self.assertTrue(said.isprintable(), said)
        self.assertNotIn("[]", said)
        self.assertFalse(said.rstrip().endswith(":"), said)
        return said

    def test_two_files(self) -> None:
        """
        A certificate and its key may stand in two files.
        """
        self.assertIsInstance(tls.context(self.certificate, self.key), CertificateOptions)

    def test_one_file(self) -> None:
        """
        Both may stand in one, in either order.
        """
        parts = (self.server.certificate_pem, self.server.key_pem)
        for content in (b"".join(parts), b"".join(reversed(parts))):
            tls.context(self.file(content), None)

    def test_read_once(self) -> None:
        """
        The files are read when the daemon is built: that they go afterwards harms nobody.
        """
        options = tls.context(self.certificate, self.key)
        self.certificate.unlink()
        self.key.unlink()
        self.assertIsInstance(options.getContext(), SSL.Context)

    def test_no_memory(self) -> None:
        """
        A system that forbids memory to be written and then run is told apart, in one line.
        """

        def forbidden(options: CertificateOptions) -> None:
            raise MemoryError

        self.patch(CertificateOptions, "getContext", forbidden)
        self.assertIn("forbidden here", self.refused(self.certificate, self.key))

    def test_strange_keys(self) -> None:
        """
        A key that TLS does not sign with, or that nobody here knows, is refused in words.
        """
        for wrong in (UnsupportedAlgorithm("x"), TypeError("x")):

            def load(pem: bytes, password: None, wrong: Exception = wrong) -> None:
                raise wrong

            self.patch(tls, "load_pem_private_key", load)
            self.assertIn("key", self.refused(self.certificate, self.key))

    def test_certificate_file(self) -> None:
        """
        A certificate file that is missing, a directory, or holds none is refused by name.
        """
        der = self.server.certificate.public_bytes(serialization.Encoding.DER)
        broken = self.server.certificate_pem.replace(b"M", b"!", 1)
        for path, said in (
            (self.room / "missing", "No such file or directory"),
            (self.room, "Is a directory"),
            (self.file(b"", "empty"), ""),
            (self.file(b"hello\n", "text"), ""),
            (self.file(bytes(range(256)), "binary"), ""),
            (self.file(der, "der"), ""),
            (self.file(broken, "broken"), ""),
            (self.file(self.server.key_pem, "only the key"), ""),
        ):
            for key in (self.key, None):
                line = self.refused(path, key)
                self.assertTrue(line.startswith(f"--certificate {path}: {said}"), line)

    def test_key_file(self) -> None:
        """
        So is a key file, by the option that named it.
        """
        for path, said in (
            (self.room / "missing", "No such file or directory"),
            (self.room, "Is a directory"),
            (self.file(b"", "empty"), ""),
            (self.file(b"hello\n", "text"), ""),
            (self.certificate, ""),
        ):
            line = self.refused(self.certificate, path)
            self.assertTrue(line.startswith(f"--private-key {path}: {said}"), line)

    def test_other_key(self) -> None:
        """
        A key of another certificate is refused.
        """
        _, other = identity().write(self.room, "other")
        line = self.refused(self.certificate, other)
        self.assertTrue(line.startswith(f"--private-key {other}: "), line)
        self.assertIn("mismatch", line)

    def test_key_missing(self) -> None:
        """
        A certificate alone is refused with the hint that the key has to be somewhere.
        """
        line = self.refused(self.certificate, None)
        self.assertTrue(line.startswith(f"--certificate {self.certificate}: "), line)
        self.assertTrue(line.endswith("without --private-key it must hold the key too"), line)

    def test_passphrase(self) -> None:
        """
        A key under a passphrase is refused, and nobody is asked for it on the terminal.
        """
        locked = self.server.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.BestAvailableEncryption(b"secret"),
        )
        path = self.file(locked, "locked.key")
        line = self.refused(self.certificate, path)
        self.assertTrue(line.startswith(f"--private-key {path}: "), line)


class _Client:
    """OpenSSL's side of a connection that has no socket."""

    def __init__(self, context: SSL.Context) -> None:
        # Any, for the stubs of pyOpenSSL are older than it is.
        self.ssl: Any = SSL.Connection(context, None)
        self.ssl.set_tlsext_host_name(b"localhost")
        self.ssl.set_connect_state()
        self.heard = b""

    def turn(self, data: bytes) -> bytes:
        """What the client answers to `data`; SSL.Error when it is refused or refuses."""
        if data:
            self.ssl.bio_write(data)
        try:
            self.ssl.do_handshake()
            self.heard += self.ssl.recv(65536)
        except (SSL.WantReadError, SSL.ZeroReturnError):
            pass
        return self.said()

    def said(self) -> bytes:
        """What waits to be sent."""
        try:
            waiting: bytes = self.ssl.bio_read(65536)
        except SSL.WantReadError:
            return b""
        return waiting


def offering(
    least: int = SSL.TLS1_2_VERSION,
    most: int = SSL.TLS1_3_VERSION,
    ciphers: bytes = b"ALL@SECLEVEL=0",
) -> SSL.Context:
    """A client that would take these versions and ciphers, and any certificate."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(least)
    context.set_max_proto_version(most)
    context.set_cipher_list(ciphers)
    return context


class Heard(Protocol):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.data = b""

    def dataReceived(self, data: bytes) -> None:
        """Keep `data`."""
        self.data += data


class WrapTests(_Files):
    """
    A factory behind TLS, spoken to without a socket.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        factory = Factory.forProtocol(Heard)
        self.factory = tls.wrap(factory, tls.context(self.certificate, self.key), self.clock)
        self.inner = factory

    def connect(self, context: SSL.Context, early: bytes = b"") -> _Client:
        """A client whose handshake is over; SSL.Error when it fails."""
        client = _Client(context)
        self.transport = StringTransport()
        protocol: Any = self.factory.buildProtocol(None)
        protocol.makeConnection(self.transport)
        self.addCleanup(protocol.connectionLost, connectionDone)
        self.protocol: Any = protocol.wrappedProtocol
        data = client.turn(b"")
        while data:
            protocol.dataReceived(data)
            self.clock.advance(0)
            answer = self.transport.value()
            self.transport.clear()
            data = client.turn(answer)
        return client

    def speak(self, client: _Client, data: bytes) -> None:
        """The client says `data`, and hears what comes back."""
        client.ssl.send(data)
        outer: Any = self.protocol.transport
        outer.dataReceived(client.said())
        self.clock.advance(0)
        client.turn(self.transport.value())
        self.transport.clear()

    def test_versions(self) -> None:
        """
        TLS 1.2 and TLS 1.3 are spoken, the newer one when the client can.
        """
        for least, most, spoken in (
            (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION, "TLSv1.2"),
            (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION, "TLSv1.3"),
            (SSL.TLS1_VERSION, SSL.TLS1_3_VERSION, "TLSv1.3"),
        ):
            client = self.connect(offering(least, most))
            self.assertEqual(client.ssl.get_protocol_version_name(), spoken)

    def test_old_versions(self) -> None:
        """
        TLS 1.0 and 1.1 are refused (RFC 8996), for the reason of their version.
        """
        for version in (SSL.TLS1_VERSION, SSL.TLS1_1_VERSION):
            with self.assertRaises(SSL.Error) as caught:
                self.connect(offering(version, version))
            self.assertIn("protocol version", str(caught.exception))

    def test_ciphers(self) -> None:
        """
        What is neither forward secret nor authenticated with its text is refused in TLS 1.2.
        """
        for cipher in (
            b"ECDHE-ECDSA-AES128-SHA256",
            b"ECDHE-ECDSA-AES256-SHA",
            b"AES128-GCM-SHA256",
        ):
            with self.assertRaises(SSL.Error) as caught:
                self.connect(offering(most=SSL.TLS1_2_VERSION, ciphers=cipher + b"@SECLEVEL=0"))
            self.assertIn("handshake failure", str(caught.exception))
        for cipher in (b"ECDHE-ECDSA-AES128-GCM-SHA256", b"ECDHE-ECDSA-CHACHA20-POLY1305"):
            client = self.connect(offering(most=SSL.TLS1_2_VERSION, ciphers=cipher))
            self.assertEqual(client.ssl.get_cipher_name(), cipher.decode())

    def test_certificate(self) -> None:
        """
        The server shows the certificate of the file.
        """
        shown = self.connect(offering()).ssl.get_peer_certificate(as_cryptography=True)
        self.assertEqual(shown, self.server.certificate)

    def test_chain(self) -> None:
        """
        It shows the rest of the chain too, when the file holds it.
        """
        root = identity("root")
        leaf = identity("localhost", root)
        path = self.file(leaf.certificate_pem + root.certificate_pem, "chain.pem")
        _, key = leaf.write(self.room, "leaf")
        self.factory = tls.wrap(self.inner, tls.context(path, key), self.clock)
        chain = self.connect(offering()).ssl.get_peer_cert_chain(as_cryptography=True)
        self.assertEqual(chain, [leaf.certificate, root.certificate])

    def test_alpn(self) -> None:
        """
        A client that offers HTTP/2 first is told HTTP/1.1; one that offers nothing is let in.
        """
        context = offering()
        context.set_alpn_protos([b"h2", b"http/1.1"])
        self.assertEqual(self.connect(context).ssl.get_alpn_proto_negotiated(), b"http/1.1")
        self.assertEqual(self.connect(offering()).ssl.get_alpn_proto_negotiated(), b"")

    def test_no_client_certificate(self) -> None:
        """
        Nobody is asked for a certificate of their own.
        """
        self.assertEqual(self.connect(offering()).ssl.get_client_ca_list(), [])

    def test_plain(self) -> None:
        """
        The protocol inside sees plain bytes, in both directions.
        """
        client = self.connect(offering())
        self.speak(client, b"hello")
        self.assertEqual(self.protocol.data, b"hello")
        self.protocol.transport.write(b"and ")
        self.speak(client, b" again")
        self.assertEqual(self.protocol.data, b"hello again")
        self.assertEqual(client.heard, b"and ")

    def test_secure(self) -> None:
        """
        It can tell that its transport is secure, and belongs to the factory that was given.
        """
        self.connect(offering())
        self.assertIs(self.protocol.factory, self.inner)
        self.assertTrue(ISSLTransport.providedBy(self.protocol.transport))

    def test_no_tls(self) -> None:
        """
        A client that speaks plain HTTP to it is cut, and the protocol inside hears nothing.
        """
        transport = StringTransport()
        protocol: Any = self.factory.buildProtocol(None)
        protocol.makeConnection(transport)
        protocol.dataReceived(b"GET / HTTP/1.0\r\n\r\n")
        self.assertTrue(transport.disconnecting or transport.disconnected)
        self.assertEqual(protocol.wrappedProtocol.data, b"")
        protocol.connectionLost(connectionDone)


class IdentityTests(SynchronousTestCase):
    """
    The certificates that these tests make.
    """

    def test_signed(self) -> None:
        """
        A certificate is signed by its issuer, or by itself.
        """
        root = identity("root")
        leaf: Identity = identity("leaf", root)
        leaf.certificate.verify_directly_issued_by(root.certificate)
        root.certificate.verify_directly_issued_by(root.certificate)
