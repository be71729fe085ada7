"""
The HTTP header fields of a body: its media type, charset and content coding.

Rules: pure.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

from netd.http.fields import parameters
from netd.steps import Steps

LARGEST: Final = 1024 * 1024
"""Bytes of a call, compressed or not."""

_PIECE: Final = 64 * 1024
_GZIP_WBITS: Final = 16 + zlib.MAX_WBITS


class TooLarge(Exception):
    """The body is larger than a call may be."""


class BadCompression(Exception):
    """The body is not compressed as its header says."""


def media_type(content_type: str) -> tuple[str, str | None]:
    """The media type in lower case, and the charset if there is one (RFC 9110 8.3)."""
    charset = parameters(content_type).get("charset")
    return content_type.partition(";")[0].strip().lower(), charset or None


def _deflate_wbits(body: bytes) -> int:
    """HTTP's deflate is the zlib format; some clients omit its header (RFC 9110 8.4.1.2)."""
    header = int.from_bytes(body[:2], "big")
    zlib_header = len(body) > 1 and body[0] & 15 == 8 and header % 31 == 0
    return zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS


CODINGS: Final[dict[str, Callable[[bytes], int]]] = {
    "gzip": lambda _: _GZIP_WBITS,
    "x-gzip": lambda _: _GZIP_WBITS,
    "deflate": _deflate_wbits,
}
"""The codings that a call may have, and zlib's `wbits` to undo each."""


def decompressed(body: bytes, coding: str, limit: int = LARGEST) -> Steps[bytes]:
    """`body` without its compression; TooLarge when that has more than `limit` bytes."""
    stream = zlib.decompressobj(CODINGS[coding](body))
    pieces: list[bytes] = []
    size = 0
    rest = body
    try:
        # The stream may hold back the end of the last piece after it has taken all bytes.
        while not stream.eof and (rest or (pieces and pieces[-1])):
            if pieces:
                yield
            pieces.append(stream.decompress(rest, _PIECE))
            rest = stream.unconsumed_tail
            size += len(pieces[-1])
            if size > limit:
                raise TooLarge(f"the call is larger than {limit} bytes")
    except zlib.error as error:
        raise BadCompression(str(error)) from None
    if not stream.eof or stream.unused_data:
        raise BadCompression("it is cut short, or something follows it")
    return b"".join(pieces)


def gzipped(body: bytes) -> Steps[bytes]:
    """`body` in gzip, compressed quickly rather than well."""
    stream = zlib.compressobj(1, wbits=_GZIP_WBITS)
    pieces = []
    for start in range(0, len(body), _PIECE):
        if start:
            yield
        pieces.append(stream.compress(body[start : start + _PIECE]))
    return b"".join((*pieces, stream.flush()))
