"""
What the tests of TLS share: a client in memory, and a reactor of few turns for real sockets.

Rules: a turn does what a reactor does, once and at once; nothing waits.
"""

from __future__ import annotations

import select
import socket
from pathlib import Path
from typing import Any, Final, cast

from OpenSSL import SSL
from twisted.internet.posixbase import _DisconnectSelectableMixin
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netd.test.stages import Identity, identity
from netd.transport.tls_transport import TLSTransport

MOST_TURNS: Final = 2000
"""Turns that settle anything; more of them are a busy loop."""


class PEMFiles(SynchronousTestCase):
    """PEM files of one test."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.names = self.directory / "names"
        """A directory for certificates by server name."""
        self.names.mkdir(parents=True)
        self.server = identity()
        self.certificate, self.key = self.server.write(self.directory)

    def file(self, content: bytes, name: str = "file.pem") -> Path:
        """The path of a file that contains `content`."""
        path = self.directory / name
        path.write_bytes(content)
        return path


class Client:
    """A client's side of a connection without a socket."""

    def __init__(
        self,
        context: SSL.Context,
        name: bytes = b"localhost",
        session: SSL.Session | None = None,
    ) -> None:
        # Any, because the stubs of pyOpenSSL are older than pyOpenSSL.
        self.ssl: Any = SSL.Connection(context, None)
        if name:
            self.ssl.set_tlsext_host_name(name)
        if session is not None:
            self.ssl.set_session(session)
        self.ssl.set_connect_state()
        self.received = b""
        self.started = False
        """Whether the handshake has begun."""

    @property
    def resumed(self) -> bool:
        """Whether the session of an earlier connection was resumed."""
        return bool(cast(Any, SSL)._lib.SSL_session_reused(self.ssl._ssl))

    def turn(self, data: bytes) -> bytes:
        """The client's response to `data`; SSL.Error when the handshake fails."""
        self.started = True
        if data:
            self.ssl.bio_write(data)
        try:
            self.ssl.do_handshake()
            while True:
                self.received += self.ssl.recv(65536)
        except (SSL.WantReadError, SSL.ZeroReturnError):
            pass
        return self.pending()

    def pending(self) -> bytes:
        """The bytes that wait to be sent."""
        try:
            waiting: bytes = self.ssl.bio_read(65536)
        except SSL.WantReadError:
            return b""
        return waiting


def client_context(
    least: int = SSL.TLS1_2_VERSION,
    most: int = SSL.TLS1_3_VERSION,
    ciphers: bytes = b"ALL@SECLEVEL=0",
    *,
    protocols: tuple[bytes, ...] = (),
    shown: Identity | None = None,
) -> SSL.Context:
    """The context of a client with these versions, ciphers and certificate."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(least)
    context.set_max_proto_version(most)
    if protocols:
        context.set_alpn_protos(list(protocols))
    if shown is not None:
        context.use_certificate(shown.certificate)
        context.use_privatekey(shown.key)
    # Last, because pyOpenSSL counts it as the first use of the context.
    context.set_cipher_list(ciphers)
    return context


class Collector(Protocol):
    """Collects its input."""

    def __init__(self) -> None:
        self.data = b""

    def dataReceived(self, data: bytes) -> None:
        """Collect `data`."""
        self.data += data


class Turns(Clock, _DisconnectSelectableMixin):
    """A reactor that dispatches the events of one moment."""

    def __init__(self) -> None:
        Clock.__init__(self)
        self.readers: list[Any] = []
        self.writers: list[Any] = []

    def addReader(self, reader: object) -> None:
        """Dispatch input to `reader`."""
        if reader not in self.readers:
            self.readers.append(reader)

    def addWriter(self, writer: object) -> None:
        """Dispatch room for output to `writer`."""
        if writer not in self.writers:
            self.writers.append(writer)

    def removeReader(self, reader: object) -> None:
        """Dispatch no more input."""
        if reader in self.readers:
            self.readers.remove(reader)

    def removeWriter(self, writer: object) -> None:
        """Dispatch no more room."""
        if writer in self.writers:
            self.writers.remove(writer)

    def turn(self) -> bool:
        """Dispatch what is due; whether anything was."""
        due = bool(self.getDelayedCalls()) and self.getDelayedCalls()[0].getTime() <= 0
        self.advance(0)
        readable, writable, _ = select.select(self.readers, self.writers, [], 0)
        for each in readable:
            if each in self.readers and (reason := each.doRead()):
                self._disconnectSelectable(each, reason, True)
        for each in writable:
            if each in self.writers and (reason := each.doWrite()):
                self._disconnectSelectable(each, reason, False)
        return bool(due or readable or writable)


class Connected:
    """A TLSTransport on a socket pair, with a client at the far end."""

    def __init__(self, reactor: Turns, protocol: Any) -> None:
        self.reactor = reactor
        self.near, self.far = socket.socketpair()
        self.far.setblocking(False)
        port: Any = None
        self.server = TLSTransport(self.near, protocol, ("192.0.2.1", 5), port, 0, reactor)
        protocol.makeConnection(self.server)
        self.client: Any = None
        self.error: SSL.Error | None = None
        """What the client met."""
        self.notified = False
        """Whether the client has received close_notify."""
        self.ended: str | None = None
        """How the connection ended for the client: FIN or RST."""

    def close(self) -> None:
        """Close both ends."""
        if self.server.connected:
            self.server.abortConnection()
            self.reactor.advance(0)
        self.far.close()

    def handshake(self, client: Client) -> None:
        """Let `client` begin, and settle."""
        self.client = client
        self.settle()

    def settle(self, *, reading: bool = True) -> None:
        """Take turns until nothing happens any more; the client reads unless told not to."""
        for _ in range(MOST_TURNS):
            happened = self._client_turn(reading)
            if not self.reactor.turn() and not happened:
                return
        raise AssertionError("a busy loop")

    def _client_turn(self, reading: bool) -> bool:
        client, data = self.client, b""
        if client is None or self.ended is not None:
            return False
        if reading:
            try:
                data = self.far.recv(65536)
                if not data:
                    self.ended = "FIN"
            except BlockingIOError:
                pass
            except OSError:
                self.ended = "RST"
        sent = b""
        if self.error is None and (data or not client.started):
            try:
                sent = client.turn(data)
            except SSL.Error as error:
                self.error, sent = error, client.pending()
            # A fatal alert is noted as a shutdown, too.
            shut = client.ssl.get_shutdown() & SSL.RECEIVED_SHUTDOWN
            self.notified = bool(shut) and self.error is None
        if sent:
            self.far.send(sent)
        return bool(data or sent)

    def send(self, data: bytes) -> None:
        """Encrypt and send `data` as the client."""
        while data:
            data = data[self.client.ssl.send(data) :]
            self.far.send(self.client.pending())
