"""
The limits of the HTTP front as the engine compares with them.

Rules: pure.  Seconds are floats, bytes are ints, and a limit that is off is one
that nothing exceeds, so that no comparison needs to ask whether it is on.
"""

from __future__ import annotations

import sys
from math import inf

from attrs import frozen

from netd.settings import Limits
from netd.values import Duration, Size

LINGER_SECONDS = 2.0
"""How long a client gets to read a refusal before its unread input makes a reset of it."""
LINGER_BYTES = 256 * 1024
"""How much unread input is thrown away meanwhile."""
AHEAD = 64 * 1024
"""Bytes of pipelined requests kept while an answer is waited for; then reading stops."""
HALF_CLOSE_SECONDS = 0.1
"""A FIN this soon after a request belongs to it: the client half-closed, it did not leave."""


def _seconds(limit: Duration) -> float:
    return limit.seconds or inf


def _count(limit: Size | int) -> int:
    number = limit.count if isinstance(limit, Size) else limit
    return number or sys.maxsize


@frozen
class Bounds:
    """`Limits`, ready to be compared with."""

    head: int
    target: int
    fields: int
    body: int
    memory: int
    spool: int
    requests: int
    connections: int
    client_connections: int
    waiting: int
    client_waiting: int
    body_rate: int
    head_time: float
    body_time: float
    body_time_most: float
    stall: float
    idle: float
    handshake: float

    @classmethod
    def of(cls, limits: Limits) -> Bounds:
        """What `limits` say."""
        return cls(
            head=_count(limits.max_head),
            target=_count(limits.max_target),
            fields=_count(limits.max_fields),
            body=_count(limits.max_body),
            memory=_count(limits.body_memory),
            spool=_count(limits.spool),
            requests=_count(limits.max_requests),
            connections=_count(limits.connections),
            client_connections=_count(limits.client_connections),
            waiting=_count(limits.waiting),
            client_waiting=_count(limits.client_waiting),
            body_rate=_count(limits.body_rate),
            head_time=_seconds(limits.head_time),
            body_time=_seconds(limits.body_time),
            body_time_most=_seconds(limits.body_time_most),
            stall=_seconds(limits.stall),
            idle=_seconds(limits.idle),
            handshake=_seconds(limits.handshake),
        )

    def body_seconds(self, received: int) -> float:
        """What a body may have taken by the time `received` bytes of it are there."""
        return min(self.body_time + received / self.body_rate, self.body_time_most)
