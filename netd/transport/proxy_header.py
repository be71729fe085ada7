"""
The header of the PROXY protocol, versions 1 and 2, which names a proxy's client.

Rules: pure; functions of the bytes received so far.

Source: <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>
"""

from __future__ import annotations

import re
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final

from attrs import frozen

from netd.addresses import unmapped

LONGEST: Final = 536
"""Bytes of the longest header, which fits in the smallest IPv4 segment (section 2.2)."""

_V1: Final = b"PROXY "
_V1_LONGEST: Final = 107
_V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED: Final = 16

_V1_LINE: Final = re.compile(
    rb"PROXY (TCP4|TCP6) ([0-9.]{7,15}|[0-9A-Fa-f:.]{2,45}) ([0-9.]{7,15}|[0-9A-Fa-f:.]{2,45})"
    rb" (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})"
)
_V1_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?")

# Bytes of the addresses by family and transport (section 2.2).
_ADDRESSES: Final = {0x00: 0, 0x11: 12, 0x12: 12, 0x21: 36, 0x22: 36, 0x31: 216, 0x32: 216}
_INET_STREAM, _INET6_STREAM = 0x11, 0x21


@frozen
class Header:
    """A complete header."""

    length: int
    """Bytes of the header; the bytes behind it are the client's."""
    host: str | None = None
    """The client's address; None when the proxy is the client or does not know the client."""
    port: int = 0


def forged(data: bytes) -> bool | None:
    """Whether `data` begins with a header's signature; None while that is uncertain."""
    for signature in (_V1, _V2):
        if data.startswith(signature):
            return True
        if signature.startswith(data):
            return None
    return False


def parse(data: bytes) -> Header | None:
    """The header that `data` begins with, None if incomplete; ValueError if there is none."""
    has_signature = forged(data)
    if has_signature is False:
        raise ValueError("no PROXY header")
    if has_signature is None:
        return None
    return _text(data) if data.startswith(_V1) else _binary(data)


def _text(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, _V1_LONGEST)
    if end < 0:
        # The last byte may be the CR whose LF is still to come.
        if len(data) >= _V1_LONGEST or b"\n" in data or b"\r" in data[:-1]:
            raise ValueError("no PROXY line within 107 bytes")
        return None
    line = data[:end]
    if _V1_UNKNOWN.fullmatch(line):
        return Header(end + 2)
    match = _V1_LINE.fullmatch(line)
    if match is None:
        raise ValueError("not a PROXY line")
    kind, source, target, *ports = match.groups()
    family = AF_INET if kind == b"TCP4" else AF_INET6
    try:
        host = inet_ntop(family, inet_pton(family, source.decode()))
        inet_pton(family, target.decode())
    except OSError:
        raise ValueError(f"not {kind.decode()} addresses") from None
    if max(map(int, ports)) > 65535:
        raise ValueError("not a port")
    return Header(end + 2, unmapped(host), int(ports[0]))


def _binary(data: bytes) -> Header | None:
    if len(data) >= 13 and data[12] not in (0x20, 0x21):
        raise ValueError("not version 2, LOCAL or PROXY")
    if len(data) < 14:
        return None
    # The family of a LOCAL header is ignored (section 2.2).
    is_local, kind = data[12] == 0x20, data[13]
    if not is_local and kind not in _ADDRESSES:
        raise ValueError("unknown address family")
    if len(data) < _V2_FIXED:
        return None
    length = _V2_FIXED + int.from_bytes(data[14:16])
    if length > LONGEST:
        raise ValueError(f"a header longer than {LONGEST} bytes")
    if not is_local and length < _V2_FIXED + _ADDRESSES[kind]:
        raise ValueError("addresses cut short")
    if len(data) < length:
        return None
    # TLVs follow the addresses; netd uses none of them.
    if not is_local and kind == _INET_STREAM:
        return Header(length, inet_ntop(AF_INET, data[16:20]), int.from_bytes(data[24:26]))
    if not is_local and kind == _INET6_STREAM:
        host = unmapped(inet_ntop(AF_INET6, data[16:32]))
        return Header(length, host, int.from_bytes(data[48:50]))
    return Header(length)
