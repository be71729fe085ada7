"""Tests for netd.transport.tls_transport, on socket pairs with a client in memory."""

from __future__ import annotations

import gc
import os
import socket
from pathlib import Path
from typing import Any, Final
from weakref import ref

from OpenSSL import SSL
from twisted.internet import error, main
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IHalfCloseableProtocol, IHandshakeListener
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netd import settings
from netd.counters import Counters
from netd.test.stages import identity
from netd.test.transport.recording import networks
from netd.test.transport.tls_stages import Client, Collector, Connected, Turns, client_context
from netd.transport import tls, tls_transport
from netd.transport.access import Access, AccessFactory, AccessPolicy
from netd.transport.epoll import WriteBatch
from netd.transport.tcp import bytes_unsent, has_unread_input
from netd.transport.tls_transport import AT_ONCE, RECORD

VERSIONS: Final = (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)
HEADER: Final = b"PROXY TCP4 198.51.100.7 192.0.2.1 5000 443\r\n"


@implementer(IHandshakeListener)
class Recorder(Collector):
    """Notes what its transport tells."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.sizes: list[int] = []
        self.reason: Any = None

    def handshakeCompleted(self) -> None:
        """TLS is ready."""
        self.events.append("handshake")

    def dataReceived(self, data: bytes) -> None:
        """Collect `data`."""
        super().dataReceived(data)
        self.sizes.append(len(data))

    def connectionLost(self, reason: Any = None) -> None:
        """The end."""
        self.events.append("lost")
        self.reason = reason

    def pauseProducing(self) -> None:
        """The transport holds enough."""
        self.events.append("pause")

    def resumeProducing(self) -> None:
        """The transport takes more."""
        self.events.append("resume")

    def stopProducing(self) -> None:
        """The transport takes nothing more."""


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    """Notes half-closes, too."""

    def readConnectionLost(self) -> None:
        """The client sends no more."""
        self.events.append("half-closed")

    def writeConnectionLost(self) -> None:
        """Our side is closed."""
        self.events.append("our half")


class _Secure(SynchronousTestCase):
    """A server behind TLS."""

    kind: type[Recorder] = Recorder
    chain = b""

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir(parents=True)
        made = identity()
        certificate, key = made.write(directory)
        certificate.write_bytes(made.certificate_pem + self.chain)
        self.counters = Counters()
        config = settings.TLS((), certificate, key)
        self.tls = tls.TLS(config, self.counters)
        self.reactor = Turns()
        self.factory: Any = tls.wrap(Factory.forProtocol(self.kind), self.tls, self.reactor)

    def begin(self, prepare: Any = lambda protocol: None) -> Connected:
        """A connection before the handshake; `prepare` gets its protocol unconnected."""
        outer: Any = self.factory.buildProtocol(None)
        self.protocol: Any = outer.wrappedProtocol
        prepare(self.protocol)
        connected = Connected(self.reactor, outer)
        self.addCleanup(connected.close)
        return connected

    def connect(self, version: int = SSL.TLS1_3_VERSION) -> Connected:
        """A connection after the handshake."""
        connected = self.begin()
        connected.handshake(Client(client_context(version, version)))
        self.assertEqual(self.protocol.events, ["handshake"])
        return connected

    def break_socket(self, connected: Connected) -> None:
        """Assert that a read from a broken socket is a lost connection."""
        directory = os.open(".", os.O_RDONLY)
        os.dup2(directory, connected.near.fileno())
        os.close(directory)
        self.assertIs(connected.server.doRead(), main.CONNECTION_LOST)

    def fill(self, connected: Connected) -> None:
        """Write until the socket is full."""
        while not bytes_unsent(connected.server):
            connected.server.write(bytes(RECORD))


class InputTests(_Secure):
    """What the client sends."""

    def test_both(self) -> None:
        """Bytes arrive in both directions, in both versions of TLS."""
        for version in VERSIONS:
            connected = self.connect(version)
            connected.send(b"hello")
            connected.settle()
            self.assertEqual(self.protocol.data, b"hello")
            connected.server.write(b"good")
            connected.server.write(b"bye")
            connected.settle()
            self.assertEqual(connected.client.received, b"goodbye")

    def test_cut(self) -> None:
        """Bytes of the client may arrive one by one, those of the handshake included."""
        for version in VERSIONS:
            connected, client = self.begin(), Client(client_context(version, version))
            data = client.turn(b"")
            while data:
                for at in range(len(data)):
                    connected.far.send(data[at : at + 1])
                    self.reactor.turn()
                try:
                    received = connected.far.recv(65536)
                except BlockingIOError:
                    break
                data = client.turn(received)
            client.ssl.send(b"hello")
            for byte in client.pending():
                self.assertEqual(self.protocol.data, b"")
                connected.far.send(bytes([byte]))
                self.reactor.turn()
            self.assertEqual(self.protocol.data, b"hello")

    def test_turn(self) -> None:
        """A turn delivers a limited amount at once, whatever its records."""
        connected = self.connect()
        for size in (1, 5):
            connected.send(b"x" * size)
        self.reactor.turn()
        self.assertEqual(self.protocol.sizes, [6])
        connected.send(bytes(6 * RECORD))
        connected.settle()
        self.assertEqual(len(self.protocol.data), 6 + 6 * RECORD)
        self.assertLess(max(self.protocol.sizes), AT_ONCE + RECORD)
        self.assertLess(len(self.protocol.sizes), 6)

    def test_together(self) -> None:
        """A request that comes with the end of the handshake is served in the same turn."""
        connected, client = self.begin(), Client(client_context())
        connected.far.send(client.turn(b""))
        self.reactor.turn()
        finished = client.turn(connected.far.recv(65536))
        client.ssl.send(b"hello")
        connected.far.send(finished + client.pending())
        self.reactor.turn()
        self.assertEqual(self.protocol.data, b"hello")

    def test_splinters(self) -> None:
        """A ClientHello in records of one byte cuts the connection with its first piece."""
        connected = self.begin()
        hello = b"\x01\x02\x00\x00" + bytes(5_000)
        connected.far.send(b"".join(b"\x16\x03\x01\x00\x01%c" % byte for byte in hello))
        self.reactor.turn()
        self.assertFalse(connected.server.connected)
        self.assertEqual(self.tls.counters.refusals["tls"], 1)

    def test_pause(self) -> None:
        """A paused transport leaves input in the kernel."""
        connected = self.connect()
        connected.server.pauseProducing()
        connected.send(b"hello")
        connected.settle()
        self.assertEqual(self.protocol.data, b"")
        connected.server.resumeProducing()
        connected.settle()
        self.assertEqual(self.protocol.data, b"hello")

    def test_renegotiation(self) -> None:
        """A renegotiation is refused."""
        connected = self.connect(SSL.TLS1_2_VERSION)
        connected.client.ssl.renegotiate()
        connected.far.send(connected.client.turn(b""))
        connected.settle()
        self.assertIn("no renegotiation", str(connected.error))
        # The client's reaction is a fatal alert, for which it is disconnected.
        self.assertEqual(self.protocol.events, ["handshake", "lost"])

    def test_notTLS(self) -> None:
        """A client without TLS, or with an old one, is counted and closed with an alert."""
        old = Client(client_context(SSL.TLS1_1_VERSION, SSL.TLS1_1_VERSION)).turn(b"")
        for data, alert in ((b"GET / HTTP/1.1\r\n", b""), (old, b"\x15\x03")):
            self.counters.refusals.clear()
            connected = self.begin()
            connected.far.send(data + bytes(1000))
            connected.settle()
            self.assertEqual(self.protocol.events, ["lost"])
            self.assertIsInstance(self.protocol.reason.value, SSL.Error)
            self.assertEqual(self.counters.refusals, {"tls": 1})
            self.assertEqual(connected.far.recv(100)[:2], alert)
            self.assertEqual(connected.far.recv(100), b"")

    def test_corrupt(self) -> None:
        """A corrupt record ends the connection with an alert, and is counted once."""
        for version in VERSIONS:
            connected = self.connect(version)
            connected.send(b"before")
            connected.client.ssl.send(b"hello")
            data = bytearray(connected.client.pending())
            data[-1] ^= 1
            connected.far.send(data)
            connected.settle()
            self.assertEqual(self.protocol.data, b"before")
            self.assertEqual(self.protocol.events, ["handshake", "lost"])
            self.assertIn("bad record mac", str(connected.error))
        self.assertEqual(self.counters.refusals, {"tls": 2})

    def test_brokenBehindData(self) -> None:
        """Data before an error in the same read is delivered."""
        connected = self.connect()
        connected.send(bytes(RECORD))
        connected.far.send(b"garbage")
        connected.settle()
        self.assertEqual(len(self.protocol.data), RECORD)
        self.assertEqual(self.protocol.events, ["handshake", "lost"])

    def test_handshakeCut(self) -> None:
        """A client that leaves in the handshake is no failure of TLS."""
        connected = self.begin()
        connected.far.send(Client(client_context()).turn(b"")[:50])
        connected.settle()
        connected.far.close()
        connected.settle()
        self.assertEqual(self.protocol.events, ["lost"])
        self.assertIs(self.protocol.reason.type, error.ConnectionLost)
        self.assertEqual(self.counters.refusals, {})

    def test_reset(self) -> None:
        """A broken socket is a lost connection, before TLS too."""
        for connected in (self.begin(), self.connect()):
            self.break_socket(connected)


class OutputTests(_Secure):
    """What the server sends."""

    def test_large(self) -> None:
        """A response larger than all buffers arrives whole, at the client's pace."""
        for version in VERSIONS:
            connected = self.connect(version)
            connected.server.registerProducer(self.protocol, True)
            data = bytes(range(256)) * 20_000
            connected.server.write(data[:1_000_000])
            connected.server.write(data[1_000_000:])
            connected.settle(reading=False)
            left = bytes_unsent(connected.server)
            self.assertGreater(left or 0, 4_000_000)
            self.assertEqual(self.protocol.events, ["handshake", "pause", "pause"])
            connected.settle()
            self.assertEqual(bytes_unsent(connected.server), 0)
            self.assertEqual(self.protocol.events[3:], ["resume"])
            self.assertEqual(connected.client.received, data)

    def test_batched(self) -> None:
        """The writes of a turn leave in one record, at its end."""
        connected = self.connect()
        batch: Any = WriteBatch()
        reactor: Any = self.reactor
        reactor.write_batch = batch
        connected.server.write(b"one")
        connected.server.write(b"two")
        connected.settle()
        self.assertEqual(connected.client.received, b"")
        batch.flush()
        connected.settle()
        self.assertEqual(connected.client.received, b"onetwo")
        connected.server.write(b"bye")
        connected.server.loseConnection()
        batch.flush()
        connected.settle()
        self.assertTrue(connected.notified)

    def test_early(self) -> None:
        """Output from before the handshake follows it, and so does a close."""

        def refuse(protocol: Any) -> None:
            def made() -> None:
                protocol.transport.write(b"no")
                protocol.transport.write(b" room")
                protocol.transport.loseConnection()
                protocol.transport.loseConnection()

            protocol.connectionMade = made

        connected = self.begin(refuse)
        connected.settle()
        connected.handshake(Client(client_context()))
        self.assertEqual(connected.client.received, b"no room")
        self.assertTrue(connected.notified)

    def test_earlyMuch(self) -> None:
        """A producer is paused when much waits for the handshake, and resumed afterwards."""

        def produce(protocol: Any) -> None:
            def made() -> None:
                protocol.transport.registerProducer(protocol, True)
                protocol.transport.write(bytes(65_000))
                self.assertEqual(protocol.events, [])
                protocol.transport.write(bytes(65_000))

            protocol.connectionMade = made

        connected = self.begin(produce)
        self.assertEqual(self.protocol.events, ["pause"])
        self.assertEqual(bytes_unsent(connected.server), 130_000)
        connected.handshake(Client(client_context()))
        self.assertEqual(len(connected.client.received), 130_000)
        self.assertEqual(self.protocol.events, ["pause", "handshake", "resume"])

    def test_full(self) -> None:
        """A handshake whose output the kernel does not take at once goes on later."""
        connected = self.begin()
        filled = 0
        try:
            while True:
                filled += connected.near.send(bytes(1000))
        except BlockingIOError:
            pass
        client = Client(client_context())
        connected.far.send(client.turn(b""))
        self.reactor.turn()
        self.assertEqual(self.reactor.writers, [connected.server])
        while filled:
            filled -= len(connected.far.recv(filled))
        connected.handshake(client)
        self.assertEqual(self.protocol.events, ["handshake"])

    def test_broken(self) -> None:
        """An error while writing loses the connection, in doWrite, and no other one."""
        other = self.connect()
        before = self.protocol
        connected = self.connect()
        connected.far.close()
        connected.server.write(b"abc")
        self.assertGreater(bytes_unsent(connected.server) or 0, 0)
        connected.client = None
        connected.settle()
        self.assertEqual(self.protocol.events, ["handshake", "lost"])
        self.assertEqual(self.counters.refusals, {})
        self.assertIsNone(other.server.doRead())
        other.send(b"hello")
        other.settle()
        self.assertEqual(before.data, b"hello")


