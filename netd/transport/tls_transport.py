"""
A TCP transport whose socket OpenSSL reads and writes itself, without buffers between.

Rules: knows no certificate; needs the private names in `private.TLS_SOCKET`.

Before `start_tls` the transport is plain: a PROXY header comes first.  Its protocol is shown
input that is still in the kernel, from where only the bytes of the header are taken.

OpenSSL reads record by record and never ahead, so the kernel tells when there is more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from socket import MSG_PEEK
from typing import Any, Final

from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet import main
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    IProtocol,
    ISSLTransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from netd.transport import certificates, proxy_header
from netd.transport.tcp import INPUT, TCPTransport

# pyOpenSSL's own methods allocate a buffer for each read, and an exception for each wait.
_library: Any = getattr(SSL, "_lib", None)
_read: Any = getattr(_library, "SSL_read", None)
_write: Any = getattr(_library, "SSL_write", None)
_from_buffer: Any = getattr(getattr(SSL, "_ffi", None), "from_buffer", bytes)

RECORD: Final = 16 * 1024
"""Bytes of the longest TLS record."""
# A read of one record, or of a few when the first is full: more is likely to be there.
_PLACES: Final = [_from_buffer(INPUT[at : at + RECORD]) for at in range(0, len(INPUT), RECORD)]
MOST_WRITTEN: Final = 1024 * 1024
"""Bytes encrypted in one go, so that others need not wait."""
_DONE: Final = Failure(main.CONNECTION_DONE)


@implementer(ISSLTransport)
class TLSTransport(TCPTransport):
    """
    A server's TLS transport; its protocol is told of a close_notify as of a half-close.

    A close sends what was written and a close_notify, then waits for the peer's.  Before the
    handshake is over, output waits; a close without output cuts the connection.
    """

    _tls: Any = None  # the SSL.Connection, from `start_tls` on
    _ssl: Any = None  # its handle, from the end of the handshake on
    _on_failure: Callable[[], object] | None = None
    _unread = 0  # of the bytes that the protocol was shown, those that belong to TLS
    _paused = False
    _read_blocked = False  # a read waits until the socket takes output
    _write_blocked = False  # a write waits for input

    def start_tls(
        self, connection: SSL.Connection, protocol: IProtocol, on_failure: Callable[[], object]
    ) -> None:
        """Begin with TLS on `connection`, of this socket; `on_failure()` for an error in it."""
        connection.set_accept_state()
        self._tls = connection
        # A peer may send messages of a handshake without end: one at a time.
        _library.SSL_clear_mode(self._tls._ssl, _library.SSL_MODE_AUTO_RETRY)
        self._on_failure = on_failure
        self.protocol = protocol

    def unread(self, size: int) -> None:
        """The last `size` bytes that the protocol was shown are the first of TLS."""
        self._unread = size

    # Reading

    def doRead(self) -> Any:
        """Go on with the handshake, or deliver the input of a few records."""
        ssl = self._ssl
        if ssl is None:
            return self._peek() if self._tls is None else self._handshake()
        size, reason = 0, None
        for place in _PLACES:
            got = _read(ssl, place, RECORD)
            if got <= 0:
                reason = self._failure(got)
                break
            size += got
            if got < RECORD:
                break
        if self._write_blocked:
            self._write_blocked = False
            self.startWriting()
        if size:
            self.protocol.dataReceived(INPUT[:size].tobytes())
        return reason if self.connected else None

    def _peek(self) -> Any:
        """Show input to the protocol, and take what the protocol does not leave to TLS."""
        try:
            size = self.socket.recv_into(INPUT, proxy_header.LONGEST, MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not size:
            return main.CONNECTION_DONE
        self.protocol.dataReceived(INPUT[:size].tobytes())
        if self._unread > size:
            # What was taken before looked like a header, which no record of TLS does.
            return SSL.Error([("", "", "neither a PROXY header nor TLS")])
        if self._unread < size and self.connected:
            self.socket.recv_into(INPUT, size - self._unread)
        return None

    def _handshake(self) -> Any:
        try:
            self._tls.do_handshake()
        except SSL.Error as error:
            return self._reason(error)
        self._ssl = self._tls._ssl
        if IHandshakeListener.providedBy(self.protocol):
            self.protocol.handshakeCompleted()
        if self._tempDataBuffer:
            self.startWriting()
        return None

    def _failure(self, result: int) -> Any:
        """The reason to disconnect after a `result` of OpenSSL that is no success; or None."""
        try:
            self._tls._raise_ssl_error(self._ssl, result)
        except SSL.Error as error:
            return self._reason(error)
        return None

    def _reason(self, error: SSL.Error) -> Any:
        if isinstance(error, SSL.WantReadError):
            return None
        if isinstance(error, SSL.WantWriteError):
            # Otherwise the unread input would call for a read again and again.
            self.reactor.removeReader(self)
            self._read_blocked = True
            self.reactor.addWriter(self)
            return None
        if isinstance(error, SSL.ZeroReturnError):
            return main.CONNECTION_DONE
        # OpenSSL would take errors that are left there for those of another connection.
        _library.ERR_clear_error()
        # OpenSSL 4 has no error for the end of a connection without close_notify.
        if isinstance(error, SSL.SysCallError) or not any(error.args):
            return main.CONNECTION_LOST
        return error

    def readConnectionLost(self, reason: Failure) -> None:
        """The peer has sent its close_notify, or a FIN before TLS."""
        if self._ssl is None:
            TCPTransport.readConnectionLost(self, reason)
        elif self.disconnecting:
            self.connectionLost(reason)
        elif IHalfCloseableProtocol.providedBy(self.protocol):
            self.protocol.readConnectionLost()
        else:
            self.loseConnection()

    def startReading(self) -> None:
        """As stock, unless a read waits for output."""
        if not self._read_blocked:
            self.reactor.addReader(self)

    def pauseProducing(self) -> None:
        """As stock."""
        self._paused = True
        self.reactor.removeReader(self)

    def resumeProducing(self) -> None:
        """As stock."""
        self._paused = False
        if self.connected and not self.disconnecting:
            self.startReading()

    # Writing

    def write(self, data: bytes) -> None:
        """Send `data`, at the latest after this turn; nothing after a close."""
        if not self.disconnecting or self.producer is not None:
            TCPTransport.write(self, data)

    def startWriting(self) -> None:
        """As stock, unless output waits for input."""
        if self._ssl is not None and not self._write_blocked:
            self.reactor.addWriter(self)

    def doWrite(self) -> Any:
        """Go on with a read or write that waited for the socket."""
        if self._read_blocked:
            self._read_blocked = False
            if not self._paused:
                self.startReading()
            reason = self.doRead()
            if reason is main.CONNECTION_DONE:
                self.reactor.removeReader(self)
                self.readConnectionLost(_DONE)
                return None
            if reason is not None or self._read_blocked or not self.connected:
                return reason
        if self._ssl is None:
            self.reactor.removeWriter(self)
            return None
        return TCPTransport.doWrite(self)  # type: ignore[no-untyped-call]  # Twisted has no types here

    def writeSomeData(self, data: Any) -> Any:
        """Encrypt and send; how many bytes the socket took, or the reason to disconnect."""
        ssl, size = self._ssl, len(data)
        if ssl is None or not size:
            return 0
        view, sent = memoryview(data), 0
        while sent < size and sent < MOST_WRITTEN:
            rest = view[sent:] if sent else view
            result = _write(ssl, _from_buffer(rest), size - sent)
            if result <= 0:
                reason = self._write_failure(result)
                return sent or reason
            sent += result
        return sent

    def _write_failure(self, result: int) -> Any:
        """0 when the write has to be tried again; otherwise the reason to disconnect."""
        try:
            self._tls._raise_ssl_error(self._ssl, result)
        except SSL.WantReadError:
            self._write_blocked = True
            self.reactor.removeWriter(self)
            self.startReading()
        except SSL.WantWriteError:
            pass
        except SSL.Error as error:
            return self._reason(error)
        return 0

    def _send(self, data: bytes, flags: int) -> int:
        sent = self.writeSomeData(data)
        # After an error doWrite meets it again, and tells the protocol.
        return sent if isinstance(sent, int) else 0

    # Closing

    def loseConnection(self) -> None:
        """Send what was written, then close."""
        if self._ssl is not None:
            TCPTransport.loseConnection(self)
        elif self.connected and not self.disconnecting:
            if self._tempDataBuffer:
                self.disconnecting = 1
            else:
                self.abortConnection()

    def _postLoseConnection(self) -> Any:
        """Send close_notify; returns the reason to disconnect, None to wait for the peer's."""
        try:
            if self._tls.shutdown():
                return main.CONNECTION_DONE
        except SSL.WantWriteError:
            self.startWriting()
            return None
        except SSL.Error as error:
            return self._reason(error)
        self.startReading()
        return None

    def _end_connection(self) -> None:
        if self.connected and not self._aborting:
            reason = self._postLoseConnection()
            if reason is not None:
                self.connectionLost(Failure(reason))

    def _closeWriteConnection(self) -> None:
        self._postLoseConnection()
        TCPTransport._closeWriteConnection(self)

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket, and forget OpenSSL's state."""
        if not self.disconnected and reason.check(SSL.Error):
            if self._on_failure is not None:
                self._on_failure()
            # Unread input would make the kernel reset the connection, and destroy the alert.
            with suppress(OSError):
                self.socket.recv_into(INPUT)
        self._ssl = None
        TCPTransport.connectionLost(self, reason)
        self._tls = self._on_failure = None

    # For the protocol

    def getHandle(self) -> Any:
        """The SSL.Connection; the socket before TLS."""
        return self.socket if self._tls is None else self._tls

    def getPeerCertificate(self) -> X509 | None:
        """The certificate that the client has shown; None without one."""
        certificate: X509 | None = self._tls.get_peer_certificate()
        return certificate

    @property
    def identity(self) -> str | None:
        """The name in the client's verified certificate; None without a certificate."""
        return certificates.peer_identity(self._tls)
