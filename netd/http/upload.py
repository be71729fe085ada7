"""
A request whose body is still arriving.

Rules: knows neither connection nor clock; whoever feeds it watches the time.
"""

from __future__ import annotations

from netd.http.body import Chunked, Sized
from netd.http.body_buffer import BodyBuffer, BodyBuffers
from netd.http.request_head import Head
from netd.settings import Limits


class Upload:
    """The head of a request, and its body as far as it came."""

    __slots__ = ("begun", "decoder", "head", "received", "spool")

    def __init__(self, head: Head, limits: Limits, spools: BodyBuffers, begun: float) -> None:
        self.head = head
        self.begun = begun
        """When its head was complete, on the clock of whoever feeds it."""
        self.received = 0
        """Bytes of the wire so far."""
        self.decoder: Sized | Chunked
        if head.length is None:
            self.decoder = Chunked(limits.max_body, limits.max_head, limits.max_fields)
        else:
            self.decoder = Sized(head.length)
        self.spool = BodyBuffer(spools, limits.body_memory, limits.spool)

    def feed(self, data: bytes) -> bytes | None:
        """Take in `data`; give what follows the body once that is whole, None until then."""
        self.received += len(data)
        piece, rest = self.decoder.feed(data)
        if piece:
            self.spool.write(piece)
        return rest
