"""
What the small services say.

Rules: pure; a time of day is an argument, in seconds since 1970.
"""

from __future__ import annotations

import time as _time
from collections.abc import Iterator
from struct import Struct
from typing import Final

from netd.script import Send, Step, Wait

_DAY_SECONDS: Final = 86_400
# From 1900, where RFC 868 and NTP begin, to 1970 (RFC 868).
_EPOCH: Final = 2_208_988_800

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"


def echo(data: bytes, hops: int = 0) -> bytes:
    """The datagram itself (RFC 862)."""
    return data


def daytime(now: float) -> bytes:
    r"""The time of day, `Sun Nov 22 14:20:47 2026\r\n`, in UTC; RFC 867 asks for no form."""
    at = _time.gmtime(now)
    month = _MONTHS[at.tm_mon * 3 - 3 : at.tm_mon * 3]
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{_DAYS[at.tm_wday]} {month} {at.tm_mday:2} {clock} {at.tm_year:04}\r\n".encode()


def time(now: float) -> bytes:
    """Seconds since 1900 as 32 bits, unsigned, which wrap in 2036 (RFC 868)."""
    return ((int(now) + _EPOCH) % 2**32).to_bytes(4, "big")


# All by George Bernard Shaw, and all known to nmap as what such a service says.
_QUOTES: Final = (
    "Assassination is the extreme form of censorship.",
    "In Heaven an angel is nobody in particular.",
    "Man can climb to the highest summits, but he cannot dwell there long.",
    "We want a few mad people now. See where the sane ones have landed us!",
)


def qotd(now: float) -> bytes:
    """The quote of the day, one of a few (RFC 865: below 512 bytes)."""
    quote = _QUOTES[int(now // _DAY_SECONDS) % len(_QUOTES)]
    return f'"{quote}"\r\n    George Bernard Shaw\r\n'.encode()


_LINE: Final = 72
_PRINTABLE: Final = bytes(range(0x20, 0x7F))
CHARGEN_BYTES: Final = 1024 * 1024
"""After so many bytes chargen ends."""
_PERIOD_SECONDS: Final = 0.1
_PERIOD_LINES: Final = 89


def chargen() -> Iterator[Step]:
    """The pattern of RFC 864: lines of 72 characters, 64 kB a second, a mebibyte in all."""
    ring = _PRINTABLE + _PRINTABLE[: _LINE - 1]
    said = line = 0
    while said < CHARGEN_BYTES:
        data = bytearray()
        for _ in range(_PERIOD_LINES):
            data += ring[line : line + _LINE] + b"\r\n"
            line = (line + 1) % len(_PRINTABLE)
        piece = bytes(data[: CHARGEN_BYTES - said])
        said += len(piece)
        yield Send(piece)
        yield Wait(_PERIOD_SECONDS)


# RFC 8762 4.2.1: sequence number, timestamp, error estimate, zeros.
_STAMP_TEST: Final = Struct("!I8s2s30s")
# 4.3.1: sequence number, timestamp, error estimate, zeros, time of receipt, then what
# the sender said of itself, and the hop limit with which it came.
_STAMP_ANSWER: Final = Struct("!I8s2s2x8sI8s2s2xB3x")
# Not synchronized as far as we know, NTP form, 1 * 2**(22-32) s: about a millisecond.
_STAMP_ERROR: Final = bytes((22, 1))


def stamp(data: bytes, hops: int, received: int, now: int) -> bytes | None:
    """
    The answer of a stateless STAMP reflector, unauthenticated mode (RFC 8762 4.3.1).

    `hops` is the TTL or hop limit that the test came with, `received` and
    `now` are nanoseconds since 1970.  None when `data` is no test; what is
    longer than one comes back as long (RFC 8762 4.3).
    """
    if len(data) < _STAMP_TEST.size:
        return None
    number, sent, error, _ = _STAMP_TEST.unpack_from(data)
    answer = _STAMP_ANSWER.pack(
        number, _ntp(now), _STAMP_ERROR, _ntp(received), number, sent, error, hops
    )
    return answer + data[len(answer) :]


def _ntp(nanoseconds: int) -> bytes:
    """A time as NTP writes it: 32 bits of seconds since 1900, 32 bits of fraction."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return (((seconds + _EPOCH) % 2**32 << 32) + (rest << 32) // 10**9).to_bytes(8, "big")


# sockperf's message: 8 bytes of sequence number, 2 of flags, 4 of length, then padding
# (src/message.h of sockperf 3.7).
_SOCKPERF_HEAD: Final = 14
_SOCKPERF_CLIENT: Final = 1
_SOCKPERF_PONG: Final = 2


def sockperf(data: bytes) -> bytes | None:
    """What `sockperf server` answers: the message, no longer marked as a client's, if asked."""
    if len(data) < _SOCKPERF_HEAD:
        return None
    flags = data[9]
    if not flags & _SOCKPERF_CLIENT or not flags & _SOCKPERF_PONG:
        return None
    return b"%b%c%b" % (data[:9], flags & ~_SOCKPERF_CLIENT, data[10:])
