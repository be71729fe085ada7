"""
Every error with which the HTTP server refuses a request.

Rules: pure.  An error is a short key, the same in counters and tests; its status and its
sentence stand here and nowhere else.
"""

from __future__ import annotations

from typing import Final

REQUEST_ERRORS: Final[dict[str, tuple[int, str]]] = {
    # The head (RFC 9112 section 2 to 5)
    "line": (400, "malformed request line; it must be METHOD TARGET HTTP/1.1"),
    "line-end": (400, "the request line does not end with CR LF"),
    "target-byte": (400, "the target has a #, a control character or a byte outside ASCII"),
    "target": (400, "the target must be a path or an http(s) URL without a user name"),
    "bare": (400, "a header field has a CR or LF alone; lines end with CR LF"),
    "field": (400, "a header field is folded, has a control character, or is not NAME: VALUE"),
    "host": (400, "Host is missing, repeated or malformed"),
    "connect": (501, "CONNECT is not supported, because netd is no proxy"),
    "version": (505, "the request line must end with HTTP/1.1 or HTTP/1.0"),
    "expectation": (417, "the only supported value of Expect is 100-continue"),
    # The framing of a body (RFC 9112 section 6 and 7)
    "length": (400, "Content-Length is repeated, or is not 1 to 18 digits"),
    "framing": (400, "Transfer-Encoding must be chunked, without Content-Length, in HTTP/1.1"),
    "coding": (501, "the only supported transfer coding is chunked"),
    "chunk": (400, "malformed chunk, or more than 256 bytes of chunk extensions"),
    "trailer": (400, "malformed trailer section"),
    "incomplete": (400, "the connection ended before the request was complete"),
    "network": (403, "connections from your network are refused here"),
    # Limits
    "long-target": (414, "request target too long"),
    "large-head": (431, "request head or trailer section too large"),
    "fields": (431, "too many header or trailer fields"),
    "slow-head": (408, "the request head took too long"),
    "large-body": (413, "request body too large"),
    "slow-body": (408, "the request body took too long"),
    "spool": (503, "request bodies cannot be stored at the moment"),
    "connections": (503, "too many connections"),
    "client-connections": (503, "too many connections from your network"),
    "waiting": (503, "too many responses are waiting"),
    "client-waiting": (503, "too many responses are waiting for your network"),
}


class RequestError(Exception):
    """The request is refused with the error called `key`."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key
        self.code, self.sentence = REQUEST_ERRORS[key]
