"""
Tests for netd.transport.tls.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable
from typing import Any, Final
from weakref import ref

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.counters import Counters
from netd.test.stages import Identity, identity, usage_error
from netd.test.transport.recording import networks
from netd.test.transport.tls_stages import (
    Client,
    Collector,
    Connected,
    PEMFiles,
    Turns,
    client_context,
)
from netd.transport import certificates, private, tls
from netd.transport.access import Access, AccessFactory, AccessPolicy
from netd.transport.certificates import KeyPair
from netd.transport.tcp import TCPTransport
from netd.transport.tls_transport import TLSTransport

# Sunday, 6 July 2025
NOW: Final = 1_751_784_577.0
FAR: Final = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)


class _Files(PEMFiles):
    """Settings with the PEM files of one test."""

    def config(self, **more: Any) -> settings.TLS:
        """The settings of a listener with these certificates."""
        return settings.TLS(
            (), **{"certificate": self.certificate, "private_key": self.key, **more}
        )


class ContextTests(_Files):
    """The context made of a certificate and key."""

    def refused(self, pair: KeyPair) -> str:
        """The one line of the error for a pair."""
        return usage_error(self, tls.context, pair)

    def pair(self) -> KeyPair:
        """The certificate and its key."""
        return certificates.load_pair(self.certificate, self.key)

    def test_noMemory(self) -> None:
        """A system that forbids writable and executable memory gets its own error."""

        def forbidden(*ignored: object) -> None:
            raise MemoryError

        self.patch(SSL.Context, "set_alpn_select_callback", forbidden)
        self.assertIn("forbidden here", self.refused(self.pair()))

    def test_strangeKey(self) -> None:
        """A key that OpenSSL rejects is refused with OpenSSL's message."""
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

    def test_readOnce(self) -> None:
        """The files are read when the daemon is built, and not needed afterwards."""
        made = tls.TLS(self.config())
        self.certificate.unlink()
        self.key.unlink()
        self.assertIsInstance(made.serverConnectionForTLS(None), SSL.Connection)


class _Handshakes(_Files):
    """Connections to a factory behind TLS, without a socket."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.counters = Counters()
        self.now = NOW
        self.inner = Factory.forProtocol(Collector)
        self.use()

    def use(self, **more: Any) -> tls.TLS:
        """Use these settings."""
        made = tls.TLS(self.config(**more), self.counters, (), lambda: self.now)
        self.factory = tls.wrap(self.inner, made, self.clock)
        return made

    def connect(
        self,
        context: SSL.Context,
        name: bytes = b"localhost",
        session: SSL.Session | None = None,
    ) -> Client:
        """A client after its handshake; SSL.Error when it fails."""
        client = Client(context, name, session)
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
        """End the connection, if there is one."""
        if protocol in protocol.factory.protocols:
            protocol.connectionLost(connectionDone)

    def send(self, client: Client, data: bytes, protocol: Any = None) -> None:
        """Send `data` as the client, to the last `protocol` if none is given."""
        client.ssl.send(data)
        outer: Any = (protocol or self.protocol).transport
        outer.dataReceived(client.pending())
        self.clock.advance(0)

    def exchange(self, client: Client, data: bytes) -> None:
        """Send `data` as the client, which receives what waits."""
        self.send(client, data)
        client.turn(self.transport.value())
        self.transport.clear()

    def shown(self, name: bytes = b"localhost") -> x509.Certificate:
        """The certificate that a client sees which requests `name`."""
        seen: x509.Certificate = self.connect(client_context(), name).ssl.get_peer_certificate(
            as_cryptography=True
        )
        return seen


class _OnSockets(_Handshakes):
    """Connections with a TLSTransport: the tests of Twisted's layer hold for it."""

    def connect(
        self,
        context: SSL.Context,
        name: bytes = b"localhost",
        session: SSL.Session | None = None,
    ) -> Client:
        """A client after its handshake; SSL.Error when it fails."""
        protocol: Any = self.factory.buildProtocol(None)
        connected = Connected(Turns(), protocol)
        self.addCleanup(connected.close)
        self.connected: list[Connected] = [*getattr(self, "connected", ()), connected]
        self.protocol = protocol.wrappedProtocol
        client = Client(context, name, session)
        connected.handshake(client)
        if connected.error is not None:
            raise connected.error
        self.assertIs(connected.server.protocol, self.protocol)
        return client

    def lose(self, protocol: Any) -> None:
        """End the connection."""
        self.connected[-1].close()

    def send(self, client: Client, data: bytes, protocol: Any = None) -> None:
        """Send `data` as the client, to the last `protocol` if none is given."""
        (connected,) = [each for each in self.connected if each.client is client]
        connected.send(data)
        connected.settle()
        if connected.error is not None:
            raise connected.error

    def exchange(self, client: Client, data: bytes) -> None:
        """Send `data` as the client, which receives what waits."""
        self.send(client, data)


