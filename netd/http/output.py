"""
The two directions of one connection, as bytes.

Rules: knows no HTTP.  What is written while input is being read (`corked`)
leaves in one piece; a producer is held to the pace of the client; input can be
left in the kernel; the end is a goodbye that the client gets to read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IPushProducer, ISSLTransport
from zope.interface import implementer

AHEAD: Final = 64 * 1024
"""Bytes of pipelined requests, or of unsent responses, that one connection keeps."""


@lru_cache(maxsize=1024)
def _named(host: object) -> bytes:
    """A host as a log names it; kept here once, and not by each of its connections."""
    return host.encode() if isinstance(host, str) else b"-"


@implementer(IPushProducer)
class Output:
    """One connection's transport, and what is on its way to it."""

    __slots__ = (
        "_corked",
        "_half",
        "_out",
        "_pending",
        "_producer",
        "_reading",
        "_secure",
        "paused",
        "peer",
        "transport",
        "user",
        "written",
    )

    # Whatever carries a stream: ITransport, IConsumer and IPushProducer in one.
    transport: Any

    def __init__(self, address: IAddress | None) -> None:
        self.peer = _named(getattr(address, "host", None))
        """Who is there, as a log names it."""
        self.user = b"-"
        """Whom the client's certificate names; a dash without one."""
        self.paused = False
        """The transport holds more of our answers than it wants to."""
        self.written = 0
        """Bytes handed to the transport since it was last seen empty."""
        self._corked = False
        self._half = False
        self._out: list[bytes] = []
        self._pending = 0
        self._producer: IPushProducer | None = None
        self._reading = True
        self._secure = False

    def carry(self, transport: Any) -> None:
        """`transport` carries it from now on."""
        self.transport = transport
        self._secure = bool(ISSLTransport.providedBy(transport))

    def send(self, data: bytes) -> None:
        """Put `data` on the wire, together with what else is going out now."""
        self._out.append(data)
        self._pending += len(data)
        if not self._corked or self._pending > AHEAD:
            self.flush()

    def flush(self) -> None:
        """Put everything on the wire that waits for company."""
        out = self._out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            self._pending = 0
            self.written += len(data)
            self.transport.write(data)

    def produce(self, producer: IPushProducer | None) -> None:
        """Pace `producer` from now on, or nobody."""
        self._producer = producer
        if producer is not None and self.paused:
            producer.pauseProducing()

    def pauseProducing(self) -> None:
        """The client is slower than we are."""
        self.paused = True
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has caught up."""
        self.paused = False
        if self._producer is not None:
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """Nothing to do: the loss of the connection follows."""

    def client_address(self) -> IAddress:
        """Who is there."""
        address: IAddress = self.transport.getPeer()
        return address

    def secure(self) -> bool:
        """Whether this is TLS."""
        return self._secure

    def abort(self) -> None:
        """Cut the connection."""
        self.transport.abortConnection()

    def _read(self, reading: bool) -> None:
        """Take input, or leave it in the kernel; after a FIN there is none to take."""
        if reading is self._reading or self._half:
            return
        self._reading = reading
        if reading:
            self.transport.resumeProducing()
        else:
            self.transport.pauseProducing()

    def _part(self, unread: bool) -> bool:
        """
        Close after what is written; true when the client may still talk.

        Closing with `unread` input would reset the connection, and the reset
        would destroy the answer on its way: there, only our side is closed.
        """
        self.flush()
        self.transport.unregisterProducer()
        # TLS has no half-close, but waits for the client's goodbye by itself.
        if unread and not self._half and not self.secure():
            half_close = getattr(self.transport, "loseWriteConnection", None)
            if half_close is not None:
                self._read(True)
                half_close()
                return True
        self.transport.loseConnection()
        return False
