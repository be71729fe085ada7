"""
TCP without detours: bytes leave without asking for a turn, closing costs none either.

What is written in one turn of the reactor leaves at its end, together with what
is written to other clients, where the reactor has an `write_batch`, and at once
where it has none.

Rules: knows no HTTP.  Uses private buffers of Twisted, which `private.TCP` lists;
`netd.transport.tcp_port` uses the stock transport where one is missing.
"""

from __future__ import annotations

import socket as sockets
from socket import MSG_DONTWAIT, MSG_PEEK, SOCK_STREAM, socket
from typing import Any, Final

from twisted.internet import abstract, main, tcp
from twisted.internet.address import IPv6Address
from twisted.internet.interfaces import IProtocol, ISSLTransport, ISystemHandle
from twisted.python.failure import Failure

# Linux alone can be told that more follows; elsewhere there is one packet more.
_MORE: Final = getattr(sockets, "MSG_MORE", 0)
# What is received goes through here and not through 64 KiB of the heap, of which little
# would stay: holes, and a daemon that grows.
_INPUT: Final = memoryview(bytearray(abstract.FileDescriptor.bufferSize))
_DONE: Final = Failure(main.CONNECTION_DONE)


class TCPTransport(tcp.Server):
    """A server's transport that asks for a turn only when the kernel does not take all."""

    reactor: Any

    # close(2) says the same; nobody else holds the socket (close-on-exec).
    _shouldShutdown = False
    # Its bytes wait for the end of this turn of the reactor, in the outbox.
    _batched = False
    # Stock makes two strings a connection that hardly anybody ever reads.
    logstr = "netd"

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
        self.reactor.addReader(self)
        self.connected = 1

    def setTcpNoDelay(self, enabled: bool) -> None:
        """As stock; the listening socket has it on, and its connections inherit it."""
        if not enabled:
            tcp.Server.setTcpNoDelay(self, enabled)

    @property
    def repstr(self) -> str:  # type: ignore[override]  # made when it is asked for
        """How this connection is shown."""
        return f"<netd connection #{self.sessionno} of {self.hostname}>"

    def doRead(self) -> Any:
        """Hand on what the client sent; as stock, with a call less."""
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
        """Send `data`, now or at the end of this turn; what the kernel does not take waits."""
        if self._batched:
            self._tempDataBuffer.append(data)
            self._tempDataLen += len(data)
            if self._tempDataLen > self.bufferSize:
                self.send_batched()
        elif (
            self._tempDataBuffer
            or self.dataBuffer
            or self.disconnecting
            or not self.connected
            or self._writeDisconnected
        ):
            tcp.Server.write(self, data)
        else:
            self._batched = True
            self._tempDataBuffer.append(data)
            self._tempDataLen = size = len(data)
            write_batch = getattr(self.reactor, "write_batch", None)
            if write_batch is None or size > self.bufferSize:
                self.send_batched()
            else:
                write_batch.add(self)

    def send_batched(self, flags: int = 0) -> None:
        """Send what was put aside, now; `flags` are those of send(2)."""
        if not self._batched:
            return
        self._batched = False
        if not self._tempDataBuffer or self.dataBuffer or not self.connected:
            return
        data = b"".join(self._tempDataBuffer)
        self._tempDataBuffer.clear()
        self._tempDataLen = 0
        try:
            sent = self.socket.send(data, flags)
        except BlockingIOError:
            sent = 0
        except OSError:
            # Left to doWrite, which knows how to tell the protocol.
            sent = 0
        if sent < len(data):
            tcp.Server.write(self, data[sent:] if sent else data)

    def flush(self) -> None:
        """Send what was put aside, and close if that was asked for meanwhile."""
        self.send_batched()
        if self.disconnecting and not self._has_output():
            self._end_connection()

    def _has_output(self) -> bool:
        """Whether something is left to do before the connection may be closed."""
        return bool(
            self._tempDataBuffer
            or self.dataBuffer
            or self.producer is not None
            or self._writeDisconnecting
        )

    def loseConnection(self) -> None:
        """Close; with nothing left to send, at the end of this turn."""
        if self.disconnecting or not self.connected:
            return
        batched = self._batched and self.producer is None and not self._writeDisconnecting
        if not batched and self._has_output():
            tcp.Server.loseConnection(self)
            return
        self.disconnecting = 1
        self.reactor.removeReader(self)
        if not batched:
            self.reactor.callLater(0, self._end_connection)

    def abortConnection(self) -> None:
        """Cut; what was written so far is on its way before."""
        self.send_batched()
        tcp.Server.abortConnection(self)

    def _end_connection(self) -> None:
        if self.connected and not self._aborting:
            self.connectionLost(_DONE)


def flush(transport: Any) -> bool:
    """Whether the kernel has all that was written; more follows what was put aside."""
    if isinstance(transport, TCPTransport):
        transport.send_batched(_MORE)
    return not bytes_unsent(transport)


def bytes_unsent(transport: Any) -> int | None:
    """Bytes that `transport` holds and the kernel has not taken; None where nobody knows."""
    # TLS and the like keep the real transport one below.
    while not isinstance(transport, abstract.FileDescriptor):
        transport = getattr(transport, "transport", None)
        if transport is None:
            return None
    try:
        return len(transport.dataBuffer) - transport.offset + transport._tempDataLen
    except AttributeError:
        return None


def has_unread_input(transport: Any) -> bool:
    """Whether the kernel holds input for a TCP `transport` that nobody has looked at yet."""
    if ISSLTransport.providedBy(transport) or not ISystemHandle.providedBy(transport):
        return False
    handle = transport.getHandle()
    if not isinstance(handle, socket) or handle.type != SOCK_STREAM:
        return False
    try:
        return bool(handle.recv(1, MSG_PEEK | MSG_DONTWAIT))
    except OSError:
        return False
