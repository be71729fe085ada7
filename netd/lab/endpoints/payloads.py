"""
Bytes: random ones, ranges of the alphabet, base64.

Rules: pure functions from a Call to a Reply.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from random import Random
from typing import Final

from netd.http import ranges
from netd.http.ranges import ByteRange
from netd.lab.call import BYTES, TEXT, BadCall, Call, Headers, Reply
from netd.lab.endpoints.caching import preconditions
from netd.script import Send, Step, Wait

MAX_BYTES: Final = 100 * 1024
"""The limit of /bytes, /stream-bytes and /range."""

_ALPHABET: Final = b"abcdefghijklmnopqrstuvwxyz"


def randint_bytes(random: Random, count: int) -> bytes:
    """What `count` calls of `random.randint(0, 255)` return, much faster."""
    draw = random.getrandbits
    numbers: list[int] = []
    while len(numbers) < count:
        # As randint draws: nine bits, and again when they are beyond 255.
        number = draw(9)
        if number < 256:
            numbers.append(number)
    return bytes(numbers)


def random_bytes(call: Call) -> Reply:
    """Return n random bytes, the same for the same seed."""
    return Reply(randint_bytes(call.random(), call.value("n")), type=BYTES)


def stream_bytes(call: Call) -> Reply:
    """Send n random bytes in chunks, the same for the same seed."""
    random, count, largest = call.random(), call.value("n"), call.value("chunk_size")
    sizes = (min(largest, count - start) for start in range(0, count, largest))
    return Reply((Send(randint_bytes(random, size)) for size in sizes), type=BYTES)


def letters(start: int, stop: int) -> bytes:
    """The letters from `start` up to, but without, `stop` of an endless alphabet."""
    skipped = start % 26
    return (_ALPHABET * ((skipped + stop - start) // 26 + 1))[skipped : skipped + stop - start]


def byte_range(call: Call) -> Reply:
    """Send n letters, or the range of them that Range asks for, over a duration."""
    size = call.value("n")
    fields: Headers = (("ETag", f'"range{size}"'), ("Accept-Ranges", "bytes"))
    if not 0 < size <= MAX_BYTES:
        error = f"number of bytes must be in the range (0, {MAX_BYTES}]"
        return Reply(error.encode(), 404, headers=fields)
    failed, applies = preconditions(call, f"range{size}")
    if failed is not None:
        return Reply(b"", failed, headers=fields)
    header = call.header("range") if applies and call.method == "GET" else None
    requested = ranges.parse((header or "").encode("latin-1"), size)
    if requested == ():
        return Reply(b"", 416, TEXT, headers=(*fields, ("Content-Range", f"bytes */{size}")))
    status, part = 200, ByteRange(0, size)
    # As in httpbin, a request for several ranges gets everything (RFC 9110 14.2).
    if requested is not None and len(requested) == 1:
        status, part = 206, requested[0]
    fields = (*fields, ("Content-Range", part.content_range(size).decode()))
    script = _paced(part, call.value("chunk_size"), call.value("duration") / size)
    return Reply(script, status, BYTES, part.length, fields)


def _paced(part: ByteRange, size: int, pause: float) -> Iterator[Step]:
    for start in range(part.start, part.stop, size):
        piece = letters(start, min(start + size, part.stop))
        yield Send(piece)
        if start + size < part.stop:
            yield Wait(pause * len(piece))


def base64_decode(call: Call) -> Reply:
    """Decode the path's base64, of either alphabet, padded or not."""
    text = call.path_values["value"].rstrip("=").replace("-", "+").replace("_", "/").encode()
    try:
        return Reply(b64decode(text + b"=" * (-len(text) % 4), validate=True))
    except (binascii.Error, ValueError):
        raise BadCall("value: not base64") from None


def base64_encode(call: Call) -> Reply:
    """Encode the text in the path in base64 with the alphabet for URLs."""
    return Reply(urlsafe_b64encode(call.path_values["value"].encode()))
