"""
Tests for netd.transport.tls.
"""

from __future__ import annotations

import contextlib
import datetime
from pathlib import Path
from typing import Any, Final
from weakref import ref

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.counters import Counters
from netd.test.stages import Identity, identity
from netd.transport import certificates, tls
from netd.transport.certificates import KeyPair

# Sunday, 6 July 2025
NOW: Final = 1_751_784_577.0
FAR: Final = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)


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

    def asked(self, **more: Any) -> settings.TLS:
        """The settings of a listener with these certificates."""
        return settings.TLS(
            (), **{"certificate": self.certificate, "private_key": self.key, **more}
        )


class ContextTests(_Files):
    """
    What is made of files that the operator names.
    """

    def refused(self, pair: KeyPair) -> str:
        """The one line with which a pair is refused."""
        with self.assertRaises(UsageError) as caught:
            tls.context(pair)
        said = str(caught.exception)
        self.assertTrue(said.isprintable(), said)
        self.assertFalse(said.rstrip().endswith(":"), said)
        return said

    def pair(self) -> KeyPair:
        """The certificate and its key."""
        return certificates.load_pair(self.certificate, self.key)

    def test_no_memory(self) -> None:
        """
        A system that forbids memory to be written and then run is told apart, in one line.
        """

        def forbidden(*ignored: object) -> None:
            raise MemoryError

        self.patch(SSL.Context, "set_alpn_select_callback", forbidden)
        self.assertIn("forbidden here", self.refused(self.pair()))

    def test_strange_key(self) -> None:
        """
        A key that TLS does not sign with is refused by OpenSSL's own words.
        """
        for wrong, words in (
            (TypeError("no such key"), "no such key"),
            (ValueError(), "ValueError"),
            (SSL.Error([("ssl", "", "ee key too small")]), "ee key too small"),
        ):

            def load(context: object, key: object, wrong: Exception = wrong) -> None:
                raise wrong

            self.patch(SSL.Context, "use_privatekey", load)
            self.assertEqual(
                self.refused(self.pair()), f"--certificate {self.certificate}: {words}"
            )

    def test_read_once(self) -> None:
        """
        The files are read when the daemon is built: that they go afterwards harms nobody.
        """
        made = tls.TLS(self.asked())
        self.certificate.unlink()
        self.key.unlink()
        self.assertIsInstance(made.serverConnectionForTLS(None), SSL.Connection)


class _Client:
    """OpenSSL's side of a connection that has no socket."""

    def __init__(self, context: SSL.Context, name: bytes = b"localhost") -> None:
        # Any, for the stubs of pyOpenSSL are older than it is.
        self.ssl: Any = SSL.Connection(context, None)
        if name:
            self.ssl.set_tlsext_host_name(name)
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
    *,
    protocols: tuple[bytes, ...] = (),
    shown: Identity | None = None,
) -> SSL.Context:
    """A client that would take these versions and ciphers, any certificate, and shows one."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(least)
    context.set_max_proto_version(most)
    if protocols:
        context.set_alpn_protos(list(protocols))
    if shown is not None:
        context.use_certificate(shown.certificate)
        context.use_privatekey(shown.key)
    # The last thing, for pyOpenSSL takes it for the first use of the context.
    context.set_cipher_list(ciphers)
    return context


class Heard(Protocol):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.data = b""

    def dataReceived(self, data: bytes) -> None:
        """Keep `data`."""
        self.data += data


class _Handshakes(_Files):
    """
    Connections to a factory behind TLS, without a socket.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.counters = Counters()
        self.now = NOW
        self.inner = Factory.forProtocol(Heard)
        self.offer()

    def offer(self, **more: Any) -> tls.TLS:
        """Offer what these settings ask for."""
        made = tls.TLS(self.asked(**more), self.counters, lambda: self.now)
        self.factory = tls.wrap(self.inner, made, self.clock)
        return made

    def connect(self, context: SSL.Context, name: bytes = b"localhost") -> _Client:
        """A client whose handshake is over; SSL.Error when it fails."""
        client = _Client(context, name)
        self.transport = StringTransport()
        protocol: Any = self.factory.buildProtocol(None)
        protocol.makeConnection(self.transport)
        self.addCleanup(self.lose, protocol)
        self.protocol: Any = protocol.wrappedProtocol
        data = client.turn(b"")
        while data:
            protocol.dataReceived(data)
            self.clock.advance(0)
            answer = self.transport.value()
            self.transport.clear()
            data = client.turn(answer)
        return client

    def lose(self, protocol: Any) -> None:
        """The socket is gone, if it was there still."""
        if protocol in protocol.factory.protocols:
            protocol.connectionLost(connectionDone)

    def speak(self, client: _Client, data: bytes) -> None:
        """The client says `data`, and hears what comes back."""
        client.ssl.send(data)
        outer: Any = self.protocol.transport
        outer.dataReceived(client.said())
        self.clock.advance(0)
        client.turn(self.transport.value())
        self.transport.clear()

    def shown(self, name: bytes = b"localhost") -> x509.Certificate:
        """The certificate that a client which asks for `name` sees."""
        seen: x509.Certificate = self.connect(offering(), name).ssl.get_peer_certificate(
            as_cryptography=True
        )
        return seen


