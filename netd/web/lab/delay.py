"""
Delay-echo: wait, then answer with what was sent.

Rules: pure functions from a Call to a Reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from netd.script import Send, Step, Wait
from netd.values import Duration
from netd.web.exchange import TEXT, BadCall, Call, Reply

GREETING: Final = b"One reactor, many clients: each waits its own delay only.\n"
"""The answer to a request without a body; its 58 bytes are what the seed's server sent."""

_PIECE: Final = 64 * 1024

# Types that no browser runs or renders with scripts; the parameters stay.
_PASSIVE: Final = re.compile(
    r"(?:application/(?:json|octet-stream|x-www-form-urlencoded|x-ndjson|cbor|zip|gzip)"
    r"|text/(?:plain|csv)|multipart/form-data"
    r"|(?:audio|video)/[a-z0-9.+-]+"
    r"|image/(?:png|jpeg|gif|webp|avif|bmp))"
    r"(?:[ \t]*;[ \t]*[!#-~ \t]*)?",
    re.ASCII | re.IGNORECASE,
)


def passive(content_type: str | None) -> str:
    """`content_type` where a browser would only ever show or save it, else plain text."""
    if content_type is None or _PASSIVE.fullmatch(content_type) is None:
        return TEXT
    return content_type


def echo(call: Call) -> Reply:
    """Wait as long as `--delay` says, then answer: what `/` does, with any method."""
    return _after(call.config.delay, call)


def delay(call: Call) -> Reply:
    """Wait the duration in the path, at most `--max-delay`, then answer as `/` does."""
    try:
        asked = Duration.parse(call.parameters["duration"])
    except ValueError as wrong:
        raise BadCall(f"duration: {wrong}") from None
    return _after(min(asked, call.config.limits.max_delay), call)


def _after(wait: Duration, call: Call) -> Reply:
    seconds = wait.seconds
    if not call.length:
        return Reply((Wait(seconds), Send(GREETING)), length=len(GREETING))
    return Reply(
        _echoed(seconds, call.content), type=passive(call.content_type), length=call.length
    )


def _echoed(seconds: float, content: BinaryIO) -> Iterator[Step]:
    yield Wait(seconds)
    while piece := content.read(_PIECE):
        yield Send(piece)
