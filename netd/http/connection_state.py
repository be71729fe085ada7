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
    What a connection is doing; `deadline` says how long it may.

    From ENDING on no request is taken.  A response that is sent at once leaves
    the connection in the state in which the request was read.
    """

    HANDSHAKE = 0
    """The transport and its TLS get ready."""
    IDLE = 1
    HEAD = 2
    """A request head has begun to arrive."""
    BODY = 3
    """A request body is arriving."""
    RESPONDING = 4
    """A response is being waited for; the server counts it."""
    BLOCKED = 5
    """The client does not take the responses that it got."""
    ENDING = 6
    """The last response is complete."""
    CLOSING = 7
    """The last response is on its way."""
    LINGERING = 8
    """So it is, and our side is closed; the client may still send."""
    CLOSED = 9


_S = ConnectionState

TRANSITIONS: Final[Mapping[ConnectionState, frozenset[ConnectionState]]] = {
    _S.HANDSHAKE: frozenset({_S.IDLE, _S.ENDING, _S.CLOSING, _S.CLOSED}),
    _S.IDLE: frozenset(
        {_S.HEAD, _S.BODY, _S.RESPONDING, _S.BLOCKED, _S.ENDING, _S.CLOSING, _S.CLOSED}
    ),
    _S.HEAD: frozenset({_S.IDLE, _S.BODY, _S.RESPONDING, _S.ENDING, _S.CLOSED}),
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
