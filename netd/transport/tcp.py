"""
A TCP transport that saves turns of the reactor when it writes and closes.

Bytes written during a turn are sent together at its end where the reactor has a
`write_batch`, and at once elsewhere.

Rules: knows no HTTP; needs the private names in `private.TCP`.
"""

from __future__ import annotations

import socket as sockets
from socket import MSG_PEEK, SHUT_WR, SOCK_STREAM, SocketType, socket
from sys import intern
from typing import Any, Final

from twisted.internet import abstract, main, tcp
from twisted.internet.address import IPv6Address
from twisted.internet.interfaces import IProtocol, ISSLTransport, ISystemHandle
from twisted.python.failure import Failure

from netd.addresses import unmapped

# Only Linux has the flag; elsewhere a response takes one packet more.
_MORE: Final = getattr(sockets, "MSG_MORE", 0)
_AT_ONCE: Final = abstract.FileDescriptor.bufferSize
# Windows has no such flag, and needs none for sockets of the reactor.
_DONT_WAIT: Final = getattr(sockets, "MSG_DONTWAIT", 0)
# Receiving into 64 KiB of the heap and keeping little of it would fragment the heap.
_INPUT: Final = memoryview(bytearray(_AT_ONCE))
_DONE: Final = Failure(main.CONNECTION_DONE)
_NUMERIC: Final = sockets.NI_NUMERICHOST | sockets.NI_NUMERICSERV


def plain(address: tuple[Any, ...]) -> tuple[Any, ...]:
    """The client's `address`, IPv4 if it is mapped, with the interface if it is link-local."""
    host = address[0]
    if len(address) == 4:
        if address[3]:
            host = sockets.getnameinfo(address, _NUMERIC)[0]
        elif (ipv4 := unmapped(host)) != host:
            return intern(ipv4), address[1]
    # The connections of a client share one string.
    return (intern(host), *address[1:])