class WrapTests(_Handshakes):
    """
    A factory behind TLS.
    """

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
        self.assertEqual(self.shown(), self.server.certificate)
        self.assertEqual(self.shown(b""), self.server.certificate)

    def test_chain(self) -> None:
        """
        It shows the rest of the chain too, when the file holds it.
        """
        root = identity("root")
        leaf = identity("localhost", root)
        path = self.file(leaf.certificate_pem + root.certificate_pem, "chain.pem")
        _, key = leaf.write(self.room, "leaf")
        self.offer(certificate=path, private_key=key)
        chain = self.connect(offering()).ssl.get_peer_cert_chain(as_cryptography=True)
        self.assertEqual(chain, [leaf.certificate, root.certificate])

    def test_alpn(self) -> None:
        """
        A client that offers HTTP/2 first is told HTTP/1.1; one that offers nothing is let in.
        """
        for protocols, agreed in (
            ((b"h2", b"http/1.1"), b"http/1.1"),
            ((b"http/1.1",), b"http/1.1"),
            ((), b""),
        ):
            client = self.connect(offering(protocols=protocols))
            self.assertEqual(client.ssl.get_alpn_proto_negotiated(), agreed)

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

    def test_forgets(self) -> None:
        """
        A connection that is gone knows no producer: no collector is needed to free both.
        """
        self.connect(offering())
        outer: Any = self.protocol.transport
        producer = Heard()
        outer.registerProducer(producer, True)
        # As a socket does that is lost.
        self.transport.producer = None
        left = ref(producer)
        del producer
        self.assertIsNotNone(left())
        outer.connectionLost(connectionDone)
        self.assertIsNone(left())

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
        self.assertEqual(self.counters.refusals["tls"], 1)