class WrapTests(_Handshakes):
    """A factory behind TLS."""

    def test_versions(self) -> None:
        """TLS 1.2 and TLS 1.3 are supported, and 1.3 is preferred."""
        for least, most, spoken in (
            (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION, "TLSv1.2"),
            (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION, "TLSv1.3"),
            (SSL.TLS1_VERSION, SSL.TLS1_3_VERSION, "TLSv1.3"),
        ):
            client = self.connect(client_context(least, most))
            self.assertEqual(client.ssl.get_protocol_version_name(), spoken)

    def test_oldVersions(self) -> None:
        """TLS 1.0 and 1.1 are refused (RFC 8996) with an error about the version."""
        for version in (SSL.TLS1_VERSION, SSL.TLS1_1_VERSION):
            with self.assertRaises(SSL.Error) as caught:
                self.connect(client_context(version, version))
            self.assertIn("protocol version", str(caught.exception))

    def test_ciphers(self) -> None:
        """TLS 1.2 refuses ciphers without forward secrecy or authenticated encryption."""
        for cipher in (
            b"ECDHE-ECDSA-AES128-SHA256",
            b"ECDHE-ECDSA-AES256-SHA",
            b"AES128-GCM-SHA256",
        ):
            with self.assertRaises(SSL.Error) as caught:
                self.connect(
                    client_context(most=SSL.TLS1_2_VERSION, ciphers=cipher + b"@SECLEVEL=0")
                )
            self.assertIn("handshake failure", str(caught.exception))
        for cipher in (b"ECDHE-ECDSA-AES128-GCM-SHA256", b"ECDHE-ECDSA-CHACHA20-POLY1305"):
            client = self.connect(client_context(most=SSL.TLS1_2_VERSION, ciphers=cipher))
            self.assertEqual(client.ssl.get_cipher_name(), cipher.decode())

    def test_certificate(self) -> None:
        """The server sends the certificate of the file."""
        self.assertEqual(self.shown(), self.server.certificate)
        self.assertEqual(self.shown(b""), self.server.certificate)

    def test_chain(self) -> None:
        """The server sends the chain, when the file has one."""
        root = identity("root")
        leaf = identity("localhost", root)
        path = self.file(leaf.certificate_pem + root.certificate_pem, "chain.pem")
        _, key = leaf.write(self.directory, "leaf")
        self.use(certificate=path, private_key=key)
        chain = self.connect(client_context()).ssl.get_peer_cert_chain(as_cryptography=True)
        self.assertEqual(chain, [leaf.certificate, root.certificate])

    def test_alpn(self) -> None:
        """HTTP/1.1 is selected, before HTTP/2; a client without ALPN is accepted."""
        for protocols, agreed in (
            ((b"h2", b"http/1.1"), b"http/1.1"),
            ((b"http/1.1",), b"http/1.1"),
            ((), b""),
        ):
            client = self.connect(client_context(protocols=protocols))
            self.assertEqual(client.ssl.get_alpn_proto_negotiated(), agreed)

    def test_noClientCertificate(self) -> None:
        """By default, clients are not asked for a certificate."""
        self.assertEqual(self.connect(client_context()).ssl.get_client_ca_list(), [])

    def test_plain(self) -> None:
        """The inner protocol sees plain bytes, in both directions."""
        client = self.connect(client_context())
        self.exchange(client, b"hello")
        self.assertEqual(self.protocol.data, b"hello")
        self.protocol.transport.write(b"and ")
        self.exchange(client, b" again")
        self.assertEqual(self.protocol.data, b"hello again")
        self.assertEqual(client.received, b"and ")

    def test_secure(self) -> None:
        """The inner transport is secure and has the inner factory."""
        self.connect(client_context())
        self.assertIs(self.protocol.factory, self.inner)
        self.assertTrue(ISSLTransport.providedBy(self.protocol.transport))