class _Stubborn:
    """The part of an SSL.Connection that explains a failure: these errors, one each time."""

    def __init__(self, real: Any, *errors: type[SSL.Error]) -> None:
        self._real = real
        self._errors = list(errors)

    def _raise_ssl_error(self, ssl: object, result: int) -> None:
        if self._errors:
            raise self._errors.pop(0)()
        self._real._raise_ssl_error(ssl, result)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class CrossedTests(_Secure):
    """Writes that wait for input, as in a renegotiation, or that fail."""

    def stub(self, connected: Connected, *errors: type[SSL.Error]) -> None:
        """Let writes fail with each of `errors`, then work."""
        real, left = tls_transport._write, list(errors)

        def fail(*arguments: object) -> Any:
            if not left:
                return real(*arguments)
            left.pop()
            return -1

        self.patch(tls_transport, "_write", fail)
        connected.server._tls = _Stubborn(connected.server._tls, *errors)

    def test_waits(self) -> None:
        """A write that waits for input is repeated after a read, and so is what follows."""
        connected = self.connect()
        self.stub(connected, SSL.WantReadError)
        for data in (b"abc", b"def"):
            connected.server.write(data)
        connected.server.loseConnection()
        connected.settle()
        self.assertEqual(connected.client.received, b"")
        self.assertEqual(bytes_unsent(connected.server), 6)
        connected.send(b"hello")
        connected.settle()
        self.assertEqual(self.protocol.data, b"hello")
        self.assertEqual(connected.client.received, b"abcdef")
        self.assertTrue(connected.notified)

    def test_lostWaiting(self) -> None:
        """A connection that is lost keeps nothing of what waits for input."""
        connected = self.connect()
        self.stub(connected, SSL.WantReadError)
        connected.server.write(b"abc")
        connected.far.close()
        connected.client = None
        connected.settle()
        self.assertEqual(self.protocol.events, ["handshake", "lost"])
        self.assertEqual(bytes_unsent(connected.server), 0)

    def test_fails(self) -> None:
        """An error of TLS while writing is counted and told, and ends the connection."""
        told: list[Any] = []
        self.tls.log_failure = told.append
        connected = self.connect()
        self.stub(connected, _Broken)
        connected.server.write(b"abc")
        connected.settle()
        self.assertEqual(self.protocol.events, ["handshake", "lost"])
        self.assertEqual(self.counters.refusals, {"tls": 1})
        self.assertEqual(told, [connected.server.getPeer()])

    def test_odd(self) -> None:
        """A result of OpenSSL that is no error is waited out."""
        self.assertIsNone(self.connect().server._failure(1))


