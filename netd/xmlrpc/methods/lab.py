"""
lab.*: methods that echo, wait, compute or fail on request.

Rules: knows a clock and no HTTP.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from netd.xmlrpc.faults import BadParameters, Fault
from netd.xmlrpc.registry import Procedure, Registry, procedure, rpc
from netd.xmlrpc.scalars import Value

LONGEST: Final = 3600.0
"""Seconds of lab.delay and lab.burn; a call still times out after 30."""

_MOST_BYTES: Final = 64 * 1024
_BLOCK: Final = bytes(range(256))


def echo(value: Value) -> Value:
    """The value that came."""
    return value


def fault(code: int, text: str) -> None:
    """No result but a fault of this code and text."""
    raise Fault(code, text)


def some_bytes(count: int) -> bytes:
    """So many bytes, 0 to 255 and again; at most 65536."""
    if not 0 <= count <= _MOST_BYTES:
        raise BadParameters(f"count must be within 0 and {_MOST_BYTES}, got {count}")
    return (_BLOCK * (count // 256 + 1))[:count]


def utc_now() -> datetime:
    """The time of day in UTC."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def _seconds(seconds: float) -> float:
    if not 0 <= seconds <= LONGEST:
        raise BadParameters(f"seconds must be within 0 and {LONGEST:g}, got {seconds}")
    return seconds


@rpc("lab.burn", offload=True)
def burn(seconds: float) -> dict[str, float]:
    """Keep a core busy so long, in a process of netd's pool."""
    start = time.perf_counter()
    end = start + _seconds(seconds)
    rounds = 0
    while (now := time.perf_counter()) < end:
        rounds += 1
    return {"seconds": now - start, "rounds": rounds}


OFFLOADED: Final = Registry([procedure(burn)])
"""The methods that workers of the pool load from here."""


def procedures(clock: IReactorTime) -> tuple[Procedure, ...]:
    """lab.* without the offloaded methods."""

    def delay(seconds: float) -> Deferred[float]:
        """Wait so long, then give the seconds back."""
        return deferLater(clock, _seconds(seconds), lambda: seconds)

    return (
        procedure(echo, "lab.echo"),
        procedure(delay, "lab.delay"),
        procedure(fault, "lab.fault"),
        procedure(some_bytes, "lab.bytes"),
        procedure(utc_now, "lab.time"),
    )
