"""
What a connection is at, and how it gets from one to the next.

Rules: names only.  A connection's `deadline` says how long it may stay.

    HANDSHAKE -> IDLE -> HEAD -> BODY -> ANSWER -> IDLE ...
    any of them -> ENDING -> CLOSING or LINGER -> CLOSED
"""

from __future__ import annotations

from typing import Final

HANDSHAKE: Final = "handshake"
IDLE: Final = "idle"
HEAD: Final = "head"
BODY: Final = "body"
ANSWER: Final = "answer"
"""An answer is due, or the client does not take those it got."""
ENDING: Final = "ending"
"""The last answer is complete."""
CLOSING: Final = "closing"
"""It is on its way."""
LINGER: Final = "linger"
"""It is, and the client may still talk."""
CLOSED: Final = "closed"

OVER: Final = frozenset({ENDING, CLOSING, LINGER, CLOSED})
"""No request is heard any more."""
