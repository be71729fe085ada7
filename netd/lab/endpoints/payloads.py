"""
Bytes: random ones, ranges of the alphabet, base64.

Rules: pure functions from a Call to a Reply.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from random import Random
from typing import Final

from netd.lab.call import BYTES, TEXT, BadCall, Call, Headers, Reply
from netd.script import Send, Step, Wait

MAX_BYTES: Final = 100 * 1024
"""The limit of /bytes, /stream-bytes and /range."""

_ALPHABET: Final = b"abcdefghijklmnopqrstuvwxyz"
# httpbin takes one range, and ignores a Range that it does not understand.
_RANGE: Final = re.compile(
    r"[ \t]*bytes[ \t]*=[ \t]*([0-9]{0,12})[ \t]*-[ \t]*([0-9]{0,12})[ \t]*"
)


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


def letters(first: int, last: int) -> bytes:
    """The letters from `first` to `last`, included, of an alphabet that repeats endlessly."""
    start = first % 26
    count = last - first + 1
    return (_ALPHABET * ((start + count) // 26 + 1))[start : start + count]


def byte_range(call: Call) -> Reply:
    """Send n letters, or the range of them that Range asks for, over a duration."""
    size = call.value("n")
    fields: Headers = (("ETag", f"range{size}"), ("Accept-Ranges", "bytes"))
    if not 0 < size <= MAX_BYTES:
        error = f"number of bytes must be in the range (0, {MAX_BYTES}]"
        return Reply(error.encode(), 404, headers=fields)
    first, last = _parse_range(call.header("range") or "", size)
    if not 0 <= first <= last < size:
        return Reply(b"", 416, TEXT, headers=(*fields, ("Content-Range", f"bytes */{size}")))
    fields = (*fields, ("Content-Range", f"bytes {first}-{last}/{size}"))
    pause = call.value("duration") / size
    script = _paced(first, last, call.value("chunk_size"), pause)
    status = 200 if (first, last) == (0, size - 1) else 206
    return Reply(script, status, BYTES, last - first + 1, fields)


def _parse_range(header: str, size: int) -> tuple[int, int]:
    match = _RANGE.fullmatch(header)
    if match is None or not (match[1] or match[2]):
        return 0, size - 1
    if not match[1]:
        return max(0, size - int(match[2])), size - 1
    return int(match[1]), int(match[2]) if match[2] else size - 1


def _paced(first: int, last: int, size: int, pause: float) -> Iterator[Step]:
    for start in range(first, last + 1, size):
        piece = letters(start, min(start + size - 1, last))
        yield Send(piece)
        if start + size <= last:
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