class _Broken(SSL.Error):
    """An error of OpenSSL."""

    def __init__(self) -> None:
        super().__init__([("ssl", "", "broken")])


class CloseTests(_Secure):
    """The end of a connection whose protocol knows no half-close."""

    def test_close(self) -> None:
        """A close sends what was written and close_notify, and waits for the client's."""
        for version in VERSIONS:
            connected = self.connect(version)
            connected.server.write(b"bye")
            connected.server.loseConnection()
            connected.server.write(b" too late")
            connected.settle()
            self.assertEqual(connected.client.received, b"bye")
            self.assertTrue(connected.notified)
            self.assertEqual(self.protocol.events, ["handshake"])
            connected.client.ssl.shutdown()
            connected.far.send(connected.client.pending())
            connected.settle()
            self.assertEqual(connected.ended, "FIN")
            self.assertIs(self.protocol.reason.type, error.ConnectionDone)
        self.assertEqual(self.counters.refusals, {})

    def test_closeIdle(self) -> None:
        """With nothing to send, the close_notify leaves in the next turn."""
        connected = self.connect()
        connected.server.loseConnection()
        connected.server.loseConnection()
        connected.settle()
        self.assertTrue(connected.notified)
        connected.far.close()
        connected.client = None
        connected.settle()
        self.assertEqual(self.protocol.events, ["handshake", "lost"])
        self.assertIs(self.protocol.reason.type, error.ConnectionLost)

    def test_closeFull(self) -> None:
        """A close waits until a full socket has taken the response and the close_notify."""
        connected = self.connect()
        self.fill(connected)
        connected.server.loseConnection()
        connected.settle(reading=False)
        self.assertFalse(connected.notified)
        connected.settle()
        self.assertTrue(connected.notified)
        self.assertEqual(len(connected.client.received) % RECORD, 0)

    def test_notifyFails(self) -> None:
        """Where TLS cannot be closed, as in a renegotiation, the connection is cut."""
        connected = self.connect()
        real = connected.server._tls

        class Busy:
            def shutdown(self) -> None:
                raise SSL.Error([("", "", "shutdown while in init")])

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

        connected.server._tls = Busy()
        connected.server.loseConnection()
        connected.settle()
        self.assertIs(self.protocol.reason.type, error.ConnectionAborted)

    def test_gone(self) -> None:
        """A close whose peer has gone ends the connection."""
        connected = self.connect()
        connected.far.close()
        connected.client = None
        connected.server.loseConnection()
        connected.settle()
        self.assertEqual(self.protocol.events, ["handshake", "lost"])
        self.assertEqual(self.counters.refusals, {})

    def test_closePaused(self) -> None:
        """A close of a paused transport sees the client's close_notify."""
        connected = self.connect()
        connected.server.pauseProducing()
        connected.server.loseConnection()
        connected.client.ssl.shutdown()
        connected.far.send(connected.client.pending())
        connected.settle()
        self.assertEqual(connected.ended, "FIN")

    def test_producer(self) -> None:
        """A close waits for the producer, whose writes are still sent."""
        connected = self.connect()
        connected.server.registerProducer(self.protocol, True)
        connected.server.loseConnection()
        connected.server.write(b"last")
        connected.settle()
        self.assertFalse(connected.notified)
        connected.server.unregisterProducer()
        connected.settle()
        self.assertEqual(connected.client.received, b"last")
        self.assertTrue(connected.notified)

    def test_clientClosesFull(self) -> None:
        """A client that closes first still gets what waits for the kernel."""
        connected = self.connect()
        self.fill(connected)
        connected.server.loseConnection()
        connected.client.ssl.shutdown()
        connected.far.send(connected.client.pending())
        connected.settle(reading=False)
        self.assertEqual(self.protocol.events, ["handshake"])
        connected.settle()
        self.assertTrue(connected.notified)
        self.assertEqual(connected.ended, "FIN")
        self.assertIs(self.protocol.reason.type, error.ConnectionDone)

    def test_inputAfterClose(self) -> None:
        """Input after the close_notify still reaches the protocol, which may count it."""
        connected = self.connect()
        connected.server.loseConnection()
        connected.settle()
        connected.client.ssl.set_shutdown(0)
        connected.send(b"more")
        connected.settle()
        self.assertEqual(self.protocol.data, b"more")

    def test_clientCloses(self) -> None:
        """The client's close_notify gets what was written before, and one in return."""
        connected = self.connect()
        connected.server.write(bytes(100))
        connected.client.ssl.shutdown()
        connected.far.send(connected.client.pending())
        connected.settle()
        self.assertEqual(len(connected.client.received), 100)
        self.assertTrue(connected.notified)
        self.assertEqual(connected.ended, "FIN")
        self.assertIs(self.protocol.reason.type, error.ConnectionDone)

    def test_truncated(self) -> None:
        """A FIN without close_notify is a lost connection, and no failure of TLS."""
        connected = self.connect()
        connected.far.shutdown(socket.SHUT_WR)
        connected.settle()
        self.assertFalse(connected.notified)
        self.assertIs(self.protocol.reason.type, error.ConnectionLost)
        self.assertEqual(self.counters.refusals, {})

    def test_abort(self) -> None:
        """An abort sends what was written, and no close_notify: the client knows of the cut."""
        connected = self.connect()
        connected.server.write(b"half a resp")
        connected.server.abortConnection()
        connected.settle()
        self.assertEqual(connected.client.received, b"half a resp")
        self.assertFalse(connected.notified)
        self.assertIsNotNone(connected.ended)
        self.assertIs(self.protocol.reason.type, error.ConnectionAborted)

    def test_abortClosing(self) -> None:
        """An abort between a close and its end is enough."""
        connected = self.connect()
        connected.server.loseConnection()
        connected.server.abortConnection()
        connected.settle()
        self.assertIs(self.protocol.reason.type, error.ConnectionAborted)

    def test_closeEarly(self) -> None:
        """A close in the handshake, with nothing to send, cuts the connection."""
        connected = self.begin()
        connected.far.send(Client(client_context()).turn(b"")[:50])
        connected.settle()
        connected.server.loseConnection()
        connected.settle()
        self.assertIs(self.protocol.reason.type, error.ConnectionAborted)
        connected.server.loseConnection()

    def test_lostInside(self) -> None:
        """A connection that ends while its input is delivered is not read from again."""
        connected = self.connect()
        server = connected.server

        def cut(data: bytes) -> None:
            server.connectionLost(Failure(main.CONNECTION_DONE))

        self.protocol.dataReceived = cut
        connected.send(bytes(RECORD))
        connected.far.send(b"garbage")
        connected.settle()
        self.assertEqual(self.protocol.events, ["handshake", "lost"])

    def test_freed(self) -> None:
        """A closed connection leaves no reference cycle."""
        connected = self.connect()
        left = ref(connected.server._tls)
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        connected.server.abortConnection()
        self.reactor.advance(0)
        self.assertIsNone(left())


