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

MOST: Final = 100 * 1024
"""The most bytes of /bytes, /stream-bytes and /range."""

_ALPHABET: Final = b"abcdefghijklmnopqrstuvwxyz"
# httpbin takes one range, and whatever else it does not understand for none.
_RANGE: Final = re.compile(
    r"[ \t]*bytes[ \t]*=[ \t]*([0-9]{0,12})[ \t]*-[ \t]*([0-9]{0,12})[ \t]*"
)


def noise(random: Random, count: int) -> bytes:
    """What `count` calls of `random.randint(0, 255)` give, much faster."""
    draw = random.getrandbits
    found: list[int] = []
    while len(found) < count:
        # As randint draws: nine bits, and again when they are beyond 255.
        number = draw(9)
        if number < 256:
            found.append(number)
    return bytes(found)


def random_bytes(call: Call) -> Reply:
    """Random bytes, the same ones for the same seed."""
    return Reply(noise(call.chance(), call.value("n")), type=BYTES)


def stream_bytes(call: Call) -> Reply:
    """The same, sent in chunks."""
    return Reply(_chunks(call.chance(), call.value("n"), call.value("chunk_size")), type=BYTES)


def _chunks(random: Random, count: int, size: int) -> Iterator[Step]:
    for at in range(0, count, size):
        yield Send(noise(random, min(size, count - at)))


def letters(first: int, last: int) -> bytes:
    """Those of the endless alphabet from `first` to `last`, both included."""
    at = first % 26
    count = last - first + 1
    return (_ALPHABET * ((at + count) // 26 + 1))[at : at + count]


def part(call: Call) -> Reply:
    """n letters, or the range of them that is asked for, over a duration."""
    number = call.value("n")
    fields: Headers = (("ETag", f"range{number}"), ("Accept-Ranges", "bytes"))
    if not 0 < number <= MOST:
        wrong = f"number of bytes must be in the range (0, {MOST}]"
        return Reply(wrong.encode(), 404, headers=fields)
    first, last = _asked(call.header("range") or "", number)
    if not 0 <= first <= last < number:
        return Reply(b"", 416, TEXT, headers=(*fields, ("Content-Range", f"bytes */{number}")))
    fields = (*fields, ("Content-Range", f"bytes {first}-{last}/{number}"))
    pause = call.value("duration") / number
    whole = (first, last) == (0, number - 1)
    return Reply(
        _paced(first, last, call.value("chunk_size"), pause),
        200 if whole else 206,
        BYTES,
        length=last - first + 1,
        headers=fields,
    )


def _asked(header: str, number: int) -> tuple[int, int]:
    found = _RANGE.fullmatch(header)
    if found is None or not (found[1] or found[2]):
        return 0, number - 1
    if not found[1]:
        return max(0, number - int(found[2])), number - 1
    return int(found[1]), int(found[2]) if found[2] else number - 1


def _paced(first: int, last: int, size: int, pause: float) -> Iterator[Step]:
    for at in range(first, last + 1, size):
        piece = letters(at, min(at + size - 1, last))
        yield Send(piece)
        if at + size <= last:
            yield Wait(pause * len(piece))


def decode(call: Call) -> Reply:
    """The text that the path holds in base64, with either alphabet."""
    said = call.parameters["value"].rstrip("=").replace("-", "+").replace("_", "/").encode()
    try:
        return Reply(b64decode(said + b"=" * (-len(said) % 4), validate=True))
    except (binascii.Error, ValueError):
        raise BadCall("value: not base64") from None


def encode(call: Call) -> Reply:
    """The text in the path, in base64 as it may stand in a URL."""
    return Reply(urlsafe_b64encode(call.parameters["value"].encode()))
