"""
The protocol of one HTTP/1.1 connection.

Rules: what a transport and the site tell a connection; what follows from it is
the conversation's.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IHandshakeListener,
    ITCPTransport,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from netd.http.conversation import Conversation
from netd.http.output import Output
from netd.http.phases import BODY, CLOSED, HANDSHAKE, HEAD, IDLE, OVER

if TYPE_CHECKING:
    from netd.http.server import Site


HALF_CLOSE_SECONDS: Final = 0.1
"""A FIN this soon after a request belongs to the request: the client half-closed."""


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class HTTPConnection(Conversation):
    """One connection; `Site` builds it."""

    __slots__ = ("_refusal",)

    def __init__(
        self, site: Site, address: IAddress | None, client: bytes | None, refusal: str | None
    ) -> None:
        Conversation.__init__(self, site, address, client)
        self._refusal = refusal
        """Why this connection is only told to go away."""

    # From the transport

    def makeConnection(self, transport: ITransport) -> None:
        """The client is there."""
        self.carry(transport)
        self.site.enter(self)
        if ITCPTransport.providedBy(transport):
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        if self._refusal is not None:
            self.refuse(self._refusal)
        elif self.secure():
            self._stay(HANDSHAKE, self.site.limits.handshake)
        else:
            self.deadline = self.site.idle_deadline

    def handshakeCompleted(self) -> None:
        """TLS is up."""
        identity = getattr(self.transport, "identity", None)
        if identity:
            self.user = identity.encode()
        if self.phase is HANDSHAKE:
            self.phase = IDLE
            self.deadline = self.site.idle_deadline

    def dataReceived(self, data: bytes) -> None:
        """Answer what is complete, keep the rest."""
        if self.request is not None or self.paused or self.phase in OVER:
            self._set_aside(data)
            return
        if self._buffer:
            data = self._buffer + data
        self._serve(data)

    def readConnectionLost(self) -> None:
        """
        The client will say no more: it half-closed, or it left.

        Nothing on the wire tells the two apart.  A FIN that comes with the
        request, or when its answer has begun, is taken for a half-close; one
        that comes while a client waits for its answer, for leaving.
        """
        self._half = True
        if self.phase in OVER:
            self.transport.loseConnection()
        elif self.request is None:
            if not self.paused:
                self._serve(self._buffer)
        elif not self.request.startedWriting:
            silence = self.site.clock.seconds() - self._heard
            if silence > HALF_CLOSE_SECONDS:
                self._left(Failure(ConnectionDone()))
                self.close()

    def writeConnectionLost(self) -> None:
        """Our side is closed, as we wished."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone, and with it whatever was in flight."""
        self.phase = CLOSED
        self.deadline = inf
        self._left(reason)
        if self._intake is not None:
            self._intake.spool.close()
            self._intake = None
        self._buffer = b""
        self._out.clear()
        # It knows its request, and that knows us: only the collector would find all three.
        self.produce(None)
        self.site.leave(self)

    def pauseProducing(self) -> None:
        """The client is slower than we are: ask it for nothing more."""
        Output.pauseProducing(self)
        # While an answer is due, the client's leaving must still be seen.
        if self.request is None:
            self._read(False)

    def resumeProducing(self) -> None:
        """The client has caught up."""
        Output.resumeProducing(self)
        if self.request is None and self.phase not in OVER and not self._corked:
            self._serve(self._buffer)

    # From the site

    @property
    def fresh(self) -> bool:
        """Nothing was ever asked here."""
        return not self._served

    def overdue(self) -> None:
        """The deadline has passed."""
        if self.phase in (HANDSHAKE, IDLE):
            self.close()
        elif self.phase is HEAD:
            self.refuse("slow-head")
        elif self.phase is BODY:
            self.refuse("slow-body")
        elif not self.written:
            # While the last answer is still being sent, the limit for stalls applies.
            self.abort()