class StockTests(_Handshakes):
    """Twisted's layer, on a transport without a socket."""

    def test_forgets(self) -> None:
        """A closed connection has no reference cycle through its producer."""
        self.connect(client_context())
        outer: Any = self.protocol.transport
        producer = Collector()
        outer.registerProducer(producer, True)
        # As a lost socket does.
        self.transport.producer = None
        left = ref(producer)
        del producer
        self.assertIsNotNone(left())
        outer.connectionLost(connectionDone)
        self.assertIsNone(left())

    def test_missingName(self) -> None:
        """A Twisted that lacks a private name serves TLS without counting failures."""
        self.patch(private, "_attributes", lambda holder: set())
        self.use()
        with self.assertRaises(SSL.Error):
            self.connect(client_context(SSL.TLS1_1_VERSION, SSL.TLS1_1_VERSION))
        self.assertEqual(self.counters.refusals, {})
        self.exchange(self.connect(client_context()), b"hello")
        self.assertEqual(self.protocol.data, b"hello")

    def test_noTls(self) -> None:
        """A client that sends plain HTTP is cut, and its bytes reach no protocol."""
        transport = StringTransport()
        protocol: Any = self.factory.buildProtocol(None)
        protocol.makeConnection(transport)
        protocol.dataReceived(b"GET / HTTP/1.0\r\n\r\n")
        self.assertTrue(transport.disconnecting or transport.disconnected)
        self.assertEqual(protocol.wrappedProtocol.data, b"")
        protocol.connectionLost(connectionDone)
        self.assertEqual(self.counters.refusals["tls"], 1)