class HalfCloseTests(_Secure):
    """A protocol that knows half-closes."""

    kind = HalfCloseable

    def test_client(self) -> None:
        """The client's close_notify is a half-close: the response still arrives."""
        connected = self.connect()
        connected.send(b"last request")
        connected.client.ssl.shutdown()
        connected.far.send(connected.client.pending())
        connected.settle()
        self.assertEqual(self.protocol.events, ["handshake", "half-closed"])
        connected.server.write(b"response")
        connected.server.loseConnection()
        connected.settle()
        self.assertEqual(connected.client.received, b"response")
        self.assertTrue(connected.notified)
        self.assertEqual(connected.ended, "FIN")
        self.assertIs(self.protocol.reason.type, error.ConnectionDone)

    def test_ours(self) -> None:
        """Our half-close is a close_notify; the client may go on sending."""
        connected = self.connect()
        connected.server.write(b"response")
        connected.server.loseWriteConnection()
        connected.settle()
        self.assertEqual(connected.client.received, b"response")
        self.assertTrue(connected.notified)
        self.assertEqual(self.protocol.events, ["handshake", "our half"])
        connected.client.ssl.set_shutdown(0)
        connected.send(b"more")
        connected.settle(reading=False)
        self.assertEqual(self.protocol.data, b"more")
        connected.server.loseConnection()
        connected.client.ssl.shutdown()
        connected.far.send(connected.client.pending())
        connected.settle()
        self.assertEqual(self.protocol.events[-1], "lost")
        self.assertIs(self.protocol.reason.type, error.ConnectionDone)


