"""
What one connection writes, at the pace of its client.

Rules: knows no HTTP.  Between `cork` and `uncork` bytes are collected, up to
`AHEAD`, and leave in one write; otherwise each `send` is a write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, cast

from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProducer,
    IPullProducer,
    IPushProducer,
    IReactorTime,
    ISSLTransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from netd.http.unsent import UnsentBytes
from netd.transport.tcp import TCPTransport, bytes_unsent

AHEAD: Final = 64 * 1024
"""Bytes of pipelined requests, or of unsent responses, that one connection keeps."""


class Transport(Protocol):
    """A stream transport: Twisted's ITransport, IConsumer and IPushProducer in one."""

    disconnecting: bool

    def write(self, data: bytes) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...
    def getPeer(self) -> IAddress: ...


class Output:
    """Writes to `transport`; its connection is registered there as the producer."""

    __slots__ = (
        *("_producer", "_size", "_unsent", "collected", "in_parts", "paused", "secure"),
        *("transport", "written"),
    )

    def __init__(self, transport: Transport, unsent: UnsentBytes) -> None:
        self.transport = transport
        self._unsent = unsent
        self.secure = bool(ISSLTransport.providedBy(transport))
        """Whether the transport is TLS."""
        self.in_parts = self.secure and not isinstance(transport, TCPTransport)
        """Whether the input of one turn comes in many parts, as Twisted's TLS delivers it."""
        self.paused = False
        """The transport holds more than it wants to."""
        self.written = 0
        """Bytes written to the transport since it was last seen empty."""
        self.collected: list[bytes] | None = None
        """What waits for `uncork`; None while uncorked, so that an idle connection has none."""
        self._size = 0
        self._producer: IPushProducer | None = None

    def cork(self) -> None:
        """Collect what is sent from now on; harmless when done twice."""
        if self.collected is None:
            self.collected = []

    def uncork(self) -> None:
        """Write what was collected, and collect no more."""
        collected, self.collected = self.collected, None
        if collected:
            data = b"".join(collected)
            self._size = 0
            self.written += len(data)
            self.transport.write(data)

    def send(self, data: bytes) -> None:
        """Write `data`, or collect it while corked."""
        if self.collected is None:
            self.written += len(data)
            self.transport.write(data)
            return
        self.collected.append(data)
        self._size += len(data)
        if self._size > AHEAD:
            self.flush()

    def flush(self) -> None:
        """Write what was collected so far, and go on as before."""
        if self.collected:
            data = b"".join(self.collected)
            self.collected.clear()
            self._size = 0
            self.written += len(data)
            self.transport.write(data)

    def discard(self) -> None:
        """The connection is lost: forget what was collected and who produces."""
        # The producer knows its request, and the request this connection: a cycle.
        self.collected = self._producer = None
        if self.paused:
            self._unsent.release(self)

    def produce(self, producer: IPushProducer | None) -> None:
        """Pace `producer` in place of the one before; None: nothing is paced."""
        self._producer = producer
        if producer is not None and self.paused:
            producer.pauseProducing()

    def pause(self) -> None:
        """The transport wants no more for now."""
        self.paused = True
        # A transport that cannot be looked into reports only that it holds very much.
        self._unsent.hold(self, bytes_unsent(self.transport) or AHEAD)
        if self._producer is not None:
            self._producer.pauseProducing()

    def resume(self) -> None:
        """The transport wants more."""
        self.paused = False
        self._unsent.release(self)
        if self._producer is not None:
            self._producer.resumeProducing()

    def cut(self) -> None:
        """Cut the connection: its client lags, and others need the room."""
        self.transport.abortConnection()

    def close(self, half: bool) -> bool:
        """
        Close once everything is written; with `half` only our side, where that can be done.

        True when only our side was closed.  Closing a socket with unread input
        resets the connection, and the reset would destroy the response on its way.
        """
        self.uncork()
        self.transport.unregisterProducer()
        # TLS has no half-close, but its close waits for the client's by itself.
        if half and not self.secure:
            close_our_side = getattr(self.transport, "loseWriteConnection", None)
            if close_our_side is not None:
                close_our_side()
                return True
        self.transport.loseConnection()
        return False


@implementer(IPushProducer)
class PullToPush:
    """
    A pull producer as a push producer: pulled once a reactor turn until it is paused.

    A transport that sends at once never asks a pull producer for more.
    """

    __slots__ = ("_clock", "_fail", "_next", "_producer")

    def __init__(
        self, producer: IProducer, fail: Callable[[Failure], None], clock: IReactorTime
    ) -> None:
        self._producer = cast(IPullProducer, producer)
        self._fail = fail
        self._clock = clock
        self._next: IDelayedCall | None = None
        self.resumeProducing()

    def _pull(self) -> None:
        self._next = self._clock.callLater(0, self._pull)
        try:
            self._producer.resumeProducing()
        except Exception:
            # Handed over to be logged; the producer is not asked again.
            self.pauseProducing()
            self._fail(Failure())

    def resumeProducing(self) -> None:
        """Pull from the next turn on."""
        if self._next is None:
            self._next = self._clock.callLater(0, self._pull)

    def pauseProducing(self) -> None:
        """Pull no more for now, and leave no call behind."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def stopProducing(self) -> None:
        """Pull no more, and tell the producer."""
        self.pauseProducing()
        self._producer.stopProducing()
