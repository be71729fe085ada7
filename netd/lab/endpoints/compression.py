"""
Content codings: gzip, deflate, and brotli and zstd where they are installed.

Rules: pure functions; what is coded is small or bounded by the caller.

Source: RFC 9110 8.4 and 12.5.3.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from attrs import evolve

from netd.http import negotiation
from netd.lab.call import BadCall, Call, Reply
from netd.lab.endpoints.httpbin_json import answer, headers
from netd.lab.endpoints.inspect import question

Coder = Callable[[bytes], bytes]


def _installed(name: str) -> Any:
    """The module `name`, or None: the extra `compress` was not asked for."""
    try:
        return import_module(name)
    except ImportError:
        return None


_brotli: Final = _installed("brotli")
_zstandard: Final = _installed("zstandard")


def _br(data: bytes) -> bytes:
    coded: bytes = _brotli.compress(data, quality=4)
    return coded


def _zstd(data: bytes) -> bytes:
    coded: bytes = _zstandard.ZstdCompressor(level=3).compress(data)
    return coded


CODERS: Final[dict[str, Coder]] = {
    **({"zstd": _zstd} if _zstandard else {}),
    **({"br": _br} if _brotli else {}),
    "gzip": lambda data: gzip.compress(data, 4, mtime=0),
    # RFC 9110 8.4.1.2: deflate is the zlib format.
    "deflate": zlib.compress,
}
"""What this daemon can code, best first."""

KNOWN: Final = ("gzip", "deflate", "br", "zstd")


def encode(data: bytes, coding: str) -> bytes:
    """`data` in `coding`; BadCall, 501, where its library is not installed."""
    coder = CODERS.get(coding)
    if coder is None:
        raise BadCall(f"{coding} needs netd installed with its extra `compress`", 501)
    return coder(data)


def coded(reply: Reply, coding: str) -> Reply:
    """`reply`, whose body is ready, in `coding`."""
    assert isinstance(reply.body, bytes)  # noqa: S101 - for the type checker
    fields = (*reply.headers, ("Content-Encoding", coding))
    return evolve(reply, body=encode(reply.body, coding), headers=fields)


def _said(call: Call, coding: str, name: str) -> Reply:
    said = {"headers": headers(call), "method": call.method, "origin": call.origin, name: True}
    return coded(answer(said), coding)


def gzipped(call: Call) -> Reply:
    """Say back the headers, coded with gzip."""
    return _said(call, "gzip", "gzipped")


def deflated(call: Call) -> Reply:
    """Say back the headers, coded with deflate."""
    return _said(call, "deflate", "deflated")


def brotli(call: Call) -> Reply:
    """Say back the headers, coded with brotli; 501 where it is not installed."""
    return _said(call, "br", "brotli")


def zstd(call: Call) -> Reply:
    """Say back the headers, coded with zstd; 501 where it is not installed."""
    return _said(call, "zstd", "zstd")


def negotiate(accept: str | None) -> str | None:
    """The coding that an Accept-Encoding wants most, `identity` too; None for none."""
    coding = negotiation.choose_coding([(accept or "").encode()], map(str.encode, CODERS))
    return coding.decode() if coding is not None else None


def compressed(call: Call) -> Reply:
    """Say back the request in the coding that Accept-Encoding wants most."""
    coding = negotiate(call.header("accept-encoding"))
    vary = (("Vary", "Accept-Encoding"),)
    if coding is None:
        raise BadCall(f"netd has {', '.join(CODERS)} and identity", 406, vary)
    reply = answer({**question(call), "coding": coding}, headers=vary)
    return reply if coding == "identity" else coded(reply, coding)
