"""
Content codings (RFC 9110 8.4): gzip, deflate, and where installed brotli and zstd.

Rules: pure functions; callers bound what is encoded.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Final, TypeAlias

from netd.http import negotiation
from netd.lab.call import JSON, BadCall, Call, Headers, Reply
from netd.lab.endpoints.httpbin_json import dumps, json_reply, shown_headers
from netd.lab.endpoints.inspect import describe
from netd.lab.routes import Endpoint


def _installed(name: str) -> ModuleType | None:
    """The module `name`, or None when the extra `compress` is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


Encoder: TypeAlias = tuple[Callable[[bytes], bytes], Callable[[], bytes]]
"""Encodes the next piece; ends the coding.  Both return what is ready."""

_GZIP_FORMAT: Final = 16 + zlib.MAX_WBITS


def _zstd(module: ModuleType, size: int) -> Encoder:
    encoder = module.ZstdCompressor(level=3).compressobj(size=size)
    return encoder.compress, encoder.flush


def _brotli(module: ModuleType, size: int) -> Encoder:
    encoder = module.Compressor(quality=4)
    return encoder.process, encoder.finish


def _gzip(size: int) -> Encoder:
    # By zlib's fast way: its usual one takes seven times as long for the worst data.
    encoder = zlib.compressobj(1, wbits=_GZIP_FORMAT)
    return encoder.compress, encoder.flush


def _deflate(size: int) -> Encoder:
    # RFC 9110 8.4.1.2: deflate is the zlib format.
    encoder = zlib.compressobj(1)
    return encoder.compress, encoder.flush


def _encoders() -> dict[str, Callable[[int], Encoder]]:
    encoders: dict[str, Callable[[int], Encoder]] = {}
    for coding, name, make in (("zstd", "zstandard", _zstd), ("br", "brotli", _brotli)):
        module = _installed(name)
        if module is not None:
            encoders[coding] = partial(make, module)
    return encoders | {"gzip": _gzip, "deflate": _deflate}


ENCODERS: Final = _encoders()
"""The codings that this daemon has, best first; each makes an Encoder of so many bytes."""

KNOWN: Final = ("gzip", "deflate", "br", "zstd")


def encoder(coding: str, size: int) -> Encoder:
    """An encoder of `size` bytes; BadCall, 501, where the library of `coding` is missing."""
    if coding not in ENCODERS:
        raise BadCall(f"{coding} needs netd installed with its extra `compress`", 501)
    return ENCODERS[coding](size)


def encode(data: bytes, coding: str) -> bytes:
    """`data` in `coding`; BadCall, 501, where its library is not installed."""
    add, end = encoder(coding, len(data))
    return add(data) + end()


def _encoded(members: Mapping[str, object], coding: str, headers: Headers = ()) -> Reply:
    fields = (*headers, ("Content-Encoding", coding))
    return Reply(encode(dumps(members), coding), type=JSON, headers=fields)


def _headers_in(coding: str, member: str) -> Endpoint:
    """The endpoint that returns the request headers in `coding`; its `member` is true."""

    def endpoint(call: Call) -> Reply:
        members = {"headers": shown_headers(call), "method": call.method, "origin": call.origin}
        return _encoded({**members, member: True}, coding)

    endpoint.__doc__ = f"Return the request headers in {coding}."
    return endpoint


gzipped: Final = _headers_in("gzip", "gzipped")
deflated: Final = _headers_in("deflate", "deflated")
brotli: Final = _headers_in("br", "brotli")
zstd: Final = _headers_in("zstd", "zstd")


def compressed(call: Call) -> Reply:
    """Return the request in the coding that Accept-Encoding prefers; 406 when it has none."""
    accept = [(call.header("accept-encoding") or "").encode("latin-1")]
    coding = negotiation.choose_coding(accept, map(str.encode, ENCODERS))
    vary = (("Vary", "Accept-Encoding"),)
    if coding is None:
        raise BadCall(f"netd has {', '.join(ENCODERS)} and identity", 406, vary)
    members = {**describe(call), "coding": coding.decode()}
    if coding == negotiation.IDENTITY:
        return json_reply(members, headers=vary)
    return _encoded(members, coding.decode(), vary)