class ClientTests(_Handshakes):
    """Client certificates."""

    def setUp(self) -> None:
        super().setUp()
        self.authority = identity("clients", authority=True)
        self.ca = self.file(self.authority.certificate_pem, "ca.pem")

    def exchange_as(self, shown: Identity | None, version: int = SSL.TLS1_3_VERSION) -> bytes:
        """The input of the inner protocol from a client with this certificate."""
        client = self.connect(client_context(version, version, shown=shown))
        self.send(client, b"hello")
        received: bytes = self.protocol.data
        return received

    def refused(self, shown: Identity | None) -> None:
        """Assert that this client is refused, and reaches no protocol."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            before = self.counters.refusals["tls"]
            # In TLS 1.3 the client finishes before the server verifies (RFC 8446 2).
            with contextlib.suppress(SSL.Error):
                self.exchange_as(shown, version)
            self.lose(self.protocol.transport)
            self.assertEqual(self.protocol.data, b"")
            self.assertEqual(self.counters.refusals["tls"], before + 1)

    def test_accepted(self) -> None:
        """A client with a certificate of the authority is accepted and has an identity."""
        self.use(client_ca=self.ca)
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            shown = identity("Alice", self.authority)
            self.assertEqual(self.exchange_as(shown, version), b"hello")
            self.assertEqual(self.protocol.transport.identity, "Alice")

    def test_refused(self) -> None:
        """A client without a certificate, or with a foreign or expired one, is refused."""
        self.use(client_ca=self.ca)
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
        """Where it is optional, only a bad certificate is refused."""
        self.use(client_ca=self.ca, client_ca_optional=True)
        self.assertEqual(self.exchange_as(None), b"hello")
        self.assertIsNone(self.protocol.transport.identity)
        self.assertEqual(self.exchange_as(identity("Bob", self.authority)), b"hello")
        self.assertEqual(self.protocol.transport.identity, "Bob")
        self.refused(identity("Mallory"))

    def test_told(self) -> None:
        """The client receives the names of the accepted authorities."""
        self.use(client_ca=self.ca)
        shown = identity("Alice", self.authority)
        names = self.connect(client_context(shown=shown)).ssl.get_client_ca_list()
        self.assertEqual([each.CN for each in names], ["clients"])

    def test_several(self) -> None:
        """Every authority of the file is accepted, and its name is told."""
        other = identity("others", authority=True)
        self.ca.write_bytes(self.authority.certificate_pem + other.certificate_pem)
        self.use(client_ca=self.ca)
        for authority in (self.authority, other):
            self.assertEqual(self.exchange_as(identity("Alice", authority)), b"hello")
        shown = identity("Alice", other)
        names = self.connect(client_context(shown=shown)).ssl.get_client_ca_list()
        self.assertEqual([each.CN for each in names], ["clients", "others"])

    def test_fifo(self) -> None:
        """A FIFO in the place of the authorities is refused at once."""
        self.ca.unlink()
        os.mkfifo(self.ca)
        error = self.assertRaises(UsageError, self.use, client_ca=self.ca)
        self.assertEqual(str(error), f"--client-ca {self.ca}: not a regular file")

    def test_everyName(self) -> None:
        """Every server name requires the client certificate."""
        directory = self.directory / "names"
        identity("a.example").write(directory, "a.example")
        self.use(client_ca=self.ca, directory=directory)
        for name in (b"a.example", b"", b"b.example"):
            with contextlib.suppress(SSL.Error):
                client = self.connect(client_context(), name)
                self.send(client, b"hello")
            self.assertEqual(self.protocol.data, b"")

    def test_file(self) -> None:
        """A missing or empty file of authorities is refused with its option."""
        for path in (
            self.directory / "missing",
            self.directory,
            self.file(b"", "empty"),
            self.key,
        ):
            with self.assertRaises(UsageError) as caught:
                self.use(client_ca=path)
            self.assertTrue(str(caught.exception).startswith(f"--client-ca {path}: "))


class NameTests(_Handshakes):
    """Certificates by server name."""

    def put(self, name: str) -> x509.Certificate:
        """Write the certificate of a name to the directory."""
        made = identity(name)
        path = self.names / f"{name}.pem"
        path.write_bytes(made.certificate_pem + made.key_pem)
        return made.certificate

    def test_chosen(self) -> None:
        """A client sees the certificate of the requested name, or the default one."""
        own, wild = self.put("a.example.org"), self.put("_.example.org")
        self.use(directory=self.names)
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
        """Without --certificate, the directory must have a default certificate."""
        with self.assertRaises(UsageError) as caught:
            self.use(certificate=None, private_key=None, directory=self.names)
        self.assertIn("has no default.pem", str(caught.exception))
        shown = self.put("default")
        self.use(certificate=None, private_key=None, directory=self.names)
        self.assertEqual(self.shown(b"any.example"), shown)

    def test_protocol(self) -> None:
        """ALPN and versions are the same for every name."""
        self.put("a.example")
        self.use(directory=self.names)
        client = self.connect(client_context(protocols=(b"h2", b"http/1.1")), b"a.example")
        self.assertEqual(client.ssl.get_alpn_proto_negotiated(), b"http/1.1")
        with self.assertRaises(SSL.Error):
            self.connect(client_context(SSL.TLS1_1_VERSION, SSL.TLS1_1_VERSION), b"a.example")


class ReloadTests(_Handshakes):
    """Certificates that change while the daemon runs."""

    def setUp(self) -> None:
        super().setUp()
        self.tls = self.use()

    def renew(self, ends: datetime.datetime = FAR) -> x509.Certificate:
        """Replace the certificate in the same files."""
        made = identity(ends=ends)
        made.write(self.directory)
        return made.certificate

    def test_rotated(self) -> None:
        """New handshakes see the new certificate; connections go on."""
        client = self.connect(client_context())
        before = self.protocol
        fresh = self.renew()
        self.assertNotEqual(self.shown(), fresh)
        self.tls.change(self.tls.check())
        self.assertEqual(self.shown(), fresh)
        self.send(client, b"still here", before)
        self.assertEqual(before.data, b"still here")

    def test_fingerprints(self) -> None:
        """The fingerprints are those of the files that were read last, in use or not."""
        before = self.tls.fingerprints()
        fresh = self.renew()
        self.assertEqual(self.tls.fingerprints(), before)
        self.tls.check()
        shown = fresh.fingerprint(hashes.SHA256()).hex()
        self.assertEqual(self.tls.fingerprints(), (f"default {shown}",))

    def test_broken(self) -> None:
        """A corrupt, missing or mismatched file changes nothing and is named."""
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
            self.assertIn(
                str(path if path == self.key else self.directory), str(caught.exception)
            )
            self.assertEqual(self.shown(), self.server.certificate)
            path.write_bytes(old)
        self.tls.change(self.tls.check())

    def test_check(self) -> None:
        """A check changes nothing; other settings apply from the change on."""
        other = identity()
        certificate, key = other.write(self.directory, "other")
        contexts = self.tls.check(self.config(certificate=certificate, private_key=key))
        self.assertEqual(self.shown(), self.server.certificate)
        self.tls.change(contexts)
        self.assertEqual(self.shown(), other.certificate)
        self.tls.change(self.tls.check())
        self.assertEqual(self.shown(), other.certificate)

    def test_temporary(self) -> None:
        """A temporary certificate outlasts reloads, and a reload makes none."""
        temporary = self.config(certificate=settings.TEMPORARY, private_key=None)
        with self.assertRaises(UsageError) as caught:
            self.tls.check(temporary)
        message = "--certificate temporary: only a restart makes one"
        self.assertEqual(str(caught.exception), message)
        self.tls = self.use(certificate=settings.TEMPORARY, private_key=None)
        made = self.shown()
        self.assertNotEqual(made, self.server.certificate)
        self.tls.change(self.tls.check(self.config()))
        self.assertEqual(self.shown(), self.server.certificate)
        self.tls.change(self.tls.check(temporary))
        self.assertEqual(self.shown(), made)
        self.assertEqual(self.tls.left(), {"default": 397 * 86_400.0})

    def test_left(self) -> None:
        """The seconds left are those of the first certificate of a chain to expire."""
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
        """An expired certificate is served and logged."""
        fresh = self.renew(datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC))
        with capturedLogs() as events:
            self.tls.change(self.tls.check())
        (line,) = [formatEvent(each) for each in events]
        self.assertEqual(line, f"--certificate {self.certificate}: expired on 2021-01-01")
        self.assertEqual(self.shown(), fresh)
        self.assertLess(self.tls.left()["default"], 0)


class TicketTests(_Handshakes):
    """Sessions that are resumed by tickets."""

    def resumed(
        self, change: Callable[[tls.TLS], object] = lambda tested: None, **more: Any
    ) -> list[bool]:
        """Whether TLS 1.2 and TLS 1.3 sessions are resumed after `change`."""
        tested, results = self.use(**more), []
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            context = client_context(version, version, protocols=(b"http/1.1",))
            client = self.connect(context)
            self.exchange(client, b"hello")
            change(tested)
            client = self.connect(context, session=client.ssl.get_session())
            self.exchange(client, b"again")
            self.assertEqual(self.protocol.data, b"again")
            handle = self.protocol.transport.getHandle()
            self.assertEqual(handle.get_servername(), b"localhost")
            self.assertEqual(handle.get_alpn_proto_negotiated(), b"http/1.1")
            self.assertIsNone(self.protocol.transport.identity)
            results.append(client.resumed)
        self.assertEqual(self.counters.refusals, {})
        return results

    def test_resumed(self) -> None:
        """A client may resume its session, in both versions of TLS."""
        self.assertEqual(self.resumed(), [True, True])

    def test_off(self) -> None:
        """There are no tickets with --tls-tickets no, nor with --client-ca."""
        self.assertEqual(self.resumed(tickets=False), [False, False])
        ca = self.file(identity("clients", authority=True).certificate_pem, "ca.pem")
        self.assertEqual(self.resumed(client_ca=ca, client_ca_optional=True), [False, False])

    def test_rotated(self) -> None:
        """After a rotation or a reload old tickets are void, and the certificates are kept."""
        for change in (
            lambda tested: tested.rotate(),
            lambda tested: tested.change(tested.check()),
        ):
            self.assertEqual(self.resumed(change), [False, False])
            self.assertEqual(self.shown(), self.server.certificate)

    def test_rotatedNames(self) -> None:
        """Names have their own certificates after a rotation, which reads no file."""
        own = identity("a.example")
        path = self.names / "a.example.pem"
        path.write_bytes(own.certificate_pem + own.key_pem)
        made = self.use(directory=self.names)
        for file in (path, self.certificate, self.key):
            file.unlink()
        made.rotate()
        self.assertEqual(self.shown(b"a.example"), own.certificate)

    def test_nothingToRotate(self) -> None:
        """Without tickets a rotation changes nothing."""
        made = self.use(tickets=False)
        before = made._contexts
        made.rotate()
        self.assertIs(made._contexts, before)


class IdentityTests(SynchronousTestCase):
    """The certificates of these tests."""

    def test_signed(self) -> None:
        """A certificate is signed by its issuer, or by itself."""
        root = identity("root")
        leaf: Identity = identity("leaf", root)
        leaf.certificate.verify_directly_issued_by(root.certificate)
        root.certificate.verify_directly_issued_by(root.certificate)


class WrapOnSocketTests(_OnSockets, WrapTests):
    """The same on sockets."""


class ClientOnSocketTests(_OnSockets, ClientTests):
    """The same on sockets."""


class NameOnSocketTests(_OnSockets, NameTests):
    """The same on sockets."""


class ReloadOnSocketTests(_OnSockets, ReloadTests):
    """The same on sockets."""


class TicketOnSocketTests(_OnSockets, TicketTests):
    """The same on sockets."""


class BehindTests(_OnSockets):
    """What stands before TLS on the same transport."""

    def accept(self, access: Access) -> Connected:
        """A connection from 192.0.2.1 to a factory behind an access policy."""
        policy = AccessPolicy(access, self.clock, self.counters)
        protocol: Any = AccessFactory(policy, self.factory).buildProtocol(
            IPv4Address("TCP", "192.0.2.1", 5)
        )
        connected = Connected(Turns(), protocol)
        self.addCleanup(connected.close)
        return connected

    def test_header(self) -> None:
        """A PROXY header comes before TLS, in the same segment even."""
        connected = self.accept(Access(networks(), networks("192.0.2.0/24")))
        client = Client(client_context())
        header = b"PROXY TCP4 198.51.100.7 192.0.2.1 5000 443\r\n"
        connected.far.send(header + client.turn(b""))
        connected.handshake(client)
        connected.send(b"hello")
        connected.settle()
        inner: Any = connected.server.protocol
        self.assertEqual(inner.data, b"hello")
        self.assertEqual(inner.transport.getPeer().host, "198.51.100.7")

    def test_guard(self) -> None:
        """Others begin with TLS; who leaves before that is gone for the inner protocol."""
        access = Access(networks(), networks("203.0.113.0/24"))
        connected = self.accept(access)
        connected.handshake(Client(client_context()))
        connected.send(b"hello")
        connected.settle()
        inner: Any = connected.server.protocol
        self.assertEqual(inner.data, b"hello")
        lost: list[object] = []
        self.patch(Collector, "connectionLost", lambda _, reason: lost.append(reason))
        connected = self.accept(access)
        connected.far.close()
        connected.settle()
        self.assertEqual(len(lost), 1)


class TransportTests(SynchronousTestCase):
    """The transport for a port."""

    def test_kind(self) -> None:
        """It is netd's own, unless a private name is missing."""
        self.assertIs(tls.transport(), TLSTransport)
        self.patch(private, "_attributes", lambda holder: set())
        self.assertIs(tls.transport(), TCPTransport)
