"""
Bytes: random ones, ranges of the alphabet, base64.

Rules: pure functions from a Call to a Reply.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, urlsafe_b64encode
from random import Random
from typing import Final

from netd.lab.call import BYTES, TEXT, BadCall, Call, Headers, Reply
from netd.script import Script, Send, spread

MAX_BYTES: Final = 100 * 1024
"""The limit of /bytes, /stream-bytes and /range."""

_ALPHABET: Final = b"abcdefghijklmnopqrstuvwxyz"
# httpbin takes one range, and ignores a Range that it does not understand.
_RANGE: Final = re.compile(
    r"[ \t]*bytes[ \t]*=[ \t]*([0-9]{0,12})[ \t]*-[ \t]*([0-9]{0,12})[ \t]*"
)


_LAST_BIT: Final = bytes(byte & 1 for byte in range(256))


def randint_bytes(random: Random, count: int) -> bytes:
    """What `count` calls of `random.randint(0, 255)` return, much faster."""
    content = b""
    while missing := count - len(content):
        # As randint draws: the upper 9 of 32 bits, and again when they are beyond 255.
        words = (random.getrandbits(32 * missing) >> 23).to_bytes(4 * missing, "little")
        numbers = bytearray(2 * missing)
        numbers[::2], numbers[1::2] = words[::4], words[1::4].translate(_LAST_BIT)
        # Numbers as characters, because the codec leaves out those beyond 255 quickly.
        content += numbers.decode("utf-16-le").encode("latin-1", "ignore")
    return content


def _noise(call: Call, count: int) -> bytes:
    """`count` random bytes: httpbin's for the seed of `call`, any without a seed."""
    if call.value("seed") is None:
        return call.random().randbytes(count)
    return randint_bytes(call.random(), count)


def random_bytes(call: Call) -> Reply:
    """Return n random bytes, the same for the same seed."""
    return Reply(_noise(call, call.value("n")), type=BYTES)


def stream_bytes(call: Call) -> Reply:
    """Send n random bytes in chunks, the same for the same seed."""
    count, largest = call.value("n"), call.value("chunk_size")
    sizes = (min(largest, count - start) for start in range(0, count, largest))
    return Reply((Send(_noise(call, size)) for size in sizes), type=BYTES)


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
    duration = call.value("duration") * (last - first + 1) / size
    script = _paced(first, last, call.value("chunk_size"), duration)
    status = 200 if (first, last) == (0, size - 1) else 206
    return Reply(script, status, BYTES, last - first + 1, fields)


def _parse_range(header: str, size: int) -> tuple[int, int]:
    match = _RANGE.fullmatch(header)
    if match is None or not (match[1] or match[2]):
        return 0, size - 1
    if not match[1]:
        return max(0, size - int(match[2])), size - 1
    return int(match[1]), int(match[2]) if match[2] else size - 1


def _paced(first: int, last: int, size: int, duration: float) -> Script:
    starts = range(first, last + 1, size)
    pieces = (letters(start, min(start + size - 1, last)) for start in starts)
    return spread(pieces, len(starts), duration)


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
