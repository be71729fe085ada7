"""
A TCP transport that encrypts: OpenSSL in memory, without a layer of protocols between.

Rules: knows no certificate file; needs the private names in `private.TLS_TRANSPORT`.

OpenSSL does not get the socket itself: reading there, it takes input as long as the peer sends,
and a ClientHello in records of one byte would hold the reactor for a third of a second.
"""

from __future__ import annotations

from collections.abc import Callable
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

from netd.transport import certificates
from netd.transport.tcp import TCPTransport
from netd.transport.tls_connection import Connection

# pyOpenSSL's own methods allocate a buffer for each read, and an exception for each wait.
_library: Any = getattr(SSL, "_lib", None)
_ffi: Any = getattr(SSL, "_ffi", None)
_read: Any = getattr(_library, "SSL_read", None)
_write: Any = getattr(_library, "SSL_write", None)
_bio_read: Any = getattr(_library, "BIO_read", None)
_bio_size: Any = getattr(_library, "BIO_get_mem_data", None)
_null: Any = getattr(_ffi, "NULL", None)
_from_buffer: Any = getattr(_ffi, "from_buffer", bytes)

RECORD: Final = 16 * 1024
"""Bytes of the longest record."""
AT_ONCE: Final = 2 * RECORD
"""Bytes that OpenSSL encrypts or decrypts at a time; its buffers keep the size."""


def _memory(size: int) -> tuple[Any, memoryview]:
    """Memory for OpenSSL, and a view of it; none where `private.TLS_TRANSPORT` is missing."""
    # Memory of Python's that is lent to cffi crashes the interpreter at its end.
    memory = bytearray() if _ffi is None else _ffi.new("char[]", size)
    return memory, memoryview(memory if _ffi is None else _ffi.buffer(memory))


# A record that was begun earlier may add to what is read at once.
_PLAIN_AT, _PLAIN = _memory(AT_ONCE + 2 * RECORD)
_CIPHER_AT, _CIPHER = _memory(2 * AT_ONCE)
_BOTH: Final = SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN


@implementer(ISSLTransport)
class TLSTransport(TCPTransport):
    """
    A server's TLS transport; its protocol is told of a close_notify as of a half-close.

    It is plain until `start_tls`, because a PROXY header comes first.  A close sends what was
    written and a close_notify, then waits for the peer's.  Until the handshake is over, output
    waits, and a close without output cuts the connection.
    """

    _tls: Any = None  # the SSL.Connection, from `start_tls` on
    _ssl: Any = None  # its handle, from the end of the handshake on
    _into: Any = None  # OpenSSL's memory for input ...
    _from: Any = None  # ... and for output
    _waiting = b""  # output that OpenSSL takes after more input
    _on_failure: Callable[[], object] | None = None

    def start_tls(
        self, connection: Connection, protocol: IProtocol, on_failure: Callable[[], object]
    ) -> None:
        """Begin with TLS on `connection`, in memory; `on_failure()` for an error in it."""
        connection.set_accept_state()
        self._tls = connection
        self._into, self._from = self._tls._into_ssl, self._tls._from_ssl
        self._on_failure = on_failure
        self.protocol = protocol

    def received(self, data: bytes) -> None:
        """The first bytes of TLS, which arrived before `start_tls`."""
        self._tls.bio_write(data)

    # Reading

    def doRead(self) -> Any:
        """Decrypt and deliver input."""
        try:
            size = self.socket.recv_into(_CIPHER, AT_ONCE)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if self._tls is None:
            if not size:
                return main.CONNECTION_DONE
            self.protocol.dataReceived(_CIPHER[:size].tobytes())
            if self._tls is None or not self.connected:
                return None
        elif not size:
            # Without close_notify: whatever was being received may be incomplete.
            return main.CONNECTION_LOST
        else:
            self._tls.bio_write(_CIPHER[:size].tobytes())
        reason = self._shake_hands() if self._ssl is None else None
        if self._ssl is not None:
            reason = self._decrypt()
        if self.connected and not self._batched:
            self._send_encrypted()
        return reason if self.connected else None

    def _shake_hands(self) -> Exception | None:
        try:
            self._tls.do_handshake()
        except SSL.Error as error:
            return self._reason(error)
        self._ssl = self._tls._ssl
        if IHandshakeListener.providedBy(self.protocol):
            self.protocol.handshakeCompleted()
        return None

    def _decrypt(self) -> Exception | None:
        """Deliver what is complete of the input; returns the reason to disconnect, or None."""
        ssl, into, size, reason = self._ssl, self._into, 0, None
        while True:
            got = _read(ssl, _PLAIN_AT + size if size else _PLAIN_AT, RECORD)
            if got > 0:
                size += got
                self._tls.delivered()
                if _bio_size(into, _null):
                    continue
            else:
                reason = self._failure(got)
            try:
                if reason is not None or not self._tls.fed():
                    break
            except SSL.Error as error:
                reason = error
                break
        if self._waiting:
            data, self._waiting = self._waiting, b""
            self._send(data)
            if self.producerPaused:
                # doWrite resumes the producer when nothing waits.
                self.reactor.addWriter(self)
        if size and self.connected:
            self.protocol.dataReceived(_PLAIN[:size].tobytes())
        return reason

    def _failure(self, result: int) -> Exception | None:
        """The reason to disconnect after a `result` of OpenSSL that is no success; or None."""
        try:
            self._tls._raise_ssl_error(self._ssl, result)
        except SSL.Error as error:
            return self._reason(error)
        return None

    def _reason(self, error: SSL.Error) -> Exception | None:
        if isinstance(error, SSL.WantReadError):
            return None
        if isinstance(error, SSL.ZeroReturnError):
            return main.CONNECTION_DONE
        return error

    def readConnectionLost(self, reason: Failure) -> None:
        """The peer has sent its close_notify, or a FIN before TLS."""
        if self._ssl is None:
            TCPTransport.readConnectionLost(self, reason)
        elif self.disconnecting:
            # Otherwise doWrite ends the connection.
            if not self._has_output():
                self.connectionLost(reason)
        elif IHalfCloseableProtocol.providedBy(self.protocol):
            self.protocol.readConnectionLost()
        else:
            self.loseConnection()

    # Writing

    def _write_behind(self, data: bytes) -> None:
        """Send `data` behind what waits; nothing after a close."""
        if self.connected and (not self.disconnecting or self.producer is not None):
            self._send(data)

    def _send(self, data: bytes, flags: int = 0) -> None:
        """Encrypt `data` and send; OpenSSL may want input before."""
        ssl, size, at = self._ssl, len(data), 0
        if ssl is None or self._waiting:
            self._wait(data)
            return
        start = _from_buffer(data)
        while at < size:
            sent = _write(ssl, start + at if at else start, min(size - at, RECORD))
            if sent <= 0:
                reason = self._failure(sent)
                if reason is None:
                    self._wait(data[at:])
                else:
                    self.reactor.callLater(0, self.connectionLost, Failure(reason))
                break
            at += sent
            if at < size and not at % AT_ONCE:
                self._send_encrypted()
        if self.disconnecting:
            self._notify()
        self._send_encrypted()
        if self._tempDataBuffer:
            self._maybePauseProducer()  # type: ignore[no-untyped-call]  # Twisted has no types here

    def _wait(self, data: bytes) -> None:
        """Keep `data` until OpenSSL takes it, and have no more produced if that is much."""
        self._waiting += data
        producer: Any = self.producer
        if producer is not None and self.unencrypted > self.bufferSize:
            self.producerPaused = True
            producer.pauseProducing()

    @property
    def unencrypted(self) -> int:
        """Bytes of output that wait for input of the peer."""
        return len(self._waiting)

    def _send_encrypted(self) -> None:
        """Send what OpenSSL has encrypted, behind what waits for the kernel."""
        while (size := _bio_read(self._from, _CIPHER_AT, len(_CIPHER))) > 0:
            sent = 0
            if not self.dataBuffer and not self._tempDataBuffer:
                try:
                    sent = self.socket.send(_CIPHER[:size])
                except OSError:
                    # The socket is full, or broken: doWrite tells the protocol.
                    sent = 0
            if sent < size:
                self._tempDataBuffer.append(_CIPHER[sent:size].tobytes())
                self._tempDataLen += size - sent
                self.reactor.addWriter(self)

    def doWrite(self) -> Any:
        """Send what waits for the kernel."""
        # The two kinds of bytes share a buffer, which must not be sent as it is.
        self.send_batched()
        return TCPTransport.doWrite(self)  # type: ignore[no-untyped-call]  # Twisted has no types here

    # Closing

    def _has_output(self) -> bool:
        buffered = self._waiting or self._tempDataBuffer or self.dataBuffer
        return bool(buffered) or self.producer is not None

    def _notify(self) -> None:
        """Encrypt a close_notify, once, behind all output."""
        if self._waiting or self.producer is not None or self._closed(SSL.SENT_SHUTDOWN):
            return
        try:
            self._tls.shutdown()
        except SSL.Error:
            # As in the middle of a renegotiation.
            self.abortConnection()

    def _closed(self, sides: int) -> bool:
        """Whether all of `sides` have sent their close_notify."""
        return bool(self._tls.get_shutdown() & sides == sides)

    def loseConnection(self) -> None:
        """Send what was written and a close_notify, then wait for the peer's."""
        if self.disconnecting or not self.connected:
            return
        if self._ssl is None:
            self.send_batched()
            if not self._waiting:
                self.abortConnection()
                return
        self.disconnecting = 1
        # A paused transport would not see the peer's close_notify.
        self.reactor.addReader(self)
        if self._ssl is not None and not self._batched:
            self._notify()
            self._send_encrypted()
            self.reactor.callLater(0, self._end_connection)

    def loseWriteConnection(self) -> None:
        """Send what was written, a close_notify and a FIN."""
        self.send_batched()
        self._notify()
        self._send_encrypted()
        TCPTransport.loseWriteConnection(self)  # type: ignore[no-untyped-call]  # Twisted has no types here

    def _postLoseConnection(self) -> Any:
        """After all output: the reason to disconnect, None to wait for the peer."""
        self._notify()
        self._send_encrypted()
        ended = not self._has_output() and self._closed(_BOTH)
        return main.CONNECTION_DONE if ended else None

    def _finish_close(self) -> None:
        # The peer's close_notify is still to be read.
        self._end_connection()

    def _end_connection(self) -> None:
        over = self.connected and not self._aborting and not self._has_output()
        if over and self._closed(_BOTH):
            self.connectionLost(Failure(main.CONNECTION_DONE))

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket, and forget OpenSSL's state."""
        if not self.disconnected and self._on_failure is not None and reason.check(SSL.Error):
            self._on_failure()
        self._ssl = None
        TCPTransport.connectionLost(self, reason)
        self._waiting = b""
        self._tls = self._into = self._from = self._on_failure = None

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
