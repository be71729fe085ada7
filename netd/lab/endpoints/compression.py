"""
Content codings (RFC 9110 8.4): gzip, deflate, and where installed brotli and zstd.

Rules: pure functions; callers bound what is encoded.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Final

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


_brotli: Final = _installed("brotli")
_zstandard: Final = _installed("zstandard")


def _encoders() -> dict[str, Callable[[bytes], bytes]]:
    encoders: dict[str, Callable[[bytes], bytes]] = {}
    if _zstandard is not None:
        zstandard = _zstandard
        encoders["zstd"] = lambda data: zstandard.ZstdCompressor(level=3).compress(data)
    if _brotli is not None:
        brotli = _brotli
        encoders["br"] = lambda data: brotli.compress(data, quality=4)
    # By zlib's fast way: its usual one takes seven times as long for the worst data.
    encoders["gzip"] = lambda data: gzip.compress(data, 1, mtime=0)
    # RFC 9110 8.4.1.2: deflate is the zlib format.
    encoders["deflate"] = lambda data: zlib.compress(data, 1)
    return encoders


ENCODERS: Final = _encoders()
"""The codings that this daemon has, best first."""

MAX_ENCODED: Final = 512 * 1024
"""Bytes that are encoded for one response; more would block other clients."""

KNOWN: Final = ("gzip", "deflate", "br", "zstd")


def encode(data: bytes, coding: str) -> bytes:
    """
    `data` in `coding`.

    BadCall, 501, where its library is not installed; 413 beyond `MAX_ENCODED` bytes.
    """
    if len(data) > MAX_ENCODED:
        raise BadCall(f"encoding: of at most {MAX_ENCODED} bytes", 413)
    encoder = ENCODERS.get(coding)
    if encoder is None:
        raise BadCall(f"{coding} needs netd installed with its extra `compress`", 501)
    return encoder(data)


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