class TCPTransport(tcp.Server):
    """A server's transport that waits for a turn only when the kernel does not take all."""

    reactor: Any

    # close(2) has the same effect: no other process has the socket (close-on-exec).
    _shouldShutdown = False
    # Whether bytes in `_tempDataBuffer` wait for the reactor's `write_batch`.
    _batched = False
    # Stock makes two strings for each connection that are hardly ever read.
    logstr = "netd"
    # Without a look for the layer of TLS that `startTLS` would add.
    registerProducer = abstract.FileDescriptor.registerProducer
    unregisterProducer = abstract.FileDescriptor.unregisterProducer

    def __init__(  # noqa: PLR0917 - the signature of tcp.Server, which a port calls
        self,
        sock: socket,
        protocol: IProtocol,
        client: tuple[Any, ...],
        server: tcp.Port,
        sessionno: int,
        reactor: Any,
    ) -> None:
        tcp.Connection.__init__(self, sock, protocol, reactor)
        if len(client) != 2:
            self._addressType = IPv6Address
        self.server = server
        self.client = client
        self.sessionno = sessionno
        self.hostname = client[0]
        self.connected = 1
        # Attributes of the class, which are found more slowly.
        self.disconnecting = self._batched = self._aborting = False
        self._writeDisconnecting = self._writeDisconnected = False
        self.dataBuffer = b""
        getattr(reactor, "admit", reactor.addReader)(self)

    @property
    def repstr(self) -> str:  # type: ignore[override]  # computed on demand
        """The connection's representation."""
        return f"<netd connection #{self.sessionno} of {self.hostname}>"

    def doRead(self) -> Any:
        """Deliver input, as stock does, with a call less."""
        try:
            size = self.socket.recv_into(_INPUT)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not size:
            return main.CONNECTION_DONE
        self.protocol.dataReceived(_INPUT[:size].tobytes())
        return None

    def write(self, data: bytes) -> None:
        """Send `data` now or at the end of this turn, as far as the kernel takes it."""
        if self._batched and len(data) > _AT_ONCE:
            # A copy of much, together with the rest, would hold the reactor.
            self.send_batched(_MORE)
        if self._batched:
            self._tempDataBuffer.append(data)
            self._tempDataLen += len(data)
            if self._tempDataLen > _AT_ONCE:
                self.send_batched()
        elif (
            self._tempDataBuffer
            or self.dataBuffer
            or self.disconnecting
            or not self.connected
            or self._writeDisconnected
        ):
            self._write_behind(data)
        else:
            self._batched = True
            self._tempDataBuffer.append(data)
            self._tempDataLen = len(data)
            write_batch = getattr(self.reactor, "write_batch", None)
            if write_batch is None or self._tempDataLen > _AT_ONCE:
                self.send_batched()
            else:
                write_batch.add(self)

    def send_batched(self, flags: int = 0) -> None:
        """Send the batched bytes now, with the `flags` of send(2)."""
        if not self._batched:
            return
        self._batched = False
        if not self._tempDataBuffer or self.dataBuffer or not self.connected:
            return
        data = b"".join(self._tempDataBuffer)
        self._tempDataBuffer.clear()
        self._tempDataLen = 0
        self._send(data, flags)

    def _send(self, data: bytes, flags: int) -> None:
        """Send `data` as far as the kernel takes it, the rest later."""
        try:
            sent = self.socket.send(data, flags)
        except OSError:
            # The socket is full, or broken: doWrite tells the protocol.
            sent = 0
        if sent < len(data):
            tcp.Server.write(self, data[sent:] if sent else data)

    def _write_behind(self, data: bytes) -> None:
        """Send `data` behind what waits."""
        tcp.Server.write(self, data)

    def flush(self) -> None:
        """Send the batched bytes at the end of a turn, and finish a close."""
        if self.disconnecting:
            # The FIN leaves in one packet with them, which is half the work for the kernel.
            self.send_batched(_MORE if self.producer is None else 0)
            self._finish_close()
        else:
            self.send_batched()

    def _finish_close(self) -> None:
        """Close now, or when the kernel has taken all output; without any more input."""
        if self._has_output():
            self.reactor.removeReader(self)
        else:
            self._end_connection()

    def _has_output(self) -> bool:
        """Whether output must be sent or produced before the connection is closed."""
        buffered = self._tempDataBuffer or self.dataBuffer
        return bool(buffered or self.producer is not None or self._writeDisconnecting)

    def loseConnection(self) -> None:
        """Close, at the end of this turn when there is nothing left to send."""
        if self.disconnecting or not self.connected:
            return
        batched = self._batched and self.producer is None and not self._writeDisconnecting
        if not batched and self._has_output():
            tcp.Server.loseConnection(self)
            return
        self.disconnecting = 1
        # The end of this turn, which comes before any input, mostly closes the socket.
        if not batched:
            self.reactor.removeReader(self)
            self.reactor.callLater(0, self._end_connection)

    def abortConnection(self) -> None:
        """Cut the connection, after sending what was written so far."""
        self.send_batched()
        tcp.Server.abortConnection(self)

    def connectionLost(self, reason: Failure) -> None:
        """Lose the output with the connection, whose protocol may wait for its turn yet."""
        tcp.Server.connectionLost(self, reason)
        self._tempDataBuffer.clear()
        self.dataBuffer = b""
        self.offset = self._tempDataLen = 0

    def _end_connection(self) -> None:
        """Do what stock's `connectionLost` does, where nothing is left to stop."""
        if not self.connected or self._aborting:
            return
        forget = getattr(self.reactor, "forget", None)
        if forget is None:
            self.connectionLost(_DONE)
            return
        forget(self.fileno())
        self.connected, self.disconnected = 0, 1
        sock, protocol = self.socket, self.protocol
        del self.socket, self.fileno, self.protocol
        try:  # noqa: SIM105 - suppress would cost as much as the system call
            # Of bytes that wait for the FIN, close(2) would send none if there is unread input.
            sock.shutdown(SHUT_WR)
        except OSError:
            pass
        sock.close()
        protocol.connectionLost(_DONE)


def flush(transport: object) -> bool:
    """Send batched bytes that more will follow; returns whether the kernel took all bytes."""
    if isinstance(transport, TCPTransport):
        transport.send_batched(_MORE)
    return not bytes_unsent(transport)


def bytes_unsent(transport: Any) -> int | None:
    """Bytes in the buffers of `transport`; None when that is not known."""
    # Twisted's TLS has no buffers of its own; those of the transport below count.
    while not hasattr(transport, "_tempDataLen"):
        transport = getattr(transport, "transport", None)
        if transport is None:
            return None
    unsent: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
    return unsent + getattr(transport, "unencrypted", 0)


def has_unread_input(transport: object) -> bool:
    """Whether the kernel has input for a TCP `transport` that was not read yet."""
    if ISSLTransport.providedBy(transport) or not ISystemHandle.providedBy(transport):
        return False
    handle = transport.getHandle()
    if not isinstance(handle, SocketType) or handle.type != SOCK_STREAM:
        return False
    try:
        return bool(handle.recv(1, MSG_PEEK | _DONT_WAIT))
    except OSError:
        return False