class HeaderTests(_Secure):
    """A PROXY header, or what looks like one, before TLS."""

    def behind(self, proxies: str) -> None:
        """Accept PROXY headers from `proxies`."""
        access = Access(networks(), networks(proxies))
        policy = AccessPolicy(access, self.reactor, self.counters)
        self.factory = AccessFactory(policy, self.factory)

    def begin(self, prepare: Any = lambda protocol: None) -> Connected:
        """A connection from 192.0.2.1 before its header."""
        self.inner: list[Any] = []
        wrapper: Any = self.factory.inner
        build = wrapper.wrappedFactory.buildProtocol

        def noting(address: Any) -> Any:
            self.protocol = build(address)
            self.inner.append(address)
            return self.protocol

        self.patch(wrapper.wrappedFactory, "buildProtocol", noting)
        outer = self.factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 5))
        connected = Connected(self.reactor, outer)
        self.addCleanup(connected.close)
        return connected

    def exchange(self, connected: Connected, client: Client) -> None:
        """Assert that a request and a response pass."""
        connected.handshake(client)
        connected.send(b"hello")
        self.protocol.transport.write(b"bye")
        connected.settle()
        self.assertEqual((self.protocol.data, client.received), (b"hello", b"bye"))

    def test_cut(self) -> None:
        """A header, and the handshake behind it, may be cut anywhere."""
        self.behind("192.0.2.0/24")
        for at in range(len(HEADER) + 3):
            connected, client = self.begin(), Client(client_context())
            self.assertFalse(has_unread_input(connected.server))
            data = HEADER + client.turn(b"")
            for part in (data[:at], data[at:]):
                connected.far.send(part)
                self.reactor.turn()
                self.reactor.turn()
            self.exchange(connected, client)
            self.assertEqual(self.protocol.transport.getPeer().host, "198.51.100.7")

    def test_bytes(self) -> None:
        """A header may arrive byte by byte, without a busy loop."""
        self.behind("192.0.2.0/24")
        connected = self.begin()
        for byte in HEADER:
            connected.far.send(bytes([byte]))
            connected.settle()
        self.exchange(connected, Client(client_context()))

    def test_bad(self) -> None:
        """A bad header cuts the connection before TLS."""
        self.behind("192.0.2.0/24")
        connected = self.begin()
        connected.far.send(Client(client_context()).turn(b""))
        connected.settle()
        self.assertFalse(connected.server.connected)
        self.assertEqual(self.counters.refusals, {"proxy-header": 1})

    def test_none(self) -> None:
        """A proxy that leaves before its header is complete is forgotten."""
        self.behind("192.0.2.0/24")
        connected = self.begin()
        connected.far.send(HEADER[:10])
        connected.settle()
        connected.far.close()
        connected.settle()
        self.assertFalse(connected.server.connected)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stranger(self) -> None:
        """Other clients begin with TLS, which reaches OpenSSL whole."""
        self.behind("203.0.113.0/24")
        connected, client = self.begin(), Client(client_context())
        self.assertIs(connected.server.getHandle(), connected.near)
        self.assertIsNone(connected.server.doRead())
        self.exchange(connected, client)
        self.assertIs(connected.server.getHandle(), connected.server._tls)
        self.assertIsNone(connected.server.getPeerCertificate())

    def test_forged(self) -> None:
        """A stranger's header is cut and counted."""
        self.behind("203.0.113.0/24")
        connected = self.begin()
        connected.far.send(HEADER)
        connected.settle()
        self.assertFalse(connected.server.connected)
        self.assertEqual(self.counters.refusals, {"proxy-forged": 1})

    def test_nearlyForged(self) -> None:
        """What begins like a header and is neither that nor TLS is a failure of TLS."""
        self.behind("203.0.113.0/24")
        for first, second in ((b"P", b"OST / HTTP/1.1\r\n"), (b"\r\n", b"\x16\x03\x01")):
            connected = self.begin()
            connected.far.send(first)
            connected.settle()
            connected.far.send(second)
            connected.settle()
            self.assertFalse(connected.server.connected)
            self.assertEqual(self.protocol.events, ["lost"])
        self.assertEqual(self.counters.refusals, {"tls": 2})

    def test_gone(self) -> None:
        """A stranger that leaves before TLS is gone for the inner protocol, too."""
        self.behind("203.0.113.0/24")
        connected = self.begin()
        connected.far.close()
        connected.settle()
        self.assertEqual(self.protocol.events, ["lost"])
        connected = self.begin()
        self.break_socket(connected)
