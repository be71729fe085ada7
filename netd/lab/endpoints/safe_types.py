"""
Which content types a client may choose for what it gets back.

Rules: pure.
"""

from __future__ import annotations

import re
from typing import Final

from netd.lab.call import TEXT, Call

# Types that no browser runs or renders with scripts; the parameters stay.
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
    """Whether an answer to `call` may be of the type that its client chose."""
    if call.config.lab.unsafe_responses:
        return _ANY.fullmatch(content_type) is not None
    return _PASSIVE.fullmatch(content_type) is not None


def returned(call: Call, content_type: str | None) -> str:
    """The type with which a body goes back that came with `content_type`."""
    if content_type is not None and allowed(call, content_type):
        return content_type
    return TEXT
