"""
What HTTP says about a body: its type, its encoding, and how it is compressed.

Rules: pure.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Any, Final

from netd.xmlrpc.steps import Steps

LARGEST: Final = 1024 * 1024
"""The bytes of a call, compressed or not."""

_PIECE: Final = 64 * 1024
_CHARSET: Final = re.compile(r";[ \t]*charset=(?:\"([^\"\\]*)\"|([^\s;\"]+))", re.IGNORECASE)


class TooLarge(Exception):
    """The body is larger than a call may be."""


class BadCompression(Exception):
    """The body is not compressed as its header says."""


def media(content_type: str) -> tuple[str, str | None]:
    """The media type in small letters, and the charset if one is named (RFC 9110 8.3)."""
    found = _CHARSET.search(content_type)
    return (
        content_type.partition(";")[0].strip().lower(),
        (found[1] or found[2]) if found else None,
    )


def _gunzip() -> Any:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def _inflate(body: bytes) -> Any:
    """HTTP's deflate is the zlib format; some clients leave out its head (RFC 9110 8.4.1.2)."""
    zlib_head = (
        len(body) > 1 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    )
    return zlib.decompressobj(zlib.MAX_WBITS if zlib_head else -zlib.MAX_WBITS)


CODINGS: Final[dict[str, Callable[[bytes], Any]]] = {
    "gzip": lambda _: _gunzip(),
    "x-gzip": lambda _: _gunzip(),
    "deflate": _inflate,
}
"""What a call may be compressed by."""


def unpacked(body: bytes, coding: str, most: int = LARGEST) -> Steps[bytes]:
    """`body` without its compression; TooLarge when that is more than `most` bytes."""
    stream = CODINGS[coding](body)
    pieces: list[bytes] = []
    size = 0
    left = body
    try:
        while left and not stream.eof:
            pieces.append(stream.decompress(left, _PIECE))
            left = stream.unconsumed_tail
            size += len(pieces[-1])
            if size > most:
                raise TooLarge(f"the call is larger than {most} bytes")
            if left:
                yield
        # What the stream held back of the last piece.
        pieces.append(stream.flush())
    except zlib.error as wrong:
        raise BadCompression(str(wrong)) from None
    if not stream.eof or stream.unused_data:
        raise BadCompression("it is cut short, or something follows it")
    unpacked = b"".join(pieces)
    if len(unpacked) > most:
        raise TooLarge(f"the call is larger than {most} bytes")
    return unpacked


def packed(body: bytes) -> Steps[bytes]:
    """`body` in gzip, fast rather than small."""
    stream = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    pieces = []
    for start in range(0, len(body), _PIECE):
        if start:
            yield
        pieces.append(stream.compress(body[start : start + _PIECE]))
    return b"".join((*pieces, stream.flush()))
