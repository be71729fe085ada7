"""
A request whose body is still arriving.

Rules: knows neither connection nor clock; whoever feeds it watches the time.
"""

from __future__ import annotations

from netd.http.body import Chunked, Sized
from netd.http.body_buffer import BodyBuffer, BodyBuffers
from netd.http.bounds import Bounds
from netd.http.request_head import Head


class Upload:
    """The head of a request, and its body as far as it came."""

    __slots__ = ("begun", "decoder", "head", "received", "spool")

    def __init__(self, head: Head, bounds: Bounds, spools: BodyBuffers, begun: float) -> None:
        self.head = head
        self.begun = begun
        """When its head was complete, on the clock of whoever feeds it."""
        self.received = 0
        """Bytes of the wire so far."""
        self.decoder: Sized | Chunked
        if head.length is None:
            self.decoder = Chunked(bounds.body, bounds.head, bounds.fields)
        else:
            self.decoder = Sized(head.length)
        self.spool = BodyBuffer(spools, bounds.memory, bounds.spool)

    def feed(self, data: bytes) -> bytes | None:
        """Take in `data`; give what follows the body once that is whole, None until then."""
        self.received += len(data)
        piece, rest = self.decoder.feed(data)
        if piece:
            self.spool.write(piece)
        return rest
