"""
Every error with which the HTTP server refuses a request.

Rules: pure.  An error is a short key, the same in counters and tests; its status and its
sentence stand here and nowhere else.
"""

from __future__ import annotations

from typing import Final

REQUEST_ERRORS: Final[dict[str, tuple[int, str]]] = {
    # The head (RFC 9112 section 2 to 5)
    "line": (400, "malformed request line; lines end with CR LF"),
    "target": (400, "request target in none of the four forms"),
    "bare": (400, "bare CR or LF in a header field"),
    "field": (400, "malformed header field"),
    "host": (400, "Host missing, repeated or malformed"),
    "connect": (501, "netd is no proxy: no CONNECT"),
    "version": (505, "only HTTP/1.0 and HTTP/1.1 are spoken here"),
    "expectation": (417, "only 100-continue can be expected"),
    # The framing of a body (RFC 9112 section 6 and 7)
    "length": (400, "Content-Length repeated or not 1 to 18 digits"),
    "framing": (400, "Transfer-Encoding beside Content-Length, in HTTP/1.0, or not chunked"),
    "coding": (501, "unknown transfer coding"),
    "chunk": (400, "malformed chunk"),
    "trailer": (400, "malformed trailer section"),
    "incomplete": (400, "the request ended before it was whole"),
    "network": (403, "your network may not speak here"),
    # Limits
    "long-target": (414, "request target too long"),
    "large-head": (431, "request head too large"),
    "fields": (431, "too many header fields"),
    "slow-head": (408, "the request head took too long"),
    "large-body": (413, "request body too large"),
    "slow-body": (408, "the request body took too long"),
    "spool": (503, "no room for request bodies at the moment"),
    "connections": (503, "too many connections"),
    "client-connections": (503, "too many connections from your network"),
    "waiting": (503, "too many answers are being waited for"),
    "client-waiting": (503, "too many answers are being waited for from your network"),
}


class RequestError(Exception):
    """The request is refused with the error called `key`."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key
        self.code, self.sentence = REQUEST_ERRORS[key]
