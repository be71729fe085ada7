"""
The messages of the small services.

Rules: pure; a time of day is an argument, in seconds since 1970.
"""

from __future__ import annotations

import time as _time
from collections.abc import Iterator
from struct import Struct
from typing import Final

from netd.script import Send, Step, Wait

_DAY_SECONDS: Final = 86_400
# Seconds from 1900, where RFC 868 and NTP begin, to 1970 (RFC 868).
_EPOCH: Final = 2_208_988_800


def echo(data: bytes, hops: int = 0) -> bytes:
    """The datagram itself (RFC 862)."""
    return data


def daytime(now: float) -> bytes:
    r"""The time of day in UTC, `Sun Nov 22 14:20:47 2026\r\n`; RFC 867 leaves the form open."""
    return f"{_time.asctime(_time.gmtime(now))}\r\n".encode()


def time(now: float) -> bytes:
    """Seconds since 1900 as 32 unsigned bits, which wrap in 2036 (RFC 868)."""
    return ((int(now) + _EPOCH) % 2**32).to_bytes(4, "big")


# All by George Bernard Shaw; nmap recognizes the service by them.
_QUOTES: Final = (
    "Assassination is the extreme form of censorship.",
    "In Heaven an angel is nobody in particular.",
    "Man can climb to the highest summits, but he cannot dwell there long.",
    "We want a few mad people now. See where the sane ones have landed us!",
)


def qotd(now: float) -> bytes:
    """The quote of the day (RFC 865: below 512 bytes)."""
    quote = _QUOTES[int(now // _DAY_SECONDS) % len(_QUOTES)]
    return f'"{quote}"\r\n    George Bernard Shaw\r\n'.encode()


_LINE: Final = 72
_PRINTABLE: Final = bytes(range(0x20, 0x7F))
CHARGEN_BYTES: Final = 1024 * 1024
"""Bytes of one chargen response."""
_PERIOD_SECONDS: Final = 0.1
_PERIOD_LINES: Final = 89


def chargen() -> Iterator[Step]:
    """The pattern of RFC 864: lines of 72 characters, 64 kB a second, 1 MiB in all."""
    ring = _PRINTABLE + _PRINTABLE[: _LINE - 1]
    sent = line = 0
    while sent < CHARGEN_BYTES:
        data = bytearray()
        for _ in range(_PERIOD_LINES):
            data += ring[line : line + _LINE] + b"\r\n"
            line = (line + 1) % len(_PRINTABLE)
        piece = bytes(data[: CHARGEN_BYTES - sent])
        sent += len(piece)
        yield Send(piece)
        yield Wait(_PERIOD_SECONDS)


# RFC 8762 4.2.1: sequence number, timestamp, error estimate.  30 zeros follow, but not from
# the senders of TWAMP Light, which must be served, too (4.6).
_STAMP_TEST: Final = Struct("!I8s2s")
# RFC 8762 4.3.1: sequence number, timestamp, error estimate, zeros, time of receipt, then
# the sender's sequence number, timestamp and error estimate, and the received hop limit.
_STAMP_RESPONSE: Final = Struct("!I8s2s2x8sI8s2s2xB3x")
# Not known to be synchronized, NTP format, 1 * 2**(22-32) s: about a millisecond.
_STAMP_ERROR: Final = bytes((22, 1))


def stamp(data: bytes, hops: int, received: int, now: int) -> bytes | None:
    """
    The response of a stateless STAMP reflector, unauthenticated mode (RFC 8762 4.3.1).

    `hops` is the TTL or hop limit of the received test; `received` and `now` are
    nanoseconds since 1970.  None when `data` is no test.  A test of more than 44 bytes
    gets a response of its length (RFC 8762 4.3), a shorter one gets 44.
    """
    if len(data) < _STAMP_TEST.size:
        return None
    number, sent, error = _STAMP_TEST.unpack_from(data)
    response = _STAMP_RESPONSE.pack(
        number, _ntp(now), _STAMP_ERROR, _ntp(received), number, sent, error, hops
    )
    return response + data[len(response) :]


def _ntp(nanoseconds: int) -> bytes:
    """A time in NTP format: 32 bits of seconds since 1900, 32 bits of fraction."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    return (((seconds + _EPOCH) % 2**32 << 32) + (fraction << 32) // 10**9).to_bytes(8, "big")


# A sockperf message has 8 bytes of sequence number, 2 of flags, 4 of length, then padding
# (src/message.h of sockperf 3.7).
_SOCKPERF_HEAD: Final = 14
_SOCKPERF_CLIENT: Final = 1
_SOCKPERF_PONG: Final = 2


def sockperf(data: bytes) -> bytes | None:
    """The message without its client flag, as `sockperf server` sends it; None for others."""
    if len(data) < _SOCKPERF_HEAD:
        return None
    flags = data[9]
    if not flags & _SOCKPERF_CLIENT or not flags & _SOCKPERF_PONG:
        return None
    return b"%b%c%b" % (data[:9], flags & ~_SOCKPERF_CLIENT, data[10:])
