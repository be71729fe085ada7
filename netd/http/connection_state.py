"""
The states of an HTTP/1.1 connection, and which may follow which.

Rules: pure; names and a table.  `HTTPConnection._enter` keeps to the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class ConnectionState(IntEnum):
    """
    What a connection is doing; from ENDING on it takes no request.

    The state is that between two reads: a request that is complete in one read and
    gets its response at once changes nothing.
    """

    HANDSHAKE = 0  # the transport and its TLS get ready
    IDLE = 1
    HEAD = 2  # a request head has begun to arrive
    BODY = 3  # a request body has begun to arrive
    RESPONDING = 4  # a response is being waited for, and the server counts it
    BLOCKED = 5  # requests wait until the client takes its responses, or for another turn
    ENDING = 6  # the last response is complete
    CLOSING = 7  # the last response is on its way
    LINGERING = 8  # the same, and our side is closed; the client may still send
    CLOSED = 9


_S = ConnectionState

TRANSITIONS: Final[Mapping[ConnectionState, frozenset[ConnectionState]]] = {
    _S.HANDSHAKE: frozenset({_S.IDLE, _S.ENDING, _S.CLOSING, _S.CLOSED}),
    _S.IDLE: frozenset(
        {_S.HEAD, _S.BODY, _S.RESPONDING, _S.BLOCKED, _S.ENDING, _S.CLOSING, _S.CLOSED}
    ),
    _S.HEAD: frozenset({_S.IDLE, _S.BODY, _S.RESPONDING, _S.BLOCKED, _S.ENDING, _S.CLOSED}),
    _S.BODY: frozenset({_S.IDLE, _S.RESPONDING, _S.BLOCKED, _S.ENDING, _S.CLOSED}),
    _S.RESPONDING: frozenset({_S.IDLE, _S.ENDING, _S.CLOSING, _S.CLOSED}),
    _S.BLOCKED: frozenset(
        {_S.IDLE, _S.HEAD, _S.BODY, _S.RESPONDING, _S.ENDING, _S.CLOSING, _S.CLOSED}
    ),
    _S.ENDING: frozenset({_S.CLOSING, _S.CLOSED}),
    _S.CLOSING: frozenset({_S.LINGERING, _S.CLOSED}),
    _S.LINGERING: frozenset({_S.CLOSED}),
    _S.CLOSED: frozenset(),
}
"""The states that may follow each state."""
