"""
Bytes: random ones, ranges of the alphabet, base64.

Rules: pure functions from a Call to a Reply.
"""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64encode
from os import urandom
from random import Random
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from netd.http import ranges
from netd.http.ranges import ByteRange
from netd.lab.call import BYTES, TEXT, BadCall, Call, Headers, Reply
from netd.lab.endpoints.caching import preconditions
from netd.script import Send, spread

MAX_BYTES: Final = 100 * 1024
"""The limit of /bytes, /stream-bytes and /range."""

_ALPHABET: Final = b"abcdefghijklmnopqrstuvwxyz"
_MANY: Final = 4096
_RANGE: Final = re.compile(r"bytes=([0-9]{1,18})-([0-9]{1,18})")


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
    if call.value("seed") is not None:
        return randint_bytes(call.random(), count)
    if count < _MANY or call.config.lab.seed is not None:
        return call.random().randbytes(count)
    # Encrypted zeros cost a tenth of randbytes.
    cipher = Cipher(algorithms.AES(urandom(16)), modes.CTR(bytes(16)))
    return cipher.encryptor().update(bytes(count))


def random_bytes(call: Call) -> Reply:
    """Return n random bytes, the same for the same seed."""
    return Reply(_noise(call, call.value("n")), type=BYTES)


def stream_bytes(call: Call) -> Reply:
    """Send n random bytes in chunks, the same for the same seed."""
    count, largest = call.value("n"), call.value("chunk_size")
    sizes = (min(largest, count - start) for start in range(0, count, largest))
    return Reply((Send(_noise(call, size)) for size in sizes), type=BYTES)


def letters(start: int, stop: int) -> bytes:
    """The letters from `start` up to, but without, `stop` of an endless alphabet."""
    skipped = start % 26
    return (_ALPHABET * ((skipped + stop - start) // 26 + 1))[skipped : skipped + stop - start]


def byte_range(call: Call) -> Reply:
    """Send n letters, or the range of them that Range asks for, over a duration."""
    size = call.value("n")
    fields: Headers = (call.compatibility.etag(f"range{size}"), ("Accept-Ranges", "bytes"))
    if not 0 < size <= MAX_BYTES:
        error = f"number of bytes must be in the range (0, {MAX_BYTES}]"
        return Reply(error.encode(), 404, headers=fields)
    failed, applies = preconditions(call, f"range{size}")
    if failed is not None:
        return Reply(b"", failed, headers=fields)
    header = call.header("range") or ""
    used = header if applies and call.method == "GET" else ""
    requested = ranges.parse(used.encode("latin-1"), size)
    if requested == () or (not call.compatibility.clipped_ranges and _outside(header, size)):
        return Reply(b"", 416, TEXT, headers=(*fields, ("Content-Range", f"bytes */{size}")))
    status, part = 200, ByteRange(0, size)
    # As in httpbin, a request for several ranges gets everything (RFC 9110 14.2).
    if requested is not None and len(requested) == 1:
        status, part = 206, requested[0]
    fields = (*fields, ("Content-Range", part.content_range(size).decode()))
    duration = call.value("duration") * part.length / size
    step = call.value("chunk_size")
    starts = range(part.start, part.stop, step)
    pieces = (letters(start, min(start + step, part.stop)) for start in starts)
    return Reply(spread(pieces, len(starts), duration), status, BYTES, part.length, fields)


def _outside(header: str, size: int) -> bool:
    """Whether one range ends beyond `size`, or before it starts."""
    match = _RANGE.fullmatch(header)
    return match is not None and not int(match[1]) <= int(match[2]) < size


def base64_decode(call: Call) -> Reply:
    """Decode the path's base64, of either alphabet, padded or not."""
    text = call.path_values["value"].rstrip("=").replace("-", "+").replace("_", "/").encode()
    try:
        return Reply(b64decode(text + b"=" * (-len(text) % 4), validate=True))
    except ValueError:
        raise BadCall("value: not base64") from None


def base64_encode(call: Call) -> Reply:
    """Encode the text in the path in base64 with the alphabet for URLs."""
    return Reply(urlsafe_b64encode(call.path_values["value"].encode()))