class ClientTests(_Handshakes):
    """
    Clients that must say who they are.
    """

    def setUp(self) -> None:
        super().setUp()
        self.authority = identity("clients", authority=True)
        self.ca = self.file(self.authority.certificate_pem, "ca.pem")

    def speak_as(self, shown: Identity | None, version: int = SSL.TLS1_3_VERSION) -> bytes:
        """What the protocol inside hears of a client with this certificate."""
        client = self.connect(offering(version, version, shown=shown))
        client.ssl.send(b"hello")
        outer: Any = self.protocol.transport
        outer.dataReceived(client.said())
        self.clock.advance(0)
        heard: bytes = self.protocol.data
        return heard

    def refused(self, shown: Identity | None) -> None:
        """This client is refused, and the protocol inside hears nothing of it."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            before = self.counters.refusals["tls"]
            # In TLS 1.3 the client is done before the server has looked (RFC 8446 2).
            with contextlib.suppress(SSL.Error):
                self.speak_as(shown, version)
            self.lose(self.protocol.transport)
            self.assertEqual(self.protocol.data, b"")
            self.assertEqual(self.counters.refusals["tls"], before + 1)

    def test_accepted(self) -> None:
        """
        A client with a certificate of the authority is let in, and known by its name.
        """
        self.offer(client_ca=self.ca)
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            shown = identity("Alice", self.authority)
            self.assertEqual(self.speak_as(shown, version), b"hello")
            self.assertEqual(self.protocol.transport.identity, "Alice")

    def test_refused(self) -> None:
        """
        One without, with one of somebody else's, or with one that is over, is refused.
        """
        self.offer(client_ca=self.ca)
        over = datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC)
        for shown in (
            None,
            identity("Mallory"),
            identity("Mallory", identity("clients", authority=True)),
            identity("Mallory", identity("Alice", self.authority)),
            identity("Alice", self.authority, ends=over),
        ):
            self.refused(shown)

    def test_optional(self) -> None:
        """
        Where it is optional one without is let in and has no name; a wrong one is refused.
        """
        self.offer(client_ca=self.ca, client_ca_optional=True)
        self.assertEqual(self.speak_as(None), b"hello")
        self.assertIsNone(self.protocol.transport.identity)
        self.assertEqual(self.speak_as(identity("Bob", self.authority)), b"hello")
        self.assertEqual(self.protocol.transport.identity, "Bob")
        self.refused(identity("Mallory"))

    def test_told(self) -> None:
        """
        The client is told whose certificates are wanted.
        """
        self.offer(client_ca=self.ca)
        shown = identity("Alice", self.authority)
        names = self.connect(offering(shown=shown)).ssl.get_client_ca_list()
        self.assertEqual([each.CN for each in names], ["clients"])

    def test_every_name(self) -> None:
        """
        What holds for one server name holds for all: none is a way around it.
        """
        room = self.room / "names"
        identity("a.example").write(room, "a.example")
        self.offer(client_ca=self.ca, directory=room)
        for name in (b"a.example", b"", b"b.example"):
            with contextlib.suppress(SSL.Error):
                client = self.connect(offering(), name)
                client.ssl.send(b"hello")
                self.protocol.transport.dataReceived(client.said())
            self.assertEqual(self.protocol.data, b"")

    def test_file(self) -> None:
        """
        A file of authorities that is missing or holds none is refused by its option.
        """
        for path in (self.room / "missing", self.room, self.file(b"", "empty"), self.key):
            with self.assertRaises(UsageError) as caught:
                self.offer(client_ca=path)
            self.assertTrue(str(caught.exception).startswith(f"--client-ca {path}: "))


class NameTests(_Handshakes):
    """
    Certificates chosen by server name.
    """

    def setUp(self) -> None:
        super().setUp()
        self.names = self.room / "names"
        self.names.mkdir()

    def put(self, name: str) -> x509.Certificate:
        """The certificate of a name, now in the directory."""
        made = identity(name)
        path = self.names / f"{name}.pem"
        path.write_bytes(made.certificate_pem + made.key_pem)
        return made.certificate

    def test_chosen(self) -> None:
        """
        A client sees the certificate of the name that it asks for, else the default one.
        """
        own, wild = self.put("a.example.org"), self.put("_.example.org")
        self.offer(directory=self.names)
        for name, shown in (
            (b"a.example.org", own),
            (b"A.Example.ORG", own),
            (b"b.example.org", wild),
            (b"c.b.example.org", self.server.certificate),
            (b"example.org", self.server.certificate),
            (b"localhost", self.server.certificate),
            (b"", self.server.certificate),
        ):
            self.assertEqual(self.shown(name), shown, name)

    def test_default(self) -> None:
        """
        Without --certificate the directory's own default is shown, and there must be one.
        """
        with self.assertRaises(UsageError) as caught:
            self.offer(certificate=None, private_key=None, directory=self.names)
        self.assertIn("has no default.pem", str(caught.exception))
        shown = self.put("default")
        self.offer(certificate=None, private_key=None, directory=self.names)
        self.assertEqual(self.shown(b"any.example"), shown)

    def test_protocol(self) -> None:
        """
        ALPN and versions are the same whatever the name.
        """
        self.put("a.example")
        self.offer(directory=self.names)
        client = self.connect(offering(protocols=(b"h2", b"http/1.1")), b"a.example")
        self.assertEqual(client.ssl.get_alpn_proto_negotiated(), b"http/1.1")
        with self.assertRaises(SSL.Error):
            self.connect(offering(SSL.TLS1_1_VERSION, SSL.TLS1_1_VERSION), b"a.example")


class ReloadTests(_Handshakes):
    """
    Certificates that change while the daemon runs.
    """

    def setUp(self) -> None:
        super().setUp()
        self.tls = self.offer()

    def renew(self, ends: datetime.datetime = FAR) -> x509.Certificate:
        """A new certificate in the files of the old one."""
        made = identity(ends=ends)
        made.write(self.room)
        return made.certificate

    def test_rotated(self) -> None:
        """
        New handshakes see the new certificate; who is connected goes on as before.
        """
        client = self.connect(offering())
        before = self.protocol
        fresh = self.renew()
        self.assertNotEqual(self.shown(), fresh)
        self.tls.change(self.tls.check())
        self.assertEqual(self.shown(), fresh)
        client.ssl.send(b"still here")
        before.transport.dataReceived(client.said())
        self.assertEqual(before.data, b"still here")

    def test_broken(self) -> None:
        """
        A file that is corrupt, missing or of another pair changes nothing, and is named.
        """
        for path, content in (
            (self.certificate, b"corrupt"),
            (self.certificate, identity().certificate_pem),
            (self.key, b"corrupt"),
            (self.key, None),
        ):
            old = path.read_bytes()
            path.unlink()
            if content is not None:
                path.write_bytes(content)
            with self.assertRaises(UsageError) as caught:
                self.tls.change(self.tls.check())
            self.assertIn(str(path if path == self.key else self.room), str(caught.exception))
            self.assertEqual(self.shown(), self.server.certificate)
            path.write_bytes(old)
        self.tls.change(self.tls.check())

    def test_check(self) -> None:
        """
        A check alone changes nothing; other settings hold from the change on.
        """
        other = identity()
        certificate, key = other.write(self.room, "other")
        offer = self.tls.check(self.asked(certificate=certificate, private_key=key))
        self.assertEqual(self.shown(), self.server.certificate)
        self.tls.change(offer)
        self.assertEqual(self.shown(), other.certificate)
        self.tls.change(self.tls.check())
        self.assertEqual(self.shown(), other.certificate)

    def test_left(self) -> None:
        """
        It tells for how many seconds each certificate is good, by what ends first in a chain.
        """
        day = datetime.timedelta(days=1)
        start = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
        root = identity("root", ends=start + day)
        leaf = identity("localhost", root, ends=start + 2 * day)
        self.certificate.write_bytes(leaf.certificate_pem + root.certificate_pem)
        self.key.write_bytes(leaf.key_pem)
        self.tls.change(self.tls.check())
        self.assertEqual(self.tls.left(), {"default": 86_400.0})
        self.now += 86_401
        self.assertEqual(self.tls.left(), {"default": -1.0})

    def test_expired(self) -> None:
        """
        An expired certificate is served all the same, and the log says so.
        """
        fresh = self.renew(datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC))
        with capturedLogs() as events:
            self.tls.change(self.tls.check())
        (said,) = [formatEvent(each) for each in events]
        self.assertEqual(said, f"--certificate {self.certificate}: expired on 2021-01-01")
        self.assertEqual(self.shown(), fresh)
        self.assertLess(self.tls.left()["default"], 0)


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
