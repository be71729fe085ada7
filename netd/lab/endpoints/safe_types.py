"""
The content types that a client may choose for a response.

Rules: pure.
"""

from __future__ import annotations

import re
from typing import Final

from netd.lab.call import TEXT, Call

# No browser runs these types, or renders them with scripts; parameters are kept.
_PASSIVE: Final = re.compile(
    r"(?:application/(?:json|octet-stream|x-www-form-urlencoded|x-ndjson|jsonl|cbor|zip|gzip)"
    r"|text/(?:plain|csv|event-stream)|multipart/form-data"
    r"|(?:audio|video)/[a-z0-9.+-]+"
    r"|image/(?:png|jpeg|gif|webp|avif|bmp))"
    r"(?:[ \t]*;[ \t]*[!#-~ \t]*)?",
    re.ASCII | re.IGNORECASE,
)
_ANY: Final = re.compile(r"[\x20-\x7e]{1,200}")


def allowed(call: Call, content_type: str) -> bool:
    """Whether the client of `call` may choose the type for its response."""
    pattern = _ANY if call.config.lab.unsafe_responses else _PASSIVE
    return pattern.fullmatch(content_type) is not None


def echoed_type(call: Call) -> str:
    """The type with which the request body is sent back: its own where that is allowed."""
    content_type = call.header("content-type")
    if content_type is not None and allowed(call, content_type):
        return content_type
    return TEXT
